//! What scripts, and callers, set on their session on PostgreSQL: it hides nothing, and reaches nobody else.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions};
use whimbrel::{ErrorKind, migrate};
use whimbrel_tests::log;
use whimbrel_tests::postgres::Database;

use crate::cases::{outcomes, ups};
use crate::postgres_cases::{nothing_is_locked, number, tables};

const ONE: &str = "CREATE TABLE one (id INTEGER PRIMARY KEY);\nINSERT INTO one VALUES (1);";

/// What the next script sees of its session.
const SEEN: &str = "CREATE TABLE public.seen AS SELECT current_user::text AS role, session_user::text AS login,
  current_setting('search_path') AS path, current_setting('statement_timeout') AS statement_timeout,
  current_setting('session_replication_role') AS replication, current_setting('lock_timeout') AS lock_timeout,
  current_setting('default_transaction_read_only') AS read_only, current_setting('role') AS set_role,
  current_setting('row_security') AS row_security, current_setting('client_encoding') AS encoding,
  current_setting('check_function_bodies') AS bodies, current_setting('standard_conforming_strings') AS strings;";

const PG_DUMP: &str = "SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.dumped (id integer NOT NULL);
ALTER TABLE public.dumped OWNER TO postgres;";

#[tokio::test]
async fn what_a_script_sets_hides_nothing_and_reaches_no_other() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let (joe, _) = database.role().await;
    let scripts = [
        format!("SET ROLE \"{joe}\";"),
        format!("SET SESSION AUTHORIZATION \"{joe}\";"),
        format!("SET LOCAL ROLE \"{joe}\"; SET LOCAL search_path = '';"),
        "SET search_path = '';".to_owned(),
        "SELECT set_config('search_path', 'pg_temp', false);".to_owned(),
        "SET lock_timeout = 0; SET statement_timeout = '77min';".to_owned(),
        "SET session_replication_role = replica;".to_owned(),
        "SET default_transaction_read_only = on;".to_owned(),
        "SET client_encoding = 'LATIN1'; SET check_function_bodies = off;".to_owned(),
        "ALTER TABLE one ENABLE ROW LEVEL SECURITY; SET row_security = off;".to_owned(),
        PG_DUMP.to_owned(),
    ];
    let clean = seen_after(&pool, "SELECT 1;", true).await;
    for script in &scripts {
        for together in [true, false] {
            let seen = seen_after(&pool, script, together).await;
            assert_eq!(seen, clean, "{script}");
        }
        // Outside a transaction it is one session as well, and `SET LOCAL` does nothing.
        let outside = format!("-- whimbrel:no-transaction\n{script}");
        assert_eq!(seen_after(&pool, &outside, true).await, clean, "{script}");
    }
    nothing_is_locked(&pool).await;
}

/// What the script after this one sees, in the same run or the next one.
async fn seen_after(pool: &sqlx::PgPool, script: &str, together: bool) -> String {
    sqlx::raw_sql("DROP TABLE IF EXISTS one, seen, dumped, whimbrel_history, whimbrel_events")
        .execute(pool)
        .await
        .unwrap();
    if !together {
        migrate(&ups("postgres", &[ONE, script]), pool).await.unwrap_or_else(|error| panic!("{error:?}\n{script}"));
    }
    let set = ups("postgres", &[ONE, script, SEEN, "INSERT INTO one VALUES (2)"]);
    let report = migrate(&set, pool).await.unwrap_or_else(|error| panic!("{error:?}\n{script}"));
    assert_eq!(report.applied(), 4);
    let written = "SELECT count(*) FROM public.whimbrel_history WHERE state = 'completed' AND duration_ms >= 0";
    assert_eq!(number(pool, written).await, 4, "{script}");
    assert_eq!(number(pool, "SELECT count(*) FROM pg_class WHERE relname = 'whimbrel_history'").await, 1);
    assert!(migrate(&set, pool).await.unwrap().is_up_to_date());
    sqlx::query_scalar("SELECT seen::text FROM seen").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn what_a_script_leaves_on_its_session_does_not_reach_the_next() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    // Each would fail where the one before left its own.
    let leaves = "PREPARE x AS SELECT 1;
        CREATE TEMP TABLE whimbrel_history (id INTEGER);
        CREATE TEMP TABLE one (id INTEGER);
        DECLARE c CURSOR WITH HOLD FOR SELECT 1;
        LISTEN here;
        SELECT 1 / (NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = 42))::int;
        SELECT pg_advisory_lock(42);";
    let sees = "SELECT 1 / (NOT EXISTS (SELECT FROM pg_listening_channels()))::int;
        SELECT 1 / (NOT EXISTS (SELECT FROM pg_cursors WHERE name = 'c'))::int;
        SELECT 1 / (NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'x'))::int;
        INSERT INTO one VALUES (2);";
    let report = migrate(&ups("postgres", &[ONE, leaves, leaves, sees, leaves]), &pool).await;
    assert_eq!(outcomes(&report.unwrap_or_else(|error| panic!("{error:?}"))), ["done"; 5]);
    assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 2);
    nothing_is_locked(&pool).await;
}

#[tokio::test]
async fn a_role_with_a_schema_of_its_own_shares_the_one_history() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let (joe, url) = database.role().await;
    let rights = format!("CREATE SCHEMA \"{joe}\" AUTHORIZATION \"{joe}\"; GRANT CREATE ON SCHEMA public TO PUBLIC");
    sqlx::raw_sql(AssertSqlSafe(rights)).execute(&pool).await.unwrap();
    let set = ups("postgres", &[ONE]);
    let joes = sqlx::PgPool::connect(&url).await.unwrap();
    assert_eq!(migrate(&set, &joes).await.unwrap().steps().len(), 1);
    joes.close().await;
    assert!(migrate(&set, &pool).await.unwrap().is_up_to_date());
    assert_eq!(number(&pool, "SELECT count(*) FROM pg_class WHERE relname = 'whimbrel_history'").await, 1);
}

// ------------------------------------------------------------------------------------------------ a caller's connection

#[tokio::test]
async fn a_callers_connection_keeps_its_own_settings() {
    let Some(database) = Database::create().await else { return };
    let (joe, _) = database.role().await;
    let rights = format!("GRANT ALL ON SCHEMA public TO \"{joe}\"; CREATE SCHEMA app AUTHORIZATION \"{joe}\"");
    database.execute(&rights).await;
    let mut connection = database.connect().await;
    let own = format!(
        "SET ROLE \"{joe}\"; SET search_path = app, public; SET statement_timeout = '77s'; SET lock_timeout = '5s';
         SET application_name = 'it''s \"mine\"'; SET TimeZone = 'Asia/Tokyo'; CREATE TEMP TABLE mine (id INTEGER);
         PREPARE mine AS SELECT 1; SELECT pg_advisory_lock(42)"
    );
    sqlx::raw_sql(AssertSqlSafe(own)).execute(&mut connection).await.unwrap();
    let before = settings(&mut connection).await;
    let hostile = "SET search_path = ''; SET statement_timeout = 0; RESET ROLE; SET TimeZone = 'UTC';";
    let outside = format!("-- whimbrel:no-transaction\n{hostile}");
    migrate(&ups("postgres", &[ONE, hostile, &outside, "INSERT INTO one VALUES (2)"]), &mut connection).await.unwrap();
    assert_eq!(settings(&mut connection).await, before);
    let kept = "INSERT INTO mine VALUES (1); EXECUTE mine; SELECT 1 / pg_advisory_unlock(42)::int";
    sqlx::raw_sql(kept).execute(&mut connection).await.unwrap();
    // And what goes wrong leaves them as well.
    let wrong = format!("{hostile} SELECT nonsense;");
    migrate(&ups("postgres", &[ONE, hostile, &outside, "INSERT INTO one VALUES (2)", &wrong]), &mut connection)
        .await
        .unwrap_err();
    assert_eq!(settings(&mut connection).await, before);
}

async fn settings(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT name || '=' || setting FROM pg_settings WHERE source = 'session' \
               UNION ALL SELECT current_user || ' is ' || session_user ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn a_connection_inside_a_transaction_is_refused() {
    let set = ups("postgres", &[ONE]);
    for applied_before in [false, true] {
        let Some(database) = Database::create().await else { return };
        let pool = database.pool().await;
        sqlx::raw_sql("CREATE TABLE work (id INTEGER)").execute(&pool).await.unwrap();
        if applied_before {
            migrate(&set, &pool).await.unwrap();
        }
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO work VALUES (1)").execute(&mut *transaction).await.unwrap();
        let error = migrate(&set, &mut *transaction).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        sqlx::query("INSERT INTO work VALUES (2)").execute(&mut *transaction).await.unwrap();
        transaction.rollback().await.unwrap();

        let mut connection = database.connect().await;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        sqlx::raw_sql("INSERT INTO work VALUES (1)").execute(&mut connection).await.unwrap();
        let error = migrate(&set, &mut connection).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        let error = whimbrel::Migrator::new(&set, &mut connection).status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        sqlx::raw_sql("INSERT INTO work VALUES (2)").execute(&mut connection).await.expect("it is still usable");
        sqlx::raw_sql("SELECT nonsense").execute(&mut connection).await.unwrap_err();
        let error = migrate(&set, &mut connection).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "a failed one: {error:?}");
        sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
        assert_eq!(number(&pool, "SELECT count(*) FROM work").await, 0);
        assert_eq!(tables(&pool).await.contains(&"one".to_owned()), applied_before);
        assert_eq!(migrate(&set, &mut connection).await.unwrap().applied(), 1);
    }
}

// ---------------------------------------------------------------------------------------------------------------- logs

#[tokio::test]
async fn a_script_that_takes_over_a_second_reaches_no_log() {
    let Some(database) = Database::create().await else { return };
    log::listen();
    // A pool that logs all it can.
    let options: PgConnectOptions = database.url().parse().unwrap();
    let info = || "info".parse().unwrap();
    let options = options.log_statements(info()).log_slow_statements(info(), Duration::from_millis(1));
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    let slow = "CREATE TABLE one (secret TEXT DEFAULT 'hunter2');\nSELECT pg_sleep(1.05), 'hunter2';";
    let wrong = "SELECT 'hunter2'::int;";
    let outside = format!("-- whimbrel:no-transaction\n{slow}").replace("one", "two");
    migrate(&ups("postgres", &[slow, &outside, wrong]), &pool).await.unwrap_err();
    let told = log::heard();
    assert!(told.contains("message=applied"), "the log hears of what was done: {told}");
    assert!(!told.contains("hunter2") && !told.contains("pg_sleep"), "{told}");
    // And it would hear of a statement.
    sqlx::query("SELECT 'hunter3'").execute(&pool).await.unwrap();
    assert!(log::heard().contains("hunter3"));
}
