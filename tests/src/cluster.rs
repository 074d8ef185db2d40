//! Three nodes of Cassandra, which tests may kill, pause, and cut off from each other.

mod between;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::host_filter::AllowListHostFilter;
use scylla::statement::Consistency;
use scylla::statement::unprepared::Statement;
use tokio::sync::{Mutex, MutexGuard};

use self::between::Between;
use crate::cassandra::{created, quick, rows};
use crate::postgres::unique;
use crate::skipped;

/// How many there are; each keyspace of a test has a replica on each.
pub const NODES: usize = 3;

/// How long they may take until each sees the others again.
const PATIENCE: Duration = Duration::from_secs(120);

static CLUSTER: Mutex<Option<Nodes>> = Mutex::const_new(None);

/// Keeps tests apart that each need the machine for themselves, such as those of the cluster, which may be there or not.
#[derive(Debug)]
#[must_use = "it ends where it is dropped"]
pub struct Alone(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, Option<Nodes>>);

/// Waits until no such test runs.
pub async fn alone() -> Alone {
    Alone(CLUSTER.lock().await)
}

/// The process's cluster, for one test at a time; whole again when the next one gets it.
///
/// Nodes are numbered from one. It lives as long as the process, and ends with it however that ends.
#[derive(Debug)]
pub struct Cluster {
    nodes: MutexGuard<'static, Option<Nodes>>,
}

impl Cluster {
    /// Starts it where that has not been done, and waits until it is whole; `None`, with a line that says so, without
    /// Cassandra's jars.
    ///
    /// # Panics
    /// When it does not start, and without the jars where `REQUIRE_DATABASES` is set.
    pub async fn get() -> Option<Self> {
        if std::env::var_os("TEST_CASSANDRA_JARS").is_none() {
            let required = std::env::var_os("REQUIRE_DATABASES").is_some();
            assert!(!required, "REQUIRE_DATABASES is set, TEST_CASSANDRA_JARS is not");
            skipped("what needs three nodes of Cassandra; set TEST_CASSANDRA_JARS, or run `./test`");
            return None;
        }
        let mut nodes = CLUSTER.lock().await;
        let is_new = nodes.is_none();
        if is_new {
            *nodes = Some(tokio::task::spawn_blocking(Nodes::start).await.expect("the nodes start"));
        }
        let cluster = Self { nodes };
        cluster.is_whole().await;
        if is_new {
            // For `look`.
            let all = created("system_auth", NODES).replacen("CREATE", "ALTER", 1);
            cluster.strings(1, &all).await;
            cluster.is_whole().await;
        }
        Some(cluster)
    }
}

impl Cluster {
    /// The URL of one node, where a client hears of the others.
    pub fn url(&self, node: usize) -> String {
        format!("scylla://{}/", self.address(node))
    }

    /// The URL that names all nodes.
    pub fn url_of_all(&self) -> String {
        let hosts: Vec<String> = (1..=NODES).map(|node| format!("127.0.0.{node}")).collect();
        format!("scylla://{}:{}/", hosts.join(","), self.nodes().port)
    }

    /// Where a node listens for clients.
    pub fn address(&self, node: usize) -> String {
        format!("127.0.0.{node}:{}", self.nodes().port)
    }

    /// A session that begins at a node and hears of the others. Beside a paused one it takes a minute to open: so long
    /// it waits for that one's first answer (twice the driver's `keepalive_interval`).
    ///
    /// # Panics
    /// When that node refuses.
    pub async fn session(&self, node: usize) -> Session {
        let builder = SessionBuilder::new().known_node(self.address(node));
        quick(builder).build().await.unwrap_or_else(|error| panic!("node {node}: {error}"))
    }

    /// A session that asks nobody but this node.
    ///
    /// # Panics
    /// When that node refuses.
    pub async fn session_with(&self, node: usize) -> Session {
        self.connect_to(node).await.unwrap_or_else(|error| panic!("node {node}: {error}"))
    }

    async fn connect_to(&self, node: usize) -> Result<Session, Box<dyn Error + Send + Sync>> {
        let address = self.address(node);
        let no_other = AllowListHostFilter::new([&address])?;
        let builder = SessionBuilder::new().known_node(address).host_filter(Arc::new(no_other));
        Ok(quick(builder).build().await?)
    }

    /// The rows of a query as one node answers it, as [`Keyspace::strings`](crate::cassandra::Keyspace::strings).
    ///
    /// # Panics
    /// When it fails.
    pub async fn strings(&self, node: usize, cql: &str) -> Vec<String> {
        let answer = rows(&self.session_with(node).await, cql).await;
        answer.unwrap_or_else(|error| panic!("node {node}: {error}\n{cql}"))
    }

    /// Creates a keyspace with a replica on each node, known to all of them. It stays: the whole cluster goes.
    ///
    /// # Panics
    /// When a node is not there.
    pub async fn keyspace(&self) -> String {
        let name = unique("whimbrel_test");
        self.strings(1, &created(&name, NODES)).await;
        self.is_whole().await;
        name
    }

    /// Waits until each node takes all others for alive, and all know the same schema.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn is_whole(&self) {
        let begin = Instant::now();
        while let Err(error) = self.look().await {
            assert!(begin.elapsed() < PATIENCE, "the cluster is not whole: {error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn look(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut versions = BTreeSet::new();
        for node in 1..=NODES {
            let session = self.connect_to(node).await?;
            versions.extend(rows(&session, "SELECT schema_version FROM system.local").await?);
            let peers = rows(&session, "SELECT peer, host_id, tokens FROM system.peers").await?;
            if peers.len() < NODES - 1 || peers.iter().any(|peer| peer.contains("null")) {
                return Err(format!("node {node} knows {peers:?}").into());
            }
            // It fails at once where a node is taken for dead, since each has a replica.
            let mut all = Statement::new("SELECT role FROM system_auth.roles WHERE role = 'nobody'");
            all.set_consistency(Consistency::All);
            session.query_unpaged(all, ()).await?;
        }
        if versions.len() == 1 { Ok(()) } else { Err(format!("the schema is {versions:?}").into()) }
    }

    /// Kills a node as nothing can prevent. What it has sent while it was cut off is lost with it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self, node: usize) {
        self.nodes_mut().order("kill", node).expect("the node runs");
        self.nodes().between.lose(node);
    }

    /// Stops a node in the middle of whatever it does; its connections stay.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&mut self, node: usize) {
        self.nodes_mut().order("pause", node).expect("the node runs");
    }

    /// Lets a paused node go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&mut self, node: usize) {
        self.nodes_mut().order("resume", node).expect("the node runs");
    }

    /// Starts a node again on what it had, and waits until it serves clients; the others may not know that yet.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self, node: usize) {
        self.nodes_mut().order("restart", node).expect("the node starts");
    }

    /// Cuts a node off from the others, who hear nothing of that; clients still reach it.
    pub fn cut_off(&self, node: usize) {
        self.nodes().between.cut_off(node);
    }

    /// Ends that. What the nodes have sent each other meanwhile arrives.
    pub fn heal(&self, node: usize) {
        self.nodes().between.heal(node);
    }

    fn nodes(&self) -> &Nodes {
        self.nodes.as_ref().expect("they run until self is dropped")
    }

    fn nodes_mut(&mut self) -> &mut Nodes {
        self.nodes.as_mut().expect("they run until self is dropped")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.nodes_mut().mend() {
            eprintln!("the next test gets another cluster, for this one is lost: {error}");
            *self.nodes = None;
        }
    }
}

/// The nodes, and who runs them: `tests/cassandra/run`, which ends when its input does, and with it the nodes.
#[derive(Debug)]
struct Nodes {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _run: Child,
    between: Between,
    port: u16,
    states: [State; NODES],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    Paused,
    Killed,
}

impl Nodes {
    fn start() -> Self {
        let between = Between::start();
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut run = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cassandra/run"));
        run.arg("serve").arg(folder.path()).arg(between.port().to_string());
        let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a bash");
        // Nothing of this process would remove it when that is killed.
        let _ = folder.keep();
        let orders = run.stdin.take().expect("piped");
        let mut answers = BufReader::new(run.stdout.take().expect("piped"));
        let mut ready = String::new();
        answers.read_line(&mut ready).expect("it is text");
        let port = ready.trim_end().strip_prefix("ready ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("Cassandra does not start: {ready}"));
        Self { orders, answers, _run: run, between, port, states: [State::Runs; NODES] }
    }

    fn order(&mut self, order: &str, node: usize) -> io::Result<()> {
        let mut answer = String::new();
        writeln!(self.orders, "{order} {node}")?;
        self.answers.read_line(&mut answer)?;
        self.states[node - 1] = match order {
            "kill" => State::Killed,
            "pause" => State::Paused,
            _ => State::Runs,
        };
        if answer == "ok\n" { Ok(()) } else { Err(io::Error::other(format!("{order} {node}: {answer}"))) }
    }

    /// Undoes what a test did to them.
    fn mend(&mut self) -> io::Result<()> {
        for node in 1..=NODES {
            self.between.heal(node);
            match self.states[node - 1] {
                State::Runs => {}
                State::Paused => self.order("resume", node)?,
                State::Killed => self.order("restart", node)?,
            }
        }
        Ok(())
    }
}
