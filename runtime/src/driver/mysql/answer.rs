//! What comes back for a request: completions and rows, or where it went wrong.

use std::ops::Range;

use sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlQueryResult, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};

use crate::database_error::DatabaseError;
use crate::driver::completed::{self, Completed, Keep, Row, without_values};
use crate::driver::word::{is_word, only_place};
use crate::error::{Error, ErrorKind, Passing};
use crate::table_name::Tables;

/// Why a request did not complete.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server said so, after it had completed some statements.
    Database { cause: DatabaseError, before: Completed },
    /// The connection broke; what the server did is not known.
    Broken { error: sqlx::Error },
    /// There was no connection.
    Connect { error: sqlx::Error, host: String, port: u16 },
}

/// The server's number alone.
pub(crate) fn number(cause: &DatabaseError) -> &str {
    cause.code().and_then(|code| code.split('/').next()).unwrap_or_default()
}

fn database_error(error: &MySqlDatabaseError) -> DatabaseError {
    let code = format!("{}/{}", error.number(), error.code().unwrap_or("HY000"));
    DatabaseError { code: Some(code), ..DatabaseError::new(error.message()) }
}

/// Sends one request by the text protocol and reads all of its answer.
pub(crate) async fn send(connection: &mut MySqlConnection, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
    // The text is ours and the scripts'; `TableName` and `literal` guard what is put into it.
    let answers = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    let collected = completed::collect(answers, MySqlQueryResult::rows_affected, texts, keep).await;
    collected.map_err(|(error, before)| fault(error, before))
}

fn texts(row: &MySqlRow) -> Row {
    let text = |index| row.try_get_unchecked::<Option<String>, _>(index).ok().flatten();
    (0..row.len()).map(text).collect()
}

fn fault(error: sqlx::Error, before: Completed) -> Fault {
    match server_error(&error) {
        // The server shuts down, or has ended the connection: 1053, 1152 to 1161, 1927 (MariaDB's list of codes).
        Some(cause)
            if !matches!(number(&cause), "1053" | "1152" | "1153" | "1158" | "1159" | "1160" | "1161" | "1927") =>
        {
            Fault::Database { cause, before }
        }
        _ => Fault::Broken { error },
    }
}

fn server_error(error: &sqlx::Error) -> Option<DatabaseError> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(database_error)
}

impl Fault {
    /// Whether the server gave this number.
    pub(crate) fn says(&self, code: &str) -> bool {
        matches!(self, Self::Database { cause, .. } if number(cause) == code)
    }

    /// What was completed before.
    pub(crate) fn answer(&self) -> &Completed {
        const NOTHING: &Completed = &Completed { statements: Vec::new(), rows: Vec::new() };
        match self {
            Self::Database { before, .. } => before,
            Self::Broken { .. } | Self::Connect { .. } => NOTHING,
        }
    }

    /// The error for what is no migration's fault.
    pub(crate) fn into_error(self, tables: &Tables) -> Error {
        match self {
            Self::Database { cause, .. } => setup_error(cause, tables),
            Self::Broken { error } => {
                let help = "run it again: what the server completed is recorded";
                Error::new(ErrorKind::Connection, "the connection to the database broke")
                    .source(plain(error))
                    .help(help)
            }
            Self::Connect { error, host, port } => connect_error(error, &host, port),
        }
    }
}

fn plain(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match server_error(&error) {
        Some(cause) => cause.into(),
        // sqlx's sentence holds the cause, and its chain would tell it again.
        None => match error {
            sqlx::Error::Io(cause) => cause.into(),
            other => other.into(),
        },
    }
}

/// The connection could not be opened. sqlx's errors name no password.
fn connect_error(error: sqlx::Error, host: &str, port: u16) -> Error {
    let cause = server_error(&error);
    let (message, help) = match cause.as_ref().map_or("", number) {
        "1045" | "1130" | "1698" => ("the database does not let us in", "check user, password and host of the account"),
        "1044" => ("the user may not use the database", "GRANT it rights on that database"),
        "1049" => ("the database does not exist", "create it: `CREATE DATABASE …`, or correct the URL"),
        "1040" | "1203" | "1226" => {
            ("the database has no connection left", "raise max_connections, or make the pools smaller")
        }
        _ => ("the database cannot be reached", "check that it runs, the host, the port and TLS"),
    };
    let passing = passing(&error, cause.as_ref().map_or("", number));
    Error::new(ErrorKind::Connection, format!("{message} ({host}:{port})"))
        .source(plain(error))
        .help(help)
        .passes(passing)
}

/// Nothing was sent before there was a connection, so that opening it again repeats nothing.
fn passing(error: &sqlx::Error, number: &str) -> Passing {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof};
    match (number, error) {
        // It has no connection left, or stops.
        ("1040" | "1203" | "1226" | "1053", _) => Passing::Later,
        (_, sqlx::Error::Io(cause)) => match cause.kind() {
            ConnectionRefused | ConnectionReset | ConnectionAborted | UnexpectedEof => Passing::Soon,
            _ => Passing::Never,
        },
        _ => Passing::Never,
    }
}

/// A URL that cannot be read; it is not echoed, since it may hold a password.
pub(crate) fn bad_url(error: &sqlx::Error) -> Error {
    let why = match error {
        sqlx::Error::Configuration(cause) => without_values(&cause.to_string()),
        _ => "it cannot be read".to_owned(),
    };
    Error::new(ErrorKind::Refused, format!("the database URL is not valid: {why}"))
        .help("write `mysql://user:password@host:3306/database`")
}

/// Errors of our own statements: rights, a table that is not ours, a server that takes no writes.
pub(crate) fn setup_error(cause: DatabaseError, tables: &Tables) -> Error {
    let table = &tables.shown;
    let (kind, message, help) = match number(&cause) {
        "1044" | "1142" | "1143" => (
            ErrorKind::Refused,
            format!("this user may not create, read or write the history {table}; nothing was run"),
            format!("GRANT SELECT, INSERT, UPDATE, CREATE ON `{}`.* to it, or migrate as another", tables.schema),
        ),
        "1054" | "1136" | "1366" | "1364" | "1347" | "1471" => (
            ErrorKind::History,
            format!("the table {table} is not a history of ours"),
            "name another one with `--history-table`, or `.history_table(\"database.table\")` in the program"
                .to_owned(),
        ),
        "1290" | "1792" | "1836" => (
            ErrorKind::Refused,
            "the database takes no writes; nothing was run".to_owned(),
            "connect to the primary: migrations are pending, and this is a replica or a read-only session".to_owned(),
        ),
        "1049" => (
            ErrorKind::Refused,
            format!("the database {} does not exist; nothing was run", tables.schema),
            format!(
                "CREATE DATABASE `{}`, or name another one with `--history-table`, or `.history_table(…)` in the program",
                tables.schema
            ),
        ),
        _ => (
            ErrorKind::History,
            format!("the history {table} could not be read or written"),
            "look at what the database says; what is applied is recorded, so it can run again at any time".to_owned(),
        ),
    };
    Error::new(kind, message).source(cause).help(help)
}

/// Between these the server repeats the request, from where it stumbled on.
const NEAR: (&str, &str) = ("near '", "' at line ");

/// Where in a statement's text: where the server stumbled, or the one place of the name that it tells.
pub(crate) fn place(text: &str, message: &str) -> Option<Range<usize>> {
    if let Some(near) = near(message) {
        let stumbled = |at: &usize| {
            let rest = &text[*at..];
            rest.starts_with(near) || near.starts_with(rest)
        };
        let at = text.char_indices().map(|(at, _)| at).find(stumbled)?;
        return Some(at..at + text[at..].find(|c| !is_word(c)).unwrap_or(text.len() - at).max(1));
    }
    let quoted = message.split('\'').nth(1).filter(|name| !name.is_empty())?;
    // `ada@example.org` is a value.
    let name = quoted.rsplit('.').next().filter(|_| quoted.chars().all(|c| is_word(c) || matches!(c, '.' | '-')))?;
    only_place(text, name)
}

fn near(message: &str) -> Option<&str> {
    let start = message.find(NEAR.0)? + NEAR.0.len();
    let end = message.rfind(NEAR.1)?;
    message.get(start..end).filter(|near| !near.is_empty())
}

/// The server's sentence without the advice to read a manual, and without what of our own it repeats.
pub(crate) fn sentence(message: &str) -> String {
    let Some((before, _)) = message.split_once("; check the manual that corresponds") else {
        return message.to_owned();
    };
    let line = near(message).and_then(|near| near.lines().next()).map(|line| line.trim_end_matches(';'));
    match line.filter(|line| !line.is_empty()) {
        Some(line) => format!("{before} near '{line}'"),
        None => format!("{before} at its end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNTAX: &str = "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB \
                          server version for the right syntax to use near 'tabel a (b int);\nUNLOCK TABLES' at line 1";

    #[test]
    fn the_place_is_where_the_server_stumbled_or_the_name_that_it_tells() {
        assert_eq!(place("create tabel a (b int)", SYNTAX), Some(7..12));
        assert_eq!(place("select emial from a", "Unknown column 'emial' in 'SELECT'"), Some(7..12));
        assert_eq!(place("select emial, emial from a", "Unknown column 'emial' in 'SELECT'"), None);
        assert_eq!(place("drop table nope", "Unknown table 'shop.nope'"), Some(11..15));
        assert_eq!(place("insert into a values ('x@y.org')", "Duplicate entry 'x@y.org' for key 'PRIMARY'"), None);
        assert_eq!(place("x", "Deadlock found"), None);
    }

    #[test]
    fn a_sentence_holds_nothing_of_ours() {
        assert_eq!(sentence(SYNTAX), "You have an error in your SQL syntax near 'tabel a (b int)'");
        assert_eq!(sentence("Unknown column 'a'"), "Unknown column 'a'");
    }
}
