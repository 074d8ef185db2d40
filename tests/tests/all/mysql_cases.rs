//! MariaDB, each by its name: statements whose runner died, statements that fail half-way, others in the way.

use std::time::Duration;

use sqlx::{AssertSqlSafe, MySqlPool};
use whimbrel::{ErrorKind, Migrations, Migrator, Resolve, migrate};
use whimbrel_tests::mysql::Database;

use crate::cases::ups;

pub(crate) async fn number(pool: &MySqlPool, sql: &str) -> i64 {
    let sql = format!("SELECT CAST(({sql}) AS SIGNED)");
    let value = sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_one(pool).await;
    value.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

/// The texts of the first column.
async fn texts(pool: &MySqlPool, sql: &str) -> Vec<String> {
    let texts = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await;
    texts.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

async fn history(pool: &MySqlPool) -> String {
    let sql = "SELECT CONCAT(state, ' ', applied, ' of ', statements) FROM whimbrel_history ORDER BY `rank`";
    texts(pool, sql).await.join(", ")
}

const KEPT: &str = "CREATE TABLE kept (id INT PRIMARY KEY, x INT, KEY x (x)); CREATE TABLE other (id INT); \
    CREATE PROCEDURE p() SELECT 1; CREATE FUNCTION f() RETURNS INT RETURN 1; \
    CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW SET NEW.id = 1; \
    CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO SELECT 1; CREATE VIEW v AS SELECT 1 AS one;";

/// Makes the second statement of a script one at which its runner has died; it was run by then where `acted` is its
/// text.
async fn interrupted(database: &Database, pool: &MySqlPool, statement: &str, acted: &str) -> Migrations {
    database.execute(KEPT).await;
    let set = ups("mysql", &[format!("SELECT 1 FROM gate;\n{statement};\nINSERT INTO ran VALUES (1);")]);
    migrate(&set, pool).await.unwrap_err();
    database.execute("CREATE TABLE gate (id INT); CREATE TABLE ran (id INT)").await;
    database.execute(acted).await;
    database.execute("UPDATE whimbrel_history SET state = 'running', applied = 1").await;
    set
}

async fn settled(statement: &str, acted: &str) -> String {
    let Some(database) = Database::create().await else { return String::new() };
    let pool = database.pool().await;
    let set = interrupted(&database, &pool, statement, acted).await;
    migrate(&set, &pool).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    assert_eq!(number(&pool, "SELECT count(*) FROM ran").await, 1, "{statement}");
    assert_eq!(history(&pool).await, "completed 3 of 3", "{statement}");
    let details = texts(&pool, "SELECT detail FROM whimbrel_events WHERE what = 'resolved'").await;
    details[0].rsplit("found to be ").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_schema_change_whose_runner_died_is_settled_by_the_catalogue() {
    let statements = [
        "CREATE TABLE a (id INT)",
        "CREATE TABLE a AS SELECT * FROM kept",
        "DROP TABLE kept, other",
        "CREATE INDEX i ON kept (id, x)",
        "DROP INDEX x ON kept",
        "ALTER TABLE kept ADD COLUMN y INT, ADD KEY y (y)",
        "ALTER TABLE `kept` DROP COLUMN x",
        "ALTER TABLE kept ADD CONSTRAINT k CHECK (id > 0)",
        "ALTER TABLE kept DROP PRIMARY KEY",
        "ALTER TABLE kept CHANGE x y BIGINT",
        "ALTER TABLE kept RENAME TO moved",
        "RENAME TABLE kept TO a, other TO b",
        "CREATE PROCEDURE q() SELECT 2",
        "DROP PROCEDURE p",
        "CREATE FUNCTION g() RETURNS INT RETURN 1",
        "DROP FUNCTION f",
        "CREATE TRIGGER u BEFORE INSERT ON kept FOR EACH ROW SET NEW.x = 1",
        "DROP TRIGGER t",
        "CREATE EVENT n ON SCHEDULE EVERY 1 YEAR DO SELECT 1",
        "DROP EVENT e",
        "CREATE VIEW w AS SELECT 1 AS one",
        "DROP VIEW v",
    ];
    for statement in statements {
        assert_eq!(settled(statement, "SELECT 1").await, "not done", "{statement}");
        assert_eq!(settled(statement, statement).await, "done", "{statement}");
    }
}

#[tokio::test]
async fn what_may_run_twice_runs_twice() {
    for statement in
        ["CREATE TABLE IF NOT EXISTS a (id INT)", "ALTER TABLE kept MODIFY x BIGINT", "DROP TABLE IF EXISTS kept"]
    {
        assert_eq!(settled(statement, statement).await, "not done", "{statement}");
    }
    assert_eq!(settled("INSERT INTO kept VALUES (1, 1)", "SELECT 1").await, "not done");
}

#[tokio::test]
async fn what_no_catalogue_tells_stops_and_a_person_settles_it() {
    let cases = [
        ("TRUNCATE kept", "SELECT 1"),
        ("CALL p()", "SELECT 1"),
        ("DROP TABLE kept, other", "DROP TABLE kept"),
        // Its rows are not held by a transaction.
        ("INSERT INTO `plain` VALUES (1)", "CREATE TABLE plain (id INT) ENGINE=MyISAM"),
        ("INSERT INTO plain SELECT 1", "CREATE TABLE plain (id INT) ENGINE=Aria"),
    ];
    for (statement, acted) in cases {
        let Some(database) = Database::create().await else { return };
        let pool = database.pool().await;
        let set = interrupted(&database, &pool, statement, acted).await;
        let error = migrate(&set, &pool).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InDoubt, "{statement}: {error:?}");
        assert!(format!("{error:?}").contains("Resolve::Done(2)"), "{error:?}");
        assert_eq!(number(&pool, "SELECT count(*) FROM ran").await, 0);
        Migrator::new(&set, &pool).resolve(&"1".parse().unwrap(), Resolve::Done(2)).await.unwrap();
        migrate(&set, &pool).await.unwrap();
        assert_eq!(number(&pool, "SELECT count(*) FROM ran").await, 1);
    }
}

/// The server ends a statement with its connection, and what it has not finished is undone.
#[tokio::test]
async fn a_statement_whose_connection_is_killed_is_settled_and_run_again() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let slow = ["CREATE TABLE a AS SELECT SLEEP(60) AS x", "INSERT INTO b SELECT SLEEP(60)", "CALL p()"];
    for (index, statement) in slow.into_iter().enumerate() {
        let text = format!(
            "CREATE TABLE b{index} (id INT);\n{};\nINSERT INTO b{index} VALUES (2);",
            statement.replace("INTO b", &format!("INTO b{index}"))
        );
        if index == 2 {
            database.execute("CREATE PROCEDURE p() SELECT SLEEP(60)").await;
        }
        let path = format!("whimbrel_{index}_history");
        let set = ups("mysql", &[text]);
        let mut migrator = Migrator::new(&set, &pool).history_table(&path).unwrap();
        let (run, ()) = tokio::join!(migrator.up(), kill_the_sleeper(&pool));
        assert_eq!(run.unwrap_err().kind(), ErrorKind::Connection, "{statement}");
        drop(migrator);
        let done = format!("SELECT applied * 10 + (state = 'running') FROM {path}");
        assert_eq!(number(&pool, &done).await, 11, "{statement}");
        let mut migrator = Migrator::new(&set, &pool).history_table(&path).unwrap();
        if index == 2 {
            // Nobody knows what it did.
            assert_eq!(migrator.up().await.unwrap_err().kind(), ErrorKind::InDoubt);
            continue;
        }
        // It is run again, which is seen by its sleep; and then by hand, without.
        let again = tokio::time::timeout(Duration::from_millis(500), migrator.up()).await;
        assert!(again.is_err(), "{again:?}");
        drop(migrator);
        kill_the_sleeper(&pool).await;
    }
}

/// Ends the connection that sleeps in the test's database.
async fn kill_the_sleeper(pool: &MySqlPool) {
    let sql = "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
               WHERE db = DATABASE() AND state = 'User sleep'";
    for _ in 0..1000 {
        if let Some(id) = texts(pool, sql).await.first() {
            let kill = AssertSqlSafe(format!("KILL CONNECTION {id}"));
            let _ = sqlx::raw_sql(kill).execute(pool).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody sleeps");
}
