//! What only ScyllaDB and Cassandra have: keyspaces, counters, times of writes.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};
use whimbrel::{Cluster, Error, ErrorKind, Migrations, Migrator, Rollback, Target};
use whimbrel_tests::starters::{Ended, Starters};

use crate::stories::world::{World, quick, set_for};

/// A keyspace and a session on it; `None` without a server.
async fn world() -> Option<World> {
    World::scylla().await
}

/// Compares what a person reads.
fn shown(world: &World, name: &str, error: &Error) {
    world.shows(&format!("cql_{name}"), error);
}

#[tokio::test]
async fn a_session_of_no_keyspace_is_told_to_name_one_on_scylla() {
    let Some(world) = world().await else { return };
    let World::Scylla(_, keyspace) = &world else { return };
    let session = keyspace.session().await;
    let set = world.three();
    let error = whimbrel::migrate(&set, &session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    shown(&world, "no_keyspace", &error);
    // What scripts do not qualify has no place either; the history has one.
    let text = format!("CREATE TABLE {}.a (id INT PRIMARY KEY)", keyspace.name());
    let set = set_for("cql", [("0001_a.sql", &*text)]);
    let table = format!("{}.own_history", keyspace.name());
    let mut migrator = Migrator::new(&set, &session).history_table(&table).unwrap();
    assert_eq!(migrator.up().await.unwrap().applied(), 1);
    assert!(migrator.up().await.unwrap().is_up_to_date());
    assert_eq!(keyspace.tables().await, ["a", "own_history"]);
}

#[tokio::test]
async fn a_keyspace_that_is_missing_is_named_on_scylla() {
    let Some(world) = world().await else { return };
    let set = world.three();
    let mut migrator = world.migrator(&set).history_table("no_such_keyspace.history").unwrap();
    for error in [migrator.status().await.unwrap_err(), migrator.up().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Connection);
        shown(&world, "missing_keyspace", &error);
    }
}

#[tokio::test]
async fn the_history_stands_where_it_is_told_to_on_scylla() {
    let Some(world) = world().await else { return };
    let World::Scylla(_, keyspace) = &world else { return };
    let set = world.three();
    for name in [format!("{}.Own_History", keyspace.name()), "plain".to_owned()] {
        let mut migrator = world.migrator(&set).history_table(&name).unwrap();
        assert_eq!(migrator.up().await.unwrap().applied(), 3);
        assert!(migrator.up().await.unwrap().is_up_to_date());
        assert!(migrator.status().await.unwrap().history_table.ends_with(&name));
        assert_eq!(migrator.down(Rollback::All).await.unwrap().applied(), 0);
    }
    assert_eq!(keyspace.tables().await, ["Own_History", "plain"]);
    for (name, table) in [("history_name", "it's"), ("history_name_long", &*"x".repeat(49))] {
        let error = world.migrator(&set).history_table(table).unwrap().up().await.unwrap_err();
        shown(&world, name, &error);
    }
}

#[tokio::test]
async fn a_statement_may_not_take_as_long_as_the_right_lasts_on_scylla() {
    let Some(world) = world().await else { return };
    let set = world.three();
    let error = world.migrator(&set).statement_timeout(Duration::from_secs(90)).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    shown(&world, "statement_timeout", &error);
    assert!(!world.has("a").await);
    let text = "-- whimbrel:timeout 40s\nCREATE TABLE a (id INT PRIMARY KEY)";
    let own = world.set([("0001_a.sql", text)]);
    assert_eq!(world.up(&own).await.unwrap_err().kind(), ErrorKind::Refused);
    let forever = world.migrator(&own).lease(Duration::from_secs(60)).lock_timeout(Duration::MAX);
    assert_eq!(forever.timeout(Duration::MAX).up().await.unwrap().applied(), 1);
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_followed_on_scylla() {
    let Some(world) = world().await else { return };
    let scripts: Vec<String> = (1..=30)
        .map(|n| format!("CREATE TABLE t{n} (id INT PRIMARY KEY); INSERT INTO t{n} (id) VALUES ({n})"))
        .collect();
    let set = crate::cases::ups("cql", &scripts);
    // Long for a statement that the node has in a queue, also on a busy machine.
    let migrator = || world.migrator(&set).cluster(Cluster::default().settle_time(Duration::from_secs(5)));
    let error = migrator().timeout(Duration::from_secs(1)).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(error.report().is_none_or(|report| report.applied() < 30), "{error:?}");
    // It was dropped in the middle of a statement, perhaps: what became of that is found out.
    assert_eq!(migrator().up().await.unwrap().applied(), 30);
    assert_eq!(world.changes().await.iter().filter(|what| *what == "applied").count(), 30);
    for n in 1..=30 {
        assert_eq!(world.count(&format!("t{n}")).await, 1, "{n}");
    }
}

#[tokio::test]
async fn the_settings_of_a_url_and_of_the_program_stand_beside_each_other_on_scylla() {
    let Some(world) = world().await else { return };
    let World::Scylla(_, keyspace) = &world else { return };
    let name = format!("{}_made", keyspace.name());
    let url = keyspace.url().replace(keyspace.name(), &name);
    let replication = "?create_keyspace=%7B'class':'SimpleStrategy','replication_factor':1%7D";
    let set = world.three();
    let mut migrator = Migrator::connect(&set, &format!("{url}{replication}")).unwrap().cluster(quick());
    let report = migrator.up_to(Target::Steps(1)).await;
    keyspace.execute(&format!("DROP KEYSPACE IF EXISTS {name}")).await;
    assert_eq!(report.unwrap().applied(), 1);
}

#[tokio::test]
async fn twenty_starters_share_a_session_on_scylla() {
    let Some(world) = world().await else { return };
    let World::Scylla(session, _) = &world else { return };
    let folder = counting(4);
    let set: &'static Migrations = Box::leak(Box::new(Migrations::from_directory(folder.path()).unwrap()));
    let mut starters = JoinSet::new();
    for _ in 0..20 {
        let session = Arc::clone(session);
        starters.spawn(async move { whimbrel::migrate(set, &session).await });
    }
    let mut steps = 0;
    while let Some(report) = starters.join_next().await {
        steps += report.unwrap().unwrap_or_else(|error| panic!("{error:?}")).steps().len();
    }
    assert_eq!(steps, 4);
    each_has_run_once(&world, 4).await;
}

/// A folder of migrations, `first` and then so many that leave a trace each.
fn folder(first: &str, count: usize, text: impl Fn(usize) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("0001_ran.cql"), first).unwrap();
    for number in 2..=count {
        std::fs::write(folder.path().join(format!("{number:04}_t.cql")), text(number)).unwrap();
    }
    folder
}

/// Migrations that count how often each of their statements has run: a counter tells.
fn counting(count: usize) -> TempDir {
    folder("CREATE TABLE ran (id TEXT PRIMARY KEY, n COUNTER)", count, |n| {
        let ran = |id| format!("UPDATE ran SET n = n + 1 WHERE id = '{n} {id}'");
        let create = format!("CREATE TABLE t{n} (id INT PRIMARY KEY)");
        format!("{};\n{create};\n{};\nINSERT INTO t{n} (id) VALUES ({n});", ran("before"), ran("after"))
    })
}

/// Each of those statements has run once, and all of it is recorded once.
async fn each_has_run_once(world: &World, count: usize) {
    let mut counts = world.texts("SELECT id, n FROM ran").await;
    counts.sort();
    let mut expected: Vec<_> = (2..=count).flat_map(|n| [format!("{n} before 1"), format!("{n} after 1")]).collect();
    expected.sort();
    assert_eq!(counts, expected);
    all_is_recorded_once(world, count).await;
}

async fn all_is_recorded_once(world: &World, count: usize) {
    let versions: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    assert_eq!(world.versions("completed").await, versions);
    let applied =
        world.texts("SELECT of_version FROM whimbrel_history WHERE part = 'event' AND what = 'applied'").await;
    assert_eq!(applied, versions);
    assert_eq!(world.texts("SELECT owner FROM whimbrel_history LIMIT 1").await, ["null"]);
}

/// Processes that are ready, with patience for a busy machine.
fn ready(world: &World, count: usize, folder: &TempDir, lease: Option<Duration>) -> Starters {
    let (url, binary) = (world.url(), env!("CARGO_BIN_EXE_starter"));
    let arguments = [url.into(), folder.path().into(), "up".into(), "120000".into()];
    Starters::with_for(binary, count, &arguments, lease)
}

fn all_have_succeeded(ended: &[Ended]) {
    assert!(ended.iter().all(|starter| starter.status.success()), "{ended:#?}");
}

#[tokio::test]
async fn ten_processes_run_every_statement_once_on_scylla() {
    let Some(world) = world().await else { return };
    let folder = counting(6);
    // Nothing is there, not even the history.
    let starters = ready(&world, 10, &folder, None);
    let ended = spawn_blocking(move || starters.run()).await.unwrap();
    all_have_succeeded(&ended);
    let applied: usize = ended.iter().map(|starter| starter.output.matches(" statement").count()).sum();
    assert_eq!(applied, 6, "{ended:#?}");
    each_has_run_once(&world, 6).await;
}

#[tokio::test]
async fn ten_processes_go_on_with_what_is_half_migrated_on_scylla() {
    let Some(world) = world().await else { return };
    let folder = counting(6);
    let set = Migrations::from_directory(folder.path()).unwrap();
    world.migrator(&set).up_to(Target::Steps(3)).await.unwrap();
    // The fourth stands at its third statement: a table of its name is in the way of the second.
    world.run("CREATE TABLE t4 (id INT PRIMARY KEY)").await;
    assert_eq!(world.up(&set).await.unwrap_err().kind(), ErrorKind::Failed);
    world.run("DROP TABLE t4").await;
    let starters = ready(&world, 10, &folder, None);
    let ended = spawn_blocking(move || starters.run()).await.unwrap();
    all_have_succeeded(&ended);
    each_has_run_once(&world, 6).await;
}

#[tokio::test]
async fn one_of_ten_processes_is_killed_and_followed_on_scylla() {
    let Some(world) = world().await else { return };
    let count = 12;
    // Nothing among it that only a person can settle.
    let folder = folder("CREATE TABLE ran (id INT PRIMARY KEY, n INT)", count, |n| {
        format!(
            "CREATE TABLE t{n} (id INT PRIMARY KEY);\nINSERT INTO ran (id, n) VALUES ({n}, {n});\nALTER TABLE ran ADD c{n} INT;"
        )
    });
    let mut starters = ready(&world, 10, &folder, Some(Duration::from_secs(3)));
    starters.go();
    let ids = starters.ids();
    // Whoever has the right once the second migration is done.
    let number = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !world.has("t2").await {
            continue;
        }
        let holders = world.texts("SELECT process, owner FROM whimbrel_history LIMIT 1").await;
        let process = holders.first().and_then(|holder| holder.split(' ').next()?.parse::<u32>().ok());
        if let Some(number) = process.and_then(|process| ids.iter().position(|id| *id == process)) {
            break number;
        }
    };
    starters.kill(number);
    let mut ended = spawn_blocking(move || starters.wait()).await.unwrap();
    let killed = ended.remove(number);
    assert!(!killed.status.success(), "{killed:?}");
    all_have_succeeded(&ended);
    all_is_recorded_once(&world, count).await;
    assert_eq!(world.count("ran").await, count as i64 - 1);
    assert_eq!(world.details("taken_over").await.len(), 1);
}
