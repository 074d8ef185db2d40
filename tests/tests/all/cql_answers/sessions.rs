//! An application's session: what becomes of it, and of the right when its run is dropped.

use std::time::{Duration, Instant};

use scylla::errors::ExecutionError;
use whimbrel::{Cluster, ErrorKind, Migrations, Migrator};
use whimbrel_tests::proxy::{CqlError, Fault};

use super::{Application, OWN, session};
use crate::cases::ups;

/// It waits for agreement by itself, and reads a schema afterwards that it cannot read: both come after the change.
#[tokio::test]
async fn what_a_session_does_after_a_change_is_no_failure_of_it() {
    let Some(application) = Application::start().await else { return };
    let builder = session(&application.proxy, &application.keyspace);
    let careful = builder
        .auto_await_schema_agreement(true)
        .schema_agreement_interval(Duration::from_millis(20))
        .fetch_schema_metadata(true)
        .build()
        .await
        .unwrap();
    let set = ups(
        "cql",
        &[
            "CREATE TYPE \"Geo\" (\"Lat\" double); CREATE TABLE a (id int PRIMARY KEY, at tuple<int, frozen<\"Geo\">>); \
             CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b (id) VALUES (1)",
        ],
    );
    Migrator::new(&set, &careful).up().await.unwrap();
    assert_eq!(application.events("1").await, ["started", "applied"]);
    assert_eq!(application.rows("SELECT id FROM {ks}.b").await, ["1"]);
    // That is what it met.
    let error = careful.query_unpaged("CREATE TABLE d (id int PRIMARY KEY)", ()).await.unwrap_err();
    assert!(matches!(error, ExecutionError::MetadataError(_)), "{error:?}");
}

#[tokio::test]
async fn a_session_that_sees_no_agreement_is_no_failure_of_a_change() {
    let Some(application) = Application::start().await else { return };
    let builder = session(&application.proxy, &application.keyspace).auto_await_schema_agreement(true);
    let careful = builder.schema_agreement_timeout(Duration::from_secs(1)).build().await.unwrap();
    let set = |n: usize| {
        let scripts: Vec<String> = (0..n).map(|n| format!("CREATE TABLE t{n} (id int PRIMARY KEY)")).collect();
        ups("cql", &scripts)
    };
    Migrator::new(&set(1), &careful).up().await.unwrap();
    // The first look is ours, before the change; the second one is the session's.
    application.proxy.reset();
    application.proxy.count(|sent| sent.starts_with("SELECT schema_version"));
    application.proxy.at(2, Fault::LoseAnswer);
    Migrator::new(&set(2), &careful).up().await.unwrap();
    assert_eq!(application.events("2").await, ["started", "applied"]);
    application.first(|sent| sent.starts_with("SELECT schema_version"), Fault::LoseAnswer);
    let error = careful.query_unpaged("CREATE TABLE d (id int PRIMARY KEY)", ()).await.unwrap_err();
    assert!(matches!(error, ExecutionError::SchemaAgreementError(_)), "{error:?}");
}

#[tokio::test]
async fn a_session_stays_as_it_was() {
    let Some(application) = Application::start().await else { return };
    let session = &application.session;
    let before = session.get_keyspace();
    let profile = session.get_default_execution_profile_handle().to_profile();
    let other = format!("{}.other_history", application.keyspace.name());
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY)", "NOT CQL"]);
    for table in ["whimbrel_history", &other] {
        let mut migrator = application.migrator(&set).history_table(table).unwrap();
        migrator.up().await.unwrap_err();
        application.rows("DROP TABLE {ks}.a").await;
    }
    assert_eq!(session.get_keyspace(), before);
    let after = session.get_default_execution_profile_handle().to_profile();
    assert_eq!(after.get_consistency(), profile.get_consistency());
    assert_eq!(after.get_serial_consistency(), profile.get_serial_consistency());
    assert_eq!(after.get_request_timeout(), profile.get_request_timeout());
}

/// How a run has its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Had {
    Shared,
    Own,
    Borrowed,
}

const LEASE: Duration = Duration::from_secs(12);

fn migrator<'a>(application: &'a Application, set: &'a Migrations, had: Had) -> Migrator<'a> {
    let migrator = match had {
        Had::Shared => Migrator::new(set, &application.session),
        Had::Borrowed => Migrator::new(set, &*application.session),
        Had::Own => Migrator::connect(set, &application.proxy.url()).unwrap(),
    };
    let migrator = migrator.cluster(Cluster::default().settle_time(Duration::from_millis(500)));
    migrator.lease(LEASE).statement_timeout(Duration::from_secs(10))
}

/// A run is dropped while it waits for the answer to a statement, or to a write of its own.
#[tokio::test]
async fn a_run_that_is_dropped_gives_the_right_back() {
    let parts = OWN[..4].iter().map(|(_, part)| *part).chain(["INSERT INTO r (id) VALUES (1)"]);
    let cases = parts.flat_map(|part| [(Had::Shared, part), (Had::Own, part)]);
    let cases = cases.chain([(Had::Borrowed, "INSERT INTO r (id) VALUES (1)")]);
    let set = ups("cql", &["INSERT INTO r (id) VALUES (0); INSERT INTO r (id) VALUES (1)"]);
    for (had, part) in cases {
        let Some(application) = Application::start().await else { return };
        application.rows("CREATE TABLE {ks}.r (id int PRIMARY KEY)").await;
        application.first(
            move |sent| sent.starts_with(part) || sent.starts_with("BEGIN") && sent.contains(part),
            Fault::HoldAnswer,
        );
        let mut first = migrator(&application, &set, had);
        tokio::select! {
            ended = first.up() => panic!("{had:?} {part}: {ended:?}"),
            () = application.proxy.answered(1) => {}
        }
        drop(first);
        let begun = Instant::now();
        application.proxy.release();
        let mut next = migrator(&application, &set, Had::Shared);
        next.up().await.unwrap_or_else(|error| panic!("{had:?} {part}: {error:?}"));
        let took = begun.elapsed();
        // A sign of life may have come just before it was dropped.
        let waits = had == Had::Borrowed;
        assert_eq!(took > LEASE * 2 / 3, waits, "{had:?} {part}: {took:?}");
        assert_eq!(application.rows("SELECT id FROM {ks}.r").await.len(), 2, "{had:?} {part}");
        let events = application.events("1").await;
        assert_eq!(events.iter().any(|what| what == "taken_over"), waits, "{had:?} {part}: {events:?}");
        assert_eq!(events.iter().filter(|what| *what == "applied").count(), 1, "{had:?} {part}: {events:?}");
    }
}

#[tokio::test]
async fn a_run_that_has_no_right_to_the_history_says_so() {
    let Some(application) = Application::start().await else { return };
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY)"]);
    let message = "User deploy has no MODIFY permission on <table shop.whimbrel_history> or any of its parents";
    let fault = Fault::Fail(CqlError::Plain { code: 0x2100, message });
    for part in [OWN[0].1, OWN[1].1, "CREATE TABLE IF NOT EXISTS", "SELECT head"] {
        application.first(move |sent| sent.contains(part), fault);
        let mut migrator = application.migrator(&set).history_table("other").unwrap();
        let error = migrator.up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{part}: {error:?}");
        assert!(super::told(&error).contains("GRANT"), "{part}: {error:?}");
        assert_eq!(application.proxy.requests(), 1, "{part}");
        application.rows("DROP TABLE IF EXISTS {ks}.other").await;
    }
    assert!(!application.has_table("a").await);
}

/// Whoever takes over reads back whether that was done, and does it once.
#[tokio::test]
async fn a_takeover_whose_answer_is_lost_is_one() {
    let text = "INSERT INTO r (id) VALUES (1)";
    let set = ups("cql", &["INSERT INTO r (id) VALUES (0); INSERT INTO r (id) VALUES (1)"]);
    let faults = [
        Fault::Fail(CqlError::WriteTimeout("CAS")),
        Fault::FailAnswer(CqlError::WriteTimeout("CAS")),
        Fault::Fail(CqlError::OVERLOADED),
        Fault::CutBefore,
        Fault::CutBeforeAnswer,
    ];
    let each = faults.map(|fault| {
        let set = &set;
        async move {
            let Some(application) = Application::start().await else { return };
            application.rows("CREATE TABLE {ks}.r (id int PRIMARY KEY)").await;
            application.first(move |sent| sent == text, Fault::HoldAnswer);
            let mut first = migrator(&application, set, Had::Borrowed);
            tokio::select! {
                ended = first.up() => panic!("{fault:?}: {ended:?}"),
                () = application.proxy.answered(1) => {}
            }
            drop(first);
            application.proxy.release();
            application.first(|sent| sent.contains("'taken_over', '"), fault);
            let next = migrator(&application, set, Had::Shared).up().await;
            next.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
            assert!((1..=2).contains(&application.proxy.requests()), "{fault:?}: {:#?}", application.proxy.log());
            let events = application.events("1").await;
            assert_eq!(events, ["started", "taken_over", "resolved", "started", "applied"], "{fault:?}");
            assert_eq!(application.rows("SELECT id FROM {ks}.r").await.len(), 2, "{fault:?}");
        }
    });
    let [first, second, third, fourth, fifth] = each;
    tokio::join!(first, second, third, fourth, fifth);
}
