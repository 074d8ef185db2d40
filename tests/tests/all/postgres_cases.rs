//! What broke the first design on PostgreSQL, each by its name: scripts that fail, and others in the way.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use whimbrel::{Error, ErrorKind, Migrator, migrate};
use whimbrel_tests::Proxy;
use whimbrel_tests::postgres::Database;
use whimbrel_tests::proxy::Fault;

use crate::cases::{files, outcomes, outcomes_before, ups};

pub(crate) async fn number(pool: &PgPool, sql: &str) -> i64 {
    let sql = format!("SELECT ({sql})::int8");
    let value = sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_one(pool).await;
    value.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

/// The tables that are not ours, in whatever schema.
pub(crate) async fn tables(pool: &PgPool) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relname NOT LIKE 'whimbrel%' \
               AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

/// Nobody holds our lock, and nobody is inside a transaction; a server takes a moment to see that its client is gone.
pub(crate) async fn nothing_is_locked(pool: &PgPool) {
    let held = "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) \
                + (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND pid <> pg_backend_pid() AND state <> 'idle')";
    let patience = Instant::now() + Duration::from_secs(5);
    while number(pool, held).await > 0 {
        assert!(Instant::now() < patience, "something is locked, or a transaction open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const ONE: &str = "CREATE TABLE one (id INTEGER PRIMARY KEY);\nINSERT INTO one VALUES (1);";
const TWO: &str = "CREATE TABLE two (id INTEGER PRIMARY KEY);";
const THREE: &str = "CREATE TABLE three (id INTEGER PRIMARY KEY);";

/// 1 stays, 2 is named at a place, 3 does not run, nothing is locked; and a corrected set completes.
async fn the_second_fails(pool: &PgPool, two: &str, at: &str) -> Error {
    let error = migrate(&ups("postgres", &[ONE, two, THREE]), pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    assert_eq!(outcomes_before(&error), ["done", "failed", "not run"], "{error:?}");
    assert_eq!(error.to_string(), format!("0002_b failed at {at}"), "{error:?}");
    assert_eq!(tables(pool).await, ["one"]);
    assert_eq!(number(pool, "SELECT count(*) FROM one").await, 1);
    nothing_is_locked(pool).await;
    assert_eq!(number(pool, "SELECT count(*) FROM whimbrel_history WHERE state = 'failed'").await, 1);
    let report = migrate(&ups("postgres", &[ONE, TWO, THREE]), pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done", "done"]);
    assert_eq!(tables(pool).await, ["one", "three", "two"]);
    error
}

/// What the database said.
fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

#[tokio::test]
async fn a_syntax_error_in_the_second_of_three() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let two = "CREATE TABLE two (id INTEGER);\n\nCREATE\n  TABEL stray (id INTEGER);";
    let error = the_second_fails(&pool, two, "statement 2 of 2 (0002_b.sql:4:3)").await;
    assert_eq!(cause(&error), "syntax error at or near \"TABEL\" (42601)");
}

#[tokio::test]
async fn a_syntax_error_in_the_middle_of_fifty() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    for culprit in [1, 25, 50] {
        let script = |n: usize| {
            let table = if n == culprit { "TABEL" } else { "TABLE" };
            format!("CREATE {table} s{culprit}.t{n:02} (id INTEGER)")
        };
        let scripts: Vec<String> = (1..=50).map(script).collect();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA s{culprit}"))).execute(&pool).await.unwrap();
        let set = ups("postgres", &scripts);
        let mut migrator = Migrator::new(&set, &pool).history_table(&format!("s{culprit}.history")).unwrap();
        let error = migrator.up().await.unwrap_err();
        let place = error.place().unwrap();
        assert!(place.path().starts_with(&format!("{culprit:04}_")), "{error}");
        assert_eq!((place.line(), place.column()), (Some(1), Some(8)), "{error}");
        let done = outcomes_before(&error).iter().filter(|outcome| **outcome == "done").count();
        assert_eq!(done, culprit - 1);
        let made = format!(
            "SELECT count(*) FROM pg_class WHERE relname ~ '^t\\d\\d$' AND relnamespace = 's{culprit}'::regnamespace"
        );
        assert_eq!(number(&pool, &made).await as usize, culprit - 1);
    }
    nothing_is_locked(&pool).await;
}

#[tokio::test]
async fn text_outside_ascii_before_an_error_does_not_move_its_place() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let before = "-- Größe: 🦜🦜\nCREATE TABLE \"größe\" (id INTEGER DEFAULT 7, \"naïve\" TEXT DEFAULT '漢字 🦜');";
    // Found when it runs, and when all of it is parsed.
    for (schema, wrong) in [("a", "emial"), ("b", "= =")] {
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&pool).await.unwrap();
        let pinned = |text: &str| text.replace("TABLE ", &format!("TABLE {schema}."));
        let failing = format!("-- 漢字\nSELECT '🦜', 'ü'\n  , 'é' || {wrong} FROM {schema}.\"größe\";");
        let set = ups("postgres", &[&*pinned(before), "SELECT '🦜 ; ü'", &failing, "SELECT 'nié'"]);
        let mut migrator = Migrator::new(&set, &pool).history_table(&format!("{schema}.history")).unwrap();
        let error = migrator.up().await.unwrap_err();
        assert_eq!(outcomes_before(&error), ["done", "done", "failed", "not run"], "{error:?}");
        assert_eq!(error.to_string(), "0003_c failed at statement 1 of 1 (0003_c.sql:3:12)", "{error:?}");
    }
}

#[tokio::test]
async fn a_character_that_the_database_cannot_hold() {
    let Some(database) = Database::create_with("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'").await else { return };
    let pool = database.pool().await;
    let two = "CREATE TABLE two (id INTEGER);\nCOMMENT ON TABLE two IS '漢字';";
    let error = migrate(&ups("postgres", &[ONE, two, THREE]), &pool).await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["done", "failed", "not run"], "{error:?}");
    assert!(cause(&error).ends_with("(22P05)"), "{error:?}");
    assert!(error.to_string().starts_with("0002_b "), "{error}");
    assert_eq!(tables(&pool).await, ["one"]);
    nothing_is_locked(&pool).await;
    let report = migrate(&ups("postgres", &[ONE, TWO, "SELECT 'Größe'"]), &pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done", "done"]);
}

#[tokio::test]
async fn a_constraint_that_fails_at_commit_names_its_migration() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let two =
        "CREATE TABLE two (id INTEGER REFERENCES one DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO two VALUES (7);";
    let error = the_second_fails(&pool, two, "a constraint at the end").await;
    assert!(cause(&error).ends_with("(23503)"), "{error:?}");
}

#[tokio::test]
async fn a_verify_query_that_finds_nothing() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let verify = "SELECT 1; -- this one does\n\nSELECT *\n  FROM two -- nothing is in it";
    let of = |verify| {
        files(
            "postgres",
            [("0001_a.sql", ONE), ("0002_b.sql", TWO), ("0002_b.verify.sql", verify), ("0003_c.sql", THREE)],
        )
    };
    let error = migrate(&of(verify), &pool).await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["done", "failed", "not run"], "{error:?}");
    assert_eq!(error.to_string(), "0002_b failed at verify query 2 of 2 (0002_b.verify.sql:3:1)", "{error:?}");
    assert_eq!(cause(&error), "the query returned no row");
    assert_eq!(tables(&pool).await, ["one"]);
    assert_eq!(outcomes(&migrate(&of("SELECT 1"), &pool).await.unwrap()), ["done", "done"]);
}

#[tokio::test]
async fn a_verify_query_that_divides_by_zero_says_so() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let set =
        files("postgres", [("0001_a.sql", ONE), ("0001_a.verify.sql", "SELECT 1 FROM one WHERE 1 / (id - 1) > 0")]);
    let error = migrate(&set, &pool).await.unwrap_err();
    assert_eq!(cause(&error), "division by zero (22012)", "{error:?}");
}

#[tokio::test]
async fn a_do_block_that_commits_has_the_way_out_as_its_hint() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let two = "DO $$ BEGIN CREATE TABLE two (id INTEGER); COMMIT; END $$;";
    let error = the_second_fails(&pool, two, "statement 1 of 1 (0002_b.sql:1:1)").await;
    assert!(cause(&error).ends_with("(2D000)"), "{error:?}");
    assert!(format!("{error:?}").contains("hint: put `-- whimbrel:no-transaction`"), "{error:?}");

    let Some(database) = Database::create().await else { return };
    let outside = format!("-- whimbrel:no-transaction\n{two}");
    let report = migrate(&ups("postgres", &[ONE, &outside, THREE]), &database.pool().await).await.unwrap();
    assert_eq!(outcomes(&report), ["done"; 3]);
}

#[tokio::test]
async fn a_script_that_commits_in_the_middle() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let two = "CREATE TABLE two (id INTEGER);\nBEGIN;\nINSERT INTO two VALUES (1);\nCOMMIT;\n\
               BEGIN;\nINSERT INTO two VALUES (2);\nINSERT INTO nowhere VALUES (3);\nCOMMIT;";
    let error = migrate(&ups("postgres", &[ONE, two, THREE]), &pool).await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["done", "failed", "not run"], "{error:?}");
    assert_eq!(error.to_string(), "0002_b failed at statement 7 of 8 (0002_b.sql:7:13)", "{error:?}");
    assert_eq!(number(&pool, "SELECT count(*) FROM two").await, 1);
    nothing_is_locked(&pool).await;
    // It goes on where its last own transaction ended; what was done must stand as it ran.
    let edited = two.replace("VALUES (1)", "VALUES (9)");
    let error = migrate(&ups("postgres", &[ONE, &edited, THREE]), &pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error:?}");
    let mended = two.replace("nowhere", "two");
    let report = migrate(&ups("postgres", &[ONE, &mended, THREE]), &pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done", "done"]);
    assert_eq!(number(&pool, "SELECT sum(id) FROM two").await, 6);
    nothing_is_locked(&pool).await;
}

#[tokio::test]
async fn a_script_wrapped_as_a_whole_runs_in_our_transaction() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let two = "BEGIN ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE two AS SELECT current_setting('transaction_isolation') AS level;\nCOMMIT;";
    migrate(&ups("postgres", &[ONE, two, THREE]), &pool).await.unwrap();
    assert_eq!(number(&pool, "SELECT count(*) FROM two WHERE level = 'serializable'").await, 1);
    let wrapped = "START TRANSACTION;\nCREATE TABLE four (id INTEGER);\nSELECT nonsense;\nCOMMIT;";
    let error = migrate(&ups("postgres", &[ONE, two, THREE, wrapped]), &pool).await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["failed"]);
    assert_eq!(tables(&pool).await, ["one", "three", "two"]);
}

// ----------------------------------------------------------------------------------------------------- others in the way

/// Holds a table from before `act` until `release` is done.
async fn holding(database: &Database, table: &str) -> PgConnection {
    let mut holder = database.connect().await;
    let sql = format!("SET application_name = 'a long report'; BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut holder).await.unwrap();
    holder
}

#[tokio::test]
async fn a_lock_timeout_in_the_middle_of_a_chunk_is_waited_out() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    sqlx::raw_sql("CREATE TABLE busy (id INTEGER)").execute(&pool).await.unwrap();
    let mut holder = holding(&database, "busy").await;
    let set = ups("postgres", &[ONE, "ALTER TABLE busy ADD name TEXT;", THREE]);
    let mut migrator = Migrator::new(&set, &pool).statement_lock_timeout(Duration::from_millis(300));
    let started = Instant::now();
    let end_of_holder = async {
        // The first is committed while the second waits, and is waited for again.
        while number(&pool, "SELECT count(*) FROM pg_class WHERE relname = 'one'").await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(number(&pool, "SELECT count(*) FROM pg_class WHERE relname = 'three'").await, 0);
        sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    };
    let (report, ()) = tokio::join!(migrator.up(), end_of_holder);
    let report = report.unwrap();
    assert_eq!(outcomes(&report), ["done"; 3]);
    assert!(report.waited() > Duration::ZERO && started.elapsed() > Duration::from_secs(1));
    assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 1);
    drop(migrator);
    nothing_is_locked(&pool).await;
}

#[tokio::test]
async fn a_lock_that_is_held_for_longer_than_the_budget_names_its_holder() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    sqlx::raw_sql("CREATE TABLE busy (id INTEGER)").execute(&pool).await.unwrap();
    let mut holder = holding(&database, "busy").await;
    let set = ups("postgres", &[ONE, "SELECT 1;\nALTER TABLE busy ADD name TEXT;", THREE]);
    let mut migrator = Migrator::new(&set, &pool)
        .statement_lock_timeout(Duration::from_millis(300))
        .lock_timeout(Duration::from_millis(500));
    let started = Instant::now();
    let error = migrator.up().await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    let told = format!("{error:?}");
    assert!(told.contains("0002_b") && told.contains("a long report"), "{told}");
    assert_eq!(outcomes_before(&error)[0], "done", "{told}");
    assert_eq!(number(&pool, "SELECT count(*) FROM pg_class WHERE relname IN ('one', 'three')").await, 1);
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(outcomes(&migrator.up().await.unwrap()), ["done", "done"]);
    drop(migrator);
    nothing_is_locked(&pool).await;
}

#[tokio::test]
async fn two_histories_live_in_one_database() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    sqlx::raw_sql("CREATE SCHEMA app").execute(&pool).await.unwrap();
    let (a, b) = (ups("postgres", &[ONE]), ups("postgres", &[TWO, THREE]));
    for _ in 0..2 {
        let mut first = Migrator::new(&a, &pool).history_table("a_history").unwrap();
        let mut second = Migrator::new(&b, &pool).history_table("app.b_history").unwrap();
        let (first, second) = tokio::join!(first.up(), second.up());
        assert_eq!((first.unwrap().applied(), second.unwrap().applied()), (1, 2));
    }
    let all = ["a_events", "a_history", "b_events", "b_history", "one", "three", "two"];
    assert_eq!(tables(&pool).await, all);
}

// ------------------------------------------------------------------------------------------- connections that break

/// Each appends itself, so that a second run of a statement shows.
fn counted() -> whimbrel::Migrations {
    let count = |n| format!("INSERT INTO ran VALUES ({n});\nSELECT pg_sleep(0.01);");
    let first = format!("CREATE TABLE ran (n INTEGER);\n{}", count(1));
    let rest = (2..=20).map(count);
    ups("postgres", &[first].into_iter().chain(rest).collect::<Vec<_>>())
}

async fn each_ran_once(pool: &PgPool) {
    assert_eq!(number(pool, "SELECT count(*) FROM ran").await, 20);
    assert_eq!(number(pool, "SELECT count(DISTINCT n) FROM ran").await, 20);
    nothing_is_locked(pool).await;
}

#[tokio::test]
async fn a_run_that_is_cut_off_converges_at_every_request() {
    let Some(database) = Database::create().await else { return };
    let set = counted();
    for fault in [Fault::CutBefore, Fault::CutSent, Fault::CutBeforeAnswer, Fault::Refuse] {
        for request in 1.. {
            let pool = database.pool().await;
            sqlx::raw_sql("DROP TABLE IF EXISTS ran, whimbrel_history, whimbrel_events").execute(&pool).await.unwrap();
            let proxy = Proxy::start(&database.url()).await;
            proxy.at(request, fault);
            let cut = Migrator::connect(&set, &proxy.url()).unwrap().up().await;
            if proxy.requests() < request {
                assert_eq!(outcomes(&cut.unwrap()), ["done"; 20]);
                assert!(request > 2, "a run has at least these");
                break;
            }
            if let Err(error) = cut {
                assert_eq!(error.kind(), ErrorKind::Connection, "{fault:?} at {request}: {error:?}");
            }
            migrate(&set, &pool).await.unwrap_or_else(|error| panic!("{fault:?} at {request}: {error:?}"));
            each_ran_once(&pool).await;
        }
    }
}

#[tokio::test]
async fn a_backend_that_is_terminated_in_the_middle_leaves_whole_migrations() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let set = counted();
    let terminate = async {
        while number(&pool, "SELECT count(*) FROM pg_class WHERE relname = 'ran'").await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        number(
            &pool,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
             AND state = 'active' AND pid <> pg_backend_pid()",
        )
        .await
    };
    let (run, terminated) = tokio::join!(migrate(&set, &pool), terminate);
    assert_eq!(terminated, 1);
    let error = run.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    let ran = number(&pool, "SELECT count(*) FROM ran").await;
    assert!((1..20).contains(&ran), "{ran}");
    assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_history WHERE state = 'completed'").await, ran);
    migrate(&set, &pool).await.unwrap();
    each_ran_once(&pool).await;
}

#[tokio::test]
async fn an_unreachable_server_is_no_panic() {
    let Some(database) = Database::create().await else { return };
    let set = counted();
    let proxy = Proxy::start(&database.url()).await;
    proxy.refuse_connections();
    let error = Migrator::connect(&set, &proxy.url()).unwrap().up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    let mut direct = PgConnection::connect(&database.url()).await.unwrap();
    direct.ping().await.unwrap();
}
