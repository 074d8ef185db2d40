//! A holder of the right that stands still for longer than its lease on Cassandra, while a statement of it is on its way.
//!
//! No server asserts the right for a statement, so it may arrive at any time after the takeover.

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::spawn_blocking;
use whimbrel_tests::Proxy;
use whimbrel_tests::cassandra::Keyspace;
use whimbrel_tests::cluster::alone;
use whimbrel_tests::proxy::Fault;
use whimbrel_tests::starters::{Ended, Starters, Times};

use super::matrix::{Way, starter};

const FIRST: &str = "CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a (id, n) VALUES (1, 6);";
const CHANGE: &str = "CREATE TABLE b (id int PRIMARY KEY)";
const ROW: &str = "INSERT INTO a (id, n) VALUES (1, 7)";

const LEASE: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(60);

/// When the statement arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    /// While whoever has taken over looks what became of it.
    BeforeItIsSettled,
    /// After that, and before that one sends it.
    BeforeItIsRepeated,
    /// When all is done.
    Behind,
}

struct Place {
    keyspace: Keyspace,
    folder: TempDir,
}

impl Place {
    async fn new(statement: &str) -> Option<Self> {
        let (keyspace, folder) = (Keyspace::create().await?, tempfile::tempdir().unwrap());
        fs::write(folder.path().join("0001_first.cql"), FIRST).unwrap();
        let second = format!("{statement};\nINSERT INTO a (id, n) VALUES (2, 2);");
        fs::write(folder.path().join("0002_second.cql"), second).unwrap();
        Some(Self { keyspace, folder })
    }

    fn start(&self, proxy: &Proxy, lease: Duration) -> Starters {
        let times: &Times = &[("STARTER_LEASE_MS", lease), ("STARTER_SETTLE_MS", Duration::from_secs(1))];
        let mut starter = starter(self.folder.path(), &proxy.url(), Way::Up, times);
        starter.go();
        starter
    }

    async fn asks(&self, columns: &str, from: &str) -> Vec<String> {
        self.keyspace.strings(&format!("SELECT {columns} FROM {}.{from}", self.keyspace.name())).await
    }

    async fn events(&self) -> Vec<String> {
        self.asks("what, of_version, detail", "whimbrel_history WHERE scope = 'whimbrel' AND part = 'event'").await
    }

    async fn until_taken_over(&self) {
        let begun = Instant::now();
        while !self.events().await.iter().any(|event| event.starts_with("taken_over 2 ")) {
            assert!(begun.elapsed() < PATIENCE, "nobody takes over");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn end(starter: Starters) -> Ended {
    spawn_blocking(move || starter.wait()).await.unwrap().remove(0)
}

async fn stands_still(statement: &'static str, late: Late) {
    let Some(place) = Place::new(statement).await else { return };
    let when = format!("{statement} {late:?}");
    let proxies = [Proxy::start(&place.keyspace.url()).await, Proxy::start(&place.keyspace.url()).await];
    for proxy in &proxies {
        proxy.count(move |text| text == statement);
    }
    let [first_proxy, second_proxy] = &proxies;
    first_proxy.at(1, Fault::HoldBefore);
    let first = place.start(first_proxy, LEASE);
    first_proxy.reached(1).await;
    first.signal("STOP");
    if late == Late::BeforeItIsRepeated {
        second_proxy.at(1, Fault::HoldBefore);
    }
    let second = place.start(second_proxy, Duration::from_secs(15));
    match late {
        Late::BeforeItIsSettled => {
            place.until_taken_over().await;
            first_proxy.release();
        }
        Late::BeforeItIsRepeated => {
            second_proxy.reached(1).await;
            first_proxy.release();
            first_proxy.answered(1).await;
            second_proxy.release();
        }
        Late::Behind => {}
    }
    let ended = end(second).await;
    assert!(ended.status.success(), "{when}: {ended:#?}");
    // A later write of the application's.
    let name = place.keyspace.name();
    place.keyspace.execute(&format!("UPDATE {name}.a SET n = 100 WHERE id = 1")).await;
    if late == Late::Behind {
        first_proxy.release();
        first_proxy.answered(1).await;
    }
    let all = place.asks("JSON *", "whimbrel_history").await;
    first.signal("CONT");
    let ended = end(first).await;
    assert!(!ended.status.success(), "{when}: {ended:#?}");
    assert!(ended.error.contains("0002_second was taken over by "), "{when}: {ended:#?}");
    assert_eq!(place.asks("JSON *", "whimbrel_history").await, all, "{when}: it writes nothing more");

    assert_eq!(place.asks("id, n", "a").await, ["1 100", "2 2"], "{when}");
    let told = place.events().await;
    let whats: Vec<String> = told.iter().map(|event| event.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = ["started 1", "applied 1", "started 2", "taken_over 2", "resolved 2", "started 2", "applied 2"];
    assert_eq!(whats, expected, "{when}");
    // Rows that are written with the same time again need no look.
    let found = if late == Late::BeforeItIsSettled && statement == CHANGE {
        "found to be done"
    } else {
        "found to be not done"
    };
    assert!(told[4].ends_with(found), "{when}: {told:#?}");
    let sent = second_proxy.requests();
    assert_eq!(sent, usize::from(found == "found to be not done"), "{when}");
    let tables = if statement == CHANGE { vec!["a", "b", "whimbrel_history"] } else { vec!["a", "whimbrel_history"] };
    assert_eq!(place.keyspace.tables().await, tables);
}

#[tokio::test]
async fn a_change_that_arrives_after_a_takeover_is_done_once_on_cassandra() {
    let _alone = alone().await;
    let [settled, repeated, behind] = [Late::BeforeItIsSettled, Late::BeforeItIsRepeated, Late::Behind];
    tokio::join!(stands_still(CHANGE, settled), stands_still(CHANGE, repeated), stands_still(CHANGE, behind));
}

#[tokio::test]
async fn rows_that_arrive_after_a_takeover_are_the_same_on_cassandra() {
    let _alone = alone().await;
    let [settled, repeated, behind] = [Late::BeforeItIsSettled, Late::BeforeItIsRepeated, Late::Behind];
    tokio::join!(stands_still(ROW, settled), stands_still(ROW, repeated), stands_still(ROW, behind));
}
