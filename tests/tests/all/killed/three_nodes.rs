//! On three nodes of Cassandra: many processes start at once, each from a node of its own; one of them dies, or a node.

use std::fs;
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use whimbrel_tests::Proxy;
use whimbrel_tests::cassandra::rows;
use whimbrel_tests::cluster::{Cluster, NODES};
use whimbrel_tests::proxy::Fault;
use whimbrel_tests::random::few_or;
use whimbrel_tests::starters::{Ended, Starters, Times};

use super::matrix::{Way, starter};

const STARTERS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(120);

/// Each statement of them counts, or fails when it runs again.
const SET: [(&str, &str); 3] = [
    (
        "0001_ran.cql",
        "CREATE TABLE ran (id text PRIMARY KEY, n counter); UPDATE ran SET n = n + 1 WHERE id = 'a';
         UPDATE ran SET n = n + 1 WHERE id = 'b';",
    ),
    ("0002_changes.cql", "CREATE TABLE b (id int PRIMARY KEY); ALTER TABLE b ADD c int; CREATE INDEX of_b ON b (c);"),
    ("0003_ran.cql", "UPDATE ran SET n = n + 1 WHERE id = 'c'; INSERT INTO b (id, c) VALUES (1, 2);"),
];
const CHANGE: &str = "ALTER TABLE b ADD c int";

struct Place {
    keyspace: String,
    session: Session,
    proxy: Proxy,
    folder: TempDir,
}

impl Place {
    async fn new(cluster: &Cluster) -> Self {
        let (keyspace, folder) = (cluster.keyspace().await, tempfile::tempdir().unwrap());
        for (name, text) in SET {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let proxy = Proxy::start(&format!("{}{keyspace}", cluster.url_of_all())).await;
        proxy.count(|text| text == CHANGE);
        Self { keyspace, session: cluster.session(1).await, proxy, folder }
    }

    /// A process that hears of the other nodes from this one.
    fn starter(&self, node: usize, times: &Times) -> Starters {
        let url = self.proxy.url().replace("127.0.0.1,127.0.0.2,127.0.0.3", &format!("127.0.0.{node}"));
        assert!(!url.contains(','), "{url}");
        starter(self.folder.path(), &url, Way::Up, times)
    }

    fn starters(&self, times: &Times) -> Vec<Starters> {
        (0..STARTERS).map(|number| self.starter(1 + number % NODES, times)).collect()
    }

    async fn asks(&self, columns: &str, from: &str) -> Vec<String> {
        rows(&self.session, &format!("SELECT {columns} FROM {}.{from}", self.keyspace)).await.unwrap()
    }

    /// Each statement has run once, and the events are these.
    async fn all_is_well(&self, cluster: &Cluster, expected: &[&str]) {
        cluster.is_whole().await;
        let mut counts = self.asks("id, n", "ran").await;
        counts.sort();
        let are_once =
            counts.iter().zip(["a", "b", "c"]).all(|(count, id)| count.starts_with(id) && count.ends_with('1'));
        assert!(are_once && counts.len() == 3, "{counts:?}");
        assert_eq!(self.asks("id, c", "b").await, ["1 2"]);
        let of_event = "whimbrel_history WHERE scope = 'whimbrel' AND part = 'event'";
        assert_eq!(self.asks("what, of_version", of_event).await, expected);
        for node in 1..=NODES {
            let select =
                format!("SELECT table_name, id FROM system_schema.tables WHERE keyspace_name = '{}'", self.keyspace);
            assert_eq!(cluster.strings(node, &select).await, cluster.strings(1, &select).await, "node {node}");
        }
    }
}

async fn end(starters: Vec<Starters>) -> Vec<Ended> {
    spawn_blocking(|| starters.into_iter().flat_map(Starters::wait).collect()).await.unwrap()
}

#[tokio::test]
async fn ten_processes_run_each_statement_once_on_three_nodes() {
    let Some(cluster) = Cluster::get().await else { return };
    let place = Place::new(&cluster).await;
    let mut starters = place.starters(&[]);
    starters.iter_mut().for_each(Starters::go);
    let ended = end(starters).await;
    assert!(ended.iter().all(|one| one.status.success()), "{ended:#?}");
    let events = ["started 1", "applied 1", "started 2", "applied 2", "started 3", "applied 3"];
    place.all_is_well(&cluster, &events).await;
    assert_eq!(place.proxy.requests(), 1);
}

#[tokio::test]
async fn a_process_of_ten_that_is_killed_is_followed_on_three_nodes() {
    let Some(cluster) = Cluster::get().await else { return };
    let place = Place::new(&cluster).await;
    place.proxy.at(1, Fault::HoldAnswer);
    let times: &Times =
        &[("STARTER_LEASE_MS", Duration::from_secs(10)), ("STARTER_SETTLE_MS", Duration::from_millis(500))];
    let mut starters = place.starters(times);
    starters.iter_mut().for_each(Starters::go);
    place.proxy.answered(1).await;
    let holder = place.asks("process", "whimbrel_history WHERE scope = 'whimbrel' LIMIT 1").await.remove(0);
    let number = starters.iter().position(|starter| holder == starter.ids()[0].to_string()).expect("one of them");
    starters.remove(number).kill(0);
    let ended = end(starters).await;
    assert!(ended.iter().all(|one| one.status.success()), "{ended:#?}");
    let events = [
        "started 1",
        "applied 1",
        "started 2",
        "taken_over 2",
        "resolved 2",
        "started 2",
        "applied 2",
        "started 3",
        "applied 3",
    ];
    place.all_is_well(&cluster, &events).await;
    assert_eq!(place.proxy.requests(), 1, "it was done, and is not sent again");
}

/// The node that a statement goes through dies before, or after, it has it; and comes back for the next run.
#[tokio::test]
async fn a_node_that_dies_in_a_run_stops_it_until_it_is_back() {
    let Some(mut cluster) = Cluster::get().await else { return };
    for fault in [Fault::HoldAnswer, Fault::HoldBefore].into_iter().take(few_or(1, 2)) {
        let place = Place::new(&cluster).await;
        place.proxy.at(1, fault);
        let times: &Times = &[
            ("STARTER_LEASE_MS", Duration::from_secs(15)),
            ("STARTER_SETTLE_MS", Duration::from_millis(500)),
            ("STARTER_AGREEMENT_MS", Duration::from_secs(8)),
        ];
        let mut first = place.starter(1, times);
        first.go();
        place.proxy.reached(1).await;
        if fault == Fault::HoldAnswer {
            place.proxy.answered(1).await;
        }
        let node = 1 + place.proxy.log()[0].server;
        cluster.kill(node);
        let ended = end(vec![first]).await.remove(0);
        assert!(!ended.status.success(), "{fault:?}: {ended:#?}");
        assert!(ended.error.contains("has not answered for"), "{fault:?}: {ended:#?}");
        cluster.restart(node);
        cluster.is_whole().await;
        let begun = Instant::now();
        let mut second = place.starter(node, &times[..2]);
        second.go();
        let ended = end(vec![second]).await.remove(0);
        assert!(ended.status.success() && begun.elapsed() < PATIENCE, "{fault:?}: {ended:#?}");
        let events =
            ["started 1", "applied 1", "started 2", "resolved 2", "started 2", "applied 2", "started 3", "applied 3"];
        place.all_is_well(&cluster, &events).await;
        assert_eq!(place.proxy.requests(), if fault == Fault::HoldAnswer { 1 } else { 2 }, "{fault:?}");
    }
}
