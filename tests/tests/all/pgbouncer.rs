//! Through PgBouncer: what is a transaction works, what needs a session is refused or gets one.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use whimbrel::{Backup, ErrorKind, Migrations, Migrator, Rollback};
use whimbrel_tests::Proxy;
use whimbrel_tests::pgbouncer::PgBouncer;
use whimbrel_tests::pgbouncer::PoolMode::{self, Session, Transaction};
use whimbrel_tests::postgres::Database;
use whimbrel_tests::starters::Starters;

use crate::cases::{outcomes, outcomes_before, ups};
use crate::postgres_cases::{nothing_is_locked, number, tables};
use crate::stories::world::{normal, set_for, shows, three};

const INDEX: &str = "CREATE INDEX CONCURRENTLY one_id ON one (id);";
const ONE: &str = "CREATE TABLE one (id INTEGER PRIMARY KEY);";

async fn behind(mode: PoolMode, sessions: usize, more: &str) -> Option<(PgBouncer, Database)> {
    let database = Database::create().await?;
    Some((PgBouncer::start(&database.url(), mode, sessions, more)?, database))
}

fn an_index() -> Migrations {
    ups("postgres", &[ONE, INDEX])
}

#[tokio::test]
async fn what_is_a_transaction_works_through_pgbouncer() {
    for sessions in [1, 5] {
        let Some((bouncer, database)) = behind(Transaction, sessions, "").await else { return };
        let pool = database.pool().await;
        let set = three();
        let migrator = || Migrator::connect(&set, &bouncer.url()).unwrap();
        assert_eq!(outcomes(&migrator().up().await.unwrap()), ["done", "done", "done"]);
        assert!(migrator().up().await.unwrap().steps().is_empty());
        assert_eq!(migrator().down(Rollback::Steps(2)).await.unwrap().applied(), 1);
        assert_eq!(outcomes(&migrator().up().await.unwrap()), ["done", "done"]);
        assert_eq!(tables(&pool).await, ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn a_failure_through_pgbouncer_leaves_nothing_behind() {
    let Some((bouncer, database)) = behind(Transaction, 2, "").await else { return };
    let pool = database.pool().await;
    let set = ups("postgres", &[ONE, "SET search_path = ''; SET lock_timeout = 1; CREATE TABLE public.two (id NOPE);"]);
    let error = Migrator::connect(&set, &bouncer.url()).unwrap().up().await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["done", "failed"], "{error:?}");
    nothing_is_locked(&pool).await;
    let mended = ups("postgres", &[ONE, "CREATE TABLE two AS SELECT current_setting('search_path') AS path;"]);
    Migrator::connect(&mended, &bouncer.url()).unwrap().up().await.unwrap();
    assert_eq!(number(&pool, "SELECT count(*) FROM two WHERE path = '\"$user\", public'").await, 1);
}

#[tokio::test]
async fn ten_processes_behind_pgbouncer_apply_everything_once() {
    let Some((bouncer, database)) = behind(Transaction, 3, "").await else { return };
    let url = bouncer.url();
    let run = move || Starters::ready(env!("CARGO_BIN_EXE_starter"), 10, &url, None).run();
    let ended = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(ended.iter().all(|starter| starter.status.success()), "{ended:#?}");
    let pool = database.pool().await;
    assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_events WHERE what = 'applied'").await, 13);
}

#[tokio::test]
async fn a_step_outside_a_transaction_is_refused_behind_pgbouncer_before_anything_runs() {
    for sessions in [1, 5] {
        let Some((bouncer, database)) = behind(Transaction, sessions, "").await else { return };
        let set = an_index();
        let error = Migrator::connect(&set, &bouncer.url()).unwrap().up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        shows("shared_session.postgres", &normal(&format!("{error:?}")));
        let pool = database.pool().await;
        assert!(tables(&pool).await.is_empty());
        assert_eq!(number(&pool, "SELECT count(*) FROM pg_class WHERE relname LIKE 'whimbrel%'").await, 0);
        nothing_is_locked(&pool).await;
        // The way out.
        assert_eq!(Migrator::connect(&set, &database.url()).unwrap().up().await.unwrap().applied(), 2);
    }
}

#[tokio::test]
async fn a_session_of_pgbouncer_may_tell_what_a_client_would() {
    let told = "ignore_startup_parameters = extra_float_digits,options";
    let Some((bouncer, _database)) = behind(Transaction, 5, told).await else { return };
    // sqlx says `extra_float_digits` by itself, and PgBouncer swallows it.
    let pool = PgPoolOptions::new().connect(&bouncer.url()).await.unwrap();
    let set = an_index();
    let error = Migrator::new(&set, &pool).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    let mut connection = pool.acquire().await.unwrap();
    let error = Migrator::new(&set, &mut *connection).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
}

#[tokio::test]
async fn a_pooler_that_is_busy_is_seen_all_the_same() {
    let Some((bouncer, _database)) = behind(Transaction, 4, "ignore_startup_parameters = extra_float_digits").await
    else {
        return;
    };
    let pool = PgPoolOptions::new().max_connections(8).connect(&bouncer.url()).await.unwrap();
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let pool = pool.clone();
        others.spawn(async move {
            loop {
                sqlx::raw_sql("SELECT pg_sleep(0.005)").execute(&pool).await.unwrap();
            }
        });
    }
    let set = an_index();
    for _ in 0..20 {
        let error = Migrator::connect(&set, &bouncer.url()).unwrap().up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    }
    others.shutdown().await;
}

#[tokio::test]
async fn pgbouncer_in_session_mode_gives_a_session() {
    // With a single one, a second connection gets none while ours is open.
    for sessions in [1, 5] {
        let Some((bouncer, _database)) = behind(Session, sessions, "").await else { return };
        let set = an_index();
        let migrator = Migrator::connect(&set, &bouncer.url()).unwrap();
        let report = migrator.timeout(Duration::from_secs(30)).up().await.unwrap();
        assert_eq!(outcomes(&report), ["done", "done"]);
    }
}

#[tokio::test]
async fn a_direct_session_is_not_asked() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let set = set_for("postgres", [("1_one.sql", ONE), ("2_index.sql", INDEX)]);
    Migrator::connect(&set, &proxy.url()).unwrap().up().await.unwrap();
    assert_eq!(proxy.startups(), 1);
    assert!(proxy.log().iter().all(|request| request.text != "SELECT pg_backend_pid()::text"));
    // A caller's that was told something else since.
    let mut connection = database.connect().await;
    sqlx::raw_sql("SET TIME ZONE 'Europe/Berlin'").execute(&mut connection).await.unwrap();
    let more = set_for("postgres", [("1_one.sql", ONE), ("2_index.sql", INDEX), ("3_more.sql", "VACUUM one")]);
    assert_eq!(Migrator::new(&more, &mut connection).up().await.unwrap().applied(), 3);
}

#[tokio::test]
async fn a_backup_behind_pgbouncer_leaves_no_lock_behind() {
    let Some((bouncer, database)) = behind(Transaction, 5, "").await else { return };
    let (set, folder) = (three(), tempfile::TempDir::new().unwrap());
    let migrator = || Migrator::connect(&set, &bouncer.url()).unwrap();
    let refused = migrator().backup_before_migration(Backup::to_folder(folder.path())).up().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Backup);
    assert!(format!("{refused:?}").contains("use a direct URL"), "{refused:?}");
    let pool = database.pool().await;
    nothing_is_locked(&pool).await;
    let report = migrator().backup_before_migration(Backup::command("echo there")).up().await.unwrap();
    assert_eq!((&*report.backup().unwrap().place, report.applied()), ("there", 3));
    nothing_is_locked(&pool).await;
}

#[tokio::test]
async fn a_scratch_database_that_a_pooler_leads_elsewhere_is_not_built_in() {
    let Some(database) = Database::create().await else { return };
    let direct = url::Url::parse(&database.url()).unwrap();
    let (host, port) = (direct.host_str().unwrap(), direct.port().unwrap());
    let elsewhere = format!("[databases]\n* = host={host} port={port} dbname={}", database.name());
    let Some(bouncer) = PgBouncer::start(&database.url(), Session, 5, &elsewhere) else { return };
    let set = ups("postgres", &[ONE]);
    Migrator::connect(&set, &database.url()).unwrap().up().await.unwrap();
    let validation = Migrator::connect(&set, &bouncer.url()).unwrap().validate().await.unwrap();
    let said = format!(" leads to {}; nothing was run there", database.name());
    assert!(validation.unchecked[0].contains(&said), "{validation}");
    assert_eq!(tables(&database.pool().await).await, ["one"]);
}
