//! Statements of CQL that may not run twice, and nobody can tell afterwards whether they have run: a person is asked.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Mutex;
use whimbrel::{ErrorKind, Migrations, Migrator, Resolve, Version};
use whimbrel_tests::Proxy;
use whimbrel_tests::cassandra::Keyspace;
use whimbrel_tests::proxy::Fault;

use super::cassandra::Cassandra;
use super::matrix::{Server as _, Way, starter};

const FIRST: &str = "CREATE TABLE counts (id int PRIMARY KEY, n counter);
CREATE TABLE a (id int PRIMARY KEY, n int, l list<int>, at timeuuid);
CREATE TABLE b (id int PRIMARY KEY);";

/// A statement, why it is not repeated, a query, and how its answer ends when the statement has run once.
const CASES: [(&str, &str, &str, &str); 6] = [
    ("UPDATE counts SET n = n + 1 WHERE id = 1", "it adds to a counter", "SELECT n FROM counts WHERE id = 1", "1"),
    ("UPDATE a SET l = l + [7] WHERE id = 1", "it writes a list", "SELECT JSON l FROM a WHERE id = 1", "[7]}"),
    ("UPDATE a SET l = [7] WHERE id = 1", "it writes a list", "SELECT JSON l FROM a WHERE id = 1", "[7]}"),
    ("UPDATE a SET at = now() WHERE id = 1", "it calls now()", "SELECT count(at) FROM a WHERE id = 1", "1"),
    ("UPDATE a SET n = 8 WHERE id = 1 IF n = 7", "it is conditional (IF)", "SELECT n FROM a WHERE id = 1", "8"),
    ("TRUNCATE a", "no table of the server tells", "SELECT count(id) FROM a", "0"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The server never sees it.
    KilledBefore,
    KilledWhileItRuns,
    KilledBehind,
    CutBefore,
    CutBehind,
}

const ENDS: [End; 5] = [End::KilledBefore, End::KilledWhileItRuns, End::KilledBehind, End::CutBefore, End::CutBehind];

struct Place {
    keyspace: Mutex<Keyspace>,
    folder: TempDir,
}

impl Place {
    async fn new(statement: &str) -> Option<Self> {
        let keyspace = Mutex::new(Keyspace::create().await?);
        let folder = tempfile::tempdir().unwrap();
        let second = format!("INSERT INTO a (id, n) VALUES (1, 7);\n{statement};\nINSERT INTO b (id) VALUES (1);");
        fs::write(folder.path().join("0001_first.cql"), FIRST).unwrap();
        fs::write(folder.path().join("0002_second.cql"), second).unwrap();
        Some(Self { keyspace, folder })
    }

    fn set(&self) -> Migrations {
        Migrations::from_directory(self.folder.path()).unwrap()
    }

    fn url(&self) -> String {
        Cassandra.url(&self.keyspace)
    }

    fn migrator<'m>(&self, set: &'m Migrations) -> Migrator<'m> {
        Cassandra.treat(Migrator::connect(set, &self.url()).unwrap())
    }

    async fn asks(&self, query: &str) -> String {
        let keyspace = self.keyspace.lock().await;
        let query = query.replacen("FROM ", &format!("FROM {}.", keyspace.name()), 1);
        keyspace.strings(&query).await.join("; ")
    }
}

/// Ends a run at its one request with that text.
async fn end(place: &Place, statement: &'static str, end: End) {
    let proxy = Proxy::start(&place.url()).await;
    proxy.count(move |text| text == statement);
    proxy.at(
        1,
        match end {
            End::KilledBefore => Fault::HoldBefore,
            End::KilledWhileItRuns | End::KilledBehind => Fault::HoldAnswer,
            End::CutBefore => Fault::CutBefore,
            End::CutBehind => Fault::CutBeforeAnswer,
        },
    );
    let mut starter = starter(Path::new(place.folder.path()), &proxy.url(), Way::Up, Cassandra.times());
    starter.go();
    proxy.reached(1).await;
    match end {
        End::KilledBefore | End::KilledWhileItRuns => starter.kill(0),
        End::KilledBehind => {
            proxy.answered(1).await;
            starter.kill(0);
        }
        End::CutBefore | End::CutBehind => {}
    }
    let ended = starter.wait().remove(0);
    assert!(!ended.status.success(), "{statement} {end:?}: {ended:#?}");
    if end == End::KilledWhileItRuns {
        // Until it has run.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Cassandra.bury(&place.keyspace).await;
}

#[tokio::test]
async fn what_cannot_be_repeated_is_asked_for_and_then_gone_on_from_on_cassandra() {
    for (number, (statement, why, query, once)) in CASES.into_iter().enumerate() {
        // Each end meets each case where there is time.
        let some = |at: &usize| whimbrel_tests::random::few_or(2, 5) > (number + at) * 2 % 5;
        for end in (0..ENDS.len()).filter(some).map(|at| ENDS[at]) {
            let when = format!("{statement} {end:?}");
            let Some(place) = Place::new(statement).await else { return };
            let (set, version): (_, Version) = (place.set(), "2".parse().unwrap());
            self::end(&place, statement, end).await;
            let error = place.migrator(&set).up().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InDoubt, "{when}: {error:?}");
            let told = format!("{error:?}");
            for part in ["at statement 2 of 3", why, "--done 2`", "--again 2`"] {
                assert!(told.contains(part), "{when}: {part}: {told}");
            }
            // As a person looks.
            let is_done = place.asks(query).await.ends_with(once);
            assert_eq!(is_done, !matches!(end, End::KilledBefore | End::CutBefore), "{when}");
            let resolve = if is_done { Resolve::Done(2) } else { Resolve::Again(2) };
            place.migrator(&set).resolve(&version, resolve).await.unwrap();
            let report = place.migrator(&set).up().await.unwrap_or_else(|error| panic!("{when}: {error:?}"));
            assert_eq!(report.applied(), 2, "{when}");
            assert!(place.asks(query).await.ends_with(once), "{when}: {}", place.asks(query).await);
            assert_eq!(place.asks("SELECT id FROM b").await, "1", "{when}");
        }
    }
}

/// A query of a verify script changes nothing: what broke is the connection.
#[tokio::test]
async fn a_connection_that_breaks_at_a_verify_query_fails_no_migration_on_cassandra() {
    let Some(place) = Place::new("UPDATE a SET n = 8 WHERE id = 1").await else { return };
    let query = "SELECT n FROM a WHERE id = 1";
    fs::write(place.folder.path().join("0002_second.verify.cql"), query).unwrap();
    let proxy = Proxy::start(&place.url()).await;
    proxy.count(move |text| text == query);
    proxy.at(1, Fault::CutBefore);
    proxy.at(2, Fault::CutBeforeAnswer);
    let set = place.set();
    let report = Migrator::connect(&set, &proxy.url()).unwrap().up().await.unwrap();
    assert_eq!((report.applied(), proxy.requests()), (2, 3));
}

/// What stopped a run may have taken its connection along; its right is given back over the next one.
#[tokio::test]
async fn a_right_is_given_back_although_the_connection_broke_on_cassandra() {
    let Some(place) = Place::new("UPDATE a SET n = 8 WHERE id = 1").await else { return };
    let proxy = Proxy::start(&place.url()).await;
    proxy.count(|text| text.starts_with("SELECT * FROM system_schema.tables "));
    proxy.at(2, Fault::CutBefore);
    let set = place.set();
    let error = Migrator::connect(&set, &proxy.url()).unwrap().up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    let owner = "SELECT owner FROM whimbrel_history WHERE scope = 'whimbrel' LIMIT 1";
    assert_eq!(place.asks(owner).await, "null");
    assert_eq!(place.migrator(&set).up().await.unwrap().applied(), 2);
}
