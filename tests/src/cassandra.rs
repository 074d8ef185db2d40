//! A keyspace of Cassandra for each test.

use std::env;
use std::error::Error;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::{CqlValue, Row};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;
use url::Url;

use crate::postgres::unique;
use crate::skipped;

/// A fresh keyspace of the node at `TEST_CASSANDRA_URL`; dropped when the test ends, also when it panics.
#[derive(Debug)]
pub struct Keyspace {
    server: Url,
    name: String,
}

impl Keyspace {
    /// Creates it; `None`, with a line that says so, where no server is given: the test then returns.
    ///
    /// # Panics
    /// Without a server where `REQUIRE_DATABASES` is set, and when the server refuses.
    pub async fn create() -> Option<Self> {
        let keyspace = Self { server: server()?, name: unique("whimbrel_test") };
        keyspace.execute(&created(&keyspace.name, 1)).await;
        Some(keyspace)
    }

    /// The server's URL with the keyspace in its path.
    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.to_string()
    }

    /// The keyspace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A session as a user's program would have one; of no keyspace.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn session(&self) -> Session {
        session(&self.server).await
    }

    /// Runs a test's own CQL, in which tables are named with their keyspace.
    ///
    /// # Panics
    /// When it fails.
    pub async fn execute(&self, cql: &str) {
        self.strings(cql).await;
    }

    /// The rows of a query, each as a line: its values with blanks between, texts without quotes.
    ///
    /// # Panics
    /// When it fails.
    pub async fn strings(&self, cql: &str) -> Vec<String> {
        let rows = HOUSEKEEPING.spawn(asked(self.server.clone(), cql.to_owned()));
        rows.await.expect("it does not panic").unwrap_or_else(|error| panic!("{error}\n{cql}"))
    }

    /// The names of the keyspace's tables, in order.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn tables(&self) -> Vec<String> {
        let name = &self.name;
        self.strings(&format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{name}'")).await
    }
}

impl Drop for Keyspace {
    // Elsewhere: the test's runtime may be gone, or in the middle of a panic.
    fn drop(&mut self) {
        let (dropped, is_dropped) = mpsc::channel();
        let asked = asked(self.server.clone(), format!("DROP KEYSPACE IF EXISTS {}", self.name));
        HOUSEKEEPING.spawn(async move { dropped.send(asked.await) });
        match is_dropped.recv() {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => eprintln!("the keyspace {} stays: {error}", self.name),
            Err(_) => eprintln!("the keyspace {} stays: what drops it panicked", self.name),
        }
    }
}

/// One session, of nobody's runtime, for all that the tests themselves ask: it takes 20 ms to open.
static HOUSEKEEPING: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be built")
});

async fn asked(server: Url, cql: String) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    static SESSION: OnceCell<Session> = OnceCell::const_new();
    let session = SESSION.get_or_init(|| async { session(&server).await }).await;
    rows(session, &cql).await
}

/// Connects with what is quick for tests: it looks more often whether nodes agree, and does not read the schema.
pub(crate) async fn session(server: &Url) -> Session {
    let address = format!("{}:{}", server.host_str().unwrap_or("127.0.0.1"), server.port().unwrap_or(9042));
    let builder = SessionBuilder::new().known_node(address);
    quick(builder).build().await.expect("the server accepts connections")
}

pub(crate) fn quick(builder: SessionBuilder) -> SessionBuilder {
    builder.schema_agreement_interval(Duration::from_millis(20)).fetch_schema_metadata(false)
}

/// Asks a session, unprepared: the rows as lines, none for what answers without.
///
/// # Errors
/// What the server says against it.
pub async fn rows(session: &Session, cql: &str) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let answer = session.query_unpaged(cql, ()).await?;
    if !answer.is_rows() {
        return Ok(Vec::new());
    }
    answer.into_rows_result()?.rows::<Row>()?.map(|row| Ok(line(&row?))).collect()
}

fn line(row: &Row) -> String {
    let value = |value: &Option<CqlValue>| match value {
        Some(CqlValue::Text(text) | CqlValue::Ascii(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "null".to_owned(),
    };
    row.columns.iter().map(value).collect::<Vec<_>>().join(" ")
}

/// What creates a keyspace with so many replicas.
pub(crate) fn created(name: &str, replicas: usize) -> String {
    format!(
        "CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {replicas}}} \
         AND durable_writes = true"
    )
}

fn server() -> Option<Url> {
    match env::var("TEST_CASSANDRA_URL") {
        Ok(url) => Some(Url::parse(&url).expect("TEST_CASSANDRA_URL is a URL")),
        Err(_) if env::var_os("REQUIRE_DATABASES").is_some() => {
            panic!("REQUIRE_DATABASES is set, TEST_CASSANDRA_URL is not")
        }
        Err(_) => {
            skipped("what needs Cassandra; set TEST_CASSANDRA_URL");
            None
        }
    }
}
