//! The table of the history, and the schema, as they are found (findings B, C and E).

use whimbrel::{ErrorKind, Resolve, Target};
use whimbrel_tests::proxy::{CqlError, Fault};

use super::{Application, told};
use crate::cases::ups;

/// A run that ends before its first step leaves a right that was given back, and nothing else.
#[tokio::test]
async fn a_history_without_an_entry_is_one() {
    let Some(application) = Application::start().await else { return };
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY)"]);
    application.first(|sent| sent.contains("FROM system_schema.triggers"), Fault::Fail(CqlError::OVERLOADED));
    for again in 1..10 {
        application.proxy.at(again + 1, Fault::Fail(CqlError::OVERLOADED));
    }
    let error = application.migrator(&set).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    application.proxy.reset();
    let versions = "SELECT version FROM {ks}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'entry'";
    assert_eq!(application.rows(versions).await, [""]);
    let status = application.migrator(&set).status().await.unwrap();
    assert!(!status.is_up_to_date() && status.holder.is_none());
    assert_eq!(application.migrator(&set).history().await.unwrap().len(), 0);
    application.migrator(&set).up().await.unwrap();
    assert!(application.migrator(&set).up().await.unwrap().is_up_to_date());
}

/// A read that no server answers for a moment is asked again.
#[tokio::test]
async fn a_look_at_the_schema_is_asked_again() {
    let Some(application) = Application::start().await else { return };
    for (n, part) in [(1, "FROM system_schema.triggers"), (2, "SELECT toUnixTimestamp(now()) FROM system.local")] {
        let set = ups("cql", &[&format!("CREATE TABLE a{n} (id int PRIMARY KEY); INSERT INTO a{n} (id) VALUES (1)")]);
        application.first(move |sent| sent.contains(part), Fault::Fail(CqlError::OVERLOADED));
        let table = format!("history{n}");
        application.migrator(&set).history_table(&table).unwrap().up().await.unwrap();
        assert_eq!(application.proxy.requests(), 2, "{part}");
    }
}

#[tokio::test]
async fn a_table_that_is_not_ours_is_told_from_one_that_is_missing() {
    let Some(application) = Application::start().await else { return };
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY)"]);
    assert!(!application.migrator(&set).status().await.unwrap().is_up_to_date());
    application.rows("CREATE TABLE {ks}.whimbrel_history (scope text PRIMARY KEY, head text)").await;
    let mut migrator = application.migrator(&set);
    for error in [migrator.status().await.unwrap_err(), migrator.up().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::History, "{error:?}");
        assert!(told(&error).contains("is not a history of ours: Undefined column name"), "{error:?}");
        assert!(told(&error).contains(".history_table("), "{error:?}");
    }
    assert!(!application.has_table("a").await);
}

/// `IF NOT EXISTS` says nothing of it.
#[tokio::test]
async fn a_history_that_somebody_else_has_created_meanwhile_is_refused() {
    let Some(application) = Application::start().await else { return };
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY)"]);
    application.first(|sent| sent.starts_with("CREATE TABLE IF NOT EXISTS"), Fault::HoldBefore);
    let meanwhile = async {
        application.proxy.reached(1).await;
        let text = application.proxy.log()[0].text.clone();
        let (before, rest) = text.split_once("WITH ID = ").unwrap();
        let (_, after) = rest.split_once(" AND ").unwrap();
        application.rows(&format!("{before}WITH {after}")).await;
        application.proxy.release();
    };
    let mut migrator = application.migrator(&set);
    let (report, ()) = tokio::join!(migrator.up(), meanwhile);
    let error = report.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::History, "{error:?}");
    assert!(told(&error).contains("its id is") && told(&error).contains(".history_table("), "{error:?}");
    assert!(!application.has_table("a").await);
}

/// The creation of the history is looked at as well.
#[tokio::test]
async fn the_creation_of_the_history_meets_what_others_meet() {
    let Some(application) = Application::start().await else { return };
    let set = ups("cql", &["INSERT INTO r (id) VALUES (1)"]);
    application.rows("CREATE TABLE {ks}.r (id int PRIMARY KEY)").await;
    let faults = [
        (Fault::Fail(CqlError::GROUP_0_CONFLICT), 2),
        (Fault::FailAnswer(CqlError::OUTCOME_UNKNOWN), 1),
        (Fault::FailAnswer(CqlError::GROUP_0_CONFLICT), 2),
        (Fault::CutBeforeAnswer, 1),
    ];
    for (n, (fault, sent)) in (1..).zip(faults) {
        application.first(|sent| sent.starts_with("CREATE TABLE IF NOT EXISTS"), fault);
        let table = format!("history{n}");
        let mut migrator = application.migrator(&set).history_table(&table).unwrap();
        migrator.up().await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(application.proxy.requests(), sent, "{fault:?}");
    }
}

/// What a node says of the keyspace that a statement names, whichever the session is on.
#[tokio::test]
async fn a_schema_change_in_doubt_is_looked_up_where_it_is_made() {
    let Some(application) = Application::start().await else { return };
    let other = format!("{}_b", application.keyspace.name());
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    let texts = [
        format!("CREATE KEYSPACE {other} WITH replication = {replication}"),
        format!("CREATE TYPE {other}.\"Geo\" (\"Lat\" double)"),
        format!("CREATE TABLE {other}.\"Places\" (id int PRIMARY KEY, \"At\" frozen<\"Geo\">, v text)"),
        format!("CREATE INDEX \"By V\" ON {other}.\"Places\" (v)").replace("By V", "By_V"),
        format!("CREATE INDEX ON {other}.\"Places\" (\"At\")"),
        format!("ALTER TABLE {other}.\"Places\" ADD (w int, \"X\" text)"),
        format!("ALTER TABLE {other}.\"Places\" DROP w"),
        format!("ALTER TYPE {other}.\"Geo\" ADD \"Lon\" double"),
        format!("DROP INDEX {other}.\"By_V\""),
        format!("DROP TABLE {other}.\"Places\""),
        format!("DROP TYPE {other}.\"Geo\""),
        format!("DROP KEYSPACE {other}"),
    ];
    // Each twice: once it was done, once it was not; what undoes one makes room for the other.
    for (history, fault, sent) in [
        ("done", Fault::FailAnswer(CqlError::OUTCOME_UNKNOWN), 1),
        ("not_done", Fault::Fail(CqlError::OUTCOME_UNKNOWN), 2),
    ] {
        let set = ups("cql", &texts);
        for text in &texts {
            let mut migrator = application.migrator(&set).history_table(history).unwrap();
            let own = text.clone();
            application.first(move |sent| sent == own, fault);
            let report = migrator.up_to(Target::Steps(1)).await;
            report.unwrap_or_else(|error| panic!("{text}: {fault:?}: {error:?}"));
            assert_eq!(application.proxy.requests(), sent, "{text}: {fault:?}");
        }
        let left = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{ks}_b'";
        assert!(application.rows(left).await.is_empty(), "{history}");
    }
}

/// What leaves no trace that a digest could tell: a person says it.
#[tokio::test]
async fn an_option_in_doubt_that_has_changed_is_asked_about() {
    let Some(application) = Application::start().await else { return };
    let text = "ALTER TABLE a WITH comment = 'b'";
    let set = ups("cql", &["CREATE TABLE a (id int PRIMARY KEY)", text]);
    application.first(move |sent| sent == text, Fault::FailAnswer(CqlError::OUTCOME_UNKNOWN));
    let error = application.migrator(&set).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt, "{error:?}");
    application.migrator(&set).resolve(&"2".parse().unwrap(), Resolve::Done(1)).await.unwrap();
    application.migrator(&set).up().await.unwrap();
    assert_eq!(application.proxy.requests(), 1);
    assert_eq!(application.events("2").await, ["started", "resolved", "started", "applied"]);
}
