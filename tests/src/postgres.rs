//! A PostgreSQL database for each test.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use url::Url;

use crate::skipped;

/// A fresh database of the server at `TEST_POSTGRES_URL`; dropped with all its connections and roles, also when the
/// test panics.
#[derive(Debug)]
pub struct Database {
    server: Url,
    url: Url,
    name: String,
    roles: Mutex<Vec<String>>,
}

impl Database {
    /// Creates it; `None`, with a line that says so, where no server is given: the test then returns.
    ///
    /// # Panics
    /// Without a server where `REQUIRE_DATABASES` is set, and when the server refuses.
    pub async fn create() -> Option<Self> {
        Self::create_with("").await
    }

    /// Creates it with options of `CREATE DATABASE`, such as `TEMPLATE template0 ENCODING 'LATIN1'`.
    ///
    /// # Panics
    /// As [`Database::create`].
    pub async fn create_with(options: &str) -> Option<Self> {
        Some(Self::create_at(server()?, options).await)
    }

    /// Creates it on a server of the test's own, whose superuser's URL this is.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn create_on(server: &str) -> Self {
        Self::create_at(Url::parse(server).expect("it is a URL"), "").await
    }

    async fn create_at(server: Url, options: &str) -> Self {
        let name = unique("whimbrel_test");
        let mut url = server.clone();
        url.set_path(&name);
        run(&server, &[format!(r#"CREATE DATABASE "{name}" {options}"#)])
            .await
            .expect("TEST_POSTGRES_URL is a superuser's");
        Self { server, url, name, roles: Mutex::default() }
    }

    /// The superuser's URL.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL with another user and password; nothing is created.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let mut url = self.url.clone();
        url.set_username(user).expect("a PostgreSQL URL has a user");
        url.set_password(Some(password)).expect("a PostgreSQL URL has a password");
        url.to_string()
    }

    /// Creates a role that can log in and has no rights but the public ones; `(name, url)`.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn role(&self) -> (String, String) {
        let (role, password) = (unique("whimbrel_role"), unique("secret"));
        self.execute(&format!(r#"CREATE ROLE "{role}" LOGIN PASSWORD '{password}'"#)).await;
        self.roles.lock().expect("no test panics while it holds this").push(role.clone());
        let url = self.url_as(&role, &password);
        (role, url)
    }

    /// Connects as a user's program would.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect(self.url.as_str()).await.expect("the test's own database accepts connections")
    }

    /// One connection.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.url.as_str()).await.expect("the test's own database accepts connections")
    }

    /// Runs a test's own SQL as the superuser.
    ///
    /// # Panics
    /// When it fails.
    pub async fn execute(&self, sql: &str) {
        run(&self.url, &[sql.to_owned()]).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
}

impl Drop for Database {
    // A thread and a runtime of its own: the test's may be gone, or in the middle of a panic.
    fn drop(&mut self) {
        let server = self.server.clone();
        let mut requests = vec![format!(r#"DROP DATABASE IF EXISTS "{}" WITH (FORCE)"#, self.name)];
        let roles = self.roles.get_mut().map(std::mem::take).unwrap_or_default();
        requests.extend(roles.iter().map(|role| format!(r#"DROP ROLE IF EXISTS "{role}""#)));
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(&server, &requests))
        });
        match dropping.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the database {} stays: {error}", self.name),
            Err(_) => eprintln!("the database {} stays: the thread that drops it panicked", self.name),
        }
    }
}

fn server() -> Option<Url> {
    match env::var("TEST_POSTGRES_URL") {
        Ok(url) => Some(Url::parse(&url).expect("TEST_POSTGRES_URL is a URL")),
        Err(_) if env::var_os("REQUIRE_DATABASES").is_some() => {
            panic!("REQUIRE_DATABASES is set, TEST_POSTGRES_URL is not")
        }
        Err(_) => {
            skipped("what needs PostgreSQL; set TEST_POSTGRES_URL");
            None
        }
    }
}

async fn run(url: &Url, requests: &[String]) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url.as_str()).await?;
    for request in requests {
        sqlx::raw_sql(AssertSqlSafe(request.clone())).execute(&mut connection).await?;
    }
    connection.close().await
}

/// A name that no other test has, in this process or another.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let time = random() % 1_000_000_000_000;
    format!("{prefix}_{}_{}_{time}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The nanoseconds of the clock: nobody else's.
pub(crate) fn random() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}
