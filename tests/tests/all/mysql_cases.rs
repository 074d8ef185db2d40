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
pub(crate) async fn texts(pool: &MySqlPool, sql: &str) -> Vec<String> {
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
        assert!(format!("{error:?}").contains("--done 2`"), "{error:?}");
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

async fn failed(pool: &MySqlPool, scripts: &[&str]) -> whimbrel::Error {
    let error = migrate(&ups("mysql", scripts), pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    error
}

#[tokio::test]
async fn a_statement_that_fails_half_way_says_what_it_has_done() {
    let users = format!("whimbrel_{}", std::process::id());
    let account = format!("CREATE USER {users}_2@localhost, {users}_1@localhost");
    let user = format!("by now there is user {users}_2@localhost");
    // What fails, what is said to be there, how it is mended.
    let cases = [
        ("DROP TABLE a, nope, c", "by now there is no table a, no table c", "DROP TABLE IF EXISTS a, nope, c"),
        ("DROP VIEW v, nope", "by now there is no table v", "DROP VIEW IF EXISTS v, nope"),
        (&*account, &*user, "SELECT 1"),
        (
            "INSERT INTO plain VALUES (1), (2), (1)",
            "rows that it changed in a table without transactions stay",
            "SELECT 1",
        ),
        ("CALL p()", "", "SELECT 1"),
    ];
    for (statement, says, mended) in cases {
        let Some(database) = Database::create().await else { return };
        let pool = database.pool().await;
        let prepared = format!(
            "CREATE TABLE a (id INT); CREATE TABLE c (id INT); CREATE VIEW v AS SELECT 1 AS one; \
             CREATE TABLE plain (id INT PRIMARY KEY) ENGINE=MyISAM; CREATE USER {users}_1@localhost; \
             CREATE PROCEDURE p() BEGIN CREATE TABLE d (id INT); SELECT 1 FROM nope; END"
        );
        database.execute(&prepared).await;
        let script = |statement: &str| format!("CREATE TABLE b (id INT);\n{statement};\nINSERT INTO b VALUES (1);");
        let error = failed(&pool, &[&*script(statement)]).await;
        let shown = format!("{error:?}");
        assert!(shown.contains(says), "{shown}");
        assert!(shown.contains("the statement before it stays, and perhaps some of it"), "{shown}");
        assert!(shown.contains("help: look what of it took effect, correct it"), "{shown}");
        assert_eq!(history(&pool).await, "failed 1 of 3");
        migrate(&ups("mysql", &[script(mended)]), &pool).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        assert_eq!(number(&pool, "SELECT count(*) FROM b").await, 1);
        database.execute(&format!("DROP USER IF EXISTS {users}_1@localhost, {users}_2@localhost")).await;
    }
}

#[tokio::test]
async fn a_statement_that_fails_before_it_begins_left_nothing() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let statements = [
        "CREATE TABEL a (id INT)",
        "CREATE TABLE b (id INT)",
        "DROP TABLE nope",
        "ALTER TABLE b ADD COLUMN id INT, ADD COLUMN x INT",
        "INSERT INTO b VALUES (1), (2), (NULL), ('x')",
        "DROP PROCEDURE nope",
        "CREATE TABLE c AS SELECT id FROM nope",
    ];
    for statement in statements {
        let error = failed(&pool, &[&*format!("CREATE TABLE IF NOT EXISTS b (id INT);\n{statement};")]).await;
        let shown = format!("{error:?}");
        assert!(!shown.contains("perhaps some of it"), "{statement}: {shown}");
        assert_eq!(history(&pool).await, "failed 1 of 2", "{statement}");
    }
    assert_eq!(number(&pool, "SELECT count(*) FROM b").await, 0);
}

/// A first statement that took something back leaves the migration neither applied nor rolled back.
#[tokio::test]
async fn a_rollback_that_fails_in_its_first_statement_may_have_begun() {
    use crate::cases::files;
    use whimbrel::Rollback;
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let set = |down: &str| {
        files("mysql", [("1_a.up.sql", "CREATE TABLE a (id INT); CREATE TABLE b (id INT)"), ("1_a.down.sql", down)])
    };
    let nothing = set("DROP TABLE nope");
    migrate(&nothing, &pool).await.unwrap();
    let error = Migrator::new(&nothing, &pool).down(Rollback::All).await.unwrap_err();
    assert!(format!("{error:?}").contains("still applied"), "{error:?}");
    assert_eq!(history(&pool).await, "completed 2 of 2");
    let half = set("DROP TABLE a, nope, b");
    let error = Migrator::new(&half, &pool).down(Rollback::All).await.unwrap_err();
    assert!(format!("{error:?}").contains("by now there is no table a, no table b"), "{error:?}");
    assert_eq!(texts(&pool, "SELECT CONCAT(state, ' ', undone) FROM whimbrel_history").await, ["failed 0"]);
    let mended = set("DROP TABLE IF EXISTS a, nope, b");
    assert_eq!(Migrator::new(&mended, &pool).down(Rollback::All).await.unwrap().applied(), 0);
}

/// A progress shares the fate of what it tells of: what a statement has committed in secret is not run again.
#[tokio::test]
async fn what_a_failed_transaction_of_a_script_has_committed_is_kept() {
    let cases = [
        // The statement in the middle, and what stays of those before it.
        ("SELECT 1", 1),
        ("ANALYZE TABLE a", 4),
        ("CREATE TABLE c (id INT)", 4),
        ("ROLLBACK; BEGIN", 4),
    ];
    for (middle, kept) in cases {
        let Some(database) = Database::create().await else { return };
        let pool = database.pool().await;
        let script = |last: &str| {
            format!("CREATE TABLE a (id INT);\nBEGIN;\nINSERT INTO a VALUES (1);\n{middle};\n{last};\nCOMMIT;")
        };
        failed(&pool, &[&*script("INSERT INTO a VALUES (nope)")]).await;
        assert_eq!(number(&pool, "SELECT applied FROM whimbrel_history").await, kept, "{middle}");
        migrate(&ups("mysql", &[script("INSERT INTO a VALUES (2)")]), &pool)
            .await
            .unwrap_or_else(|error| panic!("{middle}: {error:?}"));
        let rows = if middle.starts_with("ROLLBACK") { 1 } else { 2 };
        assert_eq!(number(&pool, "SELECT count(*) FROM a").await, rows, "{middle}");
    }
}

/// What is read while another connection is in the way of a statement.
async fn in_the_way(pool: &MySqlPool, history: &str, statement: &str) -> String {
    let set = ups("mysql", &[format!("-- whimbrel:lock-timeout 1s\n{statement}")]);
    let mut migrator =
        Migrator::new(&set, pool).history_table(history).unwrap().lock_timeout(Duration::from_millis(500));
    let error = migrator.up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    format!("{error:?}")
}

#[tokio::test]
async fn those_in_the_way_of_a_statement_are_named() {
    use sqlx::Executor as _;
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    database.execute("CREATE TABLE wanted (id INT PRIMARY KEY); INSERT INTO wanted VALUES (1)").await;
    let mut holder = pool.begin().await.unwrap();
    let id: u64 = sqlx::query_scalar("SELECT CONNECTION_ID()").fetch_one(&mut *holder).await.unwrap();
    holder.execute("UPDATE wanted SET id = 2").await.unwrap();
    let rows = in_the_way(&pool, "rows_history", "UPDATE wanted SET id = 3").await;
    assert!(rows.contains(&format!("detail: held by connection {id} (whimbrel, 127.0.0.1:")), "{rows}");
    assert!(rows.contains("it is idle") && rows.contains("hint: raise `-- whimbrel:lock-timeout`"), "{rows}");
    let table = in_the_way(&pool, "table_history", "ALTER TABLE wanted ADD COLUMN x INT").await;
    assert!(table.contains(&format!("held by connection {id} (whimbrel, 127.0.0.1:")), "{table}");
    // On a connection that tells of no other.
    let set = ups("mysql", &["-- whimbrel:lock-timeout 1s\nDROP TABLE wanted"]);
    let mut connection = database.connect().await;
    let mut migrator = Migrator::new(&set, &mut connection).lock_timeout(Duration::from_millis(100));
    let shown = format!("{:?}", migrator.up().await.unwrap_err());
    drop(migrator);
    assert!(shown.contains(&format!("perhaps held by connection {id} (")), "{shown}");
    holder.rollback().await.unwrap();
    let set = ups("mysql", &["ALTER TABLE wanted ADD COLUMN x INT"]);
    Migrator::new(&set, &pool).history_table("table_history").unwrap().up().await.unwrap();
    assert_eq!(number(&pool, "SELECT count(x) FROM wanted").await, 0);
}

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    use sqlx::Executor as _;
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    database.execute("CREATE TABLE a (id INT PRIMARY KEY, n INT); INSERT INTO a VALUES (1, 0), (2, 0)").await;
    let set = ups("mysql", &["UPDATE a SET n = n + SLEEP(0.5) + 1 WHERE id > 0"]);
    let other = async {
        let mut other = pool.begin().await.unwrap();
        // More rows than the other has changed: it is the other that is chosen.
        other.execute("CREATE TEMPORARY TABLE t SELECT 1; UPDATE a SET n = 10 WHERE id = 2").await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let _ = other.execute("UPDATE a SET n = 10 WHERE id = 1").await;
        let _ = other.commit().await;
    };
    let mut migrator = Migrator::new(&set, &pool);
    let (run, ()) = tokio::join!(migrator.up(), other);
    run.unwrap();
    // Once for each row, whoever had to give way.
    assert!([2, 22].contains(&number(&pool, "SELECT sum(n) FROM a").await));
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_a_timeout() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    for statement in ["INSERT INTO b SELECT SLEEP(60)", "CREATE TABLE a AS SELECT SLEEP(60) AS x", "CALL p()"] {
        database.execute("DROP TABLE IF EXISTS b, whimbrel_history, whimbrel_events; DROP PROCEDURE IF EXISTS p").await;
        database.execute("CREATE TABLE b (id INT); CREATE PROCEDURE p() SELECT SLEEP(60)").await;
        let set = ups("mysql", &[format!("-- whimbrel:timeout 500ms\n{statement}")]);
        let error = migrate(&set, &pool).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_eq!(number(&pool, "SELECT count(*) FROM b").await, 0);
        assert_eq!(history(&pool).await, "failed 0 of 1");
    }
}

/// A table of a server's memory is full as a disk is.
#[tokio::test]
async fn a_full_table_is_told_as_such() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    database.execute("CREATE TABLE m (id INT, x CHAR(255)) ENGINE=MEMORY MAX_ROWS=2").await;
    let many = "SET SESSION max_heap_table_size = 16384; CREATE TABLE a (x CHAR(255)) ENGINE=MEMORY;
        INSERT INTO a WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT 'x' FROM n";
    let error = failed(&pool, &[many]).await;
    let shown = format!("{error:?}");
    assert!(shown.contains("(1114/HY000)") && shown.contains("help: make room on the disk"), "{shown}");
}

/// How many questions the server had on a connection, but for this one.
async fn questions(connection: &mut sqlx::MySqlConnection) -> i64 {
    let sql = "SHOW SESSION STATUS LIKE 'Questions'";
    let row = sqlx::raw_sql(sql).fetch_one(connection).await.unwrap();
    sqlx::Row::get::<String, _>(&row, 1).parse().unwrap()
}

/// On a pool's idle connection: one request of one statement, no write, no lock.
#[tokio::test]
async fn up_to_date_is_one_question_and_needs_no_right_to_write() {
    let Some(database) = Database::create().await else { return };
    let set = ups("mysql", &["CREATE TABLE a (id INT)", "CREATE TABLE b (id INT)"]);
    migrate(&set, &database.pool().await).await.unwrap();
    let user = format!("reader_{}", std::process::id());
    database
        .execute(&format!(
            "CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'pw'; GRANT SELECT ON `{}`.* TO {user}@'127.0.0.1'",
            database.name()
        ))
        .await;
    let mut options: sqlx::mysql::MySqlConnectOptions = database.url().parse().unwrap();
    options = options.username(&user).password("pw");
    let pool = sqlx::mysql::MySqlPoolOptions::new().max_connections(1).test_before_acquire(false).connect_with(options);
    let pool = pool.await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let before = questions(&mut connection).await;
    drop(connection);
    while pool.num_idle() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(migrate(&set, &pool).await.unwrap().is_up_to_date());
    let mut connection = pool.acquire().await.unwrap();
    let after = questions(&mut connection).await;
    // Itself, ours, and no more; the pool's ping is no question.
    assert_eq!(after - before, 2);
    database.execute(&format!("DROP USER {user}@'127.0.0.1'")).await;
}

/// Steps share a session until one leaves something on it.
#[tokio::test]
async fn steps_share_a_session_that_has_nothing_left_on_it() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let script = |n: usize| {
        let sets = if n == 3 { "SET @left = 1;" } else { "" };
        format!("{sets} CREATE TABLE t{n} AS SELECT CONNECTION_ID() AS id")
    };
    let scripts: Vec<String> = (1..=5).map(script).collect();
    assert_eq!(migrate(&ups("mysql", &scripts), &pool).await.unwrap().applied(), 5);
    let same = "(SELECT count(DISTINCT id) FROM (SELECT * FROM t1 UNION ALL SELECT * FROM t2 UNION ALL SELECT * FROM t3) a) * 100
        + (SELECT count(DISTINCT id) FROM (SELECT * FROM t4 UNION ALL SELECT * FROM t5) b) * 10
        + (SELECT count(DISTINCT id) FROM (SELECT * FROM t3 UNION ALL SELECT * FROM t4) c)";
    assert_eq!(number(&pool, same).await, 112);
    let events = "SELECT CONCAT(id, ' ', what) FROM whimbrel_events ORDER BY id";
    assert_eq!(texts(&pool, events).await.len(), 10);
}

/// A server that has no connection left for us is waited for.
#[tokio::test]
async fn a_connection_that_is_not_to_be_had_yet_is_waited_for() {
    let Some(database) = Database::create().await else { return };
    let user = format!("narrow_{}", std::process::id());
    database
        .execute(&format!(
            "CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'pw' WITH MAX_USER_CONNECTIONS 1;
             GRANT ALL ON `{}`.* TO {user}@'127.0.0.1'",
            database.name()
        ))
        .await;
    let url = {
        let mut url = url::Url::parse(&database.url()).unwrap();
        url.set_username(&user).unwrap();
        url.set_password(Some("pw")).unwrap();
        url.to_string()
    };
    let other = <sqlx::MySqlConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let set = ups("mysql", &["CREATE TABLE a (id INT)"]);
    let mut at_once = Migrator::connect(&set, &url).unwrap().lock_timeout(Duration::ZERO);
    let error = at_once.up().await.unwrap_err();
    assert!(format!("{error:?}").contains("the database has no connection left"), "{error:?}");
    let mut migrator = Migrator::connect(&set, &url).unwrap();
    let (run, ()) = tokio::join!(migrator.up(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        sqlx::Connection::close(other).await.unwrap();
    });
    assert_eq!(run.unwrap().applied(), 1);
    database.execute(&format!("DROP USER {user}@'127.0.0.1'")).await;
}

/// Processes of their own, on an empty database.
#[tokio::test]
async fn ten_processes_apply_everything_once() {
    use whimbrel_tests::starters::Starters;
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("whimbrel.toml"), "dialect = \"mysql\"").unwrap();
    for n in 1..=9 {
        let script = match n {
            1 => "CREATE TABLE ran (n INT)".to_owned(),
            2 => "CREATE PROCEDURE note(x INT) BEGIN INSERT INTO ran VALUES (x); END; CALL note(2)".to_owned(),
            5 => "SET @n = 5; INSERT INTO ran VALUES (@n); DO SLEEP(0.5)".to_owned(),
            n => format!("CREATE TABLE t{n} (id INT); INSERT INTO ran VALUES ({n}); ALTER TABLE t{n} ADD x INT"),
        };
        std::fs::write(directory.path().join(format!("{n:04}_m.sql")), script).unwrap();
    }
    let (url, path) = (database.url(), directory.path().to_owned());
    let run = move || Starters::ready(env!("CARGO_BIN_EXE_starter"), 10, &url, Some(&path)).run();
    let ended = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(ended.iter().all(|starter| starter.status.success()), "{ended:#?}");
    let rows = texts(&pool, "SELECT CAST(n AS CHAR) FROM ran ORDER BY n").await;
    assert_eq!(rows, ["2", "3", "4", "5", "6", "7", "8", "9"]);
    let applied = texts(&pool, "SELECT version FROM whimbrel_events WHERE what = 'applied' ORDER BY id").await;
    assert_eq!(applied, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_events WHERE what <> 'applied'").await, 9);
}
