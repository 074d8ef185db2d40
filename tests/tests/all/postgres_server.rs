//! PostgreSQL servers that are not ready, or take away what a run needs.

use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use whimbrel::{ErrorKind, Migrator, migrate};
use whimbrel_tests::Proxy;
use whimbrel_tests::postgres::Database;
use whimbrel_tests::postgres_server::{Disk, Ending, PostgresServer};
use whimbrel_tests::proxy::Fault;

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

// ------------------------------------------------------------------------------------------- it restarts in mid-run

const TWO_SLEEPS: &str = "INSERT INTO one VALUES (1);\nSELECT pg_sleep(300 * count(*)) FROM asleep;";

/// Sets whose second migration stays at a statement for as long as a row says, and what that shows.
const IN_MID_RUN: [(&str, &str, &str); 3] = [
    ("in a transaction", TWO_SLEEPS, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
    (
        "outside of one",
        "-- whimbrel:no-transaction\nINSERT INTO one VALUES (2);\nSELECT pg_sleep(300 * count(*)) FROM asleep;\n\
         INSERT INTO one VALUES (1);",
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    ),
    (
        "in a concurrent index build",
        "-- whimbrel:no-transaction\nINSERT INTO one VALUES (1);\nCREATE INDEX CONCURRENTLY one_id ON one (id);\n\
         INSERT INTO one VALUES (2);",
        "SELECT count(*) FROM pg_index WHERE NOT indisvalid",
    ),
];

#[tokio::test]
async fn a_server_that_restarts_in_mid_run_loses_nothing_and_repeats_nothing() {
    let Some(mut server) = PostgresServer::start(Disk::Large).await else { return };
    for (name, two, is_there) in IN_MID_RUN {
        for ending in [Ending::Fast, Ending::Immediate] {
            println!("{name}, {ending:?}");
            let database = Database::create_on(server.url()).await;
            database.execute("CREATE TABLE asleep AS SELECT 1 AS id").await;
            let (pool, set) = (database.pool().await, ups("postgres", &[ONE, two, "CREATE TABLE three (id INTEGER);"]));
            migrate(&ups("postgres", &[ONE]), &pool).await.unwrap();
            // A concurrent build waits for whoever writes to the table.
            let mut writer = database.connect().await;
            sqlx::raw_sql("BEGIN; LOCK one IN ROW EXCLUSIVE MODE").execute(&mut writer).await.unwrap();
            let url = database.url();
            let mut migrator = Migrator::connect(&set, &url).unwrap();
            let (error, ()) = tokio::join!(migrator.up(), async {
                while number(&pool, is_there).await == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                sqlx::raw_sql("DELETE FROM asleep").execute(&pool).await.unwrap();
                server.stop(ending);
            });
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
            assert!(format!("{error:?}").contains("help: run it again"), "{error:?}");
            drop((writer, pool));

            // While it recovers.
            server.start_again();
            assert_eq!(outcomes(&migrator.up().await.unwrap()), ["done", "done"]);
            let pool = database.pool().await;
            nothing_is_locked(&pool).await;
            assert_eq!(tables(&pool).await, ["asleep", "one", "three"]);
            let inserted = two.matches("INSERT").count() as i64;
            assert_eq!(number(&pool, "SELECT count(*) FROM one").await, inserted);
            assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_history WHERE state = 'completed'").await, 3);
            assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_events WHERE what = 'applied'").await, 3);
            let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
            assert_eq!(number(&pool, invalid).await, 0);
            let built = number(&pool, "SELECT count(*) FROM pg_class WHERE relname LIKE 'one_id%'").await;
            assert_eq!(built, two.matches("CREATE INDEX").count() as i64);
            pool.close().await;
        }
    }
}

// -------------------------------------------------------------------------------------------------- its disk is full

/// Fills the disk but for some kilobytes more than so many.
async fn fill(pool: &sqlx::PgPool, megabytes: usize) {
    let into = |table: &str| format!("INSERT INTO {table} SELECT repeat('x', 7000) FROM generate_series(1, 128)");
    for table in ["ballast", "spare"] {
        let sql = format!("CREATE TABLE {table} (filler TEXT); ALTER TABLE {table} ALTER filler SET STORAGE PLAIN");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
    }
    for _ in 0..megabytes {
        sqlx::raw_sql(AssertSqlSafe(into("spare"))).execute(pool).await.unwrap();
    }
    while sqlx::raw_sql(AssertSqlSafe(into("ballast"))).execute(pool).await.is_ok() {}
    sqlx::raw_sql("DROP TABLE spare").execute(pool).await.unwrap();
}

const EIGHT_MEGABYTES: &str = "CREATE TABLE two (filler TEXT);\nALTER TABLE two ALTER filler SET STORAGE PLAIN;\n\
     INSERT INTO one VALUES (1);\nINSERT INTO two SELECT repeat('x', 7000) FROM generate_series(1, 1024);\nINSERT INTO one VALUES (2);";

#[tokio::test]
async fn a_full_disk_is_named_and_with_more_room_it_goes_on() {
    let Some(server) = PostgresServer::start(Disk::Small(100)).await else { return };
    let outside = "-- whimbrel:no-transaction\n";
    // Nothing that could be compressed: it makes our own entry large.
    let words: String = (0..20_000_u64).map(|i| format!(" {:x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let long = format!("--{words}\n");
    let ours = "the history public.whimbrel_history could not be read or written";
    let cases = [
        ("", 4, "0002_b failed at statement 4 of 5"),
        (outside, 4, "0002_b failed at statement 4 of 5"),
        (&long, 0, ours),
        // Whatever needs a page first, by chance.
        ("", 0, ""),
        (outside, 0, ""),
    ];
    for (mode, room, message) in cases {
        println!("{mode:.40?} with {room} MB");
        let database = Database::create_on(server.url()).await;
        let pool = database.pool().await;
        migrate(&ups("postgres", &[ONE]), &pool).await.unwrap();
        fill(&pool, room).await;
        let set = ups("postgres", &[ONE, &format!("{mode}{EIGHT_MEGABYTES}"), "CREATE TABLE three (id INTEGER);"]);
        let error = migrate(&set, &pool).await.unwrap_err();
        assert!(error.to_string().starts_with(message), "{error:?}");
        assert!(format!("{error:?}").contains("No space left on device (53100)"), "{error:?}");
        assert!(format!("{error:?}").contains("help: make room on the disk"), "{error:?}");
        nothing_is_locked(&pool).await;
        database.execute("DROP TABLE ballast").await;
        assert_eq!(outcomes(&migrate(&set, &pool).await.unwrap()), ["done", "done"]);
        assert_eq!(tables(&pool).await, ["one", "three", "two"]);
        assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 2);
        assert_eq!(number(&pool, "SELECT count(*) FROM two").await, 1024);
        assert_eq!(number(&pool, "SELECT count(*) FROM whimbrel_history WHERE state = 'completed'").await, 3);
        pool.close().await;
    }
}

// ------------------------------------------------------------------------- what is taken away between two statements

/// A role that may make tables, and its pool.
async fn maker(database: &Database) -> (String, sqlx::PgPool) {
    let (role, url) = database.role().await;
    database.execute(&format!("GRANT CREATE, USAGE ON SCHEMA public TO \"{role}\"")).await;
    (role, sqlx::PgPool::connect(&url).await.unwrap())
}

/// Waits until a statement of the database sleeps.
async fn sleeps(pool: &sqlx::PgPool) {
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while number(pool, asleep).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What is taken away while the second of three statements or migrations sleeps, and how it is given back; `{}` is the
/// role.
const TAKEN: [(&str, &str); 2] = [
    ("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {}", "GRANT CREATE ON SCHEMA public TO {}"),
    (
        "REVOKE INSERT, UPDATE ON whimbrel_history, whimbrel_events FROM {}",
        "GRANT INSERT, UPDATE ON whimbrel_history, whimbrel_events TO {}",
    ),
];

#[tokio::test]
async fn a_right_that_is_revoked_between_two_statements_stops_the_run_there() {
    let scripts = [
        "INSERT INTO one VALUES (1);\nSELECT pg_sleep(1);\nCREATE TABLE two (id INTEGER);\nINSERT INTO one VALUES (2);",
        "-- whimbrel:no-transaction\nINSERT INTO one VALUES (1);\nSELECT pg_sleep(1);\nCREATE TABLE two (id INTEGER);\n\
         INSERT INTO one VALUES (2);",
    ];
    for (script, (taken, given)) in scripts.into_iter().flat_map(|script| TAKEN.map(|how| (script, how))) {
        println!("{script}\n{taken}");
        let Some(database) = Database::create().await else { return };
        let (role, pool) = maker(&database).await;
        let role = format!("\"{role}\"");
        migrate(&ups("postgres", &[ONE]), &pool).await.unwrap();
        let (admin, set) = (database.pool().await, ups("postgres", &[ONE, script, "CREATE TABLE three (id INTEGER);"]));
        let (error, ()) = tokio::join!(migrate(&set, &pool), async {
            sleeps(&admin).await;
            database.execute(&taken.replace("{}", &role)).await;
        });
        let error = error.unwrap_err();
        println!("{error:?}");
        assert!(format!("{error:?}").contains("permission denied"), "{error:?}");
        nothing_is_locked(&admin).await;
        database.execute(&given.replace("{}", &role)).await;
        assert_eq!(outcomes(&migrate(&set, &pool).await.unwrap()), ["done", "done"]);
        assert_eq!(tables(&admin).await, ["one", "three", "two"]);
        assert_eq!(number(&admin, "SELECT count(*) FROM one").await, 2);
        assert_eq!(number(&admin, "SELECT count(*) FROM whimbrel_history WHERE state = 'completed'").await, 3);
    }
}

#[tokio::test]
async fn a_backend_that_is_terminated_between_two_requests_ends_the_run_and_the_next_goes_on() {
    let outside = "-- whimbrel:no-transaction\nINSERT INTO one VALUES (1);\n\
                   CREATE INDEX CONCURRENTLY one_id ON one (id);\nINSERT INTO one VALUES (2);";
    let set = ups("postgres", &[ONE, outside, "INSERT INTO one VALUES (3);"]);
    for request in 1.. {
        let Some(database) = Database::create().await else { return };
        let proxy = Proxy::start(&database.url()).await;
        proxy.at(request, Fault::HoldBefore);
        let admin = database.pool().await;
        let url = proxy.url();
        let mut migrator = Migrator::connect(&set, &url).unwrap();
        let ended = tokio::select! {
            ended = migrator.up() => ended,
            ended = async {
                proxy.reached(request).await;
                let terminate = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
                                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
                assert!(number(&admin, terminate).await > 0);
                proxy.release();
                std::future::pending().await
            } => ended,
        };
        // The last one lets go of the lock, and is not missed.
        if let Err(error) = &ended {
            assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
        }
        migrate(&set, &admin).await.unwrap_or_else(|error| panic!("after request {request}: {error:?}"));
        assert_eq!(number(&admin, "SELECT count(*) FROM one").await, 3, "after request {request}");
        assert_eq!(number(&admin, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
        if proxy.requests() < request {
            assert!(ended.is_ok() && request > 8, "{ended:?}");
            return;
        }
    }
}
