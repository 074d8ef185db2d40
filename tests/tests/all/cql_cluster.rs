//! Three nodes of Cassandra, some of which are cut off, stand still or are dead: what was found by trying, by name.
//!
//! On Cassandra up to 5.0 each node has the schema for itself. A change that only a silent node has acknowledged comes
//! back with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::cluster::{ClusterState, NodeRef};
use scylla::policies::load_balancing::{FallbackPlan, LoadBalancingPolicy, RoutingInfo};
use scylla::routing::Shard;
use scylla::statement::Consistency;
use whimbrel::{Cluster as Treatment, Error, ErrorKind, Migrations, Migrator, SilentNodes};
use whimbrel_tests::cluster::{Cluster, NODES};

/// Asks one node always, but for the request after the first `SERIAL` read: a run then takes whoever answers for its
/// coordinator.
#[derive(Debug)]
struct Coordinated {
    by: String,
    otherwise: String,
    reads: AtomicUsize,
}

impl LoadBalancingPolicy for Coordinated {
    fn pick<'a>(&'a self, request: &'a RoutingInfo, state: &'a ClusterState) -> Option<(NodeRef<'a>, Option<Shard>)> {
        let is_serial = request.consistency == Consistency::Serial;
        let reads = if is_serial { 1 } else { usize::from(self.reads.load(Ordering::Relaxed) > 0) };
        let before = if is_serial || reads > 0 { self.reads.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let wanted = if before == 1 && !is_serial { &self.by } else { &self.otherwise };
        state.get_nodes_info().iter().find(|node| node.address.to_string() == *wanted).map(|node| (node, None))
    }

    fn fallback<'a>(&'a self, _: &'a RoutingInfo, state: &'a ClusterState) -> FallbackPlan<'a> {
        Box::new(state.get_nodes_info().iter().map(|node| (node, None)))
    }

    fn name(&self) -> String {
        "coordinated".to_owned()
    }
}

/// A session whose schema changes go through one node, and all else through another.
async fn through(cluster: &Cluster, keyspace: &str, by: usize, otherwise: usize) -> Session {
    let builder = SessionBuilder::new().known_node(cluster.address(otherwise)).use_keyspace(keyspace, true);
    let builder =
        builder.auto_await_schema_agreement(false).fetch_schema_metadata(false).fetch_full_schema_metadata(false);
    let (by, otherwise) = (cluster.address(by), cluster.address(otherwise));
    let policy = Coordinated { by, otherwise, reads: AtomicUsize::new(0) };
    let profile = ExecutionProfile::builder().load_balancing_policy(Arc::new(policy)).build();
    builder.default_execution_profile_handle(profile.into_handle()).build().await.unwrap()
}

fn set<const N: usize>(files: [(&str, &str); N]) -> Migrations {
    let bytes = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    Migrations::from_files(bytes).unwrap_or_else(|problems| panic!("{problems}"))
}

const FIRST: (&str, &str) =
    ("0001_a.cql", "CREATE TABLE a (id int PRIMARY KEY, b int, c int); INSERT INTO a (id, b, c) VALUES (1, 2, 3);");

/// Quick about what takes minutes in production.
fn quick() -> Treatment {
    Treatment::default().agreement_timeout(Duration::from_secs(4)).settle_time(Duration::from_millis(300))
}

fn patient() -> Treatment {
    quick().agreement_timeout(Duration::from_secs(60))
}

fn migrator<'m>(session: &'m Session, set: &'m Migrations, treatment: Treatment) -> Migrator<'m> {
    Migrator::new(set, session).cluster(treatment).lease(Duration::from_secs(15))
}

fn told(error: &Error) -> String {
    format!("{error:?}")
}

/// The names of the tables of a keyspace as each node knows them.
async fn tables(cluster: &Cluster, keyspace: &str) -> Vec<Vec<String>> {
    let select = format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'");
    let mut all = Vec::new();
    for node in 1..=NODES {
        all.push(cluster.strings(node, &select).await);
    }
    all
}

async fn columns(cluster: &Cluster, keyspace: &str) -> BTreeSet<Vec<String>> {
    let select = format!(
        "SELECT column_name FROM system_schema.columns WHERE keyspace_name = '{keyspace}' AND table_name = 'a'"
    );
    let mut all = BTreeSet::new();
    for node in 1..=NODES {
        all.insert(cluster.strings(node, &select).await);
    }
    all
}

async fn states(cluster: &Cluster, keyspace: &str) -> Vec<String> {
    let select = format!(
        "SELECT version, state, applied FROM {keyspace}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'entry' AND version > ''"
    );
    cluster.strings(1, &select).await
}

async fn host_id(cluster: &Cluster, node: usize) -> String {
    cluster.strings(node, "SELECT host_id FROM system.local").await.remove(0)
}

/// Finding 3: the driver's own wait leaves a node out that stands still, and says that all agree.
#[tokio::test]
async fn a_node_that_stands_still_is_not_agreed_with() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let session = through(&cluster, &keyspace, 1, 1).await;
    let one = set([FIRST]);
    migrator(&session, &one, patient()).up().await.unwrap();
    let host = host_id(&cluster, 3).await;

    let both = set([FIRST, ("0002_b.cql", "CREATE TABLE b (id int PRIMARY KEY)")]);
    cluster.pause(3);
    let error = migrator(&session, &both, quick()).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    let text = told(&error);
    for part in
        ["127.0.0.3", &host, "nothing more was run", &format!("nodetool removenode {host}"), ".decommissioned(\""]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    cluster.resume(3);
    assert_eq!(states(&cluster, &keyspace).await, ["1 completed 2"]);
    migrator(&session, &both, patient()).up().await.unwrap();
    assert_eq!(tables(&cluster, &keyspace).await, vec![vec!["a", "b", "whimbrel_history"]; NODES]);
}

/// A setting lets what only adds something go on past a silent node, and nothing else.
#[tokio::test]
async fn past_a_silent_node_only_what_adds_goes_on() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let session = through(&cluster, &keyspace, 1, 1).await;
    migrator(&session, &set([FIRST]), patient()).up().await.unwrap();
    let all = set([FIRST, ("0002_b.cql", "CREATE TABLE b (id int PRIMARY KEY); DROP TABLE b;")]);
    cluster.pause(3);
    // A look at it takes five seconds.
    let treatment = quick().agreement_timeout(Duration::from_secs(12)).silent_nodes(SilentNodes::PassAdditive);
    let error = migrator(&session, &all, treatment.clone()).up().await.unwrap_err();
    assert!(told(&error).contains("127.0.0.3"), "{error:?}");
    cluster.resume(3);
    cluster.is_whole().await;
    assert_eq!(states(&cluster, &keyspace).await, ["1 completed 2", "2 failed 1"]);
    assert_eq!(tables(&cluster, &keyspace).await, vec![vec!["a", "b", "whimbrel_history"]; NODES]);
    migrator(&session, &all, patient()).up().await.unwrap();
    assert_eq!(tables(&cluster, &keyspace).await, vec![vec!["a", "whimbrel_history"]; NODES]);
}

/// A node that is down when the program starts stops it, unless it is said to be gone for good.
#[tokio::test]
async fn a_node_that_is_down_stops_a_first_run() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let host = host_id(&cluster, 3).await;
    cluster.kill(3);
    let session = through(&cluster, &keyspace, 1, 1).await;
    let one = set([FIRST]);
    let error = migrator(&session, &one, quick()).up().await.unwrap_err();
    assert!(told(&error).contains("127.0.0.3"), "{error:?}");
    let report = migrator(&session, &one, quick().decommissioned(host)).up().await.unwrap();
    assert_eq!(report.applied(), 1);
    cluster.restart(3);
    cluster.is_whole().await;
    assert_eq!(tables(&cluster, &keyspace).await, vec![vec!["a", "whimbrel_history"]; NODES]);
}

/// Finding 1: what only a silent node has acknowledged is neither taken for not done, nor done again elsewhere.
#[tokio::test]
async fn what_a_dead_node_has_acknowledged_is_waited_for() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let first = through(&cluster, &keyspace, 1, 1).await;
    migrator(&first, &set([FIRST]), patient()).up().await.unwrap();
    let all = set([FIRST, ("0002_b.cql", "ALTER TABLE a DROP b; INSERT INTO a (id, c) VALUES (2, 4);")]);

    // Its clients reach it, the other nodes do not.
    cluster.cut_off(2);
    let host = host_id(&cluster, 2).await;
    let session = through(&cluster, &keyspace, 2, 1).await;
    let error = migrator(&session, &all, quick()).up().await.unwrap_err();
    assert!(told(&error).contains("do not agree on the schema"), "{error:?}");
    assert_eq!(states(&cluster, &keyspace).await, ["1 completed 2", "2 running 0"]);

    // The others agree with each other, and know nothing of it.
    cluster.kill(2);
    let error = migrator(&first, &all, quick().silent_nodes(SilentNodes::PassAdditive)).up().await.unwrap_err();
    assert!(told(&error).contains(&host), "{error:?}");
    assert_eq!(states(&cluster, &keyspace).await, ["1 completed 2", "2 running 0"]);

    cluster.heal(2);
    cluster.restart(2);
    let report = migrator(&first, &all, patient()).up().await.unwrap();
    assert_eq!(report.applied(), 2);
    cluster.is_whole().await;
    let names = vec!["c".to_owned(), "id".to_owned()];
    assert_eq!(columns(&cluster, &keyspace).await, BTreeSet::from([names]));
    assert_eq!(cluster.strings(1, &format!("SELECT id, c FROM {keyspace}.a")).await, ["1 3", "2 4"]);
    let resolved = format!(
        "SELECT detail FROM {keyspace}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'event' AND version = ''"
    );
    let told = cluster.strings(1, &resolved).await;
    assert!(told.iter().any(|detail| detail.contains("found to be done")), "it was done once: {told:?}");
}

/// A schema change of somebody else's that has not reached all nodes is waited for.
#[tokio::test]
async fn a_disagreement_is_waited_for() {
    let Some(cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let session = through(&cluster, &keyspace, 1, 1).await;
    let one = set([FIRST]);
    migrator(&session, &one, patient()).up().await.unwrap();
    cluster.cut_off(3);
    cluster.strings(3, &format!("CREATE TABLE {keyspace}.of_three (id int PRIMARY KEY)")).await;
    let both = set([FIRST, ("0002_b.cql", "CREATE TABLE b (id int PRIMARY KEY)")]);
    let error = migrator(&session, &both, quick()).up().await.unwrap_err();
    let text = told(&error);
    assert!(text.contains("do not agree on the schema") && text.contains("127.0.0.3"), "{text}");
    assert_eq!(states(&cluster, &keyspace).await, ["1 completed 2"]);
    cluster.heal(3);
    migrator(&session, &both, patient()).up().await.unwrap();
    assert_eq!(tables(&cluster, &keyspace).await, vec![vec!["a", "b", "of_three", "whimbrel_history"]; NODES]);
}

/// Finding 5: two nodes that create one table at once make two, and rows of one are lost; ours has one id.
#[tokio::test]
async fn two_runners_with_contact_points_of_their_own_race_on_an_empty_keyspace() {
    let Some(cluster) = Cluster::get().await else { return };
    let counted = "CREATE TABLE ran (id text PRIMARY KEY, n counter); UPDATE ran SET n = n + 1 WHERE id = 'a';\
                   UPDATE ran SET n = n + 1 WHERE id = 'b';";
    let both = set([("0001_ran.cql", counted), ("0002_c.cql", "UPDATE ran SET n = n + 1 WHERE id = 'c'")]);
    for _ in 0..4 {
        let keyspace = cluster.keyspace().await;
        let (one, two) = (through(&cluster, &keyspace, 1, 1).await, through(&cluster, &keyspace, 2, 2).await);
        // On a busy machine, two that write conditionally at once keep each other from it for a while.
        let lease = Duration::from_secs(60);
        let (mut first, mut second) =
            (migrator(&one, &both, patient()).lease(lease), migrator(&two, &both, patient()).lease(lease));
        let (first, second) = tokio::join!(first.up(), second.up());
        let applied = [first.unwrap(), second.unwrap()].map(|report| report.steps().len());
        assert_eq!(applied.iter().sum::<usize>(), 2, "{applied:?}");
        assert_eq!(cluster.strings(3, &format!("SELECT id, n FROM {keyspace}.ran")).await.len(), 3);
        let counts = cluster.strings(3, &format!("SELECT n FROM {keyspace}.ran")).await;
        assert!(counts.iter().all(|count| count.ends_with('1')), "{counts:?}");
        let select = format!(
            "SELECT id FROM system_schema.tables WHERE keyspace_name = '{keyspace}' AND table_name = 'whimbrel_history'"
        );
        let mut ids = BTreeSet::new();
        for node in 1..=NODES {
            ids.extend(cluster.strings(node, &select).await);
        }
        assert_eq!(ids.len(), 1);
    }
}

/// Finding 6: the first conditional write after a replica's death waits for half the read timeout, or fails.
#[tokio::test]
async fn a_run_goes_on_when_a_replica_dies() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let session = through(&cluster, &keyspace, 1, 1).await;
    let one = set([FIRST]);
    migrator(&session, &one, patient()).up().await.unwrap();
    cluster.kill(3);
    let begin = Instant::now();
    // It writes rows alone: no node has to agree.
    let both =
        set([FIRST, ("0002_rows.cql", "INSERT INTO a (id, c) VALUES (5, 6); INSERT INTO a (id, c) VALUES (7, 8);")]);
    let report = migrator(&session, &both, quick()).up().await.unwrap();
    assert_eq!(report.applied(), 2);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!(states(&cluster, &keyspace).await, ["1 completed 2", "2 completed 2"]);
}

/// Finding 2: a statement may stand in its node's socket for as long as that stands still. Whoever takes over waits for
/// that node.
#[tokio::test]
async fn a_takeover_waits_for_the_node_that_the_statement_was_sent_to() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let first = through(&cluster, &keyspace, 1, 1).await;
    let (one, lease) = (set([FIRST]), Duration::from_secs(3));
    migrator(&first, &one, patient()).up().await.unwrap();
    let all: &'static Migrations =
        Box::leak(Box::new(set([FIRST, ("0002_b.cql", "CREATE TABLE b (id int PRIMARY KEY)")])));

    cluster.cut_off(2);
    let session: &'static Session = Box::leak(Box::new(through(&cluster, &keyspace, 2, 1).await));
    // It waits for agreement, and is stopped then as by a SIGKILL: nothing of it runs any more.
    let runner = tokio::spawn(async move { migrator(session, all, patient()).lease(lease).up().await.map(drop) });
    let begun = Instant::now();
    while states(&cluster, &keyspace).await != ["1 completed 2", "2 running 0"] {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not begin");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    runner.abort();
    assert!(runner.await.unwrap_err().is_cancelled());
    cluster.pause(2);
    let host = {
        let select = format!(
            "SELECT coordinator FROM {keyspace}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'entry' AND version = '2'"
        );
        cluster.strings(1, &select).await.remove(0)
    };
    let error = migrator(&first, all, quick()).lease(lease).up().await.unwrap_err();
    assert!(told(&error).contains(&host) && told(&error).contains("nothing was run"), "{error:?}");

    cluster.resume(2);
    cluster.heal(2);
    let report = migrator(&first, all, patient()).lease(lease).up().await.unwrap();
    assert_eq!(report.applied(), 2);
    let events = format!(
        "SELECT what FROM {keyspace}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'event' AND version = ''"
    );
    let events = cluster.strings(1, &events).await;
    assert!(events.contains(&"taken_over".to_owned()), "{events:?}");
    assert_eq!(tables(&cluster, &keyspace).await, vec![vec!["a", "b", "whimbrel_history"]; NODES]);
}
