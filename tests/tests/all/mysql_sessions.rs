//! What a script leaves on its session on MariaDB: the next one does not see it, and a caller finds its own again.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection};
use whimbrel::{ErrorKind, Migrator, migrate};
use whimbrel_tests::mysql::Database;

use crate::cases::ups;
use crate::mysql_cases::{number, texts};
use crate::stories::world::set_for;

/// Whatever a script may set, but for what is no variable.
const SETS: &str = "SET sql_mode = '';
SET foreign_key_checks = 0, unique_checks = 0, autocommit = 0, sql_notes = 0, group_concat_max_len = 7;
SET time_zone = '+09:00', @@session.sql_select_limit = 1, timestamp = 1;
SET NAMES latin1;
SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE;";

const LEAVES: &str = "SET @left = 1;
PREPARE left_over FROM 'SELECT 1';
CREATE TEMPORARY TABLE left_temporary (id INT);
CREATE TABLE left_table (id INT);
LOCK TABLES left_table WRITE;
USE mysql;
SET SESSION TRANSACTION READ ONLY;
SET @last = 1;";

/// All that a session says of itself, but for what changes by itself.
const STATE: &str = "SELECT CONCAT(variable_name, '=', variable_value) FROM information_schema.session_variables
    WHERE variable_name NOT IN ('TIMESTAMP', 'RAND_SEED1', 'RAND_SEED2', 'PSEUDO_THREAD_ID', 'WARNING_COUNT',
    'ERROR_COUNT', 'LAST_INSERT_ID', 'IDENTITY', 'INSERT_ID', 'LAST_GTID', 'GTID_CURRENT_POS', 'GTID_BINLOG_POS',
    'GTID_BINLOG_STATE', 'SERVER_UID')
    UNION ALL SELECT CONCAT('role=', coalesce(CURRENT_ROLE(), '')) UNION ALL SELECT CONCAT('database=', DATABASE())";

async fn state(connection: &mut MySqlConnection) -> Vec<String> {
    let rows = sqlx::raw_sql(STATE).fetch_all(connection).await.unwrap();
    let mut state: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    state.sort_unstable();
    state
}

fn differences<'s>(one: &'s [String], other: &'s [String]) -> Vec<&'s String> {
    one.iter().filter(|it| !other.contains(it)).chain(other.iter().filter(|it| !one.contains(it))).collect()
}

#[tokio::test]
async fn what_a_script_sets_does_not_reach_the_next() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let sees = "CREATE TABLE seen AS SELECT @@foreign_key_checks + @@unique_checks + @@autocommit AS checks,
        @@sql_mode AS mode, @@time_zone AS zone, @@character_set_client AS names, @@tx_isolation AS isolation,
        coalesce(@left, 'unset') AS variable, DATABASE() AS db, @@group_concat_max_len AS length;
        CREATE TABLE temporary_seen AS SELECT count(*) AS n FROM left_table;
        CREATE TABLE left_temporary (id INT);";
    let set = ups("mysql", &[&format!("{SETS}\n{LEAVES}"), sees, "EXECUTE left_over"]);
    let error = migrate(&set, &pool).await.unwrap_err();
    // The third finds no prepared statement.
    assert!(format!("{error:?}").contains("Unknown prepared statement handler (left_over)"), "{error:?}");
    let seen = "SELECT CAST(CONCAT_WS(' ', checks, zone, names, isolation, variable, db = DATABASE(), length) AS CHAR)
        FROM seen";
    assert_eq!(texts(&pool, seen).await, ["3 +00:00 utf8mb4 REPEATABLE-READ unset 1 1048576"]);
    assert!(texts(&pool, "SELECT CAST(mode AS CHAR) FROM seen").await[0].starts_with("STRICT_TRANS_TABLES,"));
    assert_eq!(number(&pool, "SELECT count(*) FROM left_temporary").await, 0);
    // The server's clock, not the script's.
    assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_events WHERE at < '2020-01-01'").await, 0);
}

#[tokio::test]
async fn a_callers_session_is_as_it_was() {
    let Some(database) = Database::create().await else { return };
    let role = format!("role_{}", std::process::id());
    database.execute(&format!("CREATE ROLE IF NOT EXISTS {role}; CREATE DATABASE IF NOT EXISTS {role}_db")).await;
    let failing = format!("{SETS}\nSELEKT");
    let sets_role = format!("SET ROLE NONE; USE {role}_db; CREATE TABLE IF NOT EXISTS b (id INT)");
    let cases = [
        ("CREATE TABLE a (id INT)", ""),
        (SETS, ""),
        (&*sets_role, ""),
        ("CALL p()", ""),
        (&*failing, ""),
        (
            SETS,
            "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', lock_wait_timeout = 17, time_zone = '+01:00', autocommit = 0",
        ),
    ];
    database.execute("CREATE PROCEDURE p() SET SESSION sort_buffer_size = 1048576, sql_mode = 'ANSI'").await;
    for (index, (script, own)) in cases.into_iter().enumerate() {
        let mut connection = database.connect().await;
        let own = format!("SET ROLE {role}; SET max_statement_time = 77; {own}");
        connection.execute(AssertSqlSafe(own)).await.unwrap();
        let before = state(&mut connection).await;
        let set = ups("mysql", &[script]);
        let ran = Migrator::new(&set, &mut connection).history_table(&format!("h{index}_history")).unwrap().up().await;
        assert_eq!(ran.is_err(), script.contains("SELEKT"), "{ran:?}");
        let after = state(&mut connection).await;
        assert_eq!(differences(&before, &after), [""; 0], "{script}");
        connection.close().await.unwrap();
    }
    database.execute(&format!("DROP ROLE {role}; DROP DATABASE {role}_db")).await;
}

/// A run that its own timeout ends is given back too, when its statement has ended.
#[tokio::test]
async fn a_callers_session_is_as_it_was_after_a_timeout() {
    let Some(database) = Database::create().await else { return };
    let mut connection = database.connect().await;
    let before = state(&mut connection).await;
    let set = ups("mysql", &[&format!("{SETS}\nSELECT SLEEP(1)")]);
    let mut migrator = Migrator::new(&set, &mut connection).timeout(std::time::Duration::from_millis(500));
    assert_eq!(migrator.up().await.unwrap_err().kind(), ErrorKind::Timeout);
    drop(migrator);
    let after = state(&mut connection).await;
    assert_eq!(differences(&before, &after), [""; 0]);
}

/// It is prepared again, and variables are set again, since another session goes on.
#[tokio::test]
async fn what_a_session_held_is_made_again_for_the_statement_that_goes_on() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let script = |last: &str| {
        format!(
            "CREATE TABLE a (id INT);\nSELECT count(*) INTO @found FROM a;\n\
             SET @sql = IF(@found > 0, 'SELECT 1', 'INSERT INTO a VALUES (7)');\nPREPARE p FROM @sql;\n{last};\n\
             EXECUTE p;\nDEALLOCATE PREPARE p;"
        )
    };
    migrate(&ups("mysql", &[script("SELECT 1 FROM nope")]), &pool).await.unwrap_err();
    migrate(&ups("mysql", &[script("SELECT 1")]), &pool).await.unwrap();
    assert_eq!(texts(&pool, "SELECT CAST(id AS CHAR) FROM a").await, ["7"]);
}

/// What cannot be made again is not guessed: `LAST_INSERT_ID()` of another session is 0.
#[tokio::test]
async fn what_a_session_held_and_nobody_can_make_again_is_refused() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    database.execute("CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT); CREATE TABLE b (id INT)").await;
    let script = |last: &str| format!("INSERT INTO a VALUES (41);\nSET @id = LAST_INSERT_ID(41);\n{last};");
    migrate(&ups("mysql", &[script("INSERT INTO b VALUES (nope)")]), &pool).await.unwrap_err();
    let error = migrate(&ups("mysql", &[script("INSERT INTO b VALUES (@id)")]), &pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert_eq!(error.to_string(), "0001 a goes on at statement 3, without `@id` of statement 2; nothing was run");
    migrate(&ups("mysql", &[script("INSERT INTO b SELECT max(id) FROM a")]), &pool).await.unwrap();
    assert_eq!(texts(&pool, "SELECT CAST(id AS CHAR) FROM b").await, ["41"]);
}

/// Without `autocommit` a script is one transaction up to its COMMIT, or to its end.
#[tokio::test]
async fn a_script_without_autocommit_commits_when_it_says_so_and_at_its_end() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let script = |last: &str| {
        format!(
            "CREATE TABLE a (id INT);\nSET autocommit = 0;\nINSERT INTO a VALUES (1);\nCOMMIT;\n\
             INSERT INTO a VALUES (2);\nROLLBACK;\nINSERT INTO a VALUES (3);\n{last};"
        )
    };
    migrate(&ups("mysql", &[script("SELECT 1 FROM nope")]), &pool).await.unwrap_err();
    let rows = "SELECT CAST(id AS CHAR) FROM a ORDER BY id";
    assert_eq!(texts(&pool, rows).await, ["1"]);
    assert_eq!(number(&pool, "SELECT applied FROM whimbrel_history").await, 6);
    migrate(&ups("mysql", &[script("INSERT INTO a VALUES (4)")]), &pool).await.unwrap();
    assert_eq!(texts(&pool, rows).await, ["1", "3", "4"]);
}

#[tokio::test]
async fn what_a_verify_query_refuses_is_committed_by_then() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let up = "CREATE TABLE a (id INT);\nSET autocommit = 0;\nINSERT INTO a VALUES (1);";
    let set = set_for("mysql", [("0001_a.up.sql", up), ("0001_a.verify.sql", "SELECT id FROM a WHERE id = 2")]);
    migrate(&set, &pool).await.unwrap_err();
    database.execute("INSERT INTO a VALUES (2)").await;
    migrate(&set, &pool).await.unwrap();
    assert_eq!(texts(&pool, "SELECT CAST(id AS CHAR) FROM a ORDER BY id").await, ["1", "2"]);
}
