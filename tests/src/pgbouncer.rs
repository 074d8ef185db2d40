//! A PgBouncer of a test's own, between it and the PostgreSQL server.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::Url;

use crate::{skipped, unprivileged};

/// A running PgBouncer; it ends when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    url: Url,
    /// Its configuration, log and passwords.
    _folder: TempDir,
}

/// How long a client keeps a session of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// `pool_mode = transaction`.
    Transaction,
    /// `pool_mode = session`.
    Session,
}

impl PgBouncer {
    /// Starts it in front of the server of a URL, with this many sessions for each database, and further lines of its
    /// configuration; `None`, with a line that says so, where it is not installed.
    ///
    /// # Panics
    /// When it does not start, and when it is not installed where `REQUIRE_DATABASES` is set.
    pub fn start(upstream: &str, mode: PoolMode, sessions: usize, more: &str) -> Option<Self> {
        let Some(program) = program() else {
            assert!(
                std::env::var_os("REQUIRE_DATABASES").is_none(),
                "REQUIRE_DATABASES is set, pgbouncer is not there"
            );
            skipped("what needs PgBouncer; install it");
            return None;
        };
        let server = Url::parse(upstream).expect("upstream is a URL");
        let folder = tempfile::tempdir().expect("a folder can be made");
        // A port may be taken between looking and binding: whether it runs decides.
        let started = (0..5).find_map(|_| start(&program, folder.path(), &server, (mode, sessions, more)));
        let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let (child, port) = started.unwrap_or_else(|| panic!("PgBouncer did not start: {}", log()));
        let mut url = server;
        url.set_port(Some(port)).expect("a PostgreSQL URL has a port");
        Some(Self { child, url, _folder: folder })
    }

    /// The upstream URL through it.
    pub fn url(&self) -> String {
        self.url.to_string()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // One that has ended by itself is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian keeps it outside a user's PATH.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}

fn start(program: &Path, folder: &Path, server: &Url, how: (PoolMode, usize, &str)) -> Option<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
    let (user, password) = (server.username(), server.password().unwrap_or_default());
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("the folder is ours");
    write("users", format!("\"{user}\" \"{password}\"\n"));
    write("ini", configuration(folder, server, port, how));
    unprivileged::give(folder);
    let mut command = unprivileged::command(program);
    command.arg(folder.join("ini")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("PgBouncer is installed");
    let patience = Instant::now() + Duration::from_secs(10);
    while Instant::now() < patience && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((child, port));
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn configuration(folder: &Path, server: &Url, port: u16, (mode, sessions, more): (PoolMode, usize, &str)) -> String {
    let mode = match mode {
        PoolMode::Transaction => "transaction",
        PoolMode::Session => "session",
    };
    let (host, behind) = (server.host_str().unwrap_or("127.0.0.1"), server.port().unwrap_or(5432));
    let folder = folder.display();
    format!(
        "[databases]\n* = host={host} port={behind}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {folder}/users\nlogfile = {folder}/log\n\
         pool_mode = {mode}\ndefault_pool_size = {sessions}\n{more}\n"
    )
}
