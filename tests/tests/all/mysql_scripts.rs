//! Scripts as they are written for MariaDB: with `DELIMITER` and without, with transactions of their own, in databases of
//! whatever character set.

use sqlx::{AssertSqlSafe, Executor as _};
use whimbrel::{ErrorKind, Migrator, migrate};
use whimbrel_tests::mysql::Database;

use crate::cases::{outcomes, ups};
use crate::mysql_cases::{number, texts};

const DELIMITED: &str = "CREATE TABLE a (id INT, n INT);
DELIMITER //
CREATE TRIGGER counts BEFORE INSERT ON a FOR EACH ROW
BEGIN
    SET NEW.n = NEW.id * 2;
END//
CREATE PROCEDURE fill(IN many INT)
BEGIN
    DECLARE i INT DEFAULT 0;
    WHILE i < many DO
        SET i = i + 1;
        INSERT INTO a (id) VALUES (i);
    END WHILE;
END//
DELIMITER ;
CALL fill(3);
INSERT INTO a (id) VALUES (4);";

const PLAIN: &str = "CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC
BEGIN
    IF x IS NULL THEN RETURN 0; END IF;
    RETURN x * 2;
END;
CREATE EVENT later ON SCHEDULE AT '2037-01-01 00:00:00' DO BEGIN DELETE FROM a; DELETE FROM a; END;
CREATE VIEW doubled AS SELECT id, twice(n) AS n FROM a;
BEGIN NOT ATOMIC
    DECLARE EXIT HANDLER FOR SQLEXCEPTION SELECT 1;
    INSERT INTO a (id) VALUES (5);
END;
INSERT INTO a (id) SELECT twice(3);";

#[tokio::test]
async fn routines_and_triggers_with_and_without_a_delimiter() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let set = ups("mysql", &[DELIMITED, PLAIN, "DROP PROCEDURE fill; DROP TRIGGER counts"]);
    let report = migrate(&set, &pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done"; 3]);
    assert_eq!(report.steps()[0].statements, 5);
    assert_eq!(
        texts(&pool, "SELECT CONCAT(id, ':', n) FROM doubled ORDER BY id").await,
        ["1:4", "2:8", "3:12", "4:16", "5:20", "6:24"]
    );
    let left = "SELECT CAST(count(*) AS CHAR) FROM information_schema.routines WHERE routine_schema = DATABASE()";
    assert_eq!(texts(&pool, left).await, ["1"]);
}

#[tokio::test]
async fn a_script_may_have_transactions_of_its_own() {
    // What fails in the end, and the rows that stay then.
    let cases: &[(&str, &[&str])] = &[
        ("BEGIN; INSERT INTO a VALUES (1); INSERT INTO a VALUES (2); {fails}; COMMIT;", &[]),
        (
            "BEGIN; INSERT INTO a VALUES (1); COMMIT; START TRANSACTION; INSERT INTO a VALUES (2); {fails}; COMMIT;",
            &["1"],
        ),
        (
            "INSERT INTO a VALUES (1); BEGIN WORK; INSERT INTO a VALUES (2); ROLLBACK; INSERT INTO a VALUES (2); {fails};",
            &["1", "2"],
        ),
        (
            "BEGIN; INSERT INTO a VALUES (1); SAVEPOINT s; INSERT INTO a VALUES (2); ROLLBACK TO s; {fails}; COMMIT;",
            &[],
        ),
        (
            "BEGIN; INSERT INTO a VALUES (1); ALTER TABLE a ADD COLUMN b INT DEFAULT 0; INSERT INTO a VALUES (2, 0); {fails}; COMMIT;",
            &["1", "2"],
        ),
        ("LOCK TABLES a WRITE; INSERT INTO a VALUES (1); UNLOCK TABLES; {fails};", &["1"]),
    ];
    for (script, stays) in cases {
        let Some(database) = Database::create().await else { return };
        let pool = database.pool().await;
        database.execute("CREATE TABLE a (id INT)").await;
        let set = |last| ups("mysql", &[script.replace("{fails}", last)]);
        migrate(&set("INSERT INTO nope VALUES (1)"), &pool).await.unwrap_err();
        let rows = "SELECT CAST(id AS CHAR) FROM a ORDER BY id";
        assert_eq!(texts(&pool, rows).await, *stays, "{script}");
        migrate(&set("SELECT 1"), &pool).await.unwrap_or_else(|error| panic!("{script}: {error:?}"));
        // As if nothing had failed.
        let Some(other) = Database::create().await else { return };
        other.execute("CREATE TABLE a (id INT)").await;
        other.execute(&script.replace("{fails}", "SELECT 1")).await;
        assert_eq!(texts(&pool, rows).await, texts(&other.pool().await, rows).await, "{script}");
    }
}

#[tokio::test]
async fn the_history_does_not_depend_on_the_database() {
    let names = [
        "latin1 COLLATE latin1_swedish_ci",
        "utf8mb4 COLLATE utf8mb4_general_ci",
        "utf8mb4 COLLATE utf8mb4_bin",
        "ucs2",
    ];
    for characters in names {
        let Some(database) = Database::create().await else { return };
        let pool = database.pool().await;
        let all = format!("ALTER DATABASE `{}` CHARACTER SET {characters}", database.name());
        database.execute(&all).await;
        let name = "n".repeat(64);
        let script =
            format!("-- Grüße, 漢字 🐦\nCREATE TABLE `{name}` (`ä` INT COMMENT '🐦');\nSELECT 'ß = ss', '\\\\';");
        let set = ups("mysql", &[&*script]);
        migrate(&set, &pool).await.unwrap_or_else(|error| panic!("{characters}: {error:?}"));
        assert!(migrate(&set, &pool).await.unwrap().is_up_to_date());
        let stored: String = sqlx::query_scalar("SELECT up FROM whimbrel_history").fetch_one(&pool).await.unwrap();
        assert_eq!(stored, script);
        let edited = script.replace("🐦'", "🐧'");
        assert_eq!(migrate(&ups("mysql", &[edited]), &pool).await.unwrap_err().kind(), ErrorKind::Changed);
    }
}

#[tokio::test]
async fn a_history_may_have_a_name_as_long_as_the_server_takes() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let name = "h".repeat(56);
    let set = ups("mysql", &["CREATE TABLE a (id INT)"]);
    let mut migrator = Migrator::new(&set, &pool).history_table(&name).unwrap();
    assert_eq!(migrator.up().await.unwrap().applied(), 1);
    assert!(migrator.up().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn a_statement_that_no_request_may_hold_is_refused_with_the_name_of_the_setting() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let limit = number(&pool, "SELECT @@global.max_allowed_packet").await as usize;
    let script = format!("CREATE TABLE a (b LONGTEXT);\nINSERT INTO a VALUES ('{}');", "x".repeat(limit));
    let error = migrate(&ups("mysql", &["CREATE TABLE z (id INT)", &script]), &pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let shown = error.to_string();
    assert!(
        shown.contains("0002_b needs a request of ") && shown.contains("(max_allowed_packet); nothing of it was run"),
        "{shown}"
    );
    assert!(format!("{error:?}").contains("help: SET GLOBAL max_allowed_packet to more than "), "{error:?}");
    assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_history WHERE state = 'completed'").await, 1);
    assert_eq!(
        number(
            &pool,
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'a'"
        )
        .await,
        0
    );
}

/// Scripts are read as they were split, whatever the server or the caller has set.
#[tokio::test]
async fn the_modes_of_a_caller_do_not_change_what_a_script_means() {
    let Some(database) = Database::create().await else { return };
    let script = r#"CREATE TABLE a (id INT, b VARCHAR(20));
        INSERT INTO a VALUES (1, "it's; \"so\""), (2, 'a\';b'), (3, 1 || 0);"#;
    for (index, mode) in
        ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ORACLE", "ANSI,PIPES_AS_CONCAT", ""].into_iter().enumerate()
    {
        let mut connection = database.connect().await;
        connection.execute(AssertSqlSafe(format!("DROP TABLE IF EXISTS a; SET sql_mode = '{mode}'"))).await.unwrap();
        let before: String = sqlx::query_scalar("SELECT @@sql_mode").fetch_one(&mut connection).await.unwrap();
        let set = ups("mysql", &[script]);
        let mut migrator = Migrator::new(&set, &mut connection).history_table(&format!("h{index}_history")).unwrap();
        migrator.up().await.unwrap_or_else(|error| panic!("{mode}: {error:?}"));
        assert!(migrator.up().await.unwrap().is_up_to_date());
        drop(migrator);
        let after: String = sqlx::query_scalar("SELECT @@sql_mode").fetch_one(&mut connection).await.unwrap();
        assert_eq!(before, after);
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT b FROM a ORDER BY id").fetch_all(&mut connection).await.unwrap();
        assert_eq!(rows, ["it's; \"so\"", "a';b", "1"], "{mode}");
    }
    let refused = whimbrel::Migrations::from_files([(
        "1_a.mysql.sql".to_owned(),
        b"SET sql_mode = 'ANSI_QUOTES'; SELECT 1".to_vec(),
    )]);
    assert!(refused.unwrap_err().to_string().contains("sql_mode"));
}

/// It counts for the script's next transaction, not for ours that stands in between.
#[tokio::test]
async fn the_isolation_level_of_a_scripts_next_transaction_is_kept() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    database.execute("CREATE TABLE a (level VARCHAR(40))").await;
    // The server shows its transactions as they were up to 0.1 s ago.
    let script = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
        BEGIN;
        SELECT count(*) FROM a FOR UPDATE;
        SELECT SLEEP(0.3);
        INSERT INTO a SELECT trx_isolation_level FROM information_schema.innodb_trx
            WHERE trx_mysql_thread_id = CONNECTION_ID();
        COMMIT;
        BEGIN;
        SELECT count(*) FROM a FOR UPDATE;
        SELECT SLEEP(0.3);
        INSERT INTO a SELECT trx_isolation_level FROM information_schema.innodb_trx
            WHERE trx_mysql_thread_id = CONNECTION_ID();
        COMMIT;";
    migrate(&ups("mysql", &[script]), &pool).await.unwrap();
    assert_eq!(texts(&pool, "SELECT level FROM a").await, ["SERIALIZABLE", "REPEATABLE READ"]);
}
