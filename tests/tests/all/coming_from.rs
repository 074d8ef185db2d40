//! Databases that another tool has migrated so far: its files as they are, or renamed as docs/coming-from-… says; its table,
//! made by hand; a baseline where it stands, and the rest.

use std::fs;

use sqlx::{AssertSqlSafe, SqlitePool};
use tempfile::TempDir;
use whimbrel::{ErrorKind, Migrations, Migrator};
use whimbrel_tests::sqlite::Database;

/// A project of another tool, of whose migrations some are applied.
struct Project<'p> {
    files: &'p [(&'p str, &'p str)],
    /// What the tool has done: its table and its rows, and the first migrations.
    done: &'p str,
    /// Asks the tool's table where it stands.
    stands: &'p str,
    /// The version that this means here.
    at: &'p str,
    /// What is left.
    pending: &'p [&'p str],
}

const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);";
const EMAIL: &str = "ALTER TABLE users ADD COLUMN email TEXT;";

impl Project<'_> {
    async fn comes_over(self) {
        let (folder, database) = (TempDir::new().unwrap(), Database::create());
        for (path, text) in self.files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let set = Migrations::from_directory(folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
        let pool = database.pool().await;
        run(&pool, &format!("{USERS} INSERT INTO users VALUES (1, 'Ada'); {}", self.done)).await;
        assert_eq!(texts(&pool, self.stands).await, [self.at]);

        // Without a baseline it would begin at the beginning; that fails, and leaves nothing.
        let error = Migrator::new(&set, &pool).up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");

        let mut migrator = Migrator::new(&set, &pool);
        migrator.baseline(&self.at.parse().unwrap()).await.unwrap();
        let report = migrator.up().await.unwrap();
        let applied: Vec<String> = report.steps().iter().map(|step| step.version.canonical()).collect();
        assert_eq!(applied, self.pending);
        assert!(migrator.up().await.unwrap().is_up_to_date());
        assert_eq!(texts(&pool, "SELECT name FROM users WHERE email IS NULL").await, ["Ada"]);
        // The tool's own table is left as it was.
        assert_eq!(texts(&pool, self.stands).await, [self.at]);
    }
}

async fn run(pool: &SqlitePool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

async fn texts(pool: &SqlitePool, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn from_sqlx() {
    Project {
        files: &[
            ("20240101000000_users.sql", USERS),
            ("20240102000000_email.sql", EMAIL),
            ("20240103000000_tidy.sql", "-- no-transaction\nVACUUM;"),
        ],
        done: "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
               installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
               checksum BLOB NOT NULL, execution_time BIGINT NOT NULL); \
               INSERT INTO _sqlx_migrations VALUES (20240101000000, 'users', '2024-01-01', TRUE, x'00', 1)",
        stands: "SELECT CAST(max(version) AS TEXT) FROM _sqlx_migrations WHERE success",
        at: "20240101000000",
        pending: &["20240102000000", "20240103000000"],
    }
    .comes_over()
    .await;
}

#[tokio::test]
async fn from_sqlx_with_down_scripts() {
    Project {
        files: &[
            ("0001_users.up.sql", USERS),
            ("0001_users.down.sql", "DROP TABLE users;"),
            ("0002_email.up.sql", EMAIL),
            ("0002_email.down.sql", "ALTER TABLE users DROP COLUMN email;"),
        ],
        done: "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, success BOOLEAN NOT NULL); \
               INSERT INTO _sqlx_migrations VALUES (1, TRUE)",
        stands: "SELECT CAST(max(version) AS TEXT) FROM _sqlx_migrations WHERE success",
        at: "1",
        pending: &["2"],
    }
    .comes_over()
    .await;
}

#[tokio::test]
async fn from_refinery_with_its_files_renamed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("V1__users.sql"), USERS).unwrap();
    let problems = Migrations::from_directory(folder.path()).unwrap_err().to_string();
    assert!(problems.contains("V1__users.sql"), "{problems}");
    Project {
        files: &[("1_users.sql", USERS), ("2_email.sql", EMAIL), ("3_rooms.sql", "CREATE TABLE rooms (id INTEGER);")],
        done: "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name VARCHAR(255), \
               applied_on VARCHAR(255), checksum VARCHAR(255)); \
               INSERT INTO refinery_schema_history VALUES (1, 'users', '2024-01-01T00:00:00Z', '2959965718684201605')",
        stands: "SELECT CAST(max(version) AS TEXT) FROM refinery_schema_history",
        at: "1",
        pending: &["2", "3"],
    }
    .comes_over()
    .await;
}

#[tokio::test]
async fn from_diesel() {
    Project {
        files: &[
            ("2024-01-01-000000_users/up.sql", USERS),
            ("2024-01-01-000000_users/down.sql", "DROP TABLE users;"),
            ("2024-01-02-000000_email/up.sql", EMAIL),
            ("2024-01-02-000000_email/down.sql", "ALTER TABLE users DROP COLUMN email;"),
            ("2024-01-03-000000_tidy/up.sql", "VACUUM;"),
            ("2024-01-03-000000_tidy/metadata.toml", "run_in_transaction = false\n"),
        ],
        done: "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
               run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP); \
               INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000000')",
        stands: "SELECT max(version) FROM __diesel_schema_migrations",
        at: "20240101000000",
        pending: &["20240102000000", "20240103000000"],
    }
    .comes_over()
    .await;
}

#[tokio::test]
async fn from_golang_migrate() {
    Project {
        files: &[
            ("000001_users.up.sql", USERS),
            ("000001_users.down.sql", "DROP TABLE users;"),
            ("000002_email.up.sql", EMAIL),
            ("000002_email.down.sql", "ALTER TABLE users DROP COLUMN email;"),
        ],
        done: "CREATE TABLE schema_migrations (version uint64, dirty bool); \
               CREATE UNIQUE INDEX version_unique ON schema_migrations (version); \
               INSERT INTO schema_migrations VALUES (1, FALSE)",
        stands: "SELECT CAST(version AS TEXT) FROM schema_migrations WHERE NOT dirty",
        at: "1",
        pending: &["2"],
    }
    .comes_over()
    .await;
}
