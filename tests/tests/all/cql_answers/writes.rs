//! The times of what migrations write, as they were tried (finding 4): each statement has its own.

use whimbrel::Migrations;
use whimbrel_tests::proxy::{CqlError, Fault};

use super::Application;
use crate::cases::ups;

/// The first migration of all: columns of many sorts.
const TABLE: &str = "CREATE TABLE r (id int PRIMARY KEY, v text, l list<int>, s set<int>, m map<text, int>)";

fn set(scripts: &[&str]) -> Migrations {
    ups("cql", &[&[TABLE], scripts].concat())
}

/// A keyspace in which these have run.
async fn after(scripts: &[&str]) -> Option<Application> {
    let application = Application::start().await?;
    application.migrator(&set(scripts)).up().await.unwrap();
    Some(application)
}

/// With one time for both, the larger value would win, and a DELETE the INSERT after it.
#[tokio::test]
async fn of_two_statements_on_one_cell_the_later_one_wins() {
    let cases = [
        ("INSERT INTO r (id, v) VALUES (1, 'z'); INSERT INTO r (id, v) VALUES (1, 'a')", "a"),
        ("INSERT INTO r (id, v) VALUES (2, 'z'); UPDATE r SET v = 'a' WHERE id = 2", "a"),
        (
            "INSERT INTO r (id, v) VALUES (3, 'z'); DELETE FROM r WHERE id = 3; INSERT INTO r (id, v) VALUES (3, 'a')",
            "a",
        ),
        ("BEGIN BATCH UPDATE r SET v = 'z' WHERE id = 4; APPLY BATCH; UPDATE r SET v = 'a' WHERE id = 4", "a"),
        ("UPDATE r USING TTL 1000 SET v = 'z' WHERE id = 5; UPDATE r SET v = 'a' WHERE id = 5", "a"),
    ];
    let Some(application) = after(&cases.map(|(script, _)| script)).await else { return };
    for (n, (script, expected)) in (1..).zip(cases) {
        let found = application.rows(&format!("SELECT v FROM {{ks}}.r WHERE id = {n}")).await;
        assert_eq!(found, [expected], "{script}");
    }
}

#[tokio::test]
async fn a_value_is_later_than_the_column_that_was_dropped_before_it() {
    let script = "INSERT INTO r (id, v) VALUES (1, 'old'); ALTER TABLE r DROP v; ALTER TABLE r ADD v text; \
                  INSERT INTO r (id, v) VALUES (1, 'new')";
    let Some(application) = after(&[script]).await else { return };
    assert_eq!(application.rows("SELECT v FROM {ks}.r").await, ["new"]);
}

#[tokio::test]
async fn a_time_in_the_text_is_left_alone() {
    let script = "INSERT INTO r (id, v) VALUES (1, 'a') USING TIMESTAMP 77; \
                  UPDATE r USING TIMESTAMP 88 SET v = 'b' WHERE id = 2; \
                  BEGIN BATCH USING TIMESTAMP 99 INSERT INTO r (id, v) VALUES (3, 'c'); APPLY BATCH";
    let Some(application) = after(&[script]).await else { return };
    assert_eq!(application.rows("SELECT id, writetime(v) FROM {ks}.r").await, ["1 77", "2 88", "3 99"]);
}

/// With one, its elements would be there as often as it was written.
#[tokio::test]
async fn a_list_gets_no_time_of_ours() {
    let cases = [
        ("INSERT INTO r (id, l) VALUES (1, [1, 2])", false),
        ("UPDATE r SET l = l + [3] WHERE id = 1", false),
        ("INSERT INTO r (id, s, m) VALUES (2, {1}, {'a': 1})", true),
    ];
    let Some(application) = after(&[]).await else { return };
    for (n, (text, is_pinned)) in (1..).zip(cases) {
        let set = set(&cases.map(|(text, _)| text)[..n]);
        application.first(move |sent| sent == text, Fault::HoldBefore);
        let held = async {
            application.proxy.reached(1).await;
            let select = "SELECT write_time FROM {ks}.whimbrel_history WHERE scope = 'whimbrel' AND part = 'entry'";
            let marked = application.rows(&format!("{select} AND version = '{}'", n + 1)).await;
            assert_eq!(marked != ["null"], is_pinned, "{text}: {marked:?}");
            application.proxy.release();
        };
        let mut migrator = application.migrator(&set);
        let (report, ()) = tokio::join!(migrator.up(), held);
        report.unwrap();
    }
    assert_eq!(application.rows("SELECT l FROM {ks}.r WHERE id = 1").await, ["[1,2,3]"]);
}

#[tokio::test]
async fn a_repetition_does_not_overwrite_what_the_application_has_written_since() {
    let texts = [
        "INSERT INTO r (id, v) VALUES (1, 'ours')",
        "UPDATE r SET v = 'ours' WHERE id = 2",
        "DELETE FROM r WHERE id = 3",
        "BEGIN BATCH UPDATE r SET v = 'ours' WHERE id = 4; APPLY BATCH",
    ];
    let Some(application) = after(&[]).await else { return };
    for (n, text) in (1..).zip(texts) {
        let set = set(&texts[..n]);
        application.first(move |sent| sent == text, Fault::FailAnswer(CqlError::WriteTimeout("SIMPLE")));
        application.proxy.at(2, Fault::HoldBefore);
        let between = async {
            application.proxy.reached(2).await;
            application.rows(&format!("INSERT INTO {{ks}}.r (id, v) VALUES ({n}, 'theirs')")).await;
            application.proxy.release();
        };
        let mut migrator = application.migrator(&set);
        let (report, ()) = tokio::join!(migrator.up(), between);
        report.unwrap();
        assert_eq!(application.proxy.requests(), 2, "{text}");
        let found = application.rows(&format!("SELECT v FROM {{ks}}.r WHERE id = {n}")).await;
        assert_eq!(found, ["theirs"], "{text}");
    }
}

/// The same by another runner, which goes on where the first one was dropped.
#[tokio::test]
async fn who_goes_on_writes_with_the_time_that_was_noted() {
    let Some(application) = after(&[]).await else { return };
    let text = "UPDATE r SET v = 'ours' WHERE id = 1";
    let set = set(&[text]);
    application.first(move |sent| sent == text, Fault::HoldAnswer);
    let mut migrator = application.migrator(&set);
    tokio::select! {
        _ = migrator.up() => panic!("its answer is held"),
        () = application.proxy.answered(1) => {}
    }
    drop(migrator);
    application.rows("UPDATE {ks}.r SET v = 'theirs' WHERE id = 1").await;
    application.proxy.release();
    application.migrator(&set).up().await.unwrap();
    assert_eq!(application.proxy.requests(), 2);
    assert_eq!(application.rows("SELECT v FROM {ks}.r").await, ["theirs"]);
}

/// Two texts of one time would be settled by the larger value.
#[tokio::test]
async fn a_statement_that_was_edited_in_doubt_gets_a_time_of_its_own() {
    let Some(application) = after(&[]).await else { return };
    let text = "UPDATE r SET v = 'zzz' WHERE id = 1";
    let script = |text: &str| format!("INSERT INTO r (id) VALUES (1); {text}");
    let (first, edited) = (script(text), script("UPDATE r SET v = 'aaa' WHERE id = 1"));
    let (first, edited) = (set(&[&first]), set(&[&edited]));
    application.first(move |sent| sent == text, Fault::HoldAnswer);
    let mut migrator = application.migrator(&first);
    tokio::select! {
        _ = migrator.up() => panic!("its answer is held"),
        () = application.proxy.answered(1) => {}
    }
    drop(migrator);
    application.proxy.release();
    application.migrator(&edited).up().await.unwrap();
    assert_eq!(application.rows("SELECT v FROM {ks}.r").await, ["aaa"]);
}

#[tokio::test]
async fn later_migrations_write_later_also_when_the_clock_goes_back() {
    let Some(application) = after(&["INSERT INTO r (id, v) VALUES (1, 'z')"]).await else { return };
    // In the year 2100: the clock of the database was there, and has been set right.
    let ahead = 4_102_444_800_000_000_i64;
    let last =
        format!("UPDATE {{ks}}.whimbrel_history SET last_write_time = {ahead} WHERE scope = 'whimbrel' IF EXISTS");
    assert_eq!(application.rows(&last).await, ["true"]);
    let script = "UPDATE r SET v = 'y' WHERE id = 1; UPDATE r SET v = 'x' WHERE id = 1";
    let first = ["INSERT INTO r (id, v) VALUES (1, 'z')", script];
    application.migrator(&set(&first)).up().await.unwrap();
    let found = application.rows("SELECT v, writetime(v) FROM {ks}.r").await;
    assert_eq!(found, [format!("x {}", ahead + 2000)]);
    let then = [first[0], first[1], "UPDATE r SET v = 'a' WHERE id = 1"];
    application.migrator(&set(&then)).up().await.unwrap();
    assert_eq!(application.rows("SELECT v FROM {ks}.r").await, ["a"]);
}
