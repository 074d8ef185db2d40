//! What comes back for a request: completions and rows, or where it went wrong.

use std::ops::Range;

use futures_util::FutureExt as _;
use sqlx::sqlite::{SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use crate::database_error::DatabaseError;
use crate::driver::completed::{self, Completed, Keep, NONE, Row, without_values};
use crate::driver::{Failure, Part, Stop};
use crate::error::{Error, ErrorKind};
use crate::table_name::Tables;

/// The message and the help for a connection with a transaction open.
pub(crate) const IN_TRANSACTION: (&str, &str) = (
    "the connection is inside a transaction; nothing was run",
    "pass the pool, or a connection outside a transaction: our COMMIT would commit your work",
);

/// Why a request did not complete, and what it had completed before.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: sqlx::Error,
    pub(crate) before: Completed,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self { error, before: Completed::default() }
    }
}

/// Sends some statements and reads all of their answer.
pub(crate) async fn send(connection: &mut SqliteConnection, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
    // The text is ours and the scripts'; `TableName` and `literal` guard what is put into it.
    let answers = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    let collected = completed::collect(answers, SqliteQueryResult::rows_affected, texts, keep).await;
    collected.map_err(|(error, before)| Fault { error, before })
}

/// Polled once, a statement is on its way to the connection's thread, where it runs before whatever comes next.
pub(crate) fn start(connection: &mut SqliteConnection, sql: String) {
    drop(Box::pin(send(connection, sql, NONE)).now_or_never());
}

fn texts(row: &SqliteRow) -> Row {
    let text = |index| row.try_get_unchecked::<Option<String>, _>(index).ok().flatten();
    (0..row.len()).map(text).collect()
}

impl Fault {
    /// SQLite's extended result code (<https://sqlite.org/rescode.html>).
    pub(crate) fn code(&self) -> Option<u32> {
        self.error.as_database_error()?.code()?.parse().ok()
    }

    /// The primary result code: the extended one's low byte.
    fn primary(&self) -> Option<u32> {
        self.code().map(|code| code & 0xff)
    }

    pub(crate) fn is_database(&self) -> bool {
        self.error.as_database_error().is_some()
    }

    /// `SQLITE_BUSY` or `SQLITE_LOCKED`: somebody else is writing.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.primary(), Some(5 | 6))
    }

    /// `SQLITE_LOCKED_SHAREDCACHE`.
    pub(crate) fn is_schema_locked(&self) -> bool {
        self.code() == Some(262)
    }

    /// `SQLITE_INTERRUPT`: it has taken longer than its deadline.
    pub(crate) fn is_interrupt(&self) -> bool {
        self.primary() == Some(9)
    }

    /// What it means in a statement of ours before any of a step.
    pub(crate) fn before_step(self, tables: &Tables) -> Stop {
        if self.is_busy() { Stop::Busy } else { Stop::Broken(self.into_error(tables)) }
    }

    /// What it means in a statement of ours that belongs to a step: the step cannot be taken, unless it is about who
    /// may write, or what the table is.
    pub(crate) fn in_step(self, tables: &Tables, part: Part) -> Stop {
        match self.primary() {
            None | Some(5 | 6 | 8 | 11 | 14 | 26) => self.before_step(tables),
            Some(1) if self.is_foreign() => self.before_step(tables),
            Some(_) => {
                let gone = part == Part::Leave && self.is_missing_table();
                let cause = if gone { DatabaseError::entry_gone() } else { self.into_cause() };
                Stop::Failed(Box::new(Failure { part, range: None, cause, kept: 0 }))
            }
        }
    }

    /// SQLite has no code of its own for a table that is not there.
    pub(crate) fn is_missing_table(&self) -> bool {
        self.message().starts_with("no such table: ")
    }

    /// What SQLite says of a table that is not as ours are.
    fn is_foreign(&self) -> bool {
        const WORDS: [&str; 3] = ["no such column", "has no column", "because it is a view"];
        WORDS.iter().any(|words| self.message().contains(words))
    }

    fn message(&self) -> &str {
        self.error.as_database_error().map_or("", |error| error.message())
    }

    pub(crate) fn into_cause(self) -> DatabaseError {
        let code = self.error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        let message = match self.error.as_database_error() {
            Some(error) => error.message().to_owned(),
            None => self.error.to_string(),
        };
        DatabaseError { code, ..DatabaseError::new(message) }
    }

    /// The error for what is no migration's fault.
    pub(crate) fn into_error(self, tables: &Tables) -> Error {
        let (kind, message, help) = self.face(tables);
        if self.is_database() {
            return Error::new(kind, message).source(self.into_cause()).help(help);
        }
        Error::new(kind, message).source(self.error).help(help)
    }

    fn face(&self, tables: &Tables) -> (ErrorKind, String, &'static str) {
        let table = &tables.shown;
        let of = |kind, message: &str, help| (kind, message.to_owned(), help);
        match self.primary() {
            Some(5 | 6) => of(
                ErrorKind::Locked,
                "the database is locked by another connection; nothing was run",
                "end the other writer, or wait longer with `.lock_timeout(…)`",
            ),
            Some(8) => of(
                ErrorKind::Refused,
                "the database takes no writes; nothing was run",
                "give this process the right to write the file and its directory",
            ),
            Some(10 | 13) => of(
                ErrorKind::Failed,
                "the disk is full, or cannot be written",
                "make room, then run it again: what was not committed is rolled back",
            ),
            Some(14) => of(
                ErrorKind::Connection,
                "the database file cannot be opened",
                "check the path, its directory and the rights; a pool of sqlx creates a missing file only with `?mode=rwc`",
            ),
            Some(11 | 26) => of(
                ErrorKind::Connection,
                "the file is not a SQLite database, or is damaged",
                "check the path; `PRAGMA integrity_check` tells more",
            ),
            // Ours is the first statement of all: the caller's connection had one open.
            Some(1) if self.message().starts_with("cannot start a transaction within a transaction") => {
                of(ErrorKind::Refused, IN_TRANSACTION.0, IN_TRANSACTION.1)
            }
            Some(1) if self.is_foreign() => (
                ErrorKind::History,
                format!("the table {table} is not a history of ours"),
                "name another one with `--history-table`, or `.history_table(\"table\")` in the program",
            ),
            Some(_) => (
                ErrorKind::History,
                format!("the history {table} could not be read or written"),
                "look at what the database says; what is applied is recorded, so it can run again at any time",
            ),
            None if matches!(self.error, sqlx::Error::PoolTimedOut) => of(
                ErrorKind::Connection,
                "the pool has no connection free",
                "release one, or make the pool larger; an in-memory database has only one",
            ),
            None => of(
                ErrorKind::Connection,
                "the connection to the database broke",
                "run it again: what was not committed is rolled back",
            ),
        }
    }
}

/// A URL that cannot be read.
pub(crate) fn bad_url(error: &sqlx::Error) -> Error {
    let why = match error {
        sqlx::Error::Configuration(cause) => without_values(&cause.to_string()),
        _ => "it cannot be read".to_owned(),
    };
    Error::new(ErrorKind::Refused, format!("the database URL is not valid: {why}"))
        .help("write `sqlite://path/to/file.db`, or `sqlite::memory:`")
}

/// Where in a statement the message points: SQLite gives no position, but it quotes the word that it stumbled over.
///
/// ```text
/// near "selekt": syntax error        no such column: emial        no such table: main.users
/// ```
pub(crate) fn point(message: &str, text: &str, start: usize) -> Range<usize> {
    let quoted = message.strip_prefix("near \"").and_then(|rest| rest.split('"').next());
    let named = || message.strip_prefix("no such ")?.split_once(": ").map(|(_, name)| name.trim_matches('"'));
    let of_table = || message.split_once(" has no column named ").map(|(_, name)| name);
    let word = quoted
        .or_else(named)
        .or_else(of_table)
        .map(|word| word.rsplit('.').next().unwrap_or(word))
        .filter(|word| !word.is_empty());
    match word.and_then(|word| Some((find_word(text, word)?, word.len()))) {
        Some((at, length)) => start + at..start + at + length,
        None => start..start + text.len(),
    }
}

/// The only place of a word, in any case: a second one would be a guess.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let (bytes, wanted) = (text.as_bytes(), word.as_bytes());
    let mut found = (0..=bytes.len().checked_sub(wanted.len())?).filter(|&at| {
        let end = at + wanted.len();
        let inner = is_word(wanted.first());
        let apart = !inner || (!is_word(at.checked_sub(1).and_then(|at| bytes.get(at))) && !is_word(bytes.get(end)));
        bytes[at..end].eq_ignore_ascii_case(wanted) && apart
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_sqlite_stumbled_over_is_pointed_at() {
        let text = "UPDATE users SET emial = lower(email)";
        assert_eq!(&text[point("no such column: emial", text, 0)], "emial");
        assert_eq!(&text[point("no such table: main.users", text, 0)], "users");
        assert_eq!(point("near \"SELEKT\": syntax error", "selekt 1", 5), 5..11);
        // Twice: the whole statement.
        assert_eq!(point("no such column: a", "select a, a", 0), 0..11);
        assert_eq!(point("UNIQUE constraint failed: t.a", "insert into t values (1)", 3), 3..27);
    }
}
