//! The proxy itself, with plain sqlx, with the driver of Scylla, and with bytes.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::batch::Batch;
use scylla::statement::unprepared::Statement;
use sqlx::{Connection, MySqlConnection, PgConnection, Row};
use whimbrel_tests::cassandra::Keyspace;
use whimbrel_tests::cluster::Cluster;
use whimbrel_tests::mysql;
use whimbrel_tests::postgres::Database;
use whimbrel_tests::proxy::{CqlError, Fault, Kind, Proxy};

// Simple queries, which `sqlx::query` does not send.

async fn run(connection: &mut PgConnection, sql: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

async fn value(connection: &mut PgConnection, sql: &'static str) -> sqlx::Result<i32> {
    sqlx::raw_sql(sql).fetch_one(connection).await?.try_get(0)
}

#[tokio::test]
async fn a_simple_query_is_one_request_and_a_prepared_one_two() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    assert_eq!((proxy.startups(), proxy.authentications()), (1, 2));
    proxy.reset();

    assert_eq!(value(&mut connection, "SELECT 1; SELECT 2").await.unwrap(), 1);
    assert_eq!(proxy.requests(), 1);
    assert_eq!(proxy.log()[0].text, "SELECT 1; SELECT 2");
    assert_eq!(proxy.log()[0].kind, Kind::Simple);

    let sum: i32 = sqlx::query_scalar("SELECT $1 + 1").bind(41).fetch_one(&mut connection).await.unwrap();
    assert_eq!(sum, 42);
    let log = proxy.log();
    assert_eq!(log.len(), 3, "{log:#?}");
    assert_eq!((log[1].kind, log[1].text.as_str()), (Kind::Extended, "SELECT $1 + 1"));
    assert_eq!((log[2].kind, log[2].text.as_str()), (Kind::Extended, ""));
    assert!(log.iter().all(|request| request.answered && request.connection == 0));

    connection.ping().await.unwrap();
    assert_eq!((proxy.requests(), proxy.startups()), (3, 0), "{:#?}", proxy.log());
    assert_eq!(proxy.pings(), 1);
}

#[tokio::test]
async fn a_query_of_mysql_is_one_request_however_many_results_it_has() {
    let Some(database) = mysql::Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = MySqlConnection::connect(&format!("{}?ssl-mode=disabled", proxy.url())).await.unwrap();
    assert_eq!(proxy.startups(), 1);
    proxy.reset();
    let sql = "CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1), (2); SELECT id, id, NULL FROM a; SELECT 1; DO 1";
    assert_eq!(sqlx::raw_sql(sql).fetch_all(&mut connection).await.unwrap().len(), 3);
    connection.ping().await.unwrap();
    let prepared: i64 = sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&mut connection).await.unwrap();
    let failed = sqlx::raw_sql("SELECT 1; SELECT nothing; SELECT 2").fetch_all(&mut connection).await;
    assert!(prepared == 2 && failed.is_err());
    let log = proxy.log();
    let expected = [sql, "SELECT 1; SELECT nothing; SELECT 2"];
    assert_eq!(log.iter().map(|request| &*request.text).collect::<Vec<_>>(), expected);
    assert!(log.iter().all(|request| request.answered) && proxy.pings() == 1, "{log:#?}");

    proxy.at(3, Fault::CutBefore);
    sqlx::raw_sql("INSERT INTO a VALUES (3)").execute(&mut connection).await.unwrap_err();
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn large_requests_and_answers_pass_unmodified() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    let sent: String = (0..300_000).map(|n| char::from_u32(0x400 + n % 0x400).unwrap()).collect();
    let sql = format!("SELECT '{sent}'");
    let got: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    assert!(sent == got);
}

#[tokio::test]
async fn a_delay_is_paid_once_each_way() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    proxy.delay_each_way(Duration::from_millis(40));
    let begin = Instant::now();
    assert_eq!(value(&mut connection, "SELECT 1; SELECT 2; SELECT 3").await.unwrap(), 1);
    // Reading one row leaves the rest of the answer behind, which arrives together with it.
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(80), "{took:?}");
    assert!(took < Duration::from_millis(800), "{took:?}");
}

#[tokio::test]
async fn a_request_cut_before_the_server_saw_it_did_not_happen() {
    assert_eq!(rows_after(Fault::CutBefore).await, Some(0));
}

#[tokio::test]
async fn a_refused_request_did_not_happen_and_says_why() {
    assert_eq!(rows_after(Fault::Refuse).await, Some(0));
}

#[tokio::test]
async fn a_request_cut_before_its_answer_did_happen() {
    assert_eq!(rows_after(Fault::CutBeforeAnswer).await, Some(1));
}

#[tokio::test]
async fn a_request_cut_after_its_answer_did_happen() {
    assert_eq!(rows_after(Fault::CutAfterAnswer).await, Some(1));
}

/// The second of three requests inserts a row and meets the fault; the third finds no connection.
async fn rows_after(fault: Fault) -> Option<i64> {
    let database = Database::create().await?;
    database.execute("CREATE TABLE a (b INTEGER)").await;
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    proxy.reset();
    proxy.at(2, fault);
    run(&mut connection, "SELECT 1").await.unwrap();
    let second = run(&mut connection, "INSERT INTO a VALUES (1)").await;
    assert_eq!(second.is_ok(), fault == Fault::CutAfterAnswer, "{second:?}");
    if fault == Fault::Refuse {
        let error = second.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "57P01");
    }
    assert!(run(&mut connection, "SELECT 3").await.is_err());
    let mut after = database.connect().await;
    Some(sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&mut after).await.unwrap())
}

#[tokio::test]
async fn a_server_that_loses_its_client_in_the_middle_stops_when_it_was_told_to_look() {
    let Some(database) = Database::create().await else { return };
    database.execute("CREATE TABLE a (b INTEGER)").await;
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    run(&mut connection, "SET client_connection_check_interval = '50ms'").await.unwrap();
    proxy.reset();
    proxy.at(1, Fault::CutSent);
    let begin = Instant::now();
    run(&mut connection, "SELECT pg_sleep(20); INSERT INTO a VALUES (1)").await.unwrap_err();
    let mut after = database.connect().await;
    let others =
        "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while value(&mut after, others).await.unwrap() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(15), "the server went on without its client");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(value(&mut after, "SELECT count(*)::int FROM a").await.unwrap(), 0);
}

#[tokio::test]
async fn a_held_request_waits_in_the_proxy_and_a_held_answer_too() {
    let Some(database) = Database::create().await else { return };
    database.execute("CREATE TABLE a (b INTEGER)").await;
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    let mut other = database.connect().await;
    proxy.reset();
    proxy.at(1, Fault::HoldBefore);
    proxy.at(2, Fault::HoldAnswer);
    let client = tokio::spawn(async move {
        run(&mut connection, "INSERT INTO a VALUES (1)").await.unwrap();
        run(&mut connection, "INSERT INTO a VALUES (2)").await.unwrap();
    });
    const ROWS: &str = "SELECT count(*)::int FROM a";
    proxy.reached(1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(value(&mut other, ROWS).await.unwrap(), 0);
    proxy.release();
    proxy.answered(2).await;
    assert_eq!(value(&mut other, ROWS).await.unwrap(), 2);
    assert!(!client.is_finished());
    proxy.release();
    client.await.unwrap();
}

#[tokio::test]
async fn connections_can_be_cut_and_refused() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    proxy.cut();
    assert!(run(&mut connection, "SELECT 1").await.is_err());
    proxy.refuse_connections();
    assert!(PgConnection::connect(&proxy.url()).await.is_err());
    proxy.accept_connections();
    let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
    run(&mut connection, "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_request_for_encryption_and_its_refusal_pass() {
    let Some(database) = Database::create().await else { return };
    let proxy = Proxy::start(&database.url()).await;
    let address = proxy.url().split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).unwrap();
    let mut answer = [0];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"N", "our test server has no certificate");
    // The same connection goes on in the clear; a session for a user of no such name is refused with an error message.
    let body = b"\0\x03\0\0user\0nobody_of_that_name\0database\0postgres\0\0";
    let length = u32::try_from(body.len() + 4).unwrap();
    socket.write_all(&[&length.to_be_bytes(), body.as_slice()].concat()).unwrap();
    socket.read_exact(&mut answer).unwrap();
    assert!(matches!(&answer, b"R" | b"E"), "{answer:?}");
    assert_eq!(proxy.startups(), 1);
}

/// A session through a proxy in front of the node, and nothing but it.
async fn session_through(proxy: &Proxy) -> Session {
    let address = proxy.url().trim_start_matches("scylla://").split('/').next().unwrap().to_owned();
    let session = SessionBuilder::new().known_node(&address).fetch_schema_metadata(false).build().await.unwrap();
    let state = session.get_cluster_state();
    let addresses: Vec<String> = state.get_nodes_info().iter().map(|node| node.address.to_string()).collect();
    assert_eq!(addresses, [address], "it went to the node behind the proxy's back");
    session
}

#[tokio::test]
async fn what_a_session_of_cassandra_is_asked_is_counted_and_what_it_asks_for_itself_is_not() {
    let Some(keyspace) = Keyspace::create().await else { return };
    keyspace.execute(&format!("CREATE TABLE {}.a (b int PRIMARY KEY)", keyspace.name())).await;
    let proxy = Proxy::start(&keyspace.url()).await;
    let session = session_through(&proxy).await;
    assert_eq!((proxy.requests(), proxy.startups()), (0, 2), "{:#?}", proxy.log());

    let insert = format!("INSERT INTO {}.a (b) VALUES (?)", keyspace.name());
    let mut batch = Batch::default();
    batch.append_statement(&*insert.replace('?', "2"));
    batch.append_statement(&*insert.replace('?', "3"));
    session.query_unpaged("SELECT key FROM system.local", ()).await.unwrap();
    session.query_unpaged(&*insert, (1,)).await.unwrap();
    session.batch(&batch, ((), ())).await.unwrap();
    let log: Vec<_> = proxy.log().into_iter().map(|request| (request.kind, request.text, request.answered)).collect();
    let expected = [
        (Kind::Simple, "SELECT key FROM system.local".to_owned(), true),
        (Kind::Prepare, insert.clone(), true),
        (Kind::Execute, insert.clone(), true),
        (Kind::Batch, format!("{}; {}", insert.replace('?', "2"), insert.replace('?', "3")), true),
    ];
    assert_eq!(log, expected);

    proxy.reset();
    proxy.count(|text| !text.contains("system."));
    session.query_unpaged("SELECT key FROM system.local", ()).await.unwrap();
    session.query_unpaged(&*insert.replace('?', "4"), ()).await.unwrap();
    assert_eq!(proxy.log().iter().map(|request| &*request.text).collect::<Vec<_>>(), [insert.replace('?', "4")]);
}

#[tokio::test]
async fn a_request_to_cassandra_meets_its_fault_before_or_after_it_is_done() {
    let Some(keyspace) = Keyspace::create().await else { return };
    keyspace.execute(&format!("CREATE TABLE {}.a (b int PRIMARY KEY)", keyspace.name())).await;
    let proxy = Proxy::start(&keyspace.url()).await;
    let cases = [
        // The fault, what the client hears, and whether it was done.
        (Fault::CutBefore, "connection", 0),
        (Fault::CutBeforeAnswer, "connection", 1),
        (Fault::CutAfterAnswer, "done", 1),
        (Fault::LoseAnswer, "timeout", 1),
        (Fault::Fail(CqlError::GROUP_0_CONFLICT), "Failed to apply group 0 change due to concurrent modification", 0),
        (Fault::FailAnswer(CqlError::OUTCOME_UNKNOWN), "The outcome of this statement is unknown", 1),
        (Fault::Fail(CqlError::OVERLOADED), "overloaded", 0),
        (Fault::Fail(CqlError::IS_BOOTSTRAPPING), "bootstrapping", 0),
        (Fault::Fail(CqlError::Unavailable), "required: 2, alive: 1", 0),
        (Fault::FailAnswer(CqlError::WriteTimeout("CAS")), "write_type: CAS", 1),
        (Fault::Fail(CqlError::Plain { code: 0x2200, message: "made up" }), "made up", 0),
    ];
    for (number, (fault, heard, done)) in (0..).zip(cases) {
        let session = session_through(&proxy).await;
        let mut insert = Statement::new(format!("INSERT INTO {}.a (b) VALUES ({number})", keyspace.name()));
        insert.set_request_timeout(Some(Duration::from_secs(2)));
        insert.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
        proxy.reset();
        proxy.at(1, fault);
        let answer = session.query_unpaged(insert, ()).await;
        let answer = answer.map_or_else(|error| format!("{error} {error:?}"), |_| "done".to_owned());
        assert!(answer.to_lowercase().contains(&heard.to_lowercase()), "{fault:?}: {answer}");
        let rows = keyspace.strings(&format!("SELECT b FROM {}.a WHERE b = {number}", keyspace.name())).await;
        assert_eq!(rows.len(), done, "{fault:?}");
    }
}

#[tokio::test]
async fn others_on_the_same_connection_to_cassandra_pass_what_is_held_and_nothing_passes_a_frozen_proxy() {
    let Some(keyspace) = Keyspace::create().await else { return };
    keyspace.execute(&format!("CREATE TABLE {}.a (b int PRIMARY KEY)", keyspace.name())).await;
    let (rows, insert) =
        (format!("SELECT b FROM {}.a", keyspace.name()), format!("INSERT INTO {}.a (b)", keyspace.name()));
    let proxy = Proxy::start(&keyspace.url()).await;
    let session = Arc::new(session_through(&proxy).await);
    let ask = |cql: String| {
        let session = Arc::clone(&session);
        tokio::spawn(async move { session.query_unpaged(cql, ()).await.map(drop) })
    };
    proxy.at(1, Fault::HoldBefore);
    let held = ask(format!("{insert} VALUES (1)"));
    proxy.reached(1).await;
    ask(format!("{insert} VALUES (2)")).await.unwrap().unwrap();
    assert_eq!(keyspace.strings(&rows).await, ["2"]);
    proxy.release();
    held.await.unwrap().unwrap();

    proxy.at(3, Fault::HoldAnswer);
    let held = ask(format!("{insert} VALUES (3)"));
    proxy.answered(3).await;
    assert_eq!(keyspace.strings(&rows).await, ["1", "2", "3"]);
    ask(rows.clone()).await.unwrap().unwrap();
    assert!(!held.is_finished());
    proxy.release();
    held.await.unwrap().unwrap();

    proxy.freeze();
    let frozen = ask(format!("{insert} VALUES (4)"));
    proxy.reached(5).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(keyspace.strings(&rows).await, ["1", "2", "3"]);
    proxy.thaw();
    frozen.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_proxy_stands_in_front_of_all_nodes_of_a_cluster() {
    let Some(cluster) = Cluster::get().await else { return };
    let proxy = Proxy::start(&cluster.url_of_all()).await;
    let port = proxy.url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let session = SessionBuilder::new().known_node(format!("127.0.0.2:{port}")).build().await.unwrap();
    let mut addresses: Vec<String> =
        session.get_cluster_state().get_nodes_info().iter().map(|node| node.address.to_string()).collect();
    addresses.sort();
    assert_eq!(addresses, [1, 2, 3].map(|node| format!("127.0.0.{node}:{port}")));
    proxy.reset();
    for server in 0..3 {
        let node = session
            .get_cluster_state()
            .get_nodes_info()
            .iter()
            .find(|node| node.address.to_string() == format!("127.0.0.{}:{port}", server + 1))
            .unwrap()
            .host_id;
        let mut ask = Statement::new("SELECT key FROM system.local");
        let policy = SingleTargetLoadBalancingPolicy::new(NodeIdentifier::HostId(node), None);
        ask.set_load_balancing_policy(Some(policy));
        session.query_unpaged(ask, ()).await.unwrap();
        assert_eq!(proxy.log().last().unwrap().server, server);
    }
}
