//! A run whose future is dropped, at each of its awaits: the pool's next user gets a clean connection, and the next run
//! completes with every statement run once.

use std::time::Duration;

use sqlx::mysql::MySqlPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};
use whimbrel::{ErrorKind, Migrations, Migrator, Rollback};
use whimbrel_tests::proxy::Fault;
use whimbrel_tests::{Proxy, mysql, postgres, sqlite};

use crate::cases::{Drop, dropped, files, ups};
use crate::postgres_cases::{nothing_is_locked, number};

/// Drops a run at its first await, its second, and so on, in both ways; `run` says whether its future came to its end.
async fn at_each_await(least: usize, mut run: impl AsyncFnMut(Drop) -> bool) {
    for n in 1.. {
        let ended = [run(Drop::Waiting(n)).await, run(Drop::Woken(n)).await];
        if ended == [true, true] {
            assert!(n > least, "a run has more awaits than {n}");
            break;
        }
    }
}

// -------------------------------------------------------------------------------------------------------------- SQLite

async fn narrow_pool(database: &sqlite::Database) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(database.path()).create_if_missing(true);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

async fn pragma(pool: &SqlitePool, name: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(pool).await.unwrap()
}

async fn assert_clean(pool: &SqlitePool, when: Drop) {
    for (name, value) in
        [("busy_timeout", 5000), ("foreign_keys", 1), ("legacy_alter_table", 0), ("recursive_triggers", 0)]
    {
        assert_eq!(pragma(pool, name).await, value, "{name}, {when:?}");
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap_or_else(|error| panic!("{when:?}: {error}"));
    sqlx::raw_sql("CREATE TABLE probe (id INTEGER); DROP TABLE probe").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Longer than the handler's thousand instructions.
const LONG: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n";

#[tokio::test]
async fn a_dropped_run_leaves_a_clean_sqlite_connection_and_the_next_one_completes() {
    let rebuild = "PRAGMA foreign_keys = OFF; CREATE TABLE new_ran (n INTEGER, x TEXT); INSERT INTO new_ran SELECT n, '' FROM ran;
        DROP TABLE ran; ALTER TABLE new_ran RENAME TO ran; INSERT INTO ran VALUES (2, '');";
    let settings = "PRAGMA recursive_triggers = ON; INSERT INTO ran VALUES (3, '');";
    let set = ups(
        "sqlite",
        &[
            "CREATE TABLE ran (n INTEGER); INSERT INTO ran VALUES (1);",
            rebuild,
            settings,
            "INSERT INTO ran VALUES (4, '');",
        ],
    );
    at_each_await(20, async |when| {
        let database = sqlite::Database::create();
        let pool = narrow_pool(&database).await;
        // A deadline that is past when the next user comes.
        let mut migrator = Migrator::new(&set, &pool).statement_timeout(Duration::from_millis(20));
        let first = dropped(migrator.up(), when).await;
        drop(migrator);
        assert_clean(&pool, when).await;
        Migrator::new(&set, &pool).up().await.unwrap_or_else(|error| panic!("{when:?}: {error:?}"));
        let ran: Vec<i64> = sqlx::query_scalar("SELECT n FROM ran ORDER BY n").fetch_all(&pool).await.unwrap();
        assert_eq!(ran, [1, 2, 3, 4], "{when:?}");
        assert_clean(&pool, when).await;
        if let Drop::Waiting(n) | Drop::Woken(n) = when
            && n % 8 == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sqlx::raw_sql(LONG).execute(&pool).await.unwrap_or_else(|error| panic!("{when:?}: {error}"));
        }
        first.is_some_and(|run| run.is_ok())
    })
    .await;
}

#[tokio::test]
async fn a_deadline_ends_with_the_run_that_set_it() {
    let database = sqlite::Database::create();
    let pool = narrow_pool(&database).await;
    let forever = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;";
    let set = ups("sqlite", &[forever]);
    let mut migrator = Migrator::new(&set, &pool).statement_timeout(Duration::from_millis(50));
    let error = migrator.up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    drop(migrator);
    sqlx::raw_sql(LONG).execute(&pool).await.unwrap();
    assert_clean(&pool, Drop::Waiting(0)).await;
}

#[tokio::test]
async fn a_dropped_run_outside_a_transaction_leaves_a_clean_sqlite_connection() {
    let outside = "CREATE TABLE a (id INTEGER);\nBEGIN;\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\nCOMMIT;\nINSERT INTO a VALUES (3);";
    let set = ups("sqlite", &["PRAGMA recursive_triggers = ON; SELECT 1;", outside]);
    at_each_await(20, async |when| {
        let database = sqlite::Database::create();
        let pool = narrow_pool(&database).await;
        let first = dropped(Migrator::new(&set, &pool).up(), when).await;
        assert_clean(&pool, when).await;
        // Nothing of it is in doubt; nothing is run twice.
        let again = Migrator::new(&set, &pool).lock_timeout(Duration::from_millis(50)).up().await;
        again.unwrap_or_else(|error| panic!("{when:?}: {error:?}"));
        let ran: Vec<i64> = sqlx::query_scalar("SELECT id FROM a ORDER BY id").fetch_all(&pool).await.unwrap();
        assert_eq!(ran, [1, 2, 3], "{when:?}");
        assert_clean(&pool, when).await;
        first.is_some_and(|run| run.is_ok())
    })
    .await;
}

/// A set whose down script leaves a trace of each of its statements.
fn with_down(dialect: &str, down: &str, table: &str) -> Migrations {
    let up = format!("CREATE TABLE {table} (id INTEGER)");
    files(
        dialect,
        [
            ("0001_a.up.sql", &*up),
            ("0001_a.down.sql", "SELECT 1"),
            ("0002_b.up.sql", "SELECT 1"),
            ("0002_b.down.sql", down),
        ],
    )
}

#[tokio::test]
async fn a_dropped_rollback_outside_a_transaction_runs_no_statement_twice_on_sqlite() {
    let down = "-- whimbrel:no-transaction\nINSERT INTO a VALUES (1);\nBEGIN;\nINSERT INTO a VALUES (2);\nCOMMIT;\n\
                VACUUM;\nINSERT INTO a VALUES (3);";
    let set = with_down("sqlite", down, "a");
    at_each_await(20, async |when| {
        let database = sqlite::Database::create();
        let pool = narrow_pool(&database).await;
        Migrator::new(&set, &pool).up().await.unwrap();
        let first = dropped(Migrator::new(&set, &pool).down(Rollback::Name("b".into())), when).await;
        assert_clean(&pool, when).await;
        if !first.as_ref().is_some_and(|run| run.is_ok()) {
            let mut migrator = Migrator::new(&set, &pool).lock_timeout(Duration::from_millis(50));
            match migrator.down(Rollback::Name("b".into())).await {
                Ok(_) => {}
                // All of it was done before the future came to its end.
                Err(error) if error.to_string().starts_with("no applied migration") => {}
                Err(error) => panic!("{when:?}: {error:?}"),
            }
        }
        let ran: Vec<i64> = sqlx::query_scalar("SELECT id FROM a ORDER BY id").fetch_all(&pool).await.unwrap();
        assert_eq!(ran, [1, 2, 3], "{when:?}");
        first.is_some_and(|run| run.is_ok())
    })
    .await;
}

#[tokio::test]
async fn a_dropped_run_leaves_a_callers_sqlite_connection_as_it_was() {
    let set = ups("sqlite", &["CREATE TABLE ran (n INTEGER)", "PRAGMA foreign_keys = OFF; INSERT INTO ran VALUES (1)"]);
    at_each_await(20, async |when| {
        let database = sqlite::Database::create();
        let pool = narrow_pool(&database).await;
        let mut connection = pool.acquire().await.unwrap();
        let first = dropped(Migrator::new(&set, &mut *connection).up(), when).await;
        drop(connection);
        assert_clean(&pool, when).await;
        first.is_some_and(|run| run.is_ok())
    })
    .await;
}

// ---------------------------------------------------------------------------------------------------------- PostgreSQL
//
// The server of `./test` hashes passwords in one round. Of the usual 4,096, sqlx makes 820 awaits more for each
// connection, and these tests take minutes.

/// A set, and a history, in a schema of their own: to make a database for each await would take long.
async fn schema(pool: &PgPool, name: &str, scripts: &[&str]) -> (Migrations, String) {
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {name}"))).execute(pool).await.unwrap();
    let scripts: Vec<String> = scripts.iter().map(|script| script.replace("{s}", name)).collect();
    (ups("postgres", &scripts), format!("{name}.history"))
}

/// The name of a schema for each way to drop a run.
fn name(when: Drop) -> String {
    format!("{when:?}").to_lowercase().replace('(', "_").replace(')', "")
}

async fn assert_clean_postgres(pool: &PgPool, when: Drop) {
    // On every connection that the pool has.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = pool.acquire().await.unwrap();
        let sql = "SELECT transaction_timestamp() = statement_timestamp() \
                   AND NOT EXISTS (SELECT FROM pg_settings WHERE source = 'session') \
                   AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
        let clean: bool =
            sqlx::raw_sql(sql).fetch_one(&mut *connection).await.map(|row| sqlx::Row::get(&row, 0)).unwrap();
        assert!(clean, "{when:?}");
        held.push(connection);
    }
}

#[tokio::test]
async fn a_dropped_run_leaves_a_clean_postgres_pool_and_the_next_one_completes() {
    let Some(database) = postgres::Database::create().await else { return };
    let pool = database.pool().await;
    let scripts = [
        "CREATE TABLE {s}.ran (n INTEGER); INSERT INTO {s}.ran VALUES (1)",
        "SET search_path = ''; SET ROLE postgres; INSERT INTO {s}.ran VALUES (2)",
        "INSERT INTO {s}.ran VALUES (3)",
    ];
    at_each_await(5, async |when| {
        let schema_name = name(when);
        let (set, history) = schema(&pool, &schema_name, &scripts).await;
        let mut migrator = Migrator::new(&set, &pool).history_table(&history).unwrap();
        let first = dropped(migrator.up(), when).await;
        drop(migrator);
        assert_clean_postgres(&pool, when).await;
        let mut migrator = Migrator::new(&set, &pool).history_table(&history).unwrap();
        migrator.up().await.unwrap_or_else(|error| panic!("{when:?}: {error:?}"));
        let sum = format!("SELECT sum(n) * 10 + count(*) FROM {schema_name}.ran");
        assert_eq!(number(&pool, &sum).await, 63, "{when:?}");
        first.is_some_and(|run| run.is_ok())
    })
    .await;
    nothing_is_locked(&pool).await;
}

#[tokio::test]
async fn a_dropped_run_outside_a_transaction_leaves_nothing_locked_on_postgres() {
    let Some(database) = postgres::Database::create().await else { return };
    let pool = database.pool().await;
    let scripts = [
        "CREATE TABLE {s}.a (id INTEGER)",
        "CREATE INDEX CONCURRENTLY a_id ON {s}.a (id)",
        "INSERT INTO {s}.a VALUES (1)",
    ];
    at_each_await(5, async |when| {
        let schema_name = name(when);
        let (set, history) = schema(&pool, &schema_name, &scripts).await;
        let mut migrator = Migrator::new(&set, &pool).history_table(&history).unwrap();
        let first = dropped(migrator.up(), when).await;
        drop(migrator);
        assert_clean_postgres(&pool, when).await;
        let mut migrator = Migrator::new(&set, &pool).history_table(&history).unwrap();
        migrator.up().await.unwrap_or_else(|error| panic!("{when:?}: {error:?}"));
        assert_eq!(number(&pool, &format!("SELECT count(*) FROM {schema_name}.a")).await, 1, "{when:?}");
        let valid = "SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid =";
        assert_eq!(number(&pool, &format!("{valid} '{schema_name}.a'::regclass")).await, 1, "{when:?}");
        first.is_some_and(|run| run.is_ok())
    })
    .await;
    nothing_is_locked(&pool).await;
}

/// What [`Migrator::new`] says: on a connection that was passed in, a dropped run may leave a transaction or the lock, and
/// nothing once it is closed.
#[tokio::test]
async fn a_dropped_run_on_a_callers_postgres_connection_leaves_nothing_when_it_is_closed() {
    let Some(database) = postgres::Database::create().await else { return };
    let pool = database.pool().await;
    let scripts =
        ["CREATE TABLE {s}.ran (n INTEGER); INSERT INTO {s}.ran VALUES (1)", "INSERT INTO {s}.ran VALUES (2)"];
    at_each_await(2, async |when| {
        let schema_name = name(when);
        let (set, history) = schema(&pool, &schema_name, &scripts).await;
        let mut connection = database.connect().await;
        let mut migrator = Migrator::new(&set, &mut connection).history_table(&history).unwrap();
        let first = dropped(migrator.up(), when).await;
        drop(migrator);
        drop(connection);
        nothing_is_locked(&pool).await;
        let mut migrator = Migrator::new(&set, &pool).history_table(&history).unwrap();
        migrator.up().await.unwrap_or_else(|error| panic!("{when:?}: {error:?}"));
        let ran = format!("SELECT sum(n) * 10 + count(*) FROM {schema_name}.ran");
        assert_eq!(number(&pool, &ran).await, 32, "{when:?}");
        first.is_some_and(|run| run.is_ok())
    })
    .await;
}

#[tokio::test]
async fn a_run_dropped_at_each_request_leaves_postgres_to_the_next_one() {
    let Some(database) = postgres::Database::create().await else { return };
    let pool = database.pool().await;
    let scripts =
        ["CREATE TABLE {s}.ran (n INTEGER); INSERT INTO {s}.ran VALUES (1)", "INSERT INTO {s}.ran VALUES (2)"];
    for fault in [Fault::HoldBefore, Fault::HoldAnswer] {
        for request in 1.. {
            let (set, history) = schema(&pool, &format!("s{request}_{fault:?}").to_lowercase(), &scripts).await;
            let proxy = Proxy::start(&database.url()).await;
            proxy.at(request, fault);
            let mut migrator = Migrator::connect(&set, &proxy.url()).unwrap().history_table(&history).unwrap();
            let first = tokio::select! {
                run = migrator.up() => Some(run),
                () = held(&proxy, request, fault) => None,
            };
            drop(migrator);
            let mut migrator = Migrator::new(&set, &pool).history_table(&history).unwrap();
            migrator.up().await.unwrap_or_else(|error| panic!("{fault:?} at {request}: {error:?}"));
            let ran = format!("SELECT sum(n) * 10 + count(*) FROM {}.ran", history.trim_end_matches(".history"));
            assert_eq!(number(&pool, &ran).await, 32, "{fault:?} at {request}");
            if let Some(first) = first {
                first.unwrap();
                assert!(request > 2, "a run has more requests than {request}");
                break;
            }
        }
    }
    nothing_is_locked(&pool).await;
}

/// Waits until the proxy holds what it should.
async fn held(proxy: &Proxy, request: usize, fault: Fault) {
    if fault == Fault::HoldAnswer {
        proxy.answered(request).await;
    } else {
        proxy.reached(request).await;
    }
}

// ------------------------------------------------------------------------------------------------------------- MariaDB
//
// The server goes on with the request that it has, and holds the lock until it is done: the next run waits for that.

#[tokio::test]
async fn a_dropped_run_leaves_a_clean_mysql_pool_and_the_next_one_completes() {
    let scripts = [
        "CREATE TABLE ran (n INT); INSERT INTO ran VALUES (1)",
        "SET sql_mode = ''; BEGIN; INSERT INTO ran VALUES (2); COMMIT; ALTER TABLE ran ADD COLUMN x INT",
        "INSERT INTO ran (n) VALUES (3); CREATE PROCEDURE p() SELECT 1",
    ];
    let set = ups("mysql", &scripts);
    at_each_await(5, async |when| {
        let Some(database) = mysql::Database::create().await else { return true };
        let pool = MySqlPoolOptions::new().max_connections(2).connect(&database.url()).await.unwrap();
        let mut migrator = Migrator::new(&set, &pool);
        let first = dropped(migrator.up(), when).await;
        drop(migrator);
        assert_clean_mysql(&pool, when).await;
        let mut migrator = Migrator::new(&set, &pool).lock_timeout(Duration::from_secs(60));
        let report = migrator.up().await.unwrap_or_else(|error| panic!("{when:?}: {error:?}"));
        assert_eq!(report.applied(), 3, "{when:?}");
        let ran: Vec<i64> =
            sqlx::query_scalar("SELECT CAST(n AS SIGNED) FROM ran ORDER BY n").fetch_all(&pool).await.unwrap();
        assert_eq!(ran, [1, 2, 3], "{when:?}");
        assert_clean_mysql(&pool, when).await;
        pool.close().await;
        first.is_some_and(|run| run.is_ok())
    })
    .await;
}

async fn assert_clean_mysql(pool: &MySqlPool, when: Drop) {
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = pool.acquire().await.unwrap();
        let sql = "SELECT @@autocommit = 1 AND @@sql_mode <> '' AND @@lock_wait_timeout = @@global.lock_wait_timeout \
                   AND NOT EXISTS (SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID())";
        let row = sqlx::raw_sql(sql).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(sqlx::Row::get::<i64, _>(&row, 0), 1, "{when:?}");
        held.push(connection);
    }
}
