//! Promise 5: started together on an empty database, every statement runs once, and all succeed.

use sqlx::{PgPool, SqlitePool};
use whimbrel_tests::starters::{Ended, Starters};
use whimbrel_tests::{Proxy, postgres, sqlite};

const STARTER: &str = env!("CARGO_BIN_EXE_starter");

#[tokio::test]
async fn ten_processes_started_together_apply_everything_once_on_sqlite() {
    let database = sqlite::Database::create();
    all_succeed(&Starters::ready(STARTER, 10, &database.url(), None).run());
    let pool: SqlitePool = database.pool().await;
    let rooms: i64 = sqlx::query_scalar("SELECT count(*) FROM rooms").fetch_one(&pool).await.unwrap();
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM whimbrel_history").fetch_one(&pool).await.unwrap();
    assert_eq!((rooms, entries), (1, 13));
}

#[tokio::test]
async fn ten_processes_started_together_apply_everything_once_on_postgres() {
    let Some(database) = postgres::Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    all_succeed(&Starters::ready(STARTER, 10, &proxy.url(), None).run());
    let pool: PgPool = database.pool().await;
    let rooms: i64 = sqlx::query_scalar("SELECT count(*) FROM rooms").fetch_one(&pool).await.unwrap();
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM whimbrel_history").fetch_one(&pool).await.unwrap();
    assert_eq!((rooms, entries), (1, 13));
    // With backoff, 20 starters took 250 to 340 round trips; without, thousands.
    assert!(proxy.requests() < 200, "{} round trips", proxy.requests());
    println!("{} round trips of {} connections", proxy.requests(), proxy.startups());
}

/// Between them they applied each migration once; who came late found nothing to do.
fn all_succeed(ended: &[Ended]) {
    for starter in ended {
        assert!(starter.status.success(), "{}\n{}", starter.output, starter.error);
    }
    let applied = |starter: &Ended| starter.output.matches("statement").count();
    assert_eq!(ended.iter().map(applied).sum::<usize>(), 13, "{ended:#?}");
}
