//! The right to migrate outside a transaction: who holds it is told, who is silent is taken over and writes no more.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::spawn_blocking;
use whimbrel::{Action, ErrorKind, Migrations, Migrator, Resolve, Rollback, Runner};
use whimbrel_tests::Proxy;
use whimbrel_tests::log::{heard, listen};
use whimbrel_tests::postgres::Database;
use whimbrel_tests::proxy::Fault;
use whimbrel_tests::starters::{Ended, Starters};

use crate::cases::ups;
use crate::postgres_cases::{nothing_is_locked, number};
use crate::stories::world::{World, normal, set_for, shows, stories};

stories! {
    who_holds_the_right_is_told on postgres, mysql
    a_row_says_what_its_runner_is_at on postgres
    a_connection_that_was_passed_in_gives_no_sign_of_life on postgres
    the_table_of_the_lock_comes_with_the_first_step_that_needs_it on postgres
    a_runner_that_stands_still_is_taken_over_and_writes_no_more on postgres, mysql
    whoever_took_over_is_told on postgres, mysql
    a_builder_that_stands_still_is_taken_over_and_writes_no_more on postgres
    of_two_who_wait_one_takes_over on postgres, mysql
    who_works_as_another_role_than_it_logs_in_as_goes_on on postgres
    a_slow_runner_is_not_taken_over on postgres, mysql
    who_gets_no_second_connection_says_so_and_goes_on on postgres
    who_may_not_end_a_session_says_what_to_run on postgres
    a_runner_that_is_killed_is_followed_at_once on postgres
    a_run_that_is_dropped_is_followed_at_once on postgres
    an_entry_that_somebody_is_at_is_not_resolved on postgres, mysql
    a_runner_whose_server_goes_on_is_followed_after_its_lease on mysql
}

/// Long for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A third of it is long for a busy machine, and all of it short for a test.
const LEASE: Duration = Duration::from_millis(1_500);

/// Sleeps for each row of the table `slow`.
const SLEEPS: &str = "SELECT pg_sleep(60) FROM slow";
/// Waits for whoever writes to the table `slow`.
const BUILDS: &str = "CREATE INDEX CONCURRENTLY slow_id ON slow (id)";

/// A directory with one migration: a statement that takes its time, and one before and after it that leave a trace.
async fn folder(world: &World, statement: &str) -> TempDir {
    world.run("CREATE TABLE ran (n INTEGER); CREATE TABLE slow (id INTEGER); INSERT INTO slow VALUES (1)").await;
    let statement = if world.dialect() == "mysql" { statement.replace("pg_sleep", "SLEEP") } else { statement.into() };
    let text =
        format!("-- whimbrel:no-transaction\nINSERT INTO ran VALUES (1);\n{statement};\nINSERT INTO ran VALUES (3);\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("0007_slow.sql"), text).unwrap();
    std::fs::write(folder.path().join("whimbrel.toml"), format!("dialect = \"{}\"", world.dialect())).unwrap();
    folder
}

fn start(world: &World, count: usize, directory: &Path) -> Starters {
    let binary = env!("CARGO_BIN_EXE_starter");
    let mut starters = Starters::ready_for(binary, count, &world.url(), Some(directory), Some(LEASE));
    starters.go();
    starters
}

async fn end(starters: Starters) -> Vec<Ended> {
    spawn_blocking(move || starters.run()).await.unwrap()
}

/// Waits until the runner is in the middle of its second statement.
async fn is_at_the_second(world: &World) {
    let postgres = "whimbrel_lock l JOIN pg_stat_activity a ON a.pid = l.backend \
                    WHERE l.statement = 2 AND a.state = 'active' AND a.query LIKE '%slow%'";
    let mysql = "whimbrel_lock l JOIN information_schema.processlist p ON p.id = l.backend \
                 WHERE l.statement = 2 AND p.info LIKE '%slow%'";
    until(world, if world.dialect() == "mysql" { mysql } else { postgres }).await;
}

async fn until(world: &World, found: &str) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !world.has("whimbrel_lock").await || world.count(found).await == 0 {
        assert!(Instant::now() < patience, "{found}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Each statement has run once, all of it is recorded, and nothing is left behind.
async fn all_is_well<const N: usize>(world: &World, traces: [&str; N]) {
    assert_eq!(world.texts("SELECT concat(n) FROM ran ORDER BY n").await, traces);
    let completed = "SELECT version FROM whimbrel_history WHERE state = 'completed'";
    assert_eq!(world.texts(completed).await, ["7"]);
    assert_eq!(world.count("whimbrel_lock").await, 0);
    if let World::Postgres(pool, _) = world {
        nothing_is_locked(pool).await;
    }
}

async fn events(world: &World, what: &str) -> Vec<String> {
    world.texts(&format!("SELECT coalesce(detail, '') FROM whimbrel_events WHERE what = '{what}' ORDER BY id")).await
}

/// What a person reads, without what is another one on each machine.
fn shown(world: &World, name: &str, text: &str, runner: &Runner) {
    let work = runner.work.as_ref().unwrap();
    let text = text.replace(world.database(), "<database>");
    let text = text.replace(&work.by, "<who>").replace(&work.application, "<application>");
    let text = text.replace(&format!("process {}", work.process), "process <process>");
    let text = match text.split_once("pg_terminate_backend(") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}pg_terminate_backend(<pid>{after}")
        }
        None => text,
    };
    shows(&format!("{name}.{}", world.dialect()), &normal(&text));
}

async fn holder(world: &World, set: &Migrations) -> Runner {
    world.migrator(set).status().await.unwrap().holder.unwrap()
}

async fn who_holds_the_right_is_told(world: World) {
    let folder = folder(&world, SLEEPS).await;
    let set = Migrations::from_directory(folder.path()).unwrap();
    let starter = start(&world, 1, folder.path());
    is_at_the_second(&world).await;
    let status = world.migrator(&set).status().await.unwrap();
    let runner = status.holder.clone().unwrap();
    let work = runner.work.clone().unwrap();
    assert_eq!((work.process, &*work.version.to_string()), (starter.ids()[0], "0007"));
    assert_eq!((work.action, work.statement, work.statements), (Action::Apply, 2, 3));
    assert!(work.last_sign.unwrap() < Duration::from_secs(20), "{work:?}");
    shown(&world, "right_status", &status.to_string(), &runner);

    listen();
    let mut migrator = world.migrator(&set).lock_timeout(Duration::from_millis(300));
    shown(&world, "right_held", &format!("{:?}", migrator.up().await.unwrap_err()), &runner);
    let said = heard().lines().filter(|line| line.contains("waiting for another runner: ")).count();
    assert_eq!(said, 1, "{}", heard());
    world.run("DELETE FROM slow").await;
    drop(starter);
}

async fn a_row_says_what_its_runner_is_at(world: World) {
    let note = "INSERT INTO seen SELECT version || direction || statement || ' of ' || statements FROM whimbrel_lock";
    let up = format!("-- whimbrel:no-transaction\nCREATE TABLE seen (line TEXT);\n{note};\nVACUUM;\n{note};");
    let down = format!("-- whimbrel:no-transaction\n{note};");
    let set = set_for("postgres", [("0001_a.up.sql", &*up), ("0001_a.down.sql", &*down)]);
    world.up(&set).await.unwrap();
    world.migrator(&set).down(Rollback::All).await.unwrap();
    assert_eq!(world.texts("SELECT line FROM seen").await, ["1up2 of 4", "1up4 of 4", "1down1 of 1"]);
    assert_eq!(world.count("whimbrel_lock").await, 0);
}

async fn a_connection_that_was_passed_in_gives_no_sign_of_life(world: World) {
    let World::Postgres(pool, database) = &world else { return };
    let folder = folder(&world, SLEEPS).await;
    let set = Migrations::from_directory(folder.path()).unwrap();
    let mut callers = database.connect().await;
    let running = tokio::spawn({
        let set = set.clone();
        async move { Migrator::new(&set, &mut callers).lease(Duration::from_millis(100)).up().await }
    });
    is_at_the_second(&world).await;
    let runner = holder(&world, &set).await;
    assert_eq!(runner.work.as_ref().unwrap().last_sign, None);
    // However long it takes: nobody takes over.
    let migrator = world.migrator(&set).lease(Duration::from_millis(100)).lock_timeout(Duration::from_secs(2));
    let error = { migrator }.up().await.unwrap_err();
    shown(&world, "right_without_sign", &format!("{error:?}"), &runner);
    assert_eq!(number(pool, "SELECT count(*) FROM whimbrel_events WHERE what = 'taken_over'").await, 0);
    running.abort();
}

async fn the_table_of_the_lock_comes_with_the_first_step_that_needs_it(world: World) {
    let scripts = ["CREATE TABLE a (id INTEGER)", "CREATE INDEX CONCURRENTLY b ON a (id)", "VACUUM a"];
    world.up(&ups("postgres", &scripts[..1])).await.unwrap();
    assert!(!world.has("whimbrel_lock").await);
    assert_eq!(world.up(&ups("postgres", &scripts[..2])).await.unwrap().applied(), 2);
    assert!(world.has("whimbrel_lock").await);
    // A history from before there was such a table.
    world.run("DROP TABLE whimbrel_lock").await;
    let set = ups("postgres", &scripts);
    assert_eq!(world.migrator(&set).status().await.unwrap().holder, None);
    assert_eq!(world.up(&set).await.unwrap().applied(), 3);
    assert_eq!(world.count("whimbrel_lock").await, 0);
}

/// A runner that stands still in its second statement, until another one has done all.
async fn stands_still(world: &World, folder: &TempDir) {
    let first = start(world, 1, folder.path());
    is_at_the_second(world).await;
    first.signal("STOP");
    let process = first.ids()[0];
    let second = start(world, 1, folder.path());
    until(world, "whimbrel_events WHERE what = 'taken_over'").await;
    // What held the statement up is over.
    world.run("DELETE FROM slow").await;
    let ended = end(second).await.remove(0);
    assert!(ended.status.success(), "{ended:?}");
    let written = "SELECT concat(version, state, applied, started_at, completed_at) FROM whimbrel_history \
                   UNION ALL SELECT concat(id, at, what) FROM whimbrel_events UNION ALL SELECT concat(n) FROM ran";
    let before = world.texts(written).await;

    first.signal("CONT");
    let ended = end(first).await.remove(0);
    assert!(!ended.status.success(), "{ended:?}");
    let message = format!("0007_slow was taken over by {}; this run stops", by(world).await);
    assert!(ended.error.contains(&message) && ended.error.contains("help: this process gave no sign"), "{ended:?}");
    assert_eq!(world.texts(written).await, before);
    let told = events(world, "taken_over").await;
    let who = format!("ended the session of {}, process {process}, application ", by(world).await);
    assert!(told.len() == 1 && told[0].starts_with(&who), "{told:?}");
    assert!(told[0].contains(", at statement 2 of 0007, last sign of life "), "{told:?}");
    assert_eq!(events(world, "resolved").await.len(), 1);
}

async fn by(world: &World) -> String {
    world.texts("SELECT applied_by FROM whimbrel_history").await.remove(0)
}

async fn a_runner_that_stands_still_is_taken_over_and_writes_no_more(world: World) {
    let folder = folder(&world, SLEEPS).await;
    stands_still(&world, &folder).await;
    all_is_well(&world, ["1", "3"]).await;
}

async fn whoever_took_over_is_told(world: World) {
    let folder = folder(&world, SLEEPS).await;
    let first = start(&world, 1, folder.path());
    is_at_the_second(&world).await;
    first.signal("STOP");
    let set = Migrations::from_directory(folder.path()).unwrap();
    let mut migrator = world.migrator(&set).lease(LEASE);
    let ends = async {
        until(&world, "whimbrel_events WHERE what = 'taken_over'").await;
        world.run("DELETE FROM slow").await;
    };
    let (ready, ()) = tokio::join!(migrator.ensure_ready(), ends);
    let ready = ready.unwrap();
    first.signal("CONT");
    end(first).await;
    let is_told = |warning: &String| warning.starts_with("took over from ") && warning.contains("0007");
    assert!(ready.warnings.iter().any(is_told), "{ready}");
    all_is_well(&world, ["1", "3"]).await;
}

async fn a_builder_that_stands_still_is_taken_over_and_writes_no_more(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    let folder = folder(&world, BUILDS).await;
    let mut writer = pool.begin().await.unwrap();
    sqlx::raw_sql("INSERT INTO slow VALUES (7)").execute(&mut *writer).await.unwrap();
    let released = async {
        until(&world, "whimbrel_events WHERE what = 'taken_over'").await;
        writer.rollback().await.unwrap();
    };
    tokio::join!(stands_still(&world, &folder), released);
    let valid = "pg_index WHERE indrelid = 'slow'::regclass AND indisvalid";
    assert_eq!((world.count(valid).await, world.count("pg_class WHERE relname LIKE 'slow_%'").await), (1, 1));
    all_is_well(&world, ["1", "3"]).await;
}

async fn of_two_who_wait_one_takes_over(world: World) {
    let folder = folder(&world, SLEEPS).await;
    let first = start(&world, 1, folder.path());
    is_at_the_second(&world).await;
    first.signal("STOP");
    let others = start(&world, 2, folder.path());
    until(&world, "whimbrel_events WHERE what = 'taken_over'").await;
    world.run("DELETE FROM slow").await;
    let ended = end(others).await;
    assert!(ended.iter().all(|other| other.status.success()), "{ended:?}");
    assert_eq!(events(&world, "taken_over").await.len(), 1);
    drop(first);
    all_is_well(&world, ["1", "3"]).await;
}

async fn a_slow_runner_is_not_taken_over(world: World) {
    let folder = folder(&world, &SLEEPS.replace("60", "6")).await;
    let both = start(&world, 2, folder.path());
    until(&world, "whimbrel_lock WHERE statement = 2 AND heartbeat > since + INTERVAL '4' SECOND").await;
    let ended = end(both).await;
    assert!(ended.iter().all(|runner| runner.status.success()), "{ended:?}");
    assert_eq!(events(&world, "taken_over").await.len(), 0);
    all_is_well(&world, ["1", "3"]).await;
}

/// Such a session does not see since when it is there itself.
async fn who_works_as_another_role_than_it_logs_in_as_goes_on(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let ((login, url), (owner, _)) = (database.role().await, database.role().await);
    let sql = format!(
        "GRANT \"{owner}\" TO \"{login}\"; ALTER ROLE \"{login}\" SET role = '{owner}'; \
         GRANT CREATE, USAGE ON SCHEMA public TO \"{owner}\""
    );
    world.run(sql).await;
    let set = set_for("postgres", [("0001_a.sql", "-- whimbrel:no-transaction\nSELECT pg_sleep(3)")]);
    assert_eq!(Migrator::connect(&set, &url).unwrap().lease(LEASE).up().await.unwrap().applied(), 1);
    assert_eq!(world.count("whimbrel_lock").await, 0);
}

async fn who_gets_no_second_connection_says_so_and_goes_on(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let (role, url) = database.role().await;
    world.run(format!("GRANT CREATE ON SCHEMA public TO \"{role}\"; ALTER ROLE \"{role}\" CONNECTION LIMIT 1")).await;
    let set = set_for("postgres", [("0001_a.sql", "-- whimbrel:no-transaction\nSELECT pg_sleep(3)")]);
    listen();
    let mut migrator = Migrator::connect(&set, &url).unwrap().lease(LEASE);
    assert_eq!(migrator.up().await.unwrap().applied(), 1);
    assert!(heard().contains("no sign of life could be given; another runner may take over"), "{}", heard());
}

async fn who_may_not_end_a_session_says_what_to_run(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let folder = folder(&world, SLEEPS).await;
    let set = Migrations::from_directory(folder.path()).unwrap();
    let starter = start(&world, 1, folder.path());
    is_at_the_second(&world).await;
    starter.signal("STOP");
    let runner = holder(&world, &set).await;
    let (role, url) = database.role().await;
    world.run(format!("GRANT ALL ON whimbrel_history, whimbrel_events, whimbrel_lock TO \"{role}\"")).await;
    for right in ["", "pg_read_all_stats"] {
        if !right.is_empty() {
            world.run(format!("GRANT {right} TO \"{role}\"")).await;
        }
        let migrator = Migrator::connect(&set, &url).unwrap().lease(Duration::from_millis(500));
        let error = migrator.lock_timeout(Duration::from_secs(4)).up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        shown(&world, "right_refused", &format!("{error:?}"), &runner);
    }
    assert_eq!(events(&world, "taken_over").await.len(), 0);
    drop(starter);
}

async fn a_runner_that_is_killed_is_followed_at_once(world: World) {
    let folder = folder(&world, SLEEPS).await;
    let set = Migrations::from_directory(folder.path()).unwrap();
    for (number, signal) in ["KILL", "TERM"].into_iter().enumerate() {
        let starter = start(&world, 1, folder.path());
        is_at_the_second(&world).await;
        starter.signal(signal);
        world.run("DELETE FROM slow").await;
        let killed = Instant::now();
        world.migrator(&set).lock_timeout(Duration::from_secs(30)).up().await.unwrap();
        // The server looks once a second whether its client is there.
        assert!(killed.elapsed() < Duration::from_secs(10), "{signal}: {:?}", killed.elapsed());
        assert_eq!(events(&world, "taken_over").await.len(), 0);
        all_is_well(&world, ["1", "3"]).await;
        if number == 0 {
            drop(starter);
            world.run("INSERT INTO slow VALUES (1); DELETE FROM ran; DELETE FROM whimbrel_history").await;
        }
    }
}

async fn a_runner_whose_server_goes_on_is_followed_after_its_lease(world: World) {
    let folder = folder(&world, SLEEPS).await;
    let set = Migrations::from_directory(folder.path()).unwrap();
    let starter = start(&world, 1, folder.path());
    is_at_the_second(&world).await;
    drop(starter);
    world.run("DELETE FROM slow").await;
    let killed = Instant::now();
    world.migrator(&set).lease(LEASE).lock_timeout(PATIENCE).up().await.unwrap();
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    assert_eq!(events(&world, "taken_over").await.len(), 1);
    all_is_well(&world, ["1", "3"]).await;
}

async fn a_run_that_is_dropped_is_followed_at_once(world: World) {
    let folder = folder(&world, SLEEPS).await;
    let set = Migrations::from_directory(folder.path()).unwrap();
    for panics in [false, true] {
        world.run("INSERT INTO slow VALUES (1); DELETE FROM ran").await;
        let run = tokio::spawn({
            let (set, url) = (set.clone(), world.url());
            async move {
                let mut migrator = Migrator::connect(&set, &url).unwrap();
                tokio::select! {
                    _ = migrator.up() => {}
                    () = tokio::time::sleep(Duration::from_secs(3)), if panics => panic!("in the caller"),
                }
            }
        });
        is_at_the_second(&world).await;
        if !panics {
            run.abort();
        }
        assert_eq!(run.await.unwrap_err().is_panic(), panics);
        world.run("DELETE FROM slow").await;
        let begin = Instant::now();
        world.migrator(&set).lock_timeout(Duration::from_secs(30)).up().await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        all_is_well(&world, ["1", "3"]).await;
        world.run("DELETE FROM whimbrel_history").await;
    }
}

async fn an_entry_that_somebody_is_at_is_not_resolved(world: World) {
    let folder = folder(&world, SLEEPS).await;
    let set = Migrations::from_directory(folder.path()).unwrap();
    let starter = start(&world, 1, folder.path());
    is_at_the_second(&world).await;
    let runner = holder(&world, &set).await;
    let error = world.migrator(&set).resolve(&"7".parse().unwrap(), Resolve::Again(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    shown(&world, "right_resolve", &format!("{error:?}"), &runner);
    world.run("DELETE FROM slow").await;
    drop(starter);
}

/// A step of which each statement leaves a trace.
fn traces() -> Migrations {
    let text = "-- whimbrel:no-transaction\nINSERT INTO ran VALUES (1);\nVACUUM ran;\nINSERT INTO ran VALUES (2);";
    set_for("postgres", [("0001_a.sql", text)])
}

#[tokio::test]
async fn a_short_step_opens_no_second_connection_and_asks_no_more_than_before() {
    let Some(database) = Database::create().await else { return };
    database.execute("CREATE TABLE ran (n INTEGER)").await;
    let proxy = Proxy::start(&database.url()).await;
    Migrator::connect(&traces(), &proxy.url()).unwrap().up().await.unwrap();
    let texts: Vec<_> = proxy.log().iter().map(|it| it.text.chars().take(60).collect::<String>()).collect();
    // Head and history; the lock, the limits, the entry; three statements, of which one has limits and progress of its
    // own; the session, the entry and the lock.
    assert_eq!((proxy.startups(), texts.len()), (1, 14), "{texts:#?}");
}

/// A connection that goes silent: nothing comes any more, and nobody says that it has ended.
async fn is_silent_at_every_request(fault: Fault) {
    let lease = Duration::from_millis(600);
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let mut learned = 0;
    for request in 1.. {
        database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE ran (n INTEGER)").await;
        let proxy = Proxy::start(&database.url()).await;
        proxy.at(request, fault);
        let url = proxy.url();
        let mut first = tokio::spawn(async move {
            Migrator::connect(&traces(), &url).unwrap().lease(lease).up().await.map(|report| report.applied())
        });
        let set = traces();
        let reached = tokio::select! {
            _ = &mut first => false,
            () = proxy.reached(request) => true,
        };
        if !reached {
            assert!(request > 12, "a run has more requests than {request}");
            break;
        }
        if fault == Fault::HoldAnswer {
            proxy.answered(request).await;
        }
        let second = Migrator::new(&set, &pool).lease(lease).lock_timeout(PATIENCE).up().await;
        assert_eq!(second.unwrap_or_else(|error| panic!("{fault:?} {request}: {error:?}")).applied(), 1);
        let rows = "SELECT count(*) * 10 + sum(n) FROM ran";
        assert_eq!(number(&pool, rows).await, 23, "{fault:?} {request}");
        // A runner that held the right learns that it does no more, although nobody tells it.
        let ended = match tokio::time::timeout(4 * lease, &mut first).await {
            Ok(ended) => Some(ended.unwrap()),
            Err(_) => None,
        };
        match ended {
            Some(Err(error)) => {
                assert!(error.to_string().starts_with("0001_a was taken over by "), "{fault:?} {request}: {error:?}");
                learned += 1;
            }
            Some(Ok(applied)) => assert_eq!(applied, 1),
            None => {
                proxy.release();
                // What was held before it had the right finds nothing to do; what held it has lost it.
                if let Err(error) = first.await.unwrap() {
                    let kinds = [ErrorKind::Connection, ErrorKind::Locked];
                    assert!(kinds.contains(&error.kind()), "{fault:?} {request}: {error:?}");
                }
            }
        }
        assert_eq!(number(&pool, rows).await, 23, "{fault:?} {request}");
        nothing_is_locked(&pool).await;
    }
    assert!(learned > 5, "{learned}");
}

#[tokio::test]
async fn a_runner_whose_requests_are_lost_is_taken_over_at_every_one() {
    is_silent_at_every_request(Fault::HoldBefore).await;
}

#[tokio::test]
async fn a_runner_whose_answers_are_lost_is_taken_over_at_every_one() {
    is_silent_at_every_request(Fault::HoldAnswer).await;
}
