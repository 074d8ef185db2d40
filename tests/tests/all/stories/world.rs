//! A database for one story, whichever it is.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};
use whimbrel::{Cluster, Error, Migrations, Migrator};
use whimbrel_tests::{cassandra, mysql, postgres, sqlite};

/// Makes a test of each story on each database: `a_story on sqlite, postgres` runs `async fn a_story(world: World)`.
macro_rules! stories {
    ($($story:ident on $($database:ident),+)*) => {
        $(mod $story {
            $(#[tokio::test]
            async fn $database() {
                if let Some(world) = crate::stories::world::World::$database().await {
                    super::$story(world).await;
                }
            })+
        })*
    };
}
pub(crate) use stories;

/// A fresh database and a pool on it.
pub(crate) enum World {
    Sqlite(SqlitePool, sqlite::Database),
    Postgres(PgPool, Box<postgres::Database>),
    Mysql(MySqlPool, Box<mysql::Database>),
    /// A session that has the keyspace in use.
    Scylla(Arc<Session>, Box<cassandra::Keyspace>),
}

impl World {
    pub(crate) async fn sqlite() -> Option<Self> {
        let database = sqlite::Database::create();
        Some(Self::Sqlite(database.pool().await, database))
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let database = postgres::Database::create().await?;
        Some(Self::Postgres(database.pool().await, Box::new(database)))
    }

    pub(crate) async fn mysql() -> Option<Self> {
        let database = mysql::Database::create().await?;
        Some(Self::Mysql(database.pool().await, Box::new(database)))
    }

    pub(crate) async fn scylla() -> Option<Self> {
        let keyspace = cassandra::Keyspace::create().await?;
        let session = keyspace.session().await;
        session.use_keyspace(keyspace.name(), true).await.unwrap();
        Some(Self::Scylla(Arc::new(session), Box::new(keyspace)))
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(..))
    }

    /// The dialect's name.
    pub(crate) fn dialect(&self) -> &'static str {
        match self {
            Self::Sqlite(..) => "sqlite",
            Self::Postgres(..) => "postgres",
            Self::Mysql(..) => "mysql",
            Self::Scylla(..) => "cql",
        }
    }

    /// The database's name, in names of files.
    fn name(&self) -> &'static str {
        if self.is_cql() { "scylla" } else { self.dialect() }
    }

    pub(crate) fn is_cql(&self) -> bool {
        matches!(self, Self::Scylla(..))
    }

    /// A set from files, as [`set`] makes it; `.sql` is CQL where the database speaks that.
    pub(crate) fn set<const N: usize>(&self, files: [(&str, &str); N]) -> Migrations {
        if !self.is_cql() {
            return set(files);
        }
        let (config, scripts): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| *path == "whimbrel.toml");
        let config = config.iter().map(|(_, text)| format!("{text}\n")).collect::<String>() + "dialect = \"cql\"";
        let files = scripts.into_iter().chain([("whimbrel.toml", &*config)]);
        let bytes = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        Migrations::from_files(bytes).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// [`three`] of the database's language.
    pub(crate) fn three(&self) -> Migrations {
        self.set(THREE)
    }

    /// The one for CQL, or the one for SQL.
    pub(crate) fn cql_or<T>(&self, cql: T, sql: T) -> T {
        if self.is_cql() { cql } else { sql }
    }

    /// The one for SQLite, or the one for the servers.
    pub(crate) fn choose<T>(&self, sqlite: T, server: T) -> T {
        if self.is_sqlite() { sqlite } else { server }
    }

    /// The one for this database; MySQL's is that of all whose schema changes stand in no transaction.
    pub(crate) fn each<T>(&self, sqlite: T, postgres: T, mysql: T) -> T {
        match self {
            Self::Sqlite(..) => sqlite,
            Self::Postgres(..) => postgres,
            Self::Mysql(..) | Self::Scylla(..) => mysql,
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(_, database) => database.url(),
            Self::Postgres(_, database) => database.url(),
            Self::Mysql(_, database) => database.url(),
            Self::Scylla(_, keyspace) => keyspace.url(),
        }
    }

    /// The database's name; SQLite's is its file's.
    pub(crate) fn database(&self) -> &str {
        match self {
            Self::Sqlite(..) => "main",
            Self::Postgres(_, database) => database.name(),
            Self::Mysql(_, database) => database.name(),
            Self::Scylla(_, keyspace) => keyspace.name(),
        }
    }

    /// A migrator on the pool.
    pub(crate) fn migrator<'a>(&'a self, set: &'a Migrations) -> Migrator<'a> {
        let migrator = match self {
            Self::Sqlite(pool, _) => Migrator::new(set, pool),
            Self::Postgres(pool, _) => Migrator::new(set, pool),
            Self::Mysql(pool, _) => Migrator::new(set, pool),
            Self::Scylla(session, _) => Migrator::new(set, session).cluster(quick()),
        };
        migrator.application("shop 2.3.0")
    }

    /// Applies all of a set.
    pub(crate) async fn up(&self, set: &Migrations) -> whimbrel::Result<whimbrel::Report> {
        self.migrator(set).up().await
    }

    /// What the events tell of, but for those that say that a step begins.
    pub(crate) async fn changes(&self) -> Vec<String> {
        let mut events = match self {
            Self::Scylla(..) => self.texts("SELECT what FROM whimbrel_history WHERE part = 'event'").await,
            _ => self.texts("SELECT what FROM whimbrel_events ORDER BY id").await,
        };
        events.retain(|what| what != "started");
        events
    }

    /// The details of the events of one kind, in order.
    pub(crate) async fn details(&self, what: &str) -> Vec<String> {
        let cql = format!("SELECT detail FROM whimbrel_history WHERE part = 'event' AND what = '{what}'");
        let sql = format!("SELECT detail FROM whimbrel_events WHERE what = '{what}' ORDER BY id");
        self.texts(&self.cql_or(cql, sql)).await
    }

    /// The number of events.
    pub(crate) async fn events(&self) -> i64 {
        self.count(self.cql_or("whimbrel_history WHERE part = 'event'", "whimbrel_events")).await
    }

    /// What the entry of a version says in a column of text.
    pub(crate) async fn entry(&self, version: &str, column: &str) -> String {
        let part = self.cql_or("part = 'entry' AND ", "");
        let sql = format!("SELECT {column} FROM whimbrel_history WHERE {part}version = '{version}'");
        self.texts(&sql).await.remove(0)
    }

    /// Writes into the entry of a version, which makes it unfinished.
    pub(crate) async fn unfinish(&self, version: &str, sets: &str) {
        let whose = format!("version = '{version}'");
        match self {
            // The fast path asks what stands in the partition, not the entries.
            Self::Scylla(..) => {
                let whose = format!("scope = 'whimbrel' AND part = 'entry' AND {whose} AND event = 0 IF EXISTS");
                self.run(format!("UPDATE whimbrel_history SET unfinished = 1, {sets} WHERE {whose}")).await;
            }
            _ => self.run(format!("UPDATE whimbrel_history SET {sets} WHERE {whose}")).await,
        }
    }

    /// Takes the entry of a version away.
    pub(crate) async fn forget(&self, version: &str) {
        let (rest, exists) = (
            self.cql_or("scope = 'whimbrel' AND part = 'entry' AND event = 0 AND ", ""),
            self.cql_or(" IF EXISTS", ""),
        );
        self.run(format!("DELETE FROM whimbrel_history WHERE {rest}version = '{version}'{exists}")).await;
    }

    /// All that the events tell of a version.
    pub(crate) async fn events_of(&self, version: &str) -> Vec<String> {
        let cql = format!("SELECT what FROM whimbrel_history WHERE part = 'event' AND of_version = '{version}'");
        let sql = format!("SELECT what FROM whimbrel_events WHERE version = '{version}' ORDER BY id");
        self.texts(&self.cql_or(cql, sql)).await
    }

    /// Runs a test's own SQL; that of CQL has no `;` inside a statement.
    pub(crate) async fn run(&self, sql: impl Into<String>) {
        let sql: String = sql.into();
        let result = match self {
            Self::Sqlite(pool, _) => sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(pool).await.map(drop),
            Self::Postgres(pool, _) => sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(pool).await.map(drop),
            Self::Mysql(pool, _) => sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(pool).await.map(drop),
            Self::Scylla(session, _) => {
                for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
                    cassandra::rows(session, statement).await.unwrap_or_else(|error| panic!("{error}\n{statement}"));
                }
                Ok(())
            }
        };
        result.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    /// The texts of the first column of a query.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let query = AssertSqlSafe(sql.to_owned());
        let texts = match self {
            Self::Sqlite(pool, _) => sqlx::query_scalar(query).fetch_all(pool).await,
            Self::Postgres(pool, _) => sqlx::query_scalar(query).fetch_all(pool).await,
            Self::Mysql(pool, _) => sqlx::query_scalar(query).fetch_all(pool).await,
            Self::Scylla(session, _) => return lines(session, sql).await,
        };
        texts.unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The number of rows of a query.
    pub(crate) async fn count(&self, of: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {of}");
        let query = AssertSqlSafe(sql.clone());
        let count = match self {
            Self::Sqlite(pool, _) => sqlx::query_scalar(query).fetch_one(pool).await,
            Self::Postgres(pool, _) => sqlx::query_scalar(query).fetch_one(pool).await,
            Self::Mysql(pool, _) => sqlx::query_scalar(query).fetch_one(pool).await,
            Self::Scylla(session, _) => return lines(session, &sql).await[0].parse().unwrap(),
        };
        count.unwrap_or_else(|error| panic!("{error}\n{of}"))
    }

    /// Whether there is a table, view or index of that name.
    pub(crate) async fn has(&self, name: &str) -> bool {
        let found = match self {
            Self::Sqlite(..) => format!("sqlite_master WHERE name = '{name}'"),
            Self::Postgres(..) => format!("pg_class WHERE relname = '{name}'"),
            Self::Mysql(..) => format!(
                "(SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() \
                 UNION SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()) AS names \
                 WHERE name = '{name}'"
            ),
            Self::Scylla(_, keyspace) => {
                let mut found = 0;
                for (table, column) in [("tables", "table_name"), ("views", "view_name"), ("indexes", "index_name")] {
                    let whose = format!("keyspace_name = '{}' AND {column} = '{name}'", keyspace.name());
                    found += self.count(&format!("system_schema.{table} WHERE {whose}")).await;
                }
                return found > 0;
            }
        };
        self.count(&found).await > 0
    }

    /// The versions that the history says are in a state, in the order of application.
    pub(crate) async fn versions(&self, state: &str) -> Vec<String> {
        if self.is_cql() {
            let whose = format!("part = 'entry' AND state = '{state}'");
            let mut found = self.texts(&format!("SELECT rank, version FROM whimbrel_history WHERE {whose}")).await;
            found.sort_by_key(|line| line.split(' ').next().unwrap().parse::<i64>().unwrap());
            return found.iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        }
        let sql = format!("SELECT version FROM whimbrel_history WHERE state = '{state}' ORDER BY rank");
        self.texts(&sql).await
    }

    /// Compares what a person reads (`{:?}`, which is what `main` prints) with the file `shown/<name>.<database>.txt`;
    /// see [`normal`]. `UPDATE_EXPECTED=1` writes the files instead, for a person to read.
    pub(crate) fn shows(&self, name: &str, error: &Error) {
        self.shows_text(name, &format!("{error:?}"));
    }

    /// The same of a text.
    pub(crate) fn shows_text(&self, name: &str, text: &str) {
        let text = match self {
            Self::Sqlite(_, database) => text.replace(&database.folder().display().to_string(), "<folder>"),
            Self::Postgres(_, database) => text.replace(database.name(), "<database>"),
            Self::Mysql(_, database) => text.replace(database.name(), "<database>"),
            Self::Scylla(_, keyspace) => text.replace(keyspace.name(), "<keyspace>"),
        };
        shows(&format!("{name}.{}", self.name()), &normal(&text));
    }
}

/// A test's node settles at once what it has been sent.
pub(crate) fn quick() -> Cluster {
    Cluster::default().settle_time(Duration::from_millis(200))
}

/// The rows of a query, each as a line; it may look through all of a table.
async fn lines(session: &Session, cql: &str) -> Vec<String> {
    let cql = format!("{cql} ALLOW FILTERING");
    cassandra::rows(session, &cql).await.unwrap_or_else(|error| panic!("{error}\n{cql}"))
}

/// Compares a text with the file `shown/<name>.txt`.
pub(crate) fn shows(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/all/stories/shown/{name}.txt"));
    let text = format!("{text}\n");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "shown/{name}.txt says otherwise:\n{text}");
}

/// A set from files at the top of its directory, such as `("0001_a.sql", "create table a (b int)")`.
pub(crate) fn set<const N: usize>(files: [(&str, &str); N]) -> Migrations {
    let bytes = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    Migrations::from_files(bytes).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A set for one dialect alone.
pub(crate) fn set_for<const N: usize>(dialect: &str, files: [(&str, &str); N]) -> Migrations {
    let config = format!("dialect = \"{dialect}\"").into_bytes();
    let bytes = files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let all = bytes.chain([("whimbrel.toml".to_owned(), config)]);
    Migrations::from_files(all).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Three that leave a trace each: tables `a`, `b`, `c`.
const THREE: [(&str, &str); 6] = [
    ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
    ("0001_a.down.sql", "DROP TABLE a;"),
    ("0002_b.up.sql", "CREATE TABLE b (id INT PRIMARY KEY);\nINSERT INTO b (id) VALUES (1);"),
    ("0002_b.down.sql", "DROP TABLE b;"),
    ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY);"),
    ("0003_c.down.sql", "DROP TABLE c;"),
];

/// [`THREE`], for SQL.
pub(crate) fn three() -> Migrations {
    set(THREE)
}

/// Replaces times by `<time>`, durations by `<took>`, process ids by `<pid>`, the account by `<who>`, and ports of the
/// loopback by `<port>`.
pub(crate) fn normal(text: &str) -> String {
    let text = replaced(text, "dddd-dd-dd dd:dd:dd.dddZ", "<time>");
    let text = replaced(&text, "dd:dd:ddZ", "<time>");
    let words: Vec<Cow<'_, str>> = text.split(' ').map(Cow::Borrowed).collect();
    let mut out: Vec<Cow<'_, str>> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok();
        let before = index.checked_sub(1).map(|index| &*words[index]);
        let unit = word.trim_end_matches(['\n', ',', ';', ':']).split('\n').next().unwrap_or("");
        if matches!(unit, "ms" | "s") && before.is_some_and(is_number) {
            out.pop();
            while out.last().is_some_and(|word| word.is_empty()) {
                out.pop();
            }
            out.push(format!("<took>{}", &word[unit.len()..]).into());
        } else if before == Some("pid") && is_number(word) {
            out.push("<pid>".into());
        } else if before == Some("connection") && is_number(word) {
            out.push("<number>".into());
        } else if let Some(port) = word.split("127.0.0.1:").nth(1) {
            let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
            out.push(word.replace(&format!("127.0.0.1:{digits}"), "127.0.0.1:<port>").into());
        } else if before == Some("by") && word.contains('@') {
            let end = word.find([',', '\n', ';']).unwrap_or(word.len());
            out.push(format!("<who>{}", &word[end..]).into());
        } else {
            out.push(word.clone());
        }
    }
    out.join(" ")
}

/// Replaces what looks like a pattern, whose `d` stand for digits.
fn replaced(text: &str, pattern: &str, by: &str) -> String {
    let fits = |found: &str| {
        let alike = |(c, p): (char, char)| if p == 'd' { c.is_ascii_digit() } else { c == p };
        found.len() == pattern.len() && found.chars().zip(pattern.chars()).all(alike)
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.get(..pattern.len()).is_some_and(fits) {
            out.push_str(by);
            rest = &rest[pattern.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}
