//! A node of Cassandra that asks for passwords and looks at rights; the one that tests share does neither.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use crate::cassandra::quick;
use crate::skipped;

/// A node of a test's own; it ends with the test.
#[derive(Debug)]
pub struct Guarded {
    run: Child,
    orders: Option<ChildStdin>,
    port: u16,
}

/// Until it has made its first role: ten seconds (`superuser_setup_delay_ms`), and what the machine takes.
const PATIENCE: Duration = Duration::from_secs(120);

impl Guarded {
    /// Starts it; `None`, with a line that says so, without Cassandra's jars.
    ///
    /// # Panics
    /// When it does not start, and without the jars where `REQUIRE_DATABASES` is set.
    pub fn start() -> Option<Self> {
        if std::env::var_os("TEST_CASSANDRA_JARS").is_none() {
            let required = std::env::var_os("REQUIRE_DATABASES").is_some();
            assert!(!required, "REQUIRE_DATABASES is set, TEST_CASSANDRA_JARS is not");
            skipped("what needs a node of Cassandra of its own; set TEST_CASSANDRA_JARS, or run `./test`");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut run = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cassandra/run"));
        run.arg("serve").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        run.env("EXTRA_YAML", "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer");
        let mut run = run.spawn().expect("there is a bash");
        // It goes with the node.
        let _ = folder.keep();
        let orders = run.stdin.take();
        let mut ready = String::new();
        BufReader::new(run.stdout.take().expect("piped")).read_line(&mut ready).expect("it is text");
        let port = ready.trim_end().strip_prefix("ready ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("Cassandra does not start: {ready}"));
        Some(Self { run, orders, port })
    }

    /// The URL of a role, `name:password@` or nothing, and a keyspace.
    pub fn url(&self, role: &str, keyspace: &str) -> String {
        format!("scylla://{role}127.0.0.1:{}/{keyspace}", self.port)
    }

    /// A session of the role that may do all, as soon as there is one.
    ///
    /// # Panics
    /// When there is none for too long.
    pub async fn session(&self) -> Session {
        let begin = Instant::now();
        loop {
            let builder = SessionBuilder::new().known_node(format!("127.0.0.1:{}", self.port));
            match quick(builder.user("cassandra", "cassandra")).build().await {
                Ok(session) => return session,
                Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It ends when nothing can come any more.
        drop(self.orders.take());
        let _ = self.run.wait();
    }
}
