//! A MariaDB or MySQL database for each test.

use std::env;
use std::thread;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, MySqlPool};
use url::Url;

use crate::postgres::unique;
use crate::skipped;

/// A fresh database of the server at `TEST_MYSQL_URL`; dropped when the test ends, also when it panics.
#[derive(Debug)]
pub struct Database {
    server: Url,
    url: Url,
    name: String,
}

impl Database {
    /// Creates it; `None`, with a line that says so, where no server is given: the test then returns.
    ///
    /// # Panics
    /// Without a server where `REQUIRE_DATABASES` is set, and when the server refuses.
    pub async fn create() -> Option<Self> {
        let server = server()?;
        let name = unique("whimbrel_test");
        let mut url = server.clone();
        url.set_path(&name);
        run(&server, &format!("CREATE DATABASE `{name}`")).await.expect("TEST_MYSQL_URL's user may create databases");
        Some(Self { server, url, name })
    }

    /// The URL of the user who may do all.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects as a user's program would.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn pool(&self) -> MySqlPool {
        MySqlPool::connect(self.url.as_str()).await.expect("the test's own database accepts connections")
    }

    /// One connection.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connect(&self) -> MySqlConnection {
        MySqlConnection::connect(self.url.as_str()).await.expect("the test's own database accepts connections")
    }

    /// Runs a test's own SQL.
    ///
    /// # Panics
    /// When it fails.
    pub async fn execute(&self, sql: &str) {
        run(&self.url, sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
}

impl Drop for Database {
    // A thread and a runtime of its own: the test's may be gone, or in the middle of a panic.
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), drop_with_sessions(&self.name));
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(&server, &sql))
        });
        match dropping.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the database {} stays: {error}", self.name),
            Err(_) => eprintln!("the database {} stays: the thread that drops it panicked", self.name),
        }
    }
}

/// A session that still holds a table would keep the database for as long as it lives.
fn drop_with_sessions(name: &str) -> String {
    format!(
        "BEGIN NOT ATOMIC
           DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; -- gone by itself
           FOR it IN (SELECT id FROM information_schema.processlist WHERE db = '{name}') DO KILL CONNECTION it.id; END FOR;
         END;
         DROP DATABASE IF EXISTS `{name}`"
    )
}

fn server() -> Option<Url> {
    match env::var("TEST_MYSQL_URL") {
        Ok(url) => Some(Url::parse(&url).expect("TEST_MYSQL_URL is a URL")),
        Err(_) if env::var_os("REQUIRE_DATABASES").is_some() => {
            panic!("REQUIRE_DATABASES is set, TEST_MYSQL_URL is not")
        }
        Err(_) => {
            skipped("what needs MariaDB; set TEST_MYSQL_URL");
            None
        }
    }
}

async fn run(url: &Url, sql: &str) -> sqlx::Result<()> {
    let mut connection = MySqlConnection::connect(url.as_str()).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}
