//! Promise 2, and what a run costs: requests to PostgreSQL and MySQL, counted by the proxy.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use whimbrel::{Migrations, Migrator, OutOfOrder, Settings, Target};
use whimbrel_tests::postgres::Database;
use whimbrel_tests::{Proxy, sqlite};

use crate::cases::ups;
use crate::stories::world::{World, set, stories, three};

stories! {
    up_to_date_writes_nothing on sqlite, postgres, mysql, scylla
}

async fn up_to_date_writes_nothing(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let sql = "SELECT version || state || started_at || completed_at FROM whimbrel_history ORDER BY rank";
    // With the time of each write of a row, and of the columns that say who has the right.
    let cql = "SELECT writetime(state), version, writetime(what), writetime(beat), writetime(fence), writetime(owner) \
               FROM whimbrel_history";
    let rows = world.cql_or(cql, sql);
    let (before, events) = (world.texts(rows).await, world.events().await);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    assert_eq!((world.texts(rows).await, world.events().await), (before, events));
}

/// A pool with one connection that is open and idle.
async fn warm_pool(url: &str) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(5).connect(url).await.unwrap();
    // It returns to the pool on a task of its own.
    pool.acquire().await.unwrap().close_on_drop();
    let connection = pool.acquire().await.unwrap();
    drop(connection);
    while pool.num_idle() == 0 {
        tokio::task::yield_now().await;
    }
    pool
}

#[tokio::test]
async fn up_to_date_is_one_select() {
    let Some(database) = Database::create().await else { return };
    let set = three();
    whimbrel::migrate(&set, &database.pool().await).await.unwrap();
    let proxy = Proxy::start(&database.url()).await;
    let pool = warm_pool(&proxy.url()).await;
    proxy.reset();
    assert!(whimbrel::migrate(&set, &pool).await.unwrap().is_up_to_date());
    let log = proxy.log();
    assert_eq!(log.len(), 1, "{log:#?}");
    assert!(log[0].text.starts_with("SELECT") && !log[0].text.contains(';'), "{}", log[0].text);
    assert_eq!((proxy.startups(), proxy.authentications()), (0, 0));
    // The pool pings a connection that returns to it, after us; nobody waits for that.
    assert!(proxy.pings() <= 1);
}

#[tokio::test]
async fn a_service_that_is_up_to_date_asks_once_and_events_are_one_request() {
    let Some(database) = Database::create().await else { return };
    let set = three();
    whimbrel::migrate(&set, &database.pool().await).await.unwrap();
    let proxy = Proxy::start(&database.url()).await;
    let pool = warm_pool(&proxy.url()).await;
    proxy.reset();
    assert!(whimbrel::ensure_ready(&set, &pool, &Settings::default()).await.unwrap().steps.is_empty());
    assert_eq!(proxy.requests(), 1, "{:#?}", proxy.log());
    proxy.reset();
    assert_eq!(Migrator::new(&set, &pool).events(Some(2)).await.unwrap().len(), 2);
    let asked = proxy.log().iter().filter(|request| request.text.contains("whimbrel")).count();
    assert_eq!(asked, 1, "{:#?}", proxy.log());
}

#[tokio::test]
async fn up_to_date_out_of_order_is_one_request() {
    let Some(database) = Database::create().await else { return };
    let first = set([("0002_b.sql", "SELECT 2"), ("whimbrel.toml", "gaps = \"allow\"")]);
    let both = set([("0001_a.sql", "SELECT 1"), ("0002_b.sql", "SELECT 2")]);
    let pool = database.pool().await;
    whimbrel::migrate(&first, &pool).await.unwrap();
    Migrator::new(&both, &pool).out_of_order(OutOfOrder::Allow).up().await.unwrap();
    let proxy = Proxy::start(&database.url()).await;
    let pool = warm_pool(&proxy.url()).await;
    proxy.reset();
    assert!(whimbrel::migrate(&both, &pool).await.unwrap().is_up_to_date());
    assert_eq!(proxy.requests(), 1, "{:#?}", proxy.log());
}

#[tokio::test]
async fn a_role_that_may_only_read_sees_that_it_is_up_to_date() {
    let Some(database) = Database::create().await else { return };
    let set = three();
    whimbrel::migrate(&set, &database.pool().await).await.unwrap();
    let (role, url) = database.role().await;
    database.execute(&format!("GRANT SELECT ON whimbrel_history, whimbrel_events TO \"{role}\"")).await;
    let pool = PgPool::connect(&url).await.unwrap();
    assert!(whimbrel::migrate(&set, &pool).await.unwrap().is_up_to_date());
    assert!(Migrator::connect(&set, &url).unwrap().up().await.unwrap().is_up_to_date());
    assert!(Migrator::new(&set, &pool).status().await.unwrap().is_up_to_date());
    assert!(Migrator::new(&set, &pool).plan(Target::Latest).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_can_only_be_read_is_up_to_date() {
    let database = sqlite::Database::create();
    let set = three();
    let pool = database.pool().await;
    whimbrel::migrate(&set, &pool).await.unwrap();
    pool.close().await;
    let pool = sqlx::SqlitePool::connect(&database.read_only_url()).await.unwrap();
    assert!(whimbrel::migrate(&set, &pool).await.unwrap().is_up_to_date());
    assert!(Migrator::connect(&set, &database.read_only_url()).unwrap().up().await.unwrap().is_up_to_date());
    assert!(Migrator::new(&set, &pool).status().await.unwrap().is_up_to_date());
    assert!(Migrator::new(&set, &pool).plan(Target::Latest).await.unwrap().is_empty());
}

fn many(number: usize) -> Migrations {
    let file = |number: usize| {
        let text = format!("CREATE TABLE t{number} (id INTEGER);\nINSERT INTO t{number} VALUES ({number});");
        (format!("{number:04}_t.sql"), text.into_bytes())
    };
    Migrations::from_files((1..=number).map(file)).unwrap()
}

/// Applies two hundred. A request that waits for longer than half of what a statement may is looked at from a second
/// connection: here only where the machine is busy.
async fn two_hundred(pool: &sqlx::PgPool) -> whimbrel::Report {
    let set = many(200);
    let mut migrator = Migrator::new(&set, pool).statement_lock_timeout(Duration::from_secs(600));
    migrator.up().await.unwrap()
}

#[tokio::test]
async fn two_hundred_pending_take_five_requests() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let pool = warm_pool(&proxy.url()).await;
    proxy.reset();
    assert_eq!(two_hundred(&pool).await.applied(), 200);
    let kinds: Vec<_> = proxy.log().iter().map(|request| request.text.chars().take(40).collect::<String>()).collect();
    assert!(kinds.len() <= 5, "{kinds:#?}");
}

#[tokio::test]
async fn two_hundred_pending_hardly_feel_the_distance() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let pool = warm_pool(&proxy.url()).await;
    proxy.reset();
    proxy.delay_each_way(Duration::from_millis(20));
    let begin = Instant::now();
    assert_eq!(two_hundred(&pool).await.applied(), 200);
    let took = begin.elapsed();
    assert!(proxy.requests() <= 5, "{:#?}", proxy.log());
    // 200 requests alone would wait for eight seconds.
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// One for each statement, the beginning and the end of its migration among them; and those that look, lock and unlock.
#[tokio::test]
async fn on_mysql_ten_migrations_of_three_statements_take_a_request_for_each_statement() {
    let Some(database) = whimbrel_tests::mysql::Database::create().await else { return };
    let script =
        |n| format!("CREATE TABLE t{n} (id INT); INSERT INTO t{n} VALUES (1), (2); CREATE INDEX i ON t{n} (id)");
    let set = ups("mysql", &(1..=10).map(script).collect::<Vec<_>>());
    let proxy = Proxy::start(&database.url()).await;
    // The proxy reads what is sent.
    let url = format!("{}?ssl-mode=disabled", proxy.url());
    let report = Migrator::connect(&set, &url).unwrap().up().await.unwrap();
    assert_eq!(report.applied(), 10);
    let up = proxy.log().len();
    assert!(up <= 10 * 3 + 6, "{up}: {:#?}", proxy.log());
    assert!(report.steps().iter().all(|step| (step.statements, step.rows) == (3, Some(2))), "{report:#?}");
}

#[tokio::test]
async fn a_migration_that_is_pending_takes_as_many() {
    let Some(database) = Database::create().await else { return };
    whimbrel::migrate(&many(3), &database.pool().await).await.unwrap();
    let proxy = Proxy::start(&database.url()).await;
    let pool = warm_pool(&proxy.url()).await;
    proxy.reset();
    assert_eq!(whimbrel::migrate(&many(4), &pool).await.unwrap().steps().len(), 1);
    assert!(proxy.requests() <= 3, "{:#?}", proxy.log());
}
