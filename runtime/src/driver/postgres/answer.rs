//! What comes back for a request: completions and rows, or where it went wrong.

use sqlx::postgres::{PgConnection, PgDatabaseError, PgErrorPosition, PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use crate::database_error::DatabaseError;
use crate::driver::completed::{self, Completed, Keep, Row, without_values};
use crate::error::{Error, ErrorKind, Passing};
use crate::table_name::Tables;

/// Why a request did not complete.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server said so, after it had completed some statements.
    Database { error: ServerError, before: Completed },
    /// The connection broke; what the server did is not known.
    Broken { error: sqlx::Error, before: Completed },
    /// There was no connection.
    Connect { error: sqlx::Error, host: String, port: u16 },
}

/// The server's error, without the line of its C source that sqlx prints.
#[derive(Debug)]
pub(crate) struct ServerError {
    pub(crate) cause: DatabaseError,
    /// In characters of the request, from 1; a position inside a function's own text is none of ours.
    pub(crate) position: Option<usize>,
}

impl ServerError {
    pub(crate) fn code(&self) -> Option<&str> {
        self.cause.code()
    }

    pub(crate) fn database_error(self) -> DatabaseError {
        self.cause
    }

    fn of(error: &PgDatabaseError) -> Self {
        let position = match error.position() {
            Some(PgErrorPosition::Original(position)) => Some(position),
            _ => None,
        };
        Self { cause: database_error(error), position }
    }
}

fn database_error(error: &PgDatabaseError) -> DatabaseError {
    DatabaseError {
        message: error.message().to_owned(),
        code: Some(error.code().to_owned()),
        detail: error.detail().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
    }
}

/// Sends one request by the simple protocol and reads all of its answer.
pub(crate) async fn send(connection: &mut PgConnection, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
    // The text is ours and the scripts'; `TableName` and `literal` guard what is put into it.
    let answers = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    let collected = completed::collect(answers, PgQueryResult::rows_affected, texts, keep).await;
    collected.map_err(|(error, before)| fault(error, before))
}

fn texts(row: &PgRow) -> Row {
    let text = |index| row.try_get_unchecked::<Option<String>, _>(index).ok().flatten();
    (0..row.len()).map(text).collect()
}

fn fault(error: sqlx::Error, before: Completed) -> Fault {
    let server = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    match server.map(ServerError::of) {
        // Class 57P: the server is going away, and the connection with it (manual, appendix A).
        Some(server) if !server.code().is_some_and(|code| code.starts_with("57P")) => {
            Fault::Database { error: server, before }
        }
        _ => Fault::Broken { error, before },
    }
}

impl Fault {
    /// Whether the server gave this SQLSTATE.
    pub(crate) fn says(&self, code: &str) -> bool {
        matches!(self, Self::Database { error, .. } if error.code() == Some(code))
    }

    /// What was completed before.
    pub(crate) fn answer(&self) -> &Completed {
        const NOTHING: &Completed = &Completed { statements: Vec::new(), rows: Vec::new() };
        match self {
            Self::Database { before, .. } | Self::Broken { before, .. } => before,
            Self::Connect { .. } => NOTHING,
        }
    }

    /// The error for what is no migration's fault.
    pub(crate) fn into_error(self, tables: &Tables) -> Error {
        match self {
            Self::Database { error, .. } => setup_error(error.cause, tables),
            Self::Broken { error, .. } => {
                let help = "run it again: what the server completed is recorded, what it did not is rolled back";
                Error::new(ErrorKind::Connection, "the connection to the database broke")
                    .source(plain(error))
                    .help(help)
            }
            Self::Connect { error, host, port } => connect_error(error, &host, port),
        }
    }
}

/// What sqlx says, or what the server says without the line of its C source.
fn plain(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let server = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    match server.map(database_error) {
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
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    let (message, help) = match code.as_deref() {
        Some("28P01" | "28000") => ("the database does not let us in", "check user, password and pg_hba.conf"),
        Some("3D000") => ("the database does not exist", "create it: `CREATE DATABASE …`, or correct the URL"),
        Some("53300") => ("the database has no connection left", "raise max_connections, or make the pools smaller"),
        _ => ("the database cannot be reached", "check that it runs, the host, the port and TLS"),
    };
    let passing = passing(&error, code.as_deref());
    Error::new(ErrorKind::Connection, format!("{message} ({host}:{port})"))
        .source(plain(error))
        .help(help)
        .passes(passing)
}

/// Nothing was sent before there was a connection, so that opening it again repeats nothing.
fn passing(error: &sqlx::Error, code: Option<&str>) -> Passing {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof};
    match (code, error) {
        // It starts, stops, or has no connection left (manual, appendix A).
        (Some("57P01" | "57P02" | "57P03" | "53300"), _) => Passing::Later,
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
        .help("write `postgres://user:password@host:5432/database`")
}

/// Errors of our own statements: rights, a table that is not ours, a server that takes no writes.
pub(crate) fn setup_error(cause: DatabaseError, tables: &Tables) -> Error {
    let table = &tables.shown;
    let (kind, message, help) = match cause.code() {
        Some("42501") if cause.message().contains("schema") => (
            ErrorKind::Refused,
            format!("this role may not create the history {table}; nothing was run"),
            format!("GRANT USAGE, CREATE ON SCHEMA \"{}\" to it, or migrate with another role", tables.schema),
        ),
        Some("42501") => (
            ErrorKind::Refused,
            format!("this role may not read or write the history {table}; nothing was run"),
            format!("migrate with the role that owns {table}; one that only looks needs SELECT on it and its events"),
        ),
        Some("42703" | "42804" | "42P10" | "42809" | "42883" | "55000") => (
            ErrorKind::History,
            format!("the table {table} is not a history of ours"),
            "name another one with `--history-table`, or `.history_table(\"schema.table\")` in the program".to_owned(),
        ),
        Some("25006") => (
            ErrorKind::Refused,
            "the database takes no writes; nothing was run".to_owned(),
            "connect to the primary: migrations are pending, and this is a replica or a read-only session".to_owned(),
        ),
        Some("3F000") => (
            ErrorKind::Refused,
            format!("the schema {} does not exist; nothing was run", tables.schema),
            format!(
                "CREATE SCHEMA \"{}\", or name another one with `--history-table`, or `.history_table(…)` in the program",
                tables.schema
            ),
        ),
        _ if cause.is_disk() => (
            ErrorKind::History,
            format!("the history {table} could not be read or written"),
            "make room on the disk, or mend it, and run it again".to_owned(),
        ),
        _ => (
            ErrorKind::History,
            format!("the history {table} could not be read or written"),
            "look at what the database says; what is applied is recorded, so it can run again at any time".to_owned(),
        ),
    };
    Error::new(kind, message).source(cause).help(help)
}
