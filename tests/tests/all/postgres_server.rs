//! PostgreSQL servers that are not ready, or take away what a run needs.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use whimbrel::{ErrorKind, Migrator, migrate};
use whimbrel_tests::postgres::Database;

use crate::cases::{outcomes, outcomes_before, ups};
use crate::postgres_cases::{nothing_is_locked, number, tables};
use crate::stories::world::three;

const NOT_YET: &[u8] = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";

/// Answers so many clients that the server is starting up, and then lets them through to it.
async fn starts_up(listener: TcpListener, server: Url, mut refusals: usize) {
    let server = (server.host_str().unwrap().to_owned(), server.port().unwrap());
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        if refusals > 0 {
            refusals -= 1;
            let _ = client.read(&mut [0; 1024]).await;
            let length = (NOT_YET.len() as u32 + 4).to_be_bytes();
            client.write_all(&[b"E", &length[..], NOT_YET].concat()).await.unwrap();
            continue;
        }
        let mut upstream = TcpStream::connect((server.0.as_str(), server.1)).await.unwrap();
        tokio::spawn(async move { copy_bidirectional(&mut client, &mut upstream).await });
    }
}

fn with_port(url: &str, port: u16) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_port(Some(port)).unwrap();
    url.to_string()
}

#[tokio::test]
async fn a_server_that_starts_up_is_waited_for() {
    let Some(database) = Database::create().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = with_port(&database.url(), listener.local_addr().unwrap().port());
    let server = tokio::spawn(starts_up(listener, database.url().parse().unwrap(), 4));
    let set = three();
    let report = Migrator::connect(&set, &url).unwrap().up().await.unwrap();
    assert_eq!(outcomes(&report), ["done", "done", "done"]);
    assert!(report.waited() > Duration::ZERO);
    server.abort();
}

#[tokio::test]
async fn a_server_that_never_starts_up_is_waited_for_no_longer_than_the_patience() {
    let Some(database) = Database::create().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = with_port(&database.url(), listener.local_addr().unwrap().port());
    let server = tokio::spawn(starts_up(listener, database.url().parse().unwrap(), usize::MAX));
    let set = three();
    let mut migrator = Migrator::connect(&set, &url).unwrap().lock_timeout(Duration::from_millis(300));
    let error = migrator.up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(format!("{error:?}").contains("the database system is starting up (57P03)"), "{error:?}");
    server.abort();
}

#[tokio::test]
async fn a_server_that_listens_a_moment_later_is_met() {
    let Some(database) = Database::create().await else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (url, set) = (with_port(&database.url(), port), three());
    let mut migrator = Migrator::connect(&set, &url).unwrap();
    let mut server = tokio::task::JoinSet::new();
    let (report, ()) = tokio::join!(migrator.up(), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        server.spawn(starts_up(listener, database.url().parse().unwrap(), 0));
    });
    assert_eq!(outcomes(&report.unwrap()), ["done", "done", "done"]);
}

#[tokio::test]
async fn nobody_waits_long_for_a_port_on_which_nobody_listens() {
    let Some(database) = Database::create().await else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (url, set, begin) = (with_port(&database.url(), port), three(), Instant::now());
    let error = Migrator::connect(&set, &url).unwrap().up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

const ONE: &str = "CREATE TABLE one (id INTEGER PRIMARY KEY);";

#[tokio::test]
async fn a_right_that_is_revoked_in_mid_run_leaves_what_is_done() {
    let Some(database) = Database::create().await else { return };
    let (role, url) = database.role().await;
    database.execute(&format!("GRANT CREATE, USAGE ON SCHEMA public TO \"{role}\"")).await;
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    migrate(&ups("postgres", &[ONE]), &pool).await.unwrap();
    database.execute(&format!("REVOKE CREATE ON SCHEMA public FROM PUBLIC, \"{role}\"")).await;
    let set = ups("postgres", &[ONE, "INSERT INTO one VALUES (1);", "CREATE TABLE three (id INTEGER);"]);
    let error = migrate(&set, &pool).await.unwrap_err();
    assert_eq!(outcomes_before(&error), ["done", "failed"], "{error:?}");
    let admin = database.pool().await;
    nothing_is_locked(&admin).await;
    assert_eq!(number(&admin, "SELECT count(*) FROM whimbrel_history WHERE state = 'failed'").await, 1);
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO \"{role}\"")).await;
    assert_eq!(outcomes(&migrate(&set, &pool).await.unwrap()), ["done"]);
    assert_eq!(tables(&admin).await, ["one", "three"]);
    assert_eq!(number(&admin, "SELECT count(*) FROM one").await, 1);
}

#[tokio::test]
async fn a_backend_that_is_terminated_in_mid_run_leaves_what_is_done() {
    let Some(database) = Database::create().await else { return };
    let (pool, own) = (database.pool().await, database.pool().await);
    let two = "INSERT INTO one VALUES (1); SELECT pg_sleep(30);";
    let set = ups("postgres", &[ONE, two]);
    let (error, ()) = tokio::join!(migrate(&set, &own), async {
        let asleep = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                      WHERE datname = current_database() AND wait_event = 'PgSleep'";
        while number(&pool, asleep).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Connection);
    nothing_is_locked(&pool).await;
    assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 0);
    let set = ups("postgres", &[ONE, "INSERT INTO one VALUES (1);"]);
    assert_eq!(outcomes(&migrate(&set, &pool).await.unwrap()), ["done"]);
    assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 1);
}

#[tokio::test]
async fn a_deadlock_is_met_by_another_try() {
    let Some(database) = Database::create().await else { return };
    let pool = database.pool().await;
    database.execute("CREATE TABLE first (id INTEGER); CREATE TABLE second (id INTEGER)").await;
    let locks = "SET LOCAL deadlock_timeout = '50ms'; LOCK first; SELECT pg_sleep(0.5); LOCK second; \
                 CREATE TABLE three (id INTEGER)";
    let set = ups("postgres", &[ONE, locks]);
    let mut other = database.connect().await;
    let (report, ()) = tokio::join!(migrate(&set, &pool), async {
        let mut other = sqlx::Connection::begin(&mut other).await.unwrap();
        sqlx::raw_sql("SET LOCAL deadlock_timeout = '60s'; LOCK second").execute(&mut *other).await.unwrap();
        let taken = "SELECT count(*) FROM pg_locks WHERE relation = 'first'::regclass AND granted";
        while number(&pool, taken).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sqlx::raw_sql("LOCK first").execute(&mut *other).await.unwrap();
        other.rollback().await.unwrap();
    });
    let report = report.unwrap();
    assert_eq!(outcomes(&report), ["done", "done"]);
    assert!(report.waited() > Duration::ZERO, "{report}");
    assert_eq!(tables(&pool).await, ["first", "one", "second", "three"]);
}
