//! A database for one story, whichever it is.

use std::borrow::Cow;
use std::path::Path;

use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};
use whimbrel::{Error, Migrations, Migrator};
use whimbrel_tests::{mysql, postgres, sqlite};

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

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(..))
    }

    /// The dialect's name.
    pub(crate) fn dialect(&self) -> &'static str {
        match self {
            Self::Sqlite(..) => "sqlite",
            Self::Postgres(..) => "postgres",
            Self::Mysql(..) => "mysql",
        }
    }

    /// The one for SQLite, or the one for the servers.
    pub(crate) fn choose<T>(&self, sqlite: T, server: T) -> T {
        if self.is_sqlite() { sqlite } else { server }
    }

    /// The one for this database.
    pub(crate) fn each<T>(&self, sqlite: T, postgres: T, mysql: T) -> T {
        match self {
            Self::Sqlite(..) => sqlite,
            Self::Postgres(..) => postgres,
            Self::Mysql(..) => mysql,
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(_, database) => database.url(),
            Self::Postgres(_, database) => database.url(),
            Self::Mysql(_, database) => database.url(),
        }
    }

    /// The database's name; SQLite's is its file's.
    pub(crate) fn database(&self) -> &str {
        match self {
            Self::Sqlite(..) => "main",
            Self::Postgres(_, database) => database.name(),
            Self::Mysql(_, database) => database.name(),
        }
    }

    /// A migrator on the pool.
    pub(crate) fn migrator<'a>(&'a self, set: &'a Migrations) -> Migrator<'a> {
        let migrator = match self {
            Self::Sqlite(pool, _) => Migrator::new(set, pool),
            Self::Postgres(pool, _) => Migrator::new(set, pool),
            Self::Mysql(pool, _) => Migrator::new(set, pool),
        };
        migrator.application("shop 2.3.0")
    }

    /// Applies all of a set.
    pub(crate) async fn up(&self, set: &Migrations) -> whimbrel::Result<whimbrel::Report> {
        self.migrator(set).up().await
    }

    /// What the events tell of; MySQL begins every step with one that says so.
    pub(crate) async fn changes(&self) -> Vec<String> {
        let begins = self.each("", "", "WHERE what <> 'started'");
        self.texts(&format!("SELECT what FROM whimbrel_events {begins} ORDER BY id")).await
    }

    /// Runs a test's own SQL.
    pub(crate) async fn run(&self, sql: impl Into<String>) {
        let sql: String = sql.into();
        let result = match self {
            Self::Sqlite(pool, _) => sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(pool).await.map(drop),
            Self::Postgres(pool, _) => sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(pool).await.map(drop),
            Self::Mysql(pool, _) => sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(pool).await.map(drop),
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
        };
        texts.unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The number of rows of a query.
    pub(crate) async fn count(&self, of: &str) -> i64 {
        let query = AssertSqlSafe(format!("SELECT count(*) FROM {of}"));
        let count = match self {
            Self::Sqlite(pool, _) => sqlx::query_scalar(query).fetch_one(pool).await,
            Self::Postgres(pool, _) => sqlx::query_scalar(query).fetch_one(pool).await,
            Self::Mysql(pool, _) => sqlx::query_scalar(query).fetch_one(pool).await,
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
        };
        self.count(&found).await > 0
    }

    /// The versions that the history says are in a state, in the order of application.
    pub(crate) async fn versions(&self, state: &str) -> Vec<String> {
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
        };
        shows(&format!("{name}.{}", self.dialect()), &normal(&text));
    }
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
pub(crate) fn three() -> Migrations {
    set([
        ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);\nINSERT INTO b VALUES (1), (2);"),
        ("0002_b.down.sql", "DROP TABLE b;"),
        ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
    ])
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
