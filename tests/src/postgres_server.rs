//! A PostgreSQL server of a test's own, which may be stopped, started again, and have little room.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use url::Url;

use crate::{skipped, unprivileged};

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    /// Its data, log and password.
    folder: TempDir,
    url: Url,
    child: Option<Child>,
}

/// Where the data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Among other temporary files.
    Large,
    /// A file system of that many megabytes; the write-ahead log, without which a server panics, is not on it.
    Small(usize),
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It terminates its sessions, and writes what it has.
    Fast,
    /// As if it crashed: it writes nothing, and recovers when it starts again.
    Immediate,
}

/// How long it may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

impl PostgresServer {
    /// Starts one from the programs in the folder `TEST_POSTGRES_PROGRAMS`; `None`, with a line that says so, without it.
    ///
    /// # Panics
    /// When it does not start, and without its programs where `REQUIRE_DATABASES` is set.
    pub async fn start(disk: Disk) -> Option<Self> {
        let Some(programs) = std::env::var_os("TEST_POSTGRES_PROGRAMS").map(PathBuf::from) else {
            let required = std::env::var_os("REQUIRE_DATABASES").is_some();
            assert!(!required, "REQUIRE_DATABASES is set, TEST_POSTGRES_PROGRAMS is not");
            skipped("what stops a PostgreSQL; set TEST_POSTGRES_PROGRAMS to the folder of its `initdb`");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder can be made");
        let password = crate::postgres::unique("secret");
        fs::write(folder.path().join("password"), &password).expect("the folder is ours");
        fs::create_dir(folder.path().join("data")).expect("the folder is ours");
        unprivileged::give(folder.path());
        // Below those that the system gives to clients, which could take it while the server is down.
        let free = (0..1000).map(|_| 12_000 + crate::postgres::random() % 8_000);
        let port = free.map(|port| port as u16).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let url = format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", port.expect("a port is free"));
        let url = Url::parse(&url).expect("it is a URL");
        let mut server = Self { programs, folder, url, child: None };
        server.run(&server.script(Some(disk)));
        server.is_ready().await;
        Some(server)
    }

    /// The superuser's URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Ends it, and waits for that.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(&mut self, ending: Ending) {
        let Some(mut child) = self.child.take() else { return };
        let signal = match ending {
            Ending::Fast => "INT",
            Ending::Immediate => "QUIT",
        };
        let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
        assert!(kill.is_ok_and(|status| status.success()), "the server has ended by itself: {}", self.log());
        let begin = Instant::now();
        while child.try_wait().expect("it is our child").is_none() {
            assert!(begin.elapsed() < PATIENCE, "the server does not end: {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again, and does not wait until it answers.
    ///
    /// # Panics
    /// When it runs.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        self.run(&self.script(None));
    }

    /// Waits until it answers.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn is_ready(&mut self) {
        let begin = Instant::now();
        while let Err(error) = PgConnection::connect(self.url.as_str()).await {
            let ended = self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
            assert!(!ended && begin.elapsed() < PATIENCE, "the server does not start: {error}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What makes the cluster, where there is to be a new one, and becomes the server.
    ///
    /// A small disk is one of this process and those that come out of it, so that it goes with them, whatever happens.
    fn script(&self, new: Option<Disk>) -> String {
        let folder = self.folder.path().display();
        let initdb = shown(&unprivileged::command(&self.programs.join("initdb")));
        let postgres = shown(&unprivileged::command(&self.programs.join("postgres")));
        let port = self.url.port().unwrap_or_default();
        let mount = match new {
            Some(Disk::Small(megabytes)) => {
                format!("mount -t tmpfs -o size={megabytes}m,mode=777 tmpfs {folder}/data\n")
            }
            _ => String::new(),
        };
        let make = new.map_or_else(String::new, |_| {
            format!(
                "{initdb} --pgdata={folder}/data/own --waldir={folder}/wal --username=postgres \
                 --pwfile={folder}/password --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync\n"
            )
        });
        // A checkpoint on a full disk is a server that panics.
        format!(
            "set -e\ncd {folder}\n{mount}{make}exec {postgres} -D {folder}/data/own -p {port} \
             -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c shared_buffers=16MB \
             -c max_connections=30 -c checkpoint_timeout=1h -c max_wal_size=1GB\n"
        )
    }

    fn run(&mut self, script: &str) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        let log = log.expect("the folder is ours");
        let mut command = if script.contains("mount -t") { namespace() } else { Command::new("sh") };
        command.args(["-c", script]).stdin(Stdio::null()).stderr(log.try_clone().expect("it is a file")).stdout(log);
        self.child = Some(command.spawn().expect("there is a shell"));
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if !thread::panicking() {
            return self.stop(Ending::Immediate);
        }
        if let Some(child) = &mut self.child {
            // Its own processes see that it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A shell that may mount, for itself and for what it starts: as root, or in a namespace where we are as good as root.
fn namespace() -> Command {
    let mut command = Command::new("unshare");
    let is_root = unprivileged::command(Path::new("sh")).get_program() == "setpriv";
    if !is_root {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command.args(["--mount", "sh"]);
    command
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
