//! What a run tells while it is at work, and a run that is asked to stop.

use std::sync::Mutex;
use std::time::Duration;

use whimbrel::{ErrorKind, Level, Migrations, Outcome, Progress, Rollback, Standing};

use crate::stories::waiting::other_runner;
use crate::stories::world::{World, set_for, stories};

stories! {
    a_run_tells_how_it_goes on sqlite, postgres, mysql, scylla
    a_run_that_waits_tells_for_whom on sqlite, postgres, mysql, scylla
    a_run_stops_between_two_statements on sqlite, postgres, mysql, scylla
    a_rollback_stops_between_two_statements on sqlite, postgres, mysql, scylla
    a_run_stops_between_two_steps on postgres, mysql, scylla
    a_run_stops_between_two_steps_of_a_transaction on sqlite
    a_run_that_waits_stops_at_once on sqlite, postgres, mysql, scylla
    a_run_does_not_stop_where_another_session_could_not_go_on on sqlite, postgres, mysql
    a_run_that_was_asked_before_it_began_changes_nothing on sqlite, postgres, mysql, scylla
}

/// The second one, outside a transaction, shows how often each of its statements ran.
fn counted(world: &World) -> Migrations {
    let table = world.cql_or("id INT PRIMARY KEY, n COUNTER", "id INT PRIMARY KEY, n INT");
    let first = format!("CREATE TABLE a ({table})");
    let insert = "INSERT INTO a (id, n) VALUES (1, 0), (2, 0), (3, 0), (4, 0)";
    let count = |id: i32| format!("UPDATE a SET n = n + 1 WHERE id = {id}");
    let all = (1..=4).map(count).collect::<Vec<_>>().join(";\n");
    let (up, down) = (format!("-- whimbrel:no-transaction\n{all}"), format!("-- whimbrel:no-transaction\n{all}"));
    let first = world.cql_or(first.clone(), format!("{first};\n{insert}"));
    set_for(
        world.dialect(),
        [
            ("0001_a.up.sql", &*first),
            ("0001_a.down.sql", "DROP TABLE a"),
            ("0002_b.up.sql", &*up),
            ("0002_b.down.sql", &*down),
            ("0003_c.up.sql", world.cql_or("CREATE TABLE c (id INT PRIMARY KEY)", "SELECT id FROM a")),
            ("0003_c.down.sql", world.cql_or("DROP TABLE c", "SELECT id FROM a")),
        ],
    )
}

/// How often each of its statements ran.
async fn counts(world: &World) -> Vec<String> {
    let sql = world.each("CAST(n AS TEXT)", "n::text", world.cql_or("n", "CAST(n AS CHAR)"));
    let mut counts = Vec::new();
    for id in 1..=4 {
        counts.extend(world.texts(&format!("SELECT {sql} FROM a WHERE id = {id}")).await);
    }
    counts
}

async fn a_run_tells_how_it_goes(world: World) {
    let told = Mutex::new(Vec::new());
    let set = counted(&world);
    let mut migrator = world.migrator(&set).on_progress(|progress| told.lock().unwrap().push(line(progress)));
    migrator.up().await.unwrap();
    let told: Vec<String> = std::mem::take(&mut *told.lock().unwrap());
    let inside = |line: &&String| !line.starts_with("0001 statement") && !line.starts_with("0003 statement");
    let statements = world.each("7 statements", "7 statements", world.cql_or("6 statements", "7 statements"));
    let planned = format!("3 steps, {statements}");
    let expected = [
        &*planned,
        "1 of 3: 0001 done",
        "0002 statement 1 of 4",
        "0002 statement 2 of 4",
        "0002 statement 3 of 4",
        "0002 statement 4 of 4",
        "2 of 3: 0002 done",
        "3 of 3: 0003 done",
    ];
    assert_eq!(told.iter().filter(inside).collect::<Vec<_>>(), expected);
    assert_eq!(told.iter().any(|line| line == "0001 statement 1 of 2"), world.each(false, false, !world.is_cql()));
}

fn line(progress: &Progress<'_>) -> String {
    match progress {
        Progress::Planned { plan, statements, .. } => format!("{} steps, {statements} statements", plan.steps().len()),
        Progress::Statement { step, statement, of, .. } => format!("{} statement {statement} of {of}", step.version()),
        Progress::StepDone { step, done, of, .. } => format!("{done} of {of}: {} done", step.version),
        Progress::Waiting { what, .. } => format!("waiting for {what}"),
        other => format!("{other:?}"),
    }
}

async fn a_run_that_waits_tells_for_whom(world: World) {
    let other = other_runner(&world).await;
    let (set, told) = (world.three(), Mutex::new(Vec::new()));
    let listen = |progress: &Progress<'_>| told.lock().unwrap().push(line(progress));
    let mut migrator = world.migrator(&set).lock_timeout(Duration::from_millis(500)).on_progress(listen);
    assert_eq!(migrator.up().await.unwrap_err().kind(), ErrorKind::Locked);
    let told = told.lock().unwrap();
    let waits: Vec<_> = told.iter().filter(|line| line.starts_with("waiting for ")).collect();
    assert_eq!(waits.len(), 1, "{told:?}");
    let who = world.each("another runner", "another runner: pid", "another runner: ");
    assert!(waits[0].starts_with(&format!("waiting for {who}")), "{told:?}");
    drop(other);
}

/// Asks to stop while the second statement of the second migration is at work.
async fn stopped(world: &World, set: &Migrations, back: Option<Rollback>) -> whimbrel::Error {
    let mut migrator = world.migrator(set);
    let stopper = migrator.stopper();
    let mut migrator = migrator.on_progress(move |progress| {
        if matches!(progress, Progress::Statement { step, statement: 2, of: 4, .. } if step.name() == "b") {
            stopper.stop();
        }
    });
    match back {
        Some(rollback) => migrator.down(rollback).await.unwrap_err(),
        None => migrator.up().await.unwrap_err(),
    }
}

async fn a_run_stops_between_two_statements(world: World) {
    let set = counted(&world);
    let error = stopped(&world, &set, None).await;
    assert_eq!(error.kind(), ErrorKind::Stopped);
    world.shows("stopped", &error);
    let report = error.report().unwrap();
    let outcomes: Vec<&Outcome> = report.steps().iter().map(|step| &step.outcome).collect();
    assert!(matches!(outcomes[..], [Outcome::Done, Outcome::Stopped { done: 2, statements: 4, .. }, Outcome::NotRun]));
    assert_eq!(world.changes().await, ["applied", "stopped"]);
    let status = world.migrator(&set).status().await.unwrap();
    assert_eq!(status.holder, None);
    assert_eq!(status.standing(Standing::Stopped).count(), 1);
    assert!(status.to_string().starts_with("at 0001: 1 applied, 1 pending, 1 stopped (history "), "{status}");
    // It raises no alarm.
    let health = world.migrator(&set).health().await;
    assert_eq!(health.level, Level::Degraded, "{health}");
    assert!(health.to_string().contains("0002 b was stopped after 2 of 4 statements"), "{health}");
    let validation = world.migrator(&set).validate().await.unwrap();
    let told = "0002 b is stopped after 2 of 4 statements; `migrate up` goes on";
    assert_eq!(validation.problems, [told]);
    let pending = world.migrator(&set).pending().await.unwrap();
    assert_eq!(pending.iter().map(ToString::to_string).collect::<Vec<_>>(), ["0002", "0003"]);
    assert_eq!(world.up(&set).await.unwrap().steps().len(), 2);
    assert_eq!(counts(&world).await, ["1", "1", "1", "1"]);
    assert_eq!(world.changes().await, ["applied", "stopped", "applied", "applied"]);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
}

async fn a_rollback_stops_between_two_statements(world: World) {
    let set = counted(&world);
    world.up(&set).await.unwrap();
    let error = stopped(&world, &set, Some(Rollback::To("1".parse().unwrap()))).await;
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert_eq!(error.help_text(), Some("run it again: it goes on with statement 3 of 0002 b"));
    let health = world.migrator(&set).health().await;
    assert_eq!(health.level, Level::Degraded, "{health}");
    assert!(health.to_string().contains("`migrate down 0002_b` goes on"), "{health}");
    world.migrator(&set).down(Rollback::To("1".parse().unwrap())).await.unwrap();
    assert_eq!(counts(&world).await, ["2", "2", "2", "2"]);
    assert_eq!(world.versions("completed").await, ["1"]);
}

async fn a_run_stops_between_two_steps(world: World) {
    let set = thirty(&world, "SELECT id FROM t01");
    let mut migrator = world.migrator(&set);
    let stopper = migrator.stopper();
    let stop = move |progress: &Progress<'_>| {
        if matches!(progress, Progress::StepDone { .. }) {
            stopper.stop();
        }
    };
    let error = migrator.on_progress(stop).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let done = error.report().unwrap().applied();
    assert!((1..30).contains(&done), "{done}");
    assert_eq!(world.versions("completed").await.len(), done);
    let next = format!("run it again: it goes on with {:04} t", done + 1);
    assert_eq!(error.help_text(), Some(&*next));
    assert_eq!(world.up(&set).await.unwrap().steps().len(), 30 - done);
}

async fn a_run_stops_between_two_steps_of_a_transaction(world: World) {
    let slow =
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n";
    let set = thirty(&world, slow);
    let mut migrator = world.migrator(&set);
    let stopper = migrator.stopper();
    let asks = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stopper.stop();
    };
    let (ran, ()) = tokio::join!(migrator.up(), asks);
    let error = ran.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let done = error.report().unwrap().applied();
    assert!(done < 30, "{done}");
    let applied = if world.has("whimbrel_history").await { world.versions("completed").await.len() } else { 0 };
    assert_eq!(applied, done);
    assert_eq!(world.up(&set).await.unwrap().applied(), 30);
}

/// Thirty migrations, of which the first one makes a table.
fn thirty(world: &World, each: &str) -> Migrations {
    let text = |number: usize| if number == 1 { "CREATE TABLE t01 (id INT PRIMARY KEY)" } else { each }.to_owned();
    let config = format!("dialect = \"{}\"", world.dialect());
    let files = (1..=30).map(|number| (format!("{number:04}_t.sql"), text(number).into_bytes()));
    Migrations::from_files(files.chain([("whimbrel.toml".to_owned(), config.into_bytes())])).unwrap()
}

async fn a_run_that_waits_stops_at_once(world: World) {
    let other = other_runner(&world).await;
    let set = world.three();
    let mut migrator = world.migrator(&set).lock_timeout(Duration::from_secs(600));
    let stopper = migrator.stopper();
    let asks = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stopper.stop();
    };
    let (ran, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(60), migrator.up()), asks);
    let error = ran.expect("it waits").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(error.to_string().starts_with("stopped as asked"), "{error}");
    drop(other);
    assert_eq!(world.up(&set).await.unwrap().applied(), 3);
}

async fn a_run_does_not_stop_where_another_session_could_not_go_on(world: World) {
    let text = "-- whimbrel:no-transaction\nCREATE TEMPORARY TABLE kept (id INT); INSERT INTO kept (id) VALUES (7); \
                INSERT INTO a (id) SELECT id FROM kept; INSERT INTO a (id) VALUES (8)";
    let set = set_for(
        world.dialect(),
        [("0001_a.sql", "CREATE TABLE a (id INT)"), ("0002_b.sql", text), ("0003_c.sql", "SELECT id FROM a")],
    );
    let error = stopped(&world, &set, None).await;
    assert_eq!(error.kind(), ErrorKind::Stopped);
    world.up(&set).await.unwrap();
    assert_eq!(world.count("a").await, 2);
}

async fn a_run_that_was_asked_before_it_began_changes_nothing(world: World) {
    let set = world.three();
    let mut migrator = world.migrator(&set);
    migrator.stopper().stop();
    let error = migrator.up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert_eq!(error.to_string(), "stopped as asked, before 0001 a");
    assert_eq!(error.help_text(), Some("run it again: it goes on with 0001 a"));
    assert!(!world.has("whimbrel_history").await && !world.has("a").await);
    world.up(&set).await.unwrap();
    assert!(migrator.up().await.unwrap().is_up_to_date());
}
