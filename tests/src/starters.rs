//! Processes that start together.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Processes of the binary `starter`, ready and waiting; killed when dropped.
#[derive(Debug)]
pub struct Starters {
    children: Vec<Child>,
}

/// Times by the names of the environment's variables that the binary reads.
pub type Times = [(&'static str, Duration)];

/// What became of one of them.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// The report.
    pub output: String,
    /// The error.
    pub error: String,
}

impl Starters {
    /// Starts that many, each for the same URL and set (the demonstration, where no directory is given), and waits until
    /// all are ready. `binary` is `env!("CARGO_BIN_EXE_starter")`, which only a test of this package knows.
    ///
    /// # Panics
    /// When one cannot be started.
    pub fn ready(binary: &str, count: usize, url: &str, directory: Option<&Path>) -> Self {
        Self::ready_for(binary, count, url, directory, None)
    }

    /// Starts them with a lease of their own, which is also the time for which they look again at what a dead runner
    /// has left on a cluster.
    ///
    /// # Panics
    /// As [`Starters::ready`].
    pub fn ready_for(binary: &str, count: usize, url: &str, directory: Option<&Path>, lease: Option<Duration>) -> Self {
        let directory = directory.map(Path::as_os_str);
        let arguments: Vec<OsString> = [OsStr::new(url)].into_iter().chain(directory).map(OsStr::to_owned).collect();
        Self::with_for(binary, count, &arguments, lease)
    }

    /// As [`ready`](Self::ready), with whatever arguments the binary takes.
    ///
    /// # Panics
    /// When one cannot be started.
    pub fn with(binary: &str, count: usize, arguments: &[OsString]) -> Self {
        Self::with_for(binary, count, arguments, None)
    }

    /// The same with a lease of their own, as [`ready_for`](Self::ready_for).
    ///
    /// # Panics
    /// As [`Starters::ready`].
    pub fn with_for(binary: &str, count: usize, arguments: &[OsString], lease: Option<Duration>) -> Self {
        let times = lease.map(|lease| ["STARTER_LEASE_MS", "STARTER_SETTLE_MS"].map(|name| (name, lease)));
        Self::with_times(binary, count, arguments, times.as_ref().map_or(&[], |times| &times[..]))
    }

    /// The same with whatever times.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    pub fn with_times(binary: &str, count: usize, arguments: &[OsString], times: &Times) -> Self {
        let start = |_| {
            let mut command = Command::new(binary);
            command.envs(times.iter().map(|(name, time)| (name, time.as_millis().to_string())));
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the starter is built with the tests")
        };
        let mut starters = Self { children: (0..count).map(start).collect() };
        for child in &mut starters.children {
            let mut line = [0; 6];
            child.stdout.as_mut().expect("piped").read_exact(&mut line).expect("the starter says that it is ready");
            assert_eq!(&line, b"ready\n");
        }
        starters
    }

    /// Lets all of them go at once.
    pub fn go(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
        }
    }

    /// Sends all of them a signal, such as `STOP`.
    ///
    /// # Panics
    /// When one is gone.
    pub fn signal(&self, name: &str) {
        let ids: Vec<String> = self.ids().iter().map(u32::to_string).collect();
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", ids.join(" "))).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// The process ids, for tests that kill.
    pub fn ids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// Kills the one of that number, as nothing can prevent; it may have ended.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill(&mut self, number: usize) {
        let child = &mut self.children[number];
        child.kill().and_then(|()| child.wait()).expect("a child of ours can be killed");
    }

    /// Sends SIGTERM to all of them, as whoever stops a service does.
    ///
    /// # Panics
    /// Where there is no `kill`.
    pub fn terminate(&self) {
        let ids = self.ids().into_iter().map(|id| id.to_string());
        // One that has ended is no child that could be mistaken for another: nobody has waited for it.
        Command::new("kill").arg("-TERM").args(ids).status().expect("`kill` is everywhere");
    }

    /// Lets all of them go at once, and waits for their ends.
    ///
    /// # Panics
    /// When one cannot be waited for.
    pub fn run(mut self) -> Vec<Ended> {
        self.go();
        self.wait()
    }

    /// Waits for the ends of all.
    ///
    /// # Panics
    /// When one cannot be waited for.
    pub fn wait(mut self) -> Vec<Ended> {
        std::mem::take(&mut self.children).into_iter().map(end).collect()
    }
}

impl Drop for Starters {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended by itself is what we want.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn end(child: Child) -> Ended {
    let output = child.wait_with_output().expect("a child can be waited for");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Ended { status: output.status, output: text(&output.stdout), error: text(&output.stderr) }
}
