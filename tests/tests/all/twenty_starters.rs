//! Twenty starters at once in one process: all succeed, every statement runs once, and waiting costs few round trips.

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{PgPool, SqlitePool};
use tokio::task::JoinSet;
use whimbrel::{Migrations, Migrator, Report, migrate};
use whimbrel_tests::{Proxy, postgres, sqlite};

use crate::cases::ups;
use crate::postgres_cases::{nothing_is_locked, number};

const STARTERS: usize = 20;

fn set(dialect: &str) -> &'static Migrations {
    let first = "CREATE TABLE ran (n INTEGER); INSERT INTO ran VALUES (1)".to_owned();
    let rest = (2..=100).map(|n| format!("CREATE TABLE t{n} (id INTEGER); INSERT INTO ran VALUES ({n})"));
    Box::leak(Box::new(ups(dialect, &[first].into_iter().chain(rest).collect::<Vec<_>>())))
}

/// All succeed, and between them they apply each migration once.
async fn all_succeed(mut starters: JoinSet<whimbrel::Result<Report>>) {
    let mut steps = 0;
    while let Some(report) = starters.join_next().await {
        let report = report.unwrap().unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(report.applied(), 100);
        steps += report.steps().len();
    }
    assert_eq!(steps, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_starters_on_a_sqlite_file() {
    for journal in [SqliteJournalMode::Delete, SqliteJournalMode::Wal] {
        let database = sqlite::Database::create();
        let options =
            SqliteConnectOptions::new().filename(database.path()).create_if_missing(true).journal_mode(journal);
        // The mode itself is set once: to change it takes the file alone.
        let pool = SqlitePool::connect_with(options.clone()).await.unwrap();
        let set = set("sqlite");
        let mut starters = JoinSet::new();
        for _ in 0..STARTERS {
            let options = options.clone();
            starters.spawn(async move {
                let own = SqlitePool::connect_with(options).await.unwrap();
                migrate(set, &own).await
            });
        }
        all_succeed(starters).await;
        let ran: (i64, i64) =
            sqlx::query_as("SELECT count(*), count(DISTINCT n) FROM ran").fetch_one(&pool).await.unwrap();
        assert_eq!(ran, (100, 100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_starters_on_one_sqlite_pool() {
    let database = sqlite::Database::create();
    let pool = database.pool().await;
    let set = set("sqlite");
    let mut starters = JoinSet::new();
    for _ in 0..STARTERS {
        let pool = pool.clone();
        starters.spawn(async move { migrate(set, &pool).await });
    }
    all_succeed(starters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_starters_on_postgres() {
    let Some(database) = postgres::Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let set = set("postgres");
    let mut starters = JoinSet::new();
    for _ in 0..STARTERS {
        let url = proxy.url();
        starters.spawn(async move { Migrator::connect(set, &url)?.up().await });
    }
    all_succeed(starters).await;
    let pool: PgPool = database.pool().await;
    assert_eq!(number(&pool, "SELECT count(*) FROM ran").await, 100);
    assert_eq!(number(&pool, "SELECT count(DISTINCT n) FROM ran").await, 100);
    // 250 to 350 were measured, and 1,000 to 4,800 without backoff.
    assert!(proxy.requests() < 800, "{} round trips", proxy.requests());
    nothing_is_locked(&pool).await;
}
