//! The helpers themselves.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use whimbrel_tests::{cassandra, mysql, postgres, sqlite};

#[tokio::test]
async fn a_dropped_postgres_database_is_gone_with_its_connections_and_roles() {
    let Some(outer) = postgres::Database::create().await else { return };
    let Some(inner) = postgres::Database::create().await else { return };
    let name = inner.name().to_owned();
    let (role, url) = inner.role().await;
    let open = PgConnection::connect(&url).await.unwrap();
    drop(inner);
    let mut connection = outer.connect().await;
    for (catalogue, column, value) in [("pg_database", "datname", &name), ("pg_roles", "rolname", &role)] {
        let sql = format!("SELECT count(*) FROM {catalogue} WHERE {column} = $1");
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).bind(value).fetch_one(&mut connection).await.unwrap();
        assert_eq!(left, 0, "{catalogue} still has {value}");
    }
    drop(open);
}

#[tokio::test]
async fn a_postgres_database_is_gone_after_a_panic() {
    let Some(outer) = postgres::Database::create().await else { return };
    let panicking = tokio::spawn(async {
        let database = postgres::Database::create().await.unwrap();
        let pool = database.pool().await;
        std::panic::panic_any((database.name().to_owned(), pool.size()));
    });
    let (name, _) = *panicking.await.unwrap_err().into_panic().downcast::<(String, u32)>().unwrap();
    let mut connection = outer.connect().await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_dropped_mysql_database_is_gone_with_its_sessions() {
    let Some(outer) = mysql::Database::create().await else { return };
    let Some(inner) = mysql::Database::create().await else { return };
    let name = inner.name().to_owned();
    let mut open = inner.connect().await;
    sqlx::raw_sql("CREATE TABLE a (b INTEGER); START TRANSACTION; SELECT * FROM a").execute(&mut open).await.unwrap();
    drop(inner);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM information_schema.schemata WHERE schema_name = ?")
        .bind(name)
        .fetch_one(&mut outer.connect().await)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert!(sqlx::raw_sql("SELECT * FROM a").execute(&mut open).await.is_err(), "its session lives on");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let Some(database) = postgres::Database::create().await else { return };
    let error = PgConnection::connect(&database.url_as("postgres", "wrong")).await.unwrap_err();
    assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("28P01"), "{error}");
}

#[tokio::test]
async fn a_sqlite_file_is_fresh_and_gone_afterwards() {
    let database = sqlite::Database::create();
    let pool = database.pool().await;
    sqlx::raw_sql("CREATE TABLE a (b INTEGER)").execute(&pool).await.unwrap();
    pool.close().await;
    let path = database.path();
    assert!(path.exists());
    drop(database);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_keyspace_is_gone_when_it_is_dropped_and_after_a_panic() {
    let Some(outer) = cassandra::Keyspace::create().await else { return };
    outer.execute(&format!("CREATE TABLE {}.a (b int PRIMARY KEY, c text)", outer.name())).await;
    outer.execute(&format!("INSERT INTO {}.a (b, c) VALUES (1, 'x')", outer.name())).await;
    assert_eq!(outer.tables().await, ["a"]);
    assert_eq!(outer.strings(&format!("SELECT b, c FROM {}.a", outer.name())).await, ["1 x"]);

    let dropped = cassandra::Keyspace::create().await.unwrap().name().to_owned();
    let panicking = tokio::spawn(async {
        let keyspace = cassandra::Keyspace::create().await.unwrap();
        std::panic::panic_any(keyspace.name().to_owned());
    });
    let lost = *panicking.await.unwrap_err().into_panic().downcast::<String>().unwrap();
    let there = outer.strings("SELECT keyspace_name FROM system_schema.keyspaces").await;
    assert!(there.contains(&outer.name().to_owned()), "{there:?}");
    assert!(!there.contains(&dropped) && !there.contains(&lost), "{there:?}");
}
