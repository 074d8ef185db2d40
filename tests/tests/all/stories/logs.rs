//! What a log search finds of a run, and what it must not: the text of a script.

use std::time::Duration;

use sqlx::Executor as _;
use whimbrel::{ErrorKind, Rollback};
use whimbrel_tests::log::{MARK, heard_above_debug, listen};

use crate::stories::world::{World, set_for, stories};

stories! {
    a_run_that_succeeds_is_logged on sqlite, postgres, mysql, scylla
    a_run_that_fails_is_logged on sqlite, postgres, mysql, scylla
    a_run_that_waits_is_logged on postgres
}

/// The lines that hold all of these.
fn lines(of: &[&str]) -> Vec<String> {
    let heard = heard_above_debug();
    let lines = heard.lines().filter(|line| of.iter().all(|part| line.contains(part)));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn one(of: &[&str]) {
    let found = lines(of);
    assert_eq!(found.len(), 1, "{of:?}\n{}", heard_above_debug());
}

async fn a_run_that_succeeds_is_logged(world: World) {
    let marked = format!("-- {MARK} an account\nCREATE TABLE b (id INT PRIMARY KEY); INSERT INTO b (id) VALUES (1)");
    let dialect = format!("action=\"applied\" mode=\"{}\"", world.cql_or("outside", "transaction"));
    let dialect = if world.dialect() == "mysql" { dialect.replace("transaction", "outside") } else { dialect };
    let set = world.set([
        ("0001_TASK-7-a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
        ("0001_TASK-7-a.down.sql", "DROP TABLE a"),
        ("0002_b.up.sql", &marked),
        ("0002_b.down.sql", "DROP TABLE b"),
    ]);
    listen();
    world.up(&set).await.unwrap();
    let name = format!("dialect=\"{}\"", world.dialect());
    one(&["INFO whimbrel::run", "goal=\"up\"", &name, "history=", "by=", "application=\"shop 2.3.0\"", "process="]);
    one(&["version=0002", "name=\"b\"", &dialect, "outcome=\"done\"", "statements=2", "duration_ms="]);
    one(&["the run is done", "current=\"0002\"", "steps=2", "duration_ms=", "waited_ms="]);
    assert!(lines(&["ERROR"]).is_empty(), "{}", heard_above_debug());
    assert!(!heard_above_debug().contains(MARK), "{}", heard_above_debug());

    listen();
    world.up(&set).await.unwrap();
    assert!(lines(&["the run"]).is_empty(), "up to date is no news: {}", heard_above_debug());

    listen();
    world.migrator(&set).down(Rollback::Steps(1)).await.unwrap();
    one(&["INFO whimbrel::run", "goal=\"down\""]);
    one(&["version=0002", "action=\"rolled back\"", "outcome=\"done\""]);
}

async fn a_run_that_fails_is_logged(world: World) {
    let text = format!("INSERT INTO nowhere (id, name) VALUES (1, '{MARK} of an account')");
    let set = world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"), ("0002_b.sql", &text)]);
    listen();
    world.up(&set).await.unwrap_err();
    one(&["ERROR", "version=0002", "name=\"b\"", "outcome=\"failed\"", "part=\"statement 1 of 1\"", "path=", "line=1"]);
    one(&["ERROR", "the run has failed", "kind=\"failed\"", "current=\"0001\""]);
    assert!(!heard_above_debug().contains(MARK), "{}", heard_above_debug());
}

async fn a_run_that_waits_is_logged(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE wanted (id INTEGER)").await;
    let mut holder = pool.begin().await.unwrap();
    holder.execute("LOCK TABLE wanted").await.unwrap();
    let text = format!("ALTER TABLE wanted ADD name TEXT DEFAULT '{MARK}'");
    let set = set_for("postgres", [("0001_a.sql", &*text)]);
    listen();
    let mut migrator = world
        .migrator(&set)
        .lock_timeout(Duration::from_millis(400))
        .statement_lock_timeout(Duration::from_millis(100));
    assert_eq!(migrator.up().await.unwrap_err().kind(), ErrorKind::Locked);
    assert!(!lines(&["INFO", "waiting for the tables that a statement needs", "budget_ms="]).is_empty());
    one(&["ERROR", "the run has failed", "kind=\"locked\""]);
    assert!(!heard_above_debug().contains(MARK), "{}", heard_above_debug());
}
