//! What broke the first design on SQLite, each by its name.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, SqlitePool};
use whimbrel::{Error, ErrorKind, Level, Migrator, Rollback, migrate};
use whimbrel_tests::sqlite::Database;

use crate::cases::{files, outcomes, outcomes_before, ups};
use crate::stories::world::{normal, shows};

/// One connection, so that whoever comes next gets the one that we had.
async fn narrow_pool(database: &Database) -> SqlitePool {
    narrow_pool_with(options(database)).await
}

async fn narrow_pool_with(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

fn options(database: &Database) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(database.path()).create_if_missing(true)
}

async fn number(pool: &SqlitePool, sql: &str) -> i64 {
    let value = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(pool).await;
    value.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

async fn run(pool: &SqlitePool, sql: &str) {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await;
    ran.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

async fn tables(pool: &SqlitePool) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'whimbrel%' ORDER BY name";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

/// The pool's connection is as sqlx made it, and can begin and commit.
async fn assert_clean(pool: &SqlitePool) {
    assert_eq!(number(pool, "PRAGMA busy_timeout").await, 5000);
    assert_eq!(number(pool, "PRAGMA foreign_keys").await, 1);
    assert_eq!(number(pool, "PRAGMA legacy_alter_table").await, 0);
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::raw_sql("CREATE TABLE probe (id INTEGER); DROP TABLE probe").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let nested = pool.begin().await.unwrap();
    nested.rollback().await.unwrap();
}

// ------------------------------------------------------------------------------------------------ rebuilds of a table

const PARENTS: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 'a'), (2, 'b');
INSERT INTO child VALUES (10, 1), (20, 2);";

const REBUILD: &str = "PRAGMA foreign_keys=OFF;
CREATE TABLE new_parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO new_parent SELECT id, name FROM parent;
DROP TABLE parent;
ALTER TABLE new_parent RENAME TO parent;
PRAGMA foreign_key_check;
PRAGMA foreign_keys=ON;";

#[tokio::test]
async fn a_table_rebuild_keeps_the_children_of_on_delete_cascade() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let report = migrate(&ups("sqlite", &[PARENTS, REBUILD, "CREATE TABLE later (id INTEGER)"]), &pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done"; 3]);
    assert_eq!(number(&pool, "SELECT count(*) FROM child").await, 2);
    assert_eq!(number(&pool, "SELECT \"notnull\" FROM pragma_table_info('parent') WHERE name = 'name'").await, 1);
    assert_clean(&pool).await;
    // And the key still cascades.
    run(&pool, "DELETE FROM parent WHERE id = 1").await;
    assert_eq!(number(&pool, "SELECT count(*) FROM child").await, 1);
}

#[tokio::test]
async fn a_table_rebuild_passes_a_view_on_the_table() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let view = "CREATE VIEW names AS SELECT name FROM parent;
        CREATE TRIGGER renamed INSTEAD OF UPDATE ON names BEGIN UPDATE parent SET name = new.name; END;";
    migrate(&ups("sqlite", &[PARENTS, view, REBUILD]), &pool).await.unwrap();
    assert_eq!(number(&pool, "SELECT count(*) FROM child").await, 2);
    assert_eq!(number(&pool, "SELECT count(*) FROM names").await, 2);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn a_table_rebuild_in_the_first_migration_of_a_run_keeps_the_children() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    migrate(&ups("sqlite", &[PARENTS]), &pool).await.unwrap();
    migrate(&ups("sqlite", &[PARENTS, REBUILD]), &pool).await.unwrap();
    assert_eq!(number(&pool, "SELECT count(*) FROM child").await, 2);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn a_table_rebuild_that_leaves_a_violation_is_refused_and_rolled_back() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let loses_a_row = REBUILD.replace("FROM parent;", "FROM parent WHERE id = 1;");
    let set = ups("sqlite", &[PARENTS, &loses_a_row, "CREATE TABLE later (id INTEGER)"]);
    let error = migrate(&set, &pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(outcomes_before(&error), ["done", "failed", "not run"]);
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "foreign key violated: row 20 of child refers to parent, where there is none"
    );
    assert_eq!(number(&pool, "SELECT count(*) FROM parent").await, 2);
    assert_eq!(tables(&pool).await, ["child", "parent"]);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn violations_from_before_do_not_fail_a_table_rebuild() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    migrate(&ups("sqlite", &[PARENTS]), &pool).await.unwrap();
    run(&pool, "PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (30, 3); PRAGMA foreign_keys = ON").await;
    migrate(&ups("sqlite", &[PARENTS, REBUILD]), &pool).await.unwrap();
    assert_eq!(number(&pool, "SELECT count(*) FROM child").await, 3);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn a_second_violation_of_a_row_that_was_violated_before_is_still_new() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let two_keys = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE child (id INTEGER PRIMARY KEY, a INTEGER REFERENCES parent, b INTEGER REFERENCES parent);
        INSERT INTO parent VALUES (1, 'a'), (2, 'b');";
    migrate(&ups("sqlite", &[two_keys]), &pool).await.unwrap();
    run(&pool, "PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (10, 7, 2); PRAGMA foreign_keys = ON").await;
    let loses_a_row = REBUILD.replace("FROM parent;", "FROM parent WHERE id = 1;");
    let error = migrate(&ups("sqlite", &[two_keys, &loses_a_row]), &pool).await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["failed"]);
    assert_eq!(number(&pool, "SELECT count(*) FROM parent").await, 2);
}

#[tokio::test]
async fn rows_are_told_apart_by_their_keys_and_not_by_their_numbers() {
    // One row of each table is violated before.
    const PARENT: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY);\nINSERT INTO parent VALUES (1), (2);";
    const NAMED: &str = "CREATE TABLE child (name TEXT PRIMARY KEY, parent INTEGER REFERENCES parent) WITHOUT ROWID;";
    const NUMBERED: &str = "CREATE TABLE child (name TEXT PRIMARY KEY, parent INTEGER REFERENCES parent);";
    let orphans = "PRAGMA foreign_keys = OFF; INSERT INTO child VALUES ('a', 1), ('b', 7);";
    let loses_a_row = "-- whimbrel:foreign-keys off\nDELETE FROM parent WHERE id = 1;";
    let rebuild = |create: &str| {
        let create = create.replace("TABLE child", "TABLE new_child");
        let copy = "INSERT INTO new_child (name, parent) SELECT name, parent FROM child ORDER BY name DESC;";
        format!(
            "PRAGMA foreign_keys = OFF;\n{create}\n{copy}\nDROP TABLE child;\nALTER TABLE new_child RENAME TO child;"
        )
    };
    let more_keys = NUMBERED.replace(");", ", other INTEGER REFERENCES parent);");
    let cases = [
        (NAMED, loses_a_row.to_owned(), Some("2 rows of child refer to parent, where there is none; before 1 did")),
        (NUMBERED, rebuild(NUMBERED), None),
        (NUMBERED, rebuild(&more_keys), None),
    ];
    for (child, script, told) in cases {
        let database = Database::create();
        let pool = narrow_pool(&database).await;
        let first = format!("{PARENT}\n{child}");
        migrate(&ups("sqlite", &[&first]), &pool).await.unwrap();
        run(&pool, orphans).await;
        run(&pool, "PRAGMA foreign_keys = ON").await;
        let result = migrate(&ups("sqlite", &[&first, &script]), &pool).await;
        let cause = result.err().map(|error| std::error::Error::source(&error).unwrap().to_string());
        assert_eq!(cause, told.map(|told| format!("foreign key violated: {told}")), "{script}");
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn a_violation_outside_a_transaction_is_refused_until_it_is_mended() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let loses_a_row = REBUILD.replace("FROM parent;", "FROM parent WHERE id = 1;");
    let set = ups("sqlite", &[PARENTS, &format!("{loses_a_row}\nVACUUM;")]);
    for _ in 0..3 {
        let error = migrate(&set, &pool).await.unwrap_err();
        assert_eq!(outcomes_before(&error).last(), Some(&"failed"), "{error:?}");
        let shown = format!("{error:?}");
        assert!(shown.contains("foreign key violated: row 20 of child refers to parent"), "{shown}");
        assert!(shown.contains("help: mend the rows that `PRAGMA foreign_key_check` lists"), "{shown}");
        assert_clean(&pool).await;
    }
    run(&pool, "INSERT INTO parent VALUES (2, 'b')").await;
    assert_eq!(outcomes(&migrate(&set, &pool).await.unwrap()), ["done"]);
    assert!(migrate(&set, &pool).await.unwrap().is_up_to_date());
}

// ----------------------------------------------------------------------------------------- migration 2 of 3 goes wrong

const ONE: &str = "CREATE TABLE one (id INTEGER PRIMARY KEY); INSERT INTO one VALUES (1);";
const THREE: &str = "CREATE TABLE three (id INTEGER PRIMARY KEY);";
const TWO: &str = "CREATE TABLE two (id INTEGER PRIMARY KEY);";

/// 1 stays, 2 is named, 3 does not run; the connection is usable, and a corrected set completes.
async fn the_second_fails(pool: &SqlitePool, two: &str) -> Error {
    let error = migrate(&ups("sqlite", &[ONE, two, THREE]), pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    assert_eq!(outcomes_before(&error), ["done", "failed", "not run"], "{error:?}");
    assert!(error.to_string().starts_with("0002_b failed at "), "{error}");
    assert_eq!(tables(pool).await, ["one"]);
    assert_eq!(number(pool, "SELECT count(*) FROM one").await, 1);
    assert_clean(pool).await;
    assert_eq!(number(pool, "SELECT count(*) FROM whimbrel_history WHERE state = 'failed'").await, 1);
    let report = migrate(&ups("sqlite", &[ONE, TWO, THREE]), pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done", "done"]);
    assert_eq!(tables(pool).await, ["one", "three", "two"]);
    error
}

#[tokio::test]
async fn a_plain_error_in_the_second_of_three() {
    let database = Database::create();
    let two = "CREATE TABLE two (id INTEGER);\nUPDATE two\n   SET emial = 'ü';";
    let error = the_second_fails(&narrow_pool(&database).await, two).await;
    assert_eq!(error.to_string(), "0002_b failed at statement 2 of 2 (0002_b.sql:3:8)");
}

#[tokio::test]
async fn insert_or_rollback_in_the_second_of_three() {
    let database = Database::create();
    let two = "CREATE TABLE two (id INTEGER PRIMARY KEY); INSERT INTO two VALUES (1);
        INSERT OR ROLLBACK INTO two VALUES (1); CREATE TABLE stray (id INTEGER);";
    let error = the_second_fails(&narrow_pool(&database).await, two).await;
    assert!(error.to_string().contains("statement 3 of 4"), "{error}");
}

#[tokio::test]
async fn insert_or_rollback_as_the_last_statement_of_the_second_of_three() {
    let database = Database::create();
    the_second_fails(&narrow_pool(&database).await, "INSERT OR ROLLBACK INTO one VALUES (1);").await;
}

#[tokio::test]
async fn raise_rollback_in_the_second_of_three() {
    let database = Database::create();
    let two = "CREATE TABLE two (id INTEGER);
        CREATE TRIGGER no BEFORE INSERT ON two BEGIN SELECT RAISE(ROLLBACK, 'no row may enter'); END;
        INSERT INTO two VALUES (1); CREATE TABLE stray (id INTEGER);";
    let error = the_second_fails(&narrow_pool(&database).await, two).await;
    assert!(format!("{error:?}").contains("no row may enter"), "{error:?}");
}

#[tokio::test]
async fn a_deferred_key_violated_in_the_second_of_three() {
    let database = Database::create();
    let two = "CREATE TABLE two (id INTEGER PRIMARY KEY, one INTEGER REFERENCES one DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO two VALUES (1, 7);";
    let error = the_second_fails(&narrow_pool(&database).await, two).await;
    assert!(format!("{error:?}").contains("FOREIGN KEY constraint failed"), "{error:?}");
}

#[tokio::test]
async fn a_deferred_key_violated_by_2_and_mended_by_3_is_refused_at_2() {
    let keys = [
        // The table says so, and the script of a later run does not.
        ("CREATE TABLE two (one INTEGER REFERENCES one DEFERRABLE INITIALLY DEFERRED);", "INSERT INTO two VALUES (7);"),
        (
            "CREATE TABLE two (one INTEGER REFERENCES one);",
            "PRAGMA defer_foreign_keys = ON; INSERT INTO two VALUES (7);",
        ),
    ];
    for (table, violates) in keys {
        for separately in [true, false] {
            let database = Database::create();
            let pool = narrow_pool(&database).await;
            let first = format!("{ONE}{table}");
            if separately {
                migrate(&ups("sqlite", &[&*first]), &pool).await.unwrap();
            }
            let error =
                migrate(&ups("sqlite", &[&first, violates, "INSERT INTO one VALUES (7);"]), &pool).await.unwrap_err();
            let done: &[&str] = if separately { &[] } else { &["done"] };
            assert_eq!(outcomes_before(&error), [done, &["failed", "not run"]].concat(), "{error:?}");
            assert_eq!(number(&pool, "SELECT count(*) FROM two").await, 0);
            assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 1);
            assert_clean(&pool).await;
        }
    }
}

#[tokio::test]
async fn a_full_disk_in_the_second_of_three() {
    for journal in [SqliteJournalMode::Delete, SqliteJournalMode::Wal] {
        let disk = SmallDisk::mount();
        let pool = disk.pool(journal).await;
        let two = "CREATE TABLE two (filler BLOB);
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
            INSERT INTO two SELECT zeroblob(1000) FROM n;";
        let error = the_second_fails(&pool, two).await;
        shows("disk_full.sqlite", &normal(&format!("{error:?}")));
        pool.close().await;
    }
}

#[tokio::test]
async fn an_entry_of_ours_that_cannot_be_written_in_the_second_of_three() {
    // The entry holds the script: it fills the disk, and the script does not.
    let long = format!("CREATE TABLE two (id INTEGER PRIMARY KEY);\n-- {}", "long ".repeat(200_000));
    let shut = "CREATE TABLE two (id INTEGER PRIMARY KEY);
        CREATE TRIGGER no BEFORE UPDATE ON whimbrel_history BEGIN SELECT RAISE(ABORT, 'no entry may leave'); END;";
    let gone = "CREATE TABLE two (id INTEGER PRIMARY KEY); DELETE FROM whimbrel_history;";
    let dropped = "CREATE TABLE two (id INTEGER PRIMARY KEY); DROP TABLE whimbrel_history;";
    let cases = [
        (&*long, "database or disk is full (13)", "help: make room on the disk, or mend it, and run it again"),
        (shut, "no entry may leave (1811)", ""),
        (gone, "the script took its own entry out of the history", "hint: do not touch the history in a migration"),
        (dropped, "the script took its own entry out of the history", "hint: do not touch the history in a migration"),
    ];
    for (two, cause, way_out) in cases {
        let database = Database::create();
        let pool = narrow_pool_with(options(&database).pragma("max_page_count", "100")).await;
        let error = migrate(&ups("sqlite", &[ONE, two, THREE]), &pool).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
        assert_eq!(outcomes_before(&error), ["done", "failed", "not run"], "{error:?}");
        assert_eq!(error.to_string(), "0002_b failed at its entry in the history");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), cause);
        assert!(format!("{error:?}").contains(way_out), "{error:?}");
        assert_eq!(tables(&pool).await, ["one"]);
        assert_clean(&pool).await;
        let report = migrate(&ups("sqlite", &[ONE, TWO, THREE]), &pool).await.unwrap();
        assert_eq!(outcomes(&report), ["done", "done"]);
    }
}

/// Two megabytes: a file system of its own where we may mount one, else a limit that SQLite keeps.
struct SmallDisk {
    database: Database,
    mounted: bool,
}

impl SmallDisk {
    fn mount() -> Self {
        let database = Database::create();
        let mut mount = std::process::Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(database.folder());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        Self { database, mounted }
    }

    async fn pool(&self, journal: SqliteJournalMode) -> SqlitePool {
        let options = options(&self.database).journal_mode(journal);
        let pages = if self.mounted { "100000" } else { "400" };
        narrow_pool_with(options.pragma("max_page_count", pages)).await
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a connection may be closing still. A folder that stays is the system's to clean.
            let _ = std::process::Command::new("umount").arg("-l").arg(self.database.folder()).output();
        }
    }
}

// -------------------------------------------------------------------------------------------------- others at the file

#[tokio::test]
async fn another_writer_is_waited_for_longer_than_five_seconds() {
    let database = Database::create();
    let pool = database.pool().await;
    let writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let set = ups("sqlite", &[ONE]);
    let started = Instant::now();
    let end_of_writer = async {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        writer.commit().await.unwrap();
    };
    let (report, ()) = tokio::join!(migrate(&set, &pool), end_of_writer);
    assert_eq!(outcomes(&report.unwrap()), ["done"]);
    assert!(started.elapsed() > Duration::from_millis(5_500));
}

#[tokio::test]
async fn waiting_for_another_writer_is_bounded() {
    let database = Database::create();
    let pool = database.pool().await;
    let writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let set = ups("sqlite", &[ONE]);
    let started = Instant::now();
    let mut migrator = Migrator::new(&set, &pool).lock_timeout(Duration::from_millis(300));
    let error = migrator.up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    writer.rollback().await.unwrap();
    assert_eq!(outcomes(&migrator.up().await.unwrap()), ["done"]);
    drop(migrator);
    assert_clean(&narrow_pool(&database).await).await;
}

/// A writer that lets nobody read, as one does whose transaction is larger than its cache.
async fn exclusive(pool: &SqlitePool) -> sqlx::Transaction<'static, sqlx::Sqlite> {
    let writer = pool.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    assert_locked(pool).await;
    writer
}

async fn assert_locked(pool: &SqlitePool) {
    let mut reader = pool.acquire().await.unwrap();
    sqlx::raw_sql("PRAGMA busy_timeout = 0").execute(&mut *reader).await.unwrap();
    sqlx::raw_sql("SELECT * FROM sqlite_master").execute(&mut *reader).await.unwrap_err();
    sqlx::raw_sql("PRAGMA busy_timeout = 5000").execute(&mut *reader).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_lets_nobody_read_is_waited_for() {
    for (applied, seconds) in [(&[ONE][..], 3), (&[], 1), (&[ONE, TWO], 1)] {
        let database = Database::create();
        let pool = database.pool().await;
        if !applied.is_empty() {
            migrate(&ups("sqlite", applied), &pool).await.unwrap();
        }
        let writer = exclusive(&pool).await;
        let started = Instant::now();
        let end_of_writer = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            writer.rollback().await.unwrap();
        };
        let set = ups("sqlite", &[ONE, TWO]);
        let mut migrator = Migrator::new(&set, &pool).lock_timeout(Duration::from_secs(10));
        let (report, ()) = tokio::join!(migrator.up(), end_of_writer);
        assert_eq!(report.unwrap().applied(), 2);
        let took = started.elapsed();
        assert!((Duration::from_secs(seconds)..Duration::from_secs(seconds + 3)).contains(&took), "{took:?}");
        drop(migrator);
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn waiting_for_a_writer_that_lets_nobody_read_is_bounded() {
    let database = Database::create();
    let pool = database.pool().await;
    migrate(&ups("sqlite", &[ONE]), &pool).await.unwrap();
    let writer = exclusive(&pool).await;
    for set in [ups("sqlite", &[ONE]), ups("sqlite", &[ONE, TWO])] {
        let mut migrator = Migrator::new(&set, &pool).lock_timeout(Duration::from_secs(1));
        let started = Instant::now();
        let error = migrator.up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
        let took = started.elapsed();
        assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&took), "{took:?}");
    }
    writer.rollback().await.unwrap();
    assert_clean(&pool).await;
}

/// A reader in the middle of its work: whoever commits waits for it, unless the database is in WAL mode.
async fn reader(pool: &SqlitePool) -> sqlx::Transaction<'static, sqlx::Sqlite> {
    let mut reader = pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT * FROM sqlite_master").execute(&mut *reader).await.unwrap();
    reader
}

#[tokio::test]
async fn a_reader_is_waited_for_at_a_commit() {
    // A transaction, one with foreign keys off, and statements by themselves.
    let rebuild = "-- whimbrel:foreign-keys off\nDROP TABLE one;";
    for (script, seconds) in [(TWO, 1), (rebuild, 1), ("DROP TABLE one; VACUUM;", 3)] {
        let database = Database::create();
        let pool = database.pool().await;
        migrate(&ups("sqlite", &[ONE]), &pool).await.unwrap();
        let reader = reader(&pool).await;
        let started = Instant::now();
        let end_of_reader = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            reader.rollback().await.unwrap();
        };
        let set = ups("sqlite", &[ONE, script]);
        let (report, ()) = tokio::join!(migrate(&set, &pool), end_of_reader);
        assert_eq!(outcomes(&report.unwrap_or_else(|error| panic!("{error:?}"))), ["done"]);
        assert!(started.elapsed() >= Duration::from_secs(seconds));
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn a_run_that_waits_for_a_reader_ends_when_its_time_is_over() {
    for script in [TWO, "CREATE TABLE two (id INTEGER); VACUUM;"] {
        let database = Database::create();
        let pool = database.pool().await;
        migrate(&ups("sqlite", &[ONE]), &pool).await.unwrap();
        let reader = reader(&pool).await;
        let set = ups("sqlite", &[ONE, script]);
        let started = Instant::now();
        let error = Migrator::new(&set, &pool).timeout(Duration::from_secs(1)).up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        let took = started.elapsed();
        assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&took), "{took:?}");
        reader.rollback().await.unwrap();
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn a_run_that_waits_for_a_reader_stops_when_it_is_asked_to() {
    for script in [TWO, "CREATE TABLE two (id INTEGER); VACUUM;"] {
        let database = Database::create();
        let pool = database.pool().await;
        migrate(&ups("sqlite", &[ONE]), &pool).await.unwrap();
        let reader = reader(&pool).await;
        let set = ups("sqlite", &[ONE, script]);
        let mut migrator = Migrator::new(&set, &pool);
        let stopper = migrator.stopper();
        let asks = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stopper.stop();
        };
        let ran = async { tokio::time::timeout(Duration::from_secs(120), migrator.up()).await };
        let (ran, ()) = tokio::join!(ran, asks);
        let error = ran.expect("it waits for the lock timeout of 300 s").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error:?}");
        reader.rollback().await.unwrap();
        assert_eq!(outcomes(&migrate(&set, &pool).await.unwrap()), ["done"]);
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn a_time_may_be_longer_than_any_clock() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let set = ups("sqlite", &[ONE, "CREATE TABLE two (id INTEGER); VACUUM;", THREE]);
    let migrator = Migrator::new(&set, &pool).lock_timeout(Duration::MAX).statement_timeout(Duration::MAX);
    let report = migrator.statement_lock_timeout(Duration::MAX).timeout(Duration::MAX).up().await.unwrap();
    assert_eq!(outcomes(&report), ["done"; 3]);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn a_database_in_wal_mode_with_a_reader_inside() {
    let database = Database::create();
    let pool = SqlitePool::connect_with(options(&database).journal_mode(SqliteJournalMode::Wal)).await.unwrap();
    migrate(&ups("sqlite", &[ONE]), &pool).await.unwrap();
    let mut reader = pool.begin().await.unwrap();
    let before: i64 = sqlx::query_scalar("SELECT count(*) FROM one").fetch_one(&mut *reader).await.unwrap();
    let report = migrate(&ups("sqlite", &[ONE, REBUILD_ONE, THREE]), &pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done", "done"]);
    let after: i64 = sqlx::query_scalar("SELECT count(*) FROM one").fetch_one(&mut *reader).await.unwrap();
    assert_eq!((before, after), (1, 1));
    reader.rollback().await.unwrap();
    assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 2);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await.unwrap();
    assert_eq!(mode, "wal");
}

const REBUILD_ONE: &str = "PRAGMA foreign_keys=OFF;
CREATE TABLE new_one (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO new_one (id) SELECT id FROM one UNION ALL VALUES (2);
DROP TABLE one;
ALTER TABLE new_one RENAME TO one;";

#[tokio::test]
async fn a_script_can_switch_to_wal() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let report = migrate(&ups("sqlite", &[ONE, "PRAGMA journal_mode = WAL;", THREE]), &pool).await.unwrap();
    assert_eq!(outcomes(&report), ["done"; 3]);
    // A connection that was open before looks at the file when it reads from it.
    assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 1);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await.unwrap();
    assert_eq!(mode, "wal");
    assert_clean(&pool).await;
}

#[tokio::test]
async fn an_in_memory_database_is_migrated_where_its_pool_holds_it() {
    let set = ups("sqlite", &[ONE, REBUILD_ONE, THREE]);
    let narrow = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let wide = SqlitePool::connect("sqlite::memory:").await.unwrap();
    for pool in [narrow, wide] {
        assert_eq!(outcomes(&migrate(&set, &pool).await.unwrap()), ["done"; 3]);
        assert!(migrate(&set, &pool).await.unwrap().is_up_to_date());
        assert_eq!(tables(&pool).await, ["one", "three"]);
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn an_in_memory_database_is_migrated_while_others_use_its_pool() {
    let set = ups("sqlite", &[ONE, TWO, THREE]);
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let idle = pool.acquire().await.unwrap();
    let all = async { tokio::join!(migrate(&set, &pool), migrate(&set, &pool), migrate(&set, &pool)) };
    let (a, b, c) = tokio::time::timeout(Duration::from_secs(30), all).await.expect("nobody hangs");
    let applied: usize = [a, b, c].map(|report| report.unwrap().steps().len()).into_iter().sum();
    assert_eq!(applied, 3);
    drop(idle);
    assert_eq!(tables(&pool).await, ["one", "three", "two"]);
}

#[tokio::test]
async fn a_verify_query_may_not_take_longer_than_a_statement() {
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    for up in ["CREATE TABLE a (id INTEGER);", "CREATE TABLE a (id INTEGER); VACUUM;"] {
        let database = Database::create();
        let pool = narrow_pool(&database).await;
        let with = |verify| files("sqlite", [("0001_a.up.sql", up), ("0001_a.verify.sql", verify)]);
        let set = with(endless);
        let mut migrator = Migrator::new(&set, &pool).statement_timeout(Duration::from_millis(200));
        let error = migrator.up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_eq!(error.to_string(), "0001_a failed at verify query 1 of 1 (0001_a.verify.sql:1:1)");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "it took longer than 200 ms (9)");
        drop(migrator);
        assert_clean(&pool).await;
        assert_eq!(outcomes(&migrate(&with("SELECT 1"), &pool).await.unwrap()), ["done"]);
        // Also where nothing but the queries is asked.
        let validating = Migrator::new(&set, &pool).statement_timeout(Duration::from_millis(200)).validate().await;
        assert!(format!("{validating:?}").contains("it took longer than 200 ms"), "{validating:?}");
        assert_clean(&pool).await;
    }
}

// ------------------------------------------------------------------------------------------------- the session's state

#[tokio::test]
async fn pragmas_that_outlive_a_rollback_are_restored() {
    const SETTINGS: [&str; 9] = [
        "recursive_triggers",
        "legacy_alter_table",
        "writable_schema",
        "reverse_unordered_selects",
        "ignore_check_constraints",
        "cache_size",
        "query_only",
        "read_uncommitted",
        "cell_size_check",
    ];
    let set_all = SETTINGS.map(|name| format!("PRAGMA {name} = {};\n", if name == "cache_size" { 77 } else { 1 }));
    let sets = format!("CREATE TABLE two (id INTEGER);\n{}", set_all.concat());
    // Outside a transaction we write between the statements.
    let outside = format!("PRAGMA temp_store = 1;\n{}", sets.replace("PRAGMA query_only = 1;", ""));
    for script in [sets.clone(), format!("{sets}SELECT nonsense;"), outside] {
        let database = Database::create();
        let pool = narrow_pool(&database).await;
        let mut before = Vec::new();
        for name in SETTINGS {
            before.push((name, number(&pool, &format!("PRAGMA {name}")).await));
        }
        before.push(("temp_store", number(&pool, "PRAGMA temp_store").await));
        // A script after it finds the settings as they were: this one would fail under `query_only`.
        let result =
            migrate(&ups("sqlite", &[ONE, &script, "CREATE TABLE three (id INTEGER CHECK (id > 0));"]), &pool).await;
        if script.contains("nonsense") {
            assert_eq!(outcomes_before(&result.unwrap_err()), ["done", "failed", "not run"]);
        } else {
            assert_eq!(outcomes(&result.unwrap_or_else(|error| panic!("{error:?}\n{script}"))), ["done"; 3]);
        }
        let mut after = Vec::new();
        for name in SETTINGS {
            after.push((name, number(&pool, &format!("PRAGMA {name}")).await));
        }
        after.push(("temp_store", number(&pool, "PRAGMA temp_store").await));
        assert_eq!(before, after, "{script}");
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn an_exclusive_locking_mode_does_not_stay() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    migrate(&ups("sqlite", &[ONE, "PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE two (id INTEGER);"]), &pool)
        .await
        .unwrap();
    let other = narrow_pool_with(options(&database).busy_timeout(Duration::from_millis(100))).await;
    run(&other, "INSERT INTO one VALUES (2)").await;
    assert_clean(&pool).await;
}

#[tokio::test]
async fn a_callers_connection_keeps_its_own_settings() {
    let database = Database::create();
    let own = options(&database).foreign_keys(false).busy_timeout(Duration::from_millis(123));
    let mut connection = SqliteConnection::connect_with(&own).await.unwrap();
    let set = ups("sqlite", &[PARENTS, REBUILD, "PRAGMA recursive_triggers = ON;"]);
    migrate(&set, &mut connection).await.unwrap();
    for (name, value) in [("foreign_keys", 0), ("busy_timeout", 123), ("recursive_triggers", 0)] {
        let sql = AssertSqlSafe(format!("PRAGMA {name}"));
        let now: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        assert_eq!(now, value, "{name}");
    }
}

#[tokio::test]
async fn a_connection_inside_a_transaction_of_sqlx_is_refused() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    run(&pool, "CREATE TABLE work (id INTEGER)").await;
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO work VALUES (1)").execute(&mut *transaction).await.unwrap();
    let error = migrate(&ups("sqlite", &[ONE]), &mut *transaction).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    sqlx::query("INSERT INTO work VALUES (2)").execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(number(&pool, "SELECT count(*) FROM work").await, 0);
    assert_eq!(tables(&pool).await, ["work"]);
}

#[tokio::test]
async fn a_connection_inside_a_raw_transaction_is_refused() {
    for applied_before in [false, true] {
        let database = Database::create();
        let set = ups("sqlite", &[ONE]);
        if applied_before {
            migrate(&set, &narrow_pool(&database).await).await.unwrap();
        }
        let mut connection = SqliteConnection::connect_with(&options(&database)).await.unwrap();
        sqlx::raw_sql("BEGIN; CREATE TABLE work (id INTEGER)").execute(&mut connection).await.unwrap();
        let error = migrate(&set, &mut connection).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(error.to_string().contains("inside a transaction"), "{error}");
        sqlx::raw_sql("INSERT INTO work VALUES (1); ROLLBACK").execute(&mut connection).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'work'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(left, 0);
        let busy: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut connection).await.unwrap();
        assert_eq!(busy, 5000);
        assert_eq!(migrate(&set, &mut connection).await.unwrap().applied(), 1);
    }
}

#[tokio::test]
async fn two_histories_live_in_one_database() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let (a, b) = (ups("sqlite", &[ONE]), ups("sqlite", &[TWO, THREE]));
    for _ in 0..2 {
        Migrator::new(&a, &pool).history_table("a_history").unwrap().up().await.unwrap();
        Migrator::new(&b, &pool).history_table("b_history").unwrap().up().await.unwrap();
    }
    let histories = ["a_events", "a_history", "b_events", "b_history"];
    assert_eq!(tables(&pool).await, [&histories[..], &["one", "three", "two"]].concat());
}

#[tokio::test]
async fn a_script_that_commits_in_the_middle() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let two = "CREATE TABLE two (id INTEGER);\nBEGIN;\nINSERT INTO two VALUES (1);\nCOMMIT;\nBEGIN;\nINSERT INTO two VALUES (2);\nINSERT INTO nowhere VALUES (3);\nCOMMIT;";
    let error = migrate(&ups("sqlite", &[ONE, two, THREE]), &pool).await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["done", "failed", "not run"], "{error:?}");
    assert_eq!(number(&pool, "SELECT count(*) FROM two").await, 1);
    assert_clean(&pool).await;
    // It goes on where its last own transaction ended.
    let mended = two.replace("nowhere", "two");
    let report =
        migrate(&ups("sqlite", &[ONE, &mended, THREE]), &pool).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(outcomes(&report), ["done", "done"]);
    assert_eq!(number(&pool, "SELECT sum(id) FROM two").await, 6);
    assert_eq!(number(&pool, "SELECT count(*) FROM two").await, 3);
}

#[tokio::test]
async fn a_step_that_somebody_has_begun_anew_is_left_to_them() {
    let goes_on = "0002_b was taken over by another runner, or took its own entry; this run stops";
    let fails = "0002_b failed at statement 2 of 3 (";
    // The smallest of all numbers has no absolute value.
    for (asked, message) in [("max(n)", goes_on), ("abs(-9223372036854775807 - max(n) / max(n))", fails)] {
        let database = Database::create();
        let pool = database.pool().await;
        let slow = format!(
            "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 2000000) SELECT {asked} FROM c;"
        );
        let text =
            format!("-- whimbrel:no-transaction\nINSERT INTO one VALUES (2);\n{slow}\nINSERT INTO one VALUES (3);");
        let set = ups("sqlite", &[ONE, &text]);
        migrate(&ups("sqlite", &[ONE]), &pool).await.unwrap();
        let begun_anew = async {
            while number(&pool, "SELECT count(*) FROM whimbrel_history WHERE applied = 1 AND version = '2'").await == 0
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let event = "INSERT INTO whimbrel_events (id, at, what, version, applied_by, application) \
                         SELECT max(id) + 1, 'now', 'started', '2', 'somebody', 'else' FROM whimbrel_events";
            sqlx::raw_sql(event).execute(&pool).await.unwrap();
        };
        let (result, ()) = tokio::join!(migrate(&set, &pool), begun_anew);
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
        assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 2);
        let running = "SELECT count(*) FROM whimbrel_history WHERE state = 'running' AND applied = 1";
        assert_eq!(number(&pool, running).await, 1);
    }
}

#[tokio::test]
async fn two_rollbacks_at_once_outside_a_transaction_are_kept_apart() {
    let database = Database::create();
    let pool = database.pool().await;
    let slow =
        "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 500000) SELECT max(n) FROM c;";
    let down = format!("-- whimbrel:no-transaction\nINSERT INTO log VALUES (1);\n{slow}\nINSERT INTO log VALUES (2);");
    let scripts = [
        ("0001_a.up.sql", "CREATE TABLE log (id INTEGER)"),
        ("0001_a.down.sql", "DROP TABLE log"),
        ("0002_b.up.sql", "SELECT 1"),
        ("0002_b.down.sql", &*down),
    ];
    let set = &files("sqlite", scripts);
    migrate(set, &pool).await.unwrap();
    let pool = &pool;
    let down = || async move { Migrator::new(set, pool).down(Rollback::Name("0002_b".into())).await };
    let (one, other) = tokio::join!(down(), down());
    // The one that waits finds nothing to roll back, or that its own part of it is done.
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    assert_eq!(number(pool, "SELECT count(*) FROM log").await, 2);
    let started = "SELECT count(*) FROM whimbrel_events WHERE what = 'started'";
    assert_eq!(number(pool, started).await, 1);
}

// ------------------------------------------------------------------------------------------------------------ manifests

#[tokio::test]
async fn a_statement_that_a_manifest_has_from_one_of_its_files_fails_at_its_place_there() {
    let database = Database::create();
    let pool = narrow_pool(&database).await;
    let set = files(
        "sqlite",
        [
            ("v1.0/manifest.json", "{ \"SchemaUpdateCqlFiles\": [\"b.sql\", \"a.sql\"] }"),
            ("v1.0/b.sql", "CREATE TABLE b (id INTEGER)"),
            ("v1.0/a.sql", "-- Written later.\nINSERT INTO b VALUES (1);\n  INSERT INTO a VALUES (1);\n"),
        ],
    );
    let error = migrate(&set, &pool).await.unwrap_err();
    let place = error.place().map(|place| (place.path(), place.line(), place.column()));
    assert_eq!(place, Some(("v1.0/a.sql", Some(3), Some(15))), "{error:?}");
}

// ------------------------------------------------------------------------------------------- a file that is not there

#[tokio::test]
async fn looks_make_no_file() {
    for ending in ["", "?mode=rwc"] {
        let database = Database::create();
        let url = format!("sqlite://{}{ending}", database.path().display());
        let set = ups("sqlite", &["CREATE TABLE a (id INTEGER)"]);
        let mut migrator = Migrator::connect(&set, &url).unwrap();
        assert!(migrator.status().await.unwrap().to_string().starts_with("nothing is applied, 1 pending"));
        assert_eq!(migrator.plan(whimbrel::Target::Latest).await.unwrap().steps().len(), 1);
        assert!(migrator.events(None).await.unwrap().is_empty());
        assert!(migrator.history().await.unwrap().is_empty());
        assert_eq!(migrator.pending().await.unwrap().len(), 1);
        migrator.recommendations().await.unwrap();
        let missing = format!("the file {} does not exist", database.path().display());
        let health = migrator.health().await;
        assert_eq!((health.level, &health.reasons[0].sentence), (Level::Unhealthy, &missing), "{health}");
        let validation = migrator.validate().await.unwrap();
        assert_eq!(validation.problems, [format!("{missing}; `migrate up` makes it")]);
        assert!(!database.path().exists(), "{ending}");

        // Who comes later with the same migrator finds what another one has made meanwhile.
        Migrator::connect(&set, &url).unwrap().up().await.unwrap();
        assert!(migrator.status().await.unwrap().is_up_to_date());
        assert!(migrator.health().await.is_healthy());
        std::fs::remove_file(database.path()).unwrap();
        assert!(migrator.status().await.unwrap().current.is_none());
        assert!(!database.path().exists(), "{ending}");
        migrator.up().await.unwrap();
        assert!(migrator.health().await.is_healthy());
    }
}

#[tokio::test]
async fn a_file_in_a_folder_that_is_missing_cannot_be_opened() {
    let database = Database::create();
    let url = format!("sqlite://{}/nowhere/test.db", database.folder().display());
    let set = ups("sqlite", &["CREATE TABLE a (id INTEGER)"]);
    let error = Migrator::connect(&set, &url).unwrap().status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn what_somebody_is_at_is_not_to_be_settled_by_hand() {
    let database = Database::create();
    let set =
        ups("sqlite", &["CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER); CREATE TABLE c (id INTEGER)"]);
    let pool = database.pool().await;
    migrate(&set, &pool).await.unwrap();
    run(&pool, "UPDATE whimbrel_history SET state = 'running', applied = 1, completed_at = NULL WHERE version = '2'")
        .await;
    let error = Migrator::new(&set, &pool).plan_down(Rollback::Steps(1)).await.unwrap_err();
    assert!(
        error.to_string().contains(" stands at statement 2 of 2, or was interrupted there; nothing was run"),
        "{error}"
    );
    assert_eq!(error.help_text(), Some("`migrate up` finds out, and goes on; roll back after that"));
}

#[tokio::test]
async fn whoever_reads_a_directory_is_told_which_files_are_missing() {
    let database = Database::create();
    let pool = database.pool().await;
    let all = ups("sqlite", &["CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER)"]);
    migrate(&all, &pool).await.unwrap();
    let folder = database.folder().join("migrations");
    std::fs::create_dir(&folder).unwrap();
    let first = all.iter().next().unwrap();
    let script = &first.scripts()[0];
    std::fs::write(folder.join(script.path()), script.text()).unwrap();
    let fewer = whimbrel::Migrations::from_directory(&folder).unwrap();
    let error = Migrator::new(&fewer, &pool).up().await.unwrap_err();
    let gone = all.last().unwrap();
    let help = format!(
        "bring `{}_{}` back into `{}` (pull, merge); there is no way back, ",
        gone.version(),
        gone.name(),
        folder.display()
    );
    assert!(error.help_text().unwrap().starts_with(&help), "{error:?}");
}
