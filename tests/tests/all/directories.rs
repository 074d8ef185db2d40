//! Real migration directories, written by others: applied, rolled back, and applied again, on the real server.

use std::fs;

use sqlx::{AssertSqlSafe, SqlitePool};
use whimbrel::{Database, Dialect, Migrations, Migrator, Rollback};
use whimbrel_tests::{cassandra, corpora, postgres, sqlite};

use crate::postgres_cases::tables;

fn load(name: &str, dialect: Dialect) -> Option<Migrations> {
    let directory = corpora::directory(name)?;
    let paths = whimbrel_core::load::files_below(&directory, &[""; 0]).unwrap();
    let files = paths.into_iter().map(|path| (path.clone(), fs::read(directory.join(path)).unwrap()));
    // Each of them has a down script without a word in it.
    let config = ("whimbrel.toml".to_owned(), format!("dialect = \"{dialect}\"\nempty = \"allow\"\n").into_bytes());
    Some(Migrations::from_files(files.chain([config])).unwrap_or_else(|problems| panic!("{name}\n{problems}")))
}

/// Up, up to date, one step back and forth, and all the way back.
async fn goes<'a, D: Database<'a>>(set: &'a Migrations, database: impl Fn() -> D) {
    let report = Migrator::new(set, database()).up().await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((report.steps().len(), report.applied()), (set.len(), set.len()));
    assert!(Migrator::new(set, database()).up().await.unwrap().is_up_to_date());
    let validation = Migrator::new(set, database()).validate().await.unwrap();
    assert!(validation.is_valid() && validation.unchecked.is_empty(), "{validation}");
    let report = Migrator::new(set, database()).down(Rollback::Steps(1)).await.unwrap();
    assert_eq!(report.applied(), set.len() - 1);
    Migrator::new(set, database()).up().await.unwrap();
    let report = Migrator::new(set, database()).down(Rollback::All).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((report.steps().len(), report.applied()), (set.len(), 0));
}

async fn goes_on_postgres(name: &str, extensions: &[&str]) {
    let Some(set) = load(name, Dialect::Postgres) else { return };
    let Some(database) = postgres::Database::create().await else { return };
    let pool = database.pool().await;
    for extension in extensions {
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE EXTENSION {extension}"))).execute(&pool).await.unwrap();
    }
    for _ in 0..2 {
        goes(&set, || &pool).await;
        assert_eq!(tables(&pool).await, [""; 0]);
    }
}

#[tokio::test]
async fn docsrs_postgres() {
    goes_on_postgres("docsrs-postgres", &[]).await;
}

#[tokio::test]
async fn chirpstack_postgres() {
    goes_on_postgres("chirpstack-postgres", &["pg_trgm"]).await;
}

#[tokio::test]
async fn chirpstack_sqlite() {
    let Some(set) = load("chirpstack-sqlite", Dialect::Sqlite) else { return };
    let database = sqlite::Database::create();
    let pool: SqlitePool = database.pool().await;
    for _ in 0..2 {
        goes(&set, || &pool).await;
        let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'whimbrel%' AND name NOT LIKE 'sqlite%'";
        let left: i64 = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        assert_eq!(left, 0);
    }
}

/// It has no down scripts: what a version needs is in its manifest.
#[tokio::test]
async fn temporal_cassandra() {
    let Some(directory) = corpora::directory("temporal-cassandra") else { return };
    let Some(keyspace) = cassandra::Keyspace::create().await else { return };
    let set = Migrations::from_directory(directory.join("versioned")).unwrap_or_else(|problems| panic!("{problems}"));
    let mut migrator = Migrator::connect(&set, &keyspace.url()).unwrap();
    let report = migrator.up().await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((report.steps().len(), report.applied()), (14, 14));
    assert_eq!(report.current().unwrap().to_string(), "1.13");
    assert!(migrator.up().await.unwrap().is_up_to_date());
    // Its schema is what its scripts say, and each of its statements was understood.
    let validation = migrator.validate().await.unwrap();
    assert!(validation.is_valid() && validation.unchecked.is_empty(), "{validation}");
    assert_eq!(keyspace.tables().await.len(), 17);
    keyspace.execute(&format!("DROP TABLE {}.queue", keyspace.name())).await;
    assert_eq!(migrator.validate().await.unwrap().differences, ["table queue is missing"]);
}
