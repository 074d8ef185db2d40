//! Back to an empty database, in development.

use std::time::Duration;

use whimbrel::{ErrorKind, Migrations, Migrator, ResetConfirmation};

use crate::stories::resolving::holds;
use crate::stories::waiting::other_runner;
use crate::stories::world::{World, quick, set_for, stories};

stories! {
    what_the_history_knows_is_dropped on sqlite, postgres, mysql, scylla
    a_database_without_a_history_is_left_alone on sqlite, postgres, mysql, scylla
    nothing_is_dropped_while_somebody_is_at_work on sqlite, postgres, mysql, scylla
    a_server_elsewhere_is_not_reset on postgres, mysql
    a_file_is_removed on sqlite
    what_is_called_production_is_not_reset on sqlite
    what_cannot_be_taken_back_is_named on postgres
    what_cannot_be_written_is_not_removed on sqlite
    a_file_that_somebody_has_open_is_not_removed on sqlite
    a_baseline_is_left_alone on sqlite
    what_another_machine_has_migrated_is_not_reset on sqlite, postgres, mysql
    a_drop_that_fails_keeps_the_history on postgres, mysql, scylla
    what_no_migration_has_made_is_left on postgres
    what_has_changed_since_the_question_is_not_reset on sqlite, postgres, mysql, scylla
}

const NOBODY: ResetConfirmation = ResetConfirmation::None;

fn shop(world: &World) -> Migrations {
    let first = "CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE mine_not (id INT PRIMARY KEY)";
    let second = world.cql_or(
        "CREATE TYPE address (street TEXT); CREATE TABLE b (id INT PRIMARY KEY, home FROZEN<address>); \
         CREATE INDEX b_home ON b (home)",
        "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id)); CREATE VIEW v AS SELECT id FROM b; \
         CREATE INDEX b_a ON b (a); INSERT INTO a (id) VALUES (1); INSERT INTO b (id, a) VALUES (1, 1)",
    );
    let third = world.cql_or("CREATE TABLE c (id INT PRIMARY KEY)", "ALTER TABLE mine_not RENAME TO c");
    set_for(world.dialect(), [("0001_a.sql", first), ("0002_b.sql", second), ("0003_c.sql", third)])
}

async fn what_the_history_knows_is_dropped(world: World) {
    let set = shop(&world);
    world.up(&set).await.unwrap();
    world.run("CREATE TABLE somebody_elses (id INT PRIMARY KEY)").await;
    let mut migrator = world.migrator(&set);
    let planned = migrator.plan_reset().await.unwrap();
    assert!(world.has("b").await && !planned.is_empty());
    let reset = migrator.reset(NOBODY).await.unwrap();
    world.shows_text("reset", &reset.to_string());
    assert!(reset.left.is_empty(), "{reset}");
    for name in ["a", "b", "c", "v", "mine_not", "whimbrel_history", "whimbrel_events", "whimbrel_lock"] {
        assert!(!world.has(name).await, "{name}");
    }
    assert!(world.has("somebody_elses").await);
    assert_eq!(world.up(&set).await.unwrap().steps().len(), 3);
}

async fn a_database_without_a_history_is_left_alone(world: World) {
    world.run("CREATE TABLE a (id INT PRIMARY KEY)").await;
    let set = shop(&world);
    let reset = world.migrator(&set).reset(NOBODY).await.unwrap();
    assert_eq!(reset.to_string(), "there is no history: nothing was dropped");
    assert_eq!(world.migrator(&set).plan_reset().await.unwrap(), Vec::<String>::new());
    assert!(world.has("a").await);
}

async fn nothing_is_dropped_while_somebody_is_at_work(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let other = if matches!(world, World::Postgres(..)) { holds(&world).await } else { other_runner(&world).await };
    let mut migrator = world.migrator(&set).lock_timeout(Duration::from_millis(100));
    let error = migrator.reset(NOBODY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().starts_with("somebody is at work"), "{error}");
    drop(other);
    assert!(world.has("a").await && world.has("whimbrel_history").await);
}

async fn a_server_elsewhere_is_not_reset(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    // An address of this machine that looks like none of it.
    let url = world.url().replace("127.0.0.1", "0.0.0.0");
    let mut migrator = Migrator::connect(&set, &url).unwrap().cluster(quick());
    let error = migrator.reset(NOBODY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("reset_elsewhere", &error);
    let other = ResetConfirmation::NameOfDatabase("another".to_owned());
    assert_eq!(migrator.reset(other).await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(world.has("a").await);
    migrator.reset(ResetConfirmation::NameOfDatabase(world.database().to_owned())).await.unwrap();
    assert!(!world.has("a").await);
}

async fn a_file_is_removed(world: World) {
    let World::Sqlite(_, database) = &world else { unreachable!() };
    let (path, set) = (database.folder().join("own.db"), world.three());
    let url = format!("sqlite://{}", path.display());
    let mut migrator = Migrator::connect(&set, &url).unwrap();
    migrator.up().await.unwrap();
    std::fs::write(path.with_extension("db-wal"), "").unwrap();
    let planned = migrator.plan_reset().await.unwrap();
    assert_eq!(planned, [format!("remove {}, with its -wal and -shm", path.display())]);
    let reset = migrator.reset(NOBODY).await.unwrap();
    assert_eq!((reset.dropped, reset.left.len()), (planned, 0));
    assert!(!path.exists() && !path.with_extension("db-wal").exists());
    assert_eq!(migrator.up().await.unwrap().steps().len(), 3);
}

async fn what_is_called_production_is_not_reset(world: World) {
    let World::Sqlite(_, database) = &world else { unreachable!() };
    let (path, set) = (database.folder().join("shop-prod.db"), world.three());
    let mut migrator = Migrator::connect(&set, &format!("sqlite://{}", path.display())).unwrap();
    migrator.up().await.unwrap();
    let error = migrator.reset(NOBODY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("reset_production", &error);
    assert!(path.exists());
    migrator.reset(ResetConfirmation::NameOfDatabase("shop-prod.db".to_owned())).await.unwrap();
    assert!(!path.exists());
}

async fn what_cannot_be_taken_back_is_named(world: World) {
    let set = set_for(
        "postgres",
        [
            ("0001_a.sql", "CREATE TABLE a (id INT); CREATE CAST (a AS text) WITH INOUT"),
            (
                "0002_f.sql",
                "CREATE FUNCTION f(i int) RETURNS int LANGUAGE sql AS 'SELECT 1'; \
                            CREATE FUNCTION f(t text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA own; \
                            CREATE TABLE own.b (id INT)",
            ),
        ],
    );
    world.up(&set).await.unwrap();
    let reset = world.migrator(&set).reset(NOBODY).await.unwrap();
    world.shows_text("reset_left", &reset.to_string());
    assert_eq!(reset.left.len(), 3, "{reset}");
    assert!(!world.has("a").await && !world.has("b").await && world.has("whimbrel_history").await);
}

async fn what_cannot_be_written_is_not_removed(world: World) {
    let World::Sqlite(_, database) = &world else { unreachable!() };
    let set = world.three();
    world.up(&set).await.unwrap();
    let error = Migrator::connect(&set, &database.read_only_url()).unwrap().reset(NOBODY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().starts_with("the database takes no writes; nothing was dropped"), "{error}");
    assert!(database.path().exists() && world.has("a").await && world.has("whimbrel_history").await);
}

async fn a_file_that_somebody_has_open_is_not_removed(world: World) {
    let World::Sqlite(_, database) = &world else { unreachable!() };
    let (path, set) = (database.folder().join("own.db"), world.three());
    let url = format!("sqlite://{}", path.display());
    let mut migrator = Migrator::connect(&set, &url).unwrap();
    migrator.up().await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let application = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("SELECT count(*) FROM whimbrel_history").execute(&application).await.unwrap();
    let error = migrator.reset(NOBODY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert!(error.to_string().starts_with("somebody has it open; nothing was dropped"), "{error}");
    assert!(path.exists());
    application.close().await;
    let lock = database.folder().join("own.db-backup-lock");
    std::fs::write(&lock, "").unwrap();
    migrator.reset(NOBODY).await.unwrap();
    assert!(!path.exists() && !lock.exists());
}

async fn a_baseline_is_left_alone(world: World) {
    let World::Sqlite(_, database) = &world else { unreachable!() };
    let (path, set) = (database.folder().join("own.db"), world.three());
    let mut migrator = Migrator::connect(&set, &format!("sqlite://{}", path.display())).unwrap();
    migrator.baseline(&set.iter().next().unwrap().version().clone()).await.unwrap();
    let reset = migrator.reset(NOBODY).await.unwrap();
    assert!(path.exists(), "{reset}");
    assert!(reset.left.len() == 1 && reset.left[0].contains("it is a baseline"), "{reset}");
    assert!(reset.dropped.iter().all(|dropped| dropped.contains("whimbrel")), "{reset}");
}

async fn what_another_machine_has_migrated_is_not_reset(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    world.run("UPDATE whimbrel_history SET applied_by = 'deploy@web-1'").await;
    let mut migrator = world.migrator(&set);
    let error = migrator.reset(NOBODY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("was migrated from web-1, not from this machine"), "{error}");
    assert!(world.has("a").await);
}

/// Somebody needs what is to be dropped, and then no more.
async fn a_drop_that_fails_keeps_the_history(world: World) {
    let set = shop(&world);
    world.up(&set).await.unwrap();
    let reset = match &world {
        World::Postgres(..) => fails_under("BEGIN; LOCK TABLE c", &world, &set).await,
        World::Mysql(..) => fails_under("BEGIN; SELECT * FROM a", &world, &set).await,
        _ => {
            world.run("CREATE TABLE somebody_elses (id INT PRIMARY KEY, home FROZEN<address>)").await;
            let reset = world.migrator(&set).reset(NOBODY).await.unwrap();
            // The right was taken and given back, and no starter finds itself up to date in between.
            let right = "SELECT fence, owner, head_chain FROM whimbrel_history WHERE scope = 'whimbrel' LIMIT 1";
            world.shows_text("reset_right", &world.texts(right).await.join("\n"));
            world.run("DROP TABLE somebody_elses").await;
            reset
        }
    };
    assert_eq!(reset.left.len(), 2, "{reset}");
    assert!(reset.left[1].ends_with("see to that, and run `migrate reset` again"), "{reset}");
    assert!(world.has("whimbrel_history").await);
    let again = world.migrator(&set).reset(NOBODY).await.unwrap();
    assert!(again.left.is_empty(), "{again}");
    assert!(!world.has("a").await && !world.has("whimbrel_history").await);
}

async fn fails_under(sql: &'static str, world: &World, set: &Migrations) -> whimbrel::Reset {
    use sqlx::Connection as _;
    match world {
        World::Postgres(..) => {
            let mut other = sqlx::PgConnection::connect(&world.url()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
            world.migrator(set).reset(NOBODY).await.unwrap()
        }
        _ => {
            let mut other = sqlx::MySqlConnection::connect(&world.url()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
            world.migrator(set).reset(NOBODY).await.unwrap()
        }
    }
}

async fn what_no_migration_has_made_is_left(world: World) {
    let files = [
        ("0001_a.sql", "CREATE SCHEMA IF NOT EXISTS auth; CREATE TABLE auth.a (id INT)"),
        ("0002_b.sql", "SET search_path TO auth; CREATE TABLE b (id INT)"),
    ];
    let set = set_for("postgres", files);
    world.run("CREATE TABLE public.b (mine INT)").await;
    world.up(&set).await.unwrap();
    world.run("CREATE TABLE auth.users (id INT)").await;
    let reset = world.migrator(&set).reset(NOBODY).await.unwrap();
    assert_eq!(reset.left.len(), 2, "{reset}");
    assert!(reset.left[0].contains("`DROP SCHEMA IF EXISTS auth RESTRICT` failed"), "{reset}");
    assert!(reset.left[1].starts_with("`b` of 0002 b: its script has changed where"), "{reset}");
    assert_eq!(world.count("public.b").await + world.count("auth.users").await, 0);
    assert!(!world.has("whimbrel_history").await);
}

async fn what_has_changed_since_the_question_is_not_reset(world: World) {
    let set = world.three();
    let mut migrator = world.migrator(&set);
    migrator.up().await.unwrap();
    let checked = migrator.check_reset(NOBODY).await.unwrap();
    assert_eq!(checked.drops().len(), 4, "{checked:?}");
    world.migrator(&set).force(&"2".parse().unwrap()).await.unwrap();
    let error = migrator.reset_checked(checked).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().starts_with("the history has changed since it was asked"), "{error}");
    assert!(world.has("a").await && world.has("whimbrel_history").await);
    let checked = migrator.check_reset(NOBODY).await.unwrap();
    migrator.reset_checked(checked).await.unwrap();
    assert!(!world.has("a").await && !world.has("whimbrel_history").await);
}
