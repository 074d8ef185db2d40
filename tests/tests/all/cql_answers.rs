//! What single requests to Cassandra may meet: refusals, answers that are lost, writes that come late.
//!
//! A proxy counts what is sent, loses answers, and answers as ScyllaDB does.

mod history;
mod sessions;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use whimbrel::{Cluster, Error, ErrorKind, Migrations, Migrator, Resolve, Rollback, Target};
use whimbrel_tests::Proxy;
use whimbrel_tests::cassandra::Keyspace;
use whimbrel_tests::proxy::{CqlError, Fault, Kind};

use crate::cases::ups;

/// A keyspace, and an application's session on it that goes through a proxy.
struct Application {
    keyspace: Keyspace,
    proxy: Proxy,
    session: Arc<Session>,
}

impl Application {
    /// `None` without a server.
    async fn start() -> Option<Self> {
        let keyspace = Keyspace::create().await?;
        let proxy = Proxy::start(&keyspace.url()).await;
        let session = Arc::new(session(&proxy, &keyspace).build().await.unwrap());
        Some(Self { keyspace, proxy, session })
    }

    fn migrator<'a>(&'a self, set: &'a Migrations) -> Migrator<'a> {
        let cluster = Cluster::default().settle_time(Duration::from_millis(500));
        Migrator::new(set, &self.session).cluster(cluster).statement_timeout(Duration::from_secs(10))
    }

    /// From now on requests with such a text count, and the first of them meets a fault.
    fn first(&self, is_counted: impl Fn(&str) -> bool + Send + 'static, fault: Fault) {
        self.proxy.reset();
        self.proxy.count(is_counted);
        self.proxy.at(1, fault);
    }

    /// Runs a test's own CQL, in the keyspace; `{ks}` is its name.
    async fn rows(&self, cql: &str) -> Vec<String> {
        self.keyspace.strings(&cql.replace("{ks}", self.keyspace.name())).await
    }

    /// The entry of a version.
    async fn entry(&self, version: &str) -> String {
        let select = "SELECT state, applied, error FROM {ks}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'entry' \
                      AND version = ";
        self.rows(&format!("{select}'{version}'")).await.concat()
    }

    /// The events of a version, which are numbered without a gap.
    async fn events(&self, version: &str) -> Vec<String> {
        let select =
            "SELECT event, of_version, what FROM {ks}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'event'";
        let all = self.rows(select).await;
        let mut own = Vec::new();
        for (number, line) in (1..).zip(&all) {
            let mut words = line.split(' ');
            assert_eq!(words.next(), Some(&*format!("{number}")), "{all:#?}");
            if words.next() == Some(version) {
                own.push(words.next().unwrap().to_owned());
            }
        }
        own
    }

    async fn has_table(&self, name: &str) -> bool {
        self.keyspace.tables().await.iter().any(|table| table == name)
    }
}

fn session(proxy: &Proxy, keyspace: &Keyspace) -> SessionBuilder {
    let port = proxy.url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    SessionBuilder::new()
        .known_node(format!("127.0.0.1:{port}"))
        .use_keyspace(keyspace.name(), false)
        .auto_await_schema_agreement(false)
        .fetch_schema_metadata(false)
}

/// The whole message of an error.
fn told(error: &Error) -> String {
    format!("{error:?}")
}

const PLAIN_ERROR: CqlError = CqlError::Plain { code: 0x0000, message: "java.lang.RuntimeException" };

#[tokio::test]
async fn up_to_date_is_one_request_on_scylla() {
    let Some(application) = Application::start().await else { return };
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a (id) VALUES (1)"]);
    application.migrator(&set).up().await.unwrap();
    application.proxy.reset();
    assert!(whimbrel::migrate(&set, &application.session).await.unwrap().is_up_to_date());
    assert!(whimbrel::migrate(&set, &*application.session).await.unwrap().is_up_to_date());
    let log = application.proxy.log();
    assert_eq!(log.len(), 2, "{log:#?}");
    for request in log {
        assert!(request.kind == Kind::Simple && request.text.starts_with("SELECT head"), "{request:?}");
    }
    assert_eq!(application.proxy.startups(), 0);
}

#[tokio::test]
async fn status_only_reads_the_history_on_scylla() {
    let Some(application) = Application::start().await else { return };
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY)"]);
    application.migrator(&set).up().await.unwrap();
    application.proxy.reset();
    assert!(application.migrator(&set).status().await.unwrap().is_up_to_date());
    let log = application.proxy.log();
    assert_eq!(log.len(), 1, "{log:#?}");
    assert!(log[0].kind == Kind::Simple && log[0].text.starts_with("SELECT "), "{log:#?}");
}

/// As `docs/clusters.md` says it.
#[tokio::test]
async fn a_run_costs_what_is_written_down() {
    const NODES: usize = 1;
    const AGREEMENT: usize = 1 + NODES;
    const RUN: usize = 5;
    const CREATION: usize = 3 + 2 * AGREEMENT + NODES;
    const MIGRATION: usize = 1;
    const SCHEMA: usize = 12 + 2 * AGREEMENT;
    const ROWS: usize = 3;
    const OTHER: usize = 2;
    let Some(application) = Application::start().await else { return };
    let scripts = [
        "CREATE TABLE a (id int PRIMARY KEY, n counter); CREATE TABLE b (id int PRIMARY KEY)",
        "INSERT INTO b (id) VALUES (1)",
        "UPDATE a SET n = n + 1 WHERE id = 1; CREATE TABLE c (id int PRIMARY KEY); DELETE FROM b WHERE id = 1",
    ];
    let costs =
        [RUN + CREATION + MIGRATION + 2 * SCHEMA, RUN + MIGRATION + ROWS, RUN + MIGRATION + OTHER + SCHEMA + ROWS];
    let set = ups("cql", &scripts);
    for (script, cost) in scripts.iter().zip(costs) {
        application.proxy.reset();
        // It would be asked again if they did not agree at the first look; one node always agrees.
        application.migrator(&set).up_to(Target::Steps(1)).await.unwrap();
        let log: Vec<_> = application.proxy.log().into_iter().map(|it| (it.kind, it.text.replace('\n', " "))).collect();
        // A target is no fast path.
        assert_eq!(log.len() + 1, cost, "{script}\n{log:#?}");
        assert!(log.iter().all(|(kind, _)| *kind == Kind::Simple), "{log:#?}");
    }
    application.proxy.reset();
    assert!(application.migrator(&set).up().await.unwrap().is_up_to_date());
    assert_eq!(application.proxy.requests(), 1);
}

/// What a statement is, and what shows that it was done.
struct Sort {
    name: &'static str,
    text: fn(usize) -> String,
    /// A query, and its answer when it was done once.
    shows: fn(usize) -> (String, String),
}

const SORTS: [Sort; 4] = [
    Sort {
        name: "schema",
        text: |n| format!("CREATE TABLE t{n} (id int PRIMARY KEY)"),
        shows: |n| {
            (
                format!(
                    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{{ks}}' AND table_name = 't{n}'"
                ),
                format!("t{n}"),
            )
        },
    },
    Sort {
        name: "rows",
        text: |n| format!("INSERT INTO r (id, v) VALUES ({n}, 'v{n}')"),
        shows: |n| (format!("SELECT v FROM {{ks}}.r WHERE id = {n}"), format!("v{n}")),
    },
    Sort {
        name: "counter",
        text: |n| format!("UPDATE c SET n = n + 1 WHERE id = {n}"),
        shows: |n| (format!("SELECT n FROM {{ks}}.c WHERE id = {n}"), "1".to_owned()),
    },
    Sort {
        name: "condition",
        text: |n| format!("INSERT INTO r (id, v) VALUES ({n}, 'c{n}') IF NOT EXISTS"),
        shows: |n| (format!("SELECT v FROM {{ks}}.r WHERE id = {n}"), format!("c{n}")),
    },
];

/// One migration for each case: a statement before it, the statement, and one after it.
struct Cases {
    application: Application,
    set: Migrations,
}

impl Cases {
    async fn start(texts: &[String]) -> Option<Self> {
        let application = Application::start().await?;
        for table in [
            "r (id int PRIMARY KEY, v text, l list<int>, s set<int>)",
            "c (id int PRIMARY KEY, n counter)",
            "around (id int PRIMARY KEY)",
        ] {
            application.rows(&format!("CREATE TABLE {{ks}}.{table}")).await;
        }
        let script = |(n, text): (usize, &String)| {
            format!("INSERT INTO around (id) VALUES ({n}0);\n {text};\nINSERT INTO around (id) VALUES ({n}1)")
        };
        let scripts: Vec<String> = (1..).zip(texts).map(script).collect();
        let set = ups("cql", &scripts);
        Some(Self { application, set })
    }

    /// The next migration; its statement meets a fault.
    async fn next(&self, text: &str, fault: Fault) -> whimbrel::Result<whimbrel::Report> {
        let text = text.to_owned();
        self.application.first(move |sent| sent == text, fault);
        self.again().await
    }

    async fn again(&self) -> whimbrel::Result<whimbrel::Report> {
        self.application.migrator(&self.set).up_to(Target::Steps(1)).await
    }

    /// Asserts that migration number `n` is done, each of its statements once.
    async fn is_done(&self, n: usize, sort: &Sort, what: &str) {
        let application = &self.application;
        let (select, expected) = (sort.shows)(n);
        assert_eq!(application.rows(&select).await, [expected], "{what}");
        let around = application.rows(&format!("SELECT id FROM {{ks}}.around WHERE id IN ({n}0, {n}1)")).await;
        assert_eq!(around.len(), 2, "{what}");
        assert_eq!(application.entry(&n.to_string()).await, "completed 3 null", "{what}");
    }
}

/// A statement for each pair, as `(number, sort, fault)`.
fn each<F: Copy>(sorts: &[usize], faults: &[F]) -> Vec<(usize, &'static Sort, F)> {
    let pairs = sorts.iter().flat_map(|sort| faults.iter().map(move |fault| (&SORTS[*sort], *fault)));
    (1..).zip(pairs).map(|(n, (sort, fault))| (n, sort, fault)).collect()
}

fn texts<F>(cases: &[(usize, &'static Sort, F)]) -> Vec<String> {
    cases.iter().map(|(n, sort, _)| (sort.text)(*n)).collect()
}

#[tokio::test]
async fn a_statement_that_a_server_refuses_stops_the_run() {
    let faults = [(0x2000, "0x2000"), (0x2200, "0x2200"), (0x2100, "0x2100"), (0x2300, "0x2300")];
    let cases = each(&[0, 1, 2, 3], &faults);
    let Some(world) = Cases::start(&texts(&cases)).await else { return };
    for (n, sort, (code, shown)) in &cases {
        let what = format!("{n}: {} {shown}", sort.name);
        let text = (sort.text)(*n);
        let refusal = Fault::Fail(CqlError::Plain { code: *code, message: "no such thing" });
        let error = world.next(&text, refusal).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{what}");
        let told = told(&error);
        assert!(told.contains(".sql:2:2") && told.contains(shown) && told.contains(&text), "{what}: {told}");
        assert_eq!(world.application.proxy.requests(), 1, "{what}");
        let entry = world.application.entry(&n.to_string()).await;
        assert!(entry.starts_with("failed 1 no such thing"), "{what}: {entry}");
        world.again().await.unwrap();
        world.is_done(*n, sort, &what).await;
        assert_eq!(
            world.application.events(&n.to_string()).await,
            ["started", "failed", "started", "applied"],
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_statement_that_a_server_did_not_run_is_sent_again() {
    let faults = [CqlError::OVERLOADED, CqlError::IS_BOOTSTRAPPING, CqlError::Unavailable, CqlError::GROUP_0_CONFLICT];
    let mut cases = each(&[0, 1, 2], &faults);
    cases.extend((13..).zip(&faults[..2]).map(|(n, fault)| (n, &SORTS[3], *fault)));
    let Some(world) = Cases::start(&texts(&cases)).await else { return };
    for (n, sort, fault) in &cases {
        let what = format!("{n}: {} {fault:?}", sort.name);
        world.next(&(sort.text)(*n), Fault::Fail(*fault)).await.unwrap();
        assert_eq!(world.application.proxy.requests(), 2, "{what}");
        world.is_done(*n, sort, &what).await;
        assert_eq!(world.application.events(&n.to_string()).await, ["started", "applied"], "{what}");
    }
}

/// Whether a statement was done whose answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truly {
    Done,
    NotDone,
}

/// All ways to lose an answer.
const LOST: [(Fault, Truly); 12] = [
    (Fault::FailAnswer(CqlError::OUTCOME_UNKNOWN), Truly::Done),
    (Fault::Fail(CqlError::OUTCOME_UNKNOWN), Truly::NotDone),
    (Fault::FailAnswer(PLAIN_ERROR), Truly::Done),
    (Fault::Fail(PLAIN_ERROR), Truly::NotDone),
    (Fault::FailAnswer(CqlError::WriteTimeout("SIMPLE")), Truly::Done),
    (Fault::Fail(CqlError::WriteTimeout("COUNTER")), Truly::NotDone),
    (Fault::FailAnswer(CqlError::Plain { code: 0x1003, message: "Error during truncate" }), Truly::Done),
    (Fault::Fail(CqlError::WriteTimeout("CAS")), Truly::NotDone),
    (Fault::CutBeforeAnswer, Truly::Done),
    (Fault::CutBefore, Truly::NotDone),
    (Fault::LoseAnswer, Truly::Done),
    (Fault::FailAnswer(CqlError::WriteTimeout("BATCH")), Truly::Done),
];

#[tokio::test]
async fn a_schema_change_whose_answer_is_lost_is_looked_at() {
    let cases = each(&[0], &LOST);
    let Some(world) = Cases::start(&texts(&cases)).await else { return };
    for (n, sort, (fault, truly)) in &cases {
        let what = format!("{n}: {fault:?}");
        world.next(&(sort.text)(*n), *fault).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let sent = if *truly == Truly::Done { 1 } else { 2 };
        assert_eq!(world.application.proxy.requests(), sent, "{what}");
        world.is_done(*n, sort, &what).await;
        let events = world.application.events(&n.to_string()).await;
        assert_eq!(events, ["started", "resolved", "started", "applied"], "{what}");
    }
}

#[tokio::test]
async fn rows_whose_answer_is_lost_are_written_again() {
    let cases = each(&[1], &LOST);
    let Some(world) = Cases::start(&texts(&cases)).await else { return };
    for (n, sort, (fault, _)) in &cases {
        let what = format!("{n}: {fault:?}");
        world.next(&(sort.text)(*n), *fault).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(world.application.proxy.requests(), 2, "{what}");
        world.is_done(*n, sort, &what).await;
        assert_eq!(world.application.events(&n.to_string()).await, ["started", "applied"], "{what}");
    }
}

#[tokio::test]
async fn a_change_that_waits_to_be_enacted_is_done() {
    let message = "Timed out while waiting for the follower to enact the epoch";
    let text = (SORTS[0].text)(1);
    let Some(world) = Cases::start(std::slice::from_ref(&text)).await else { return };
    world.next(&text, Fault::FailAnswer(CqlError::Plain { code: 0, message })).await.unwrap();
    assert_eq!(world.application.proxy.requests(), 1);
    world.is_done(1, &SORTS[0], message).await;
    assert_eq!(world.application.events("1").await, ["started", "applied"]);
}

/// Those that no repetition could leave harmless: the text, why, and what shows that it was done once.
const NEVER_AGAIN: [(&str, &str, &str, &str); 7] = [
    ("UPDATE c SET n = n + 1 WHERE id = 1", "it adds to a counter", "SELECT n FROM {ks}.c WHERE id = 1", "1"),
    ("UPDATE r SET l = l + [7] WHERE id = 2", "it writes a list", "SELECT l FROM {ks}.r WHERE id = 2", "[7]"),
    ("INSERT INTO r (id, l) VALUES (3, [7])", "it writes a list", "SELECT l FROM {ks}.r WHERE id = 3", "[7]"),
    (
        "INSERT INTO r (id, v) VALUES (4, toJson(now()))",
        "it calls now(), whose answer may be another each time",
        "SELECT id FROM {ks}.r WHERE id = 4",
        "4",
    ),
    (
        "INSERT INTO r (id, v) VALUES (5, 'c') IF NOT EXISTS",
        "it is conditional (IF)",
        "SELECT v FROM {ks}.r WHERE id = 5",
        "c",
    ),
    (
        "BEGIN COUNTER BATCH UPDATE c SET n = n + 1 WHERE id = 6; APPLY BATCH",
        "it adds to counters",
        "SELECT n FROM {ks}.c WHERE id = 6",
        "1",
    ),
    ("TRUNCATE gone", "no table of the server tells whether it was done", "SELECT count(*) FROM {ks}.gone", "0"),
];

#[tokio::test]
async fn what_may_not_run_twice_stops_in_doubt() {
    let losses = [
        (Fault::FailAnswer(CqlError::WriteTimeout("COUNTER")), Truly::Done),
        (Fault::Fail(CqlError::WriteTimeout("CAS")), Truly::NotDone),
        (Fault::CutBeforeAnswer, Truly::Done),
        (Fault::CutBefore, Truly::NotDone),
    ];
    for (fault, truly) in losses {
        let texts = NEVER_AGAIN.map(|(text, ..)| text.to_owned());
        let Some(world) = Cases::start(&texts).await else { return };
        world.application.rows("CREATE TABLE {ks}.gone (id int PRIMARY KEY)").await;
        world.application.rows("INSERT INTO {ks}.gone (id) VALUES (1)").await;
        for (n, (text, why, select, expected)) in (1..).zip(NEVER_AGAIN) {
            let (what, version) = (format!("{text}: {fault:?}"), n.to_string());
            let error = world.next(text, fault).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InDoubt, "{what}: {error:?}");
            assert!(told(&error).contains(why), "{what}: {error:?}");
            // However often it is run.
            assert_eq!(world.again().await.unwrap_err().kind(), ErrorKind::InDoubt, "{what}");
            assert_eq!(world.application.proxy.requests(), 1, "{what}");
            let (resolve, sent) = match truly {
                Truly::Done => (Resolve::Done(2), 1),
                Truly::NotDone => (Resolve::Again(2), 2),
            };
            world.application.migrator(&world.set).resolve(&version.parse().unwrap(), resolve).await.unwrap();
            world.again().await.unwrap();
            assert_eq!(world.application.proxy.requests(), sent, "{what}");
            assert_eq!(world.application.rows(select).await, [expected], "{what}");
            assert_eq!(world.application.entry(&version).await, "completed 3 null", "{what}");
            let events = world.application.events(&version).await;
            assert_eq!(events, ["started", "resolved", "started", "applied"], "{what}");
        }
    }
}

/// The replicas may have decided for it before too few were left to tell it to.
#[tokio::test]
async fn a_conditional_statement_may_be_done_although_too_few_replicas_are_alive() {
    let cases = each(&[3], &[CqlError::Unavailable]);
    let Some(world) = Cases::start(&texts(&cases)).await else { return };
    let error = world.next(&(SORTS[3].text)(1), Fault::FailAnswer(CqlError::Unavailable)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt, "{error:?}");
    assert_eq!(world.application.proxy.requests(), 1);
    world.application.migrator(&world.set).resolve(&"1".parse().unwrap(), Resolve::Done(2)).await.unwrap();
    world.again().await.unwrap();
    world.is_done(1, &SORTS[3], "resolved").await;
}

#[tokio::test]
async fn what_is_there_already_stops_the_run() {
    let cases = each(&[0], &[()]);
    let Some(world) = Cases::start(&texts(&cases)).await else { return };
    let Cases { application, .. } = &world;
    // As it would have been made: what nobody was in doubt about is not taken for ours.
    application.rows("CREATE TABLE {ks}.t1 (id int PRIMARY KEY)").await;
    application.proxy.count(|text| text.starts_with("CREATE TABLE t1"));
    for _ in 0..2 {
        application.proxy.reset();
        let error = world.again().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(told(&error).contains("0x2400") && told(&error).contains("0001_a.sql:2:"), "{error:?}");
        assert_eq!(application.proxy.requests(), 1);
    }
    application.rows("DROP TABLE {ks}.t1").await;
    world.again().await.unwrap();
    assert_eq!(application.events("1").await, ["started", "failed", "started", "failed", "started", "applied"]);
}

#[tokio::test]
async fn a_schema_change_that_is_done_late_is_not_refused() {
    let text = (SORTS[0].text)(1);
    let Some(world) = Cases::start(std::slice::from_ref(&text)).await else { return };
    let Cases { application, .. } = &world;
    application.first(|sent| sent == "CREATE TABLE t1 (id int PRIMARY KEY)", Fault::Fail(PLAIN_ERROR));
    application.proxy.at(2, Fault::HoldBefore);
    let late = async {
        application.proxy.reached(2).await;
        application.rows("CREATE TABLE {ks}.t1 (id int PRIMARY KEY)").await;
        application.proxy.release();
    };
    let (report, ()) = tokio::join!(world.again(), late);
    report.unwrap();
    world.is_done(1, &SORTS[0], "late").await;
    assert_eq!(application.proxy.requests(), 2);
    assert_eq!(application.events("1").await, ["started", "resolved", "started", "applied"]);
}

/// Our own conditional writes, by what they say.
const OWN: [(&str, &str); 5] = [
    ("lease", "held_since = toTimestamp"),
    ("beginning", "'started'"),
    ("progress", "SET applied = 1, at_statement"),
    ("completion", "state = 'completed'"),
    ("release", "SET owner = NULL WHERE"),
];

#[tokio::test]
async fn a_conditional_write_of_ours_is_read_back() {
    let faults = [
        (Fault::Fail(CqlError::OVERLOADED), Truly::NotDone),
        (Fault::Fail(CqlError::Unavailable), Truly::NotDone),
        (Fault::Fail(CqlError::WriteTimeout("CAS")), Truly::NotDone),
        (Fault::FailAnswer(CqlError::WriteTimeout("CAS")), Truly::Done),
        (Fault::FailAnswer(CqlError::Unavailable), Truly::Done),
        (Fault::FailAnswer(PLAIN_ERROR), Truly::Done),
        (Fault::CutBefore, Truly::NotDone),
        (Fault::CutBeforeAnswer, Truly::Done),
        (Fault::LoseAnswer, Truly::Done),
    ];
    let cases: Vec<_> = OWN.iter().flat_map(|own| faults.map(|fault| (own, fault))).collect();
    let texts: Vec<String> = (1..=cases.len()).map(|n| (SORTS[2].text)(n)).collect();
    let Some(world) = Cases::start(&texts).await else { return };
    let Cases { application, .. } = &world;
    for (n, ((name, part), (fault, truly))) in (1..).zip(&cases) {
        let what = format!("{n}: {name} {fault:?}");
        application.first(move |sent| sent.contains(part), *fault);
        let begun = std::time::Instant::now();
        world.again().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        // Not the lease, which is thirty.
        assert!(begun.elapsed() < Duration::from_secs(25), "{what}: {:?}", begun.elapsed());
        let sent = match truly {
            // Giving back is not read back, nor what cannot be read because the connection is gone: a second time
            // changes nothing.
            Truly::Done if *name != "release" && *fault != Fault::CutBeforeAnswer => 1..=1,
            Truly::Done => 1..=2,
            Truly::NotDone => 2..=2,
        };
        assert!(sent.contains(&application.proxy.requests()), "{what}: {:#?}", application.proxy.log());
        world.is_done(n, &SORTS[2], &what).await;
        assert_eq!(application.events(&n.to_string()).await, ["started", "applied"], "{what}");
        assert_eq!(application.rows("SELECT owner FROM {ks}.whimbrel_history LIMIT 1").await, ["null"], "{what}");
    }
    assert!(application.migrator(&world.set).up().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn a_conditional_write_that_comes_late_changes_nothing() {
    for (name, part) in &OWN[..4] {
        let cases = each(&[2], &[(), ()]);
        let Some(world) = Cases::start(&texts(&cases)).await else { return };
        let Cases { application, .. } = &world;
        let last = "INSERT INTO around (id) VALUES (21)";
        application.first(move |sent| sent.contains(part) || sent == last, Fault::Fail(CqlError::WriteTimeout("CAS")));
        // The same once more, of the second migration as well but for the lease and its end; then the last statement.
        let before = if matches!(*name, "lease" | "completion") { 3 } else { 4 };
        application.proxy.at(before, Fault::HoldBefore);
        let late = async {
            application.proxy.reached(before).await;
            let log = application.proxy.log();
            assert_eq!(log[before - 1].text, last, "{name}: {log:#?}");
            let answer = application.rows(&log[0].text).await;
            assert!(answer[0].starts_with("false"), "{name}: {answer:?}");
            application.proxy.release();
        };
        let mut migrator = application.migrator(&world.set);
        let (report, ()) = tokio::join!(migrator.up(), late);
        assert_eq!(report.unwrap().applied(), 2, "{name}");
        for (n, sort, ()) in &cases {
            world.is_done(*n, sort, name).await;
            assert_eq!(application.events(&n.to_string()).await, ["started", "applied"], "{name}");
        }
        assert!(migrator.up().await.unwrap().is_up_to_date(), "{name}");
    }
}

/// What became of a statement in doubt, what a person says of it, and that one was refused, is written as carefully.
#[tokio::test]
async fn what_is_written_about_a_statement_is_read_back() {
    let faults = [
        Fault::Fail(CqlError::WriteTimeout("CAS")),
        Fault::FailAnswer(CqlError::WriteTimeout("CAS")),
        Fault::Fail(CqlError::OVERLOADED),
        Fault::CutBefore,
        Fault::CutBeforeAnswer,
    ];
    let cases = each(&[0, 2, 1], &faults);
    let Some(world) = Cases::start(&texts(&cases)).await else { return };
    let Cases { application, .. } = &world;
    for (n, sort, fault) in &cases {
        let (what, text, version) = (format!("{n}: {} {fault:?}", sort.name), (sort.text)(*n), n.to_string());
        let counted = text.clone();
        let (first, events) = match sort.name {
            "rows" => (CqlError::Plain { code: 0x2200, message: "no" }, ["started", "failed", "started", "applied"]),
            _ => (CqlError::OUTCOME_UNKNOWN, ["started", "resolved", "started", "applied"]),
        };
        let is_told = |sent: &str| sent.contains("'resolved'") || sent.contains("'failed', '");
        application.first(move |sent| sent == counted || is_told(sent), Fault::Fail(first));
        application.proxy.at(2, *fault);
        let report = world.again().await;
        match sort.name {
            "schema" => drop(report.unwrap_or_else(|error| panic!("{what}: {error:?}"))),
            "rows" => {
                assert_eq!(report.unwrap_err().kind(), ErrorKind::Failed, "{what}");
                assert!(application.entry(&version).await.starts_with("failed 1 no"), "{what}");
                world.again().await.unwrap();
            }
            _ => {
                assert_eq!(report.unwrap_err().kind(), ErrorKind::InDoubt, "{what}");
                let mut migrator = application.migrator(&world.set);
                let said = migrator.resolve(&version.parse().unwrap(), Resolve::Again(2)).await;
                said.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                world.again().await.unwrap();
            }
        }
        assert!(is_told(&application.proxy.log()[1].text), "{what}");
        world.is_done(*n, sort, &what).await;
        assert_eq!(application.events(&version).await, events, "{what}");
    }
}

/// Backwards it is the same.
#[tokio::test]
async fn a_rollback_whose_answers_are_lost_goes_on() {
    let Some(application) = Application::start().await else { return };
    let set = crate::cases::files(
        "cql",
        [
            (
                "0001_a.up.sql",
                "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, n counter); \
                 UPDATE c SET n = n + 1 WHERE id = 1",
            ),
            ("0001_a.down.sql", "UPDATE c SET n = n - 1 WHERE id = 1; INSERT INTO a (id) VALUES (1); DROP TABLE a"),
        ],
    );
    for (round, (fault, truly)) in (0..).zip(&LOST[..10]) {
        let what = format!("{round}: {fault:?}");
        if round > 0 {
            application.rows("DROP TABLE {ks}.c").await;
        }
        application.migrator(&set).up().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        application.first(|sent| sent.starts_with("DROP TABLE a") || sent.starts_with("INSERT INTO a"), *fault);
        // The rows are written again; then the table.
        application.proxy.at(3, *fault);
        let report = application.migrator(&set).down(Rollback::All).await;
        report.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let sent = if *truly == Truly::Done { 3 } else { 4 };
        assert_eq!(application.proxy.requests(), sent, "{what}");
        assert!(!application.has_table("a").await, "{what}");
        assert_eq!(application.rows("SELECT n FROM {ks}.c").await, ["0"], "{what}");
        assert!(application.entry("1").await.starts_with("rolled_back 0"), "{what}");
        let events = application.events("1").await;
        let own = ["started", "applied", "started", "resolved", "started", "rolled_back"];
        assert_eq!(events[events.len() - own.len()..], own, "{what}");
    }
}
