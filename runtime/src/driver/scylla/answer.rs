//! What the servers answer: rows as text, or why not.

use chrono::DateTime;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError, MetadataError,
    NewSessionError, RequestAttemptError, UseKeyspaceError,
};
use scylla::response::query_result::QueryResult;
use scylla::value::{CqlValue, Row};

use crate::database_error::DatabaseError;
use crate::driver::scylla::table::Table;
use crate::error::{Error, ErrorKind, Passing};

/// The rows of an answer, each value as text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server refuses the statement: nothing was done.
    Refused(DatabaseError),
    /// Nothing was done, and the same may succeed in a moment.
    Later(DatabaseError),
    /// The answer is lost: it may have been done, or be done still.
    Unknown(DatabaseError),
    /// There is no session, or what is asked of us cannot be.
    Error(Error),
}

impl Fault {
    pub(crate) fn cause(&self) -> Option<&DatabaseError> {
        match self {
            Self::Refused(cause) | Self::Later(cause) | Self::Unknown(cause) => Some(cause),
            Self::Error(_) => None,
        }
    }

    fn has_code(&self, code: &str) -> bool {
        self.cause().and_then(DatabaseError::code) == Some(code)
    }

    /// Whether the table or its keyspace is missing; or something else of the text is invalid.
    pub(crate) fn is_invalid(&self) -> bool {
        self.has_code(INVALID)
    }

    /// As an error of a request of ours.
    pub(crate) fn into_error(self, table: &Table) -> Error {
        let cause = match self {
            Self::Error(error) => return error,
            Self::Refused(cause) => cause,
            Self::Later(cause) | Self::Unknown(cause) => {
                let help = "look at the cluster (`nodetool status`): a majority of the replicas must answer; then run it again";
                // Of conditional writes, and reads that settle them, replicas do some at a time: that others are in the way
                // passes (tried: ten runners at once).
                let passing = match cause.code() {
                    Some(BOOTSTRAPPING | WRITE_TIMEOUT | READ_TIMEOUT) => Passing::Later,
                    _ => Passing::Soon,
                };
                let message = "the cluster did not answer";
                return Error::new(ErrorKind::Connection, message).source(cause).passes(passing).help(help);
            }
        };
        if cause.code() == Some(UNAUTHORIZED) {
            let (keyspace, message) = (&table.keyspace, format!("no right to the table {}", table.shown));
            let help = format!("GRANT ALL PERMISSIONS ON KEYSPACE {keyspace} to the role that migrates");
            return Error::new(ErrorKind::History, message).source(cause).help(help);
        }
        let message = format!("a request about the history {} was refused", table.shown);
        let help = match cause.message() {
            text if text.contains("with tablets") => {
                "put the history into a keyspace `WITH … AND tablets = {'enabled': false}`, and name it there with \
                 `.history_table(\"keyspace.table\")`"
            }
            _ => {
                "look whether somebody changed that table; if nobody did, report this, with the version of the servers"
            }
        };
        Error::new(ErrorKind::History, message).source(cause).help(help)
    }
}

pub(crate) const INVALID: &str = "0x2200";
const UNAUTHORIZED: &str = "0x2100";
const AUTHENTICATION: &str = "0x0100";
const BOOTSTRAPPING: &str = "0x1002";
const WRITE_TIMEOUT: &str = "0x1100";
const READ_TIMEOUT: &str = "0x1200";

/// What the driver's error means; `None` when the statement was done, and only what the driver does afterwards failed.
pub(crate) fn fault_of(error: ExecutionError) -> Option<Fault> {
    let text = error.to_string();
    match error {
        ExecutionError::SchemaAgreementError(_) | ExecutionError::MetadataError(_) => None,
        // Never sent.
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => {
            Some(Fault::Later(DatabaseError::new(text)))
        }
        ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId) => {
            Some(Fault::Later(DatabaseError::new(text)))
        }
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, message)) => of_server(&error, message),
        _ => Some(Fault::Unknown(DatabaseError::new(text))),
    }
}

/// By its code; the text is asked only where one code means several things (protocol v4, section 9).
fn of_server(error: &DbError, message: String) -> Option<Fault> {
    let says = |text: &str| message.contains(text);
    let (code, fault): (_, fn(DatabaseError) -> Fault) = match error {
        DbError::SyntaxError => ("0x2000", Fault::Refused),
        DbError::Unauthorized => (UNAUTHORIZED, Fault::Refused),
        DbError::Invalid => (INVALID, Fault::Refused),
        DbError::ConfigError => ("0x2300", Fault::Refused),
        DbError::AlreadyExists { .. } => ("0x2400", Fault::Refused),
        DbError::FunctionFailure { .. } => ("0x1400", Fault::Refused),
        DbError::AuthenticationError => (AUTHENTICATION, Fault::Refused),
        DbError::Unavailable { .. } => ("0x1000", Fault::Later),
        DbError::Overloaded => ("0x1001", Fault::Later),
        DbError::IsBootstrapping => (BOOTSTRAPPING, Fault::Later),
        DbError::RateLimitReached { rejected_by_coordinator: true, .. } => ("rate limit", Fault::Later),
        DbError::ReadTimeout { .. } => (READ_TIMEOUT, Fault::Later),
        DbError::ReadFailure { .. } => ("0x1300", Fault::Later),
        // Cassandra 6: the change is in the log.
        DbError::ServerError if says("waiting for the follower to enact the epoch") => return None,
        // ScyllaDB, of its group 0: tests of its own repeat these.
        DbError::ServerError if says("Failed to apply group 0 change due to concurrent modification") => {
            ("0x0000", Fault::Later)
        }
        DbError::ServerError if says("read_barrier") => ("0x0000", Fault::Later),
        DbError::ServerError => ("0x0000", Fault::Unknown),
        DbError::TruncateError => ("0x1003", Fault::Unknown),
        DbError::WriteTimeout { .. } => (WRITE_TIMEOUT, Fault::Unknown),
        DbError::WriteFailure { .. } => ("0x1500", Fault::Unknown),
        DbError::ProtocolError => ("0x000A", Fault::Refused),
        _ => ("", Fault::Unknown),
    };
    let mut cause = DatabaseError::new(if message.is_empty() { error.to_string() } else { message });
    cause.code = (!code.is_empty()).then(|| code.to_owned());
    Some(fault(cause))
}

/// Why a keyspace could not be used.
pub(crate) fn unused(error: UseKeyspaceError) -> Fault {
    let text = error.to_string();
    match error {
        UseKeyspaceError::RequestError(error) => fault_of(ExecutionError::LastAttemptError(error)),
        _ => None,
    }
    .unwrap_or_else(|| Fault::Unknown(DatabaseError::new(text)))
}

/// Why no session could be opened.
pub(crate) fn no_session(error: &NewSessionError, hosts: &[String]) -> Error {
    let cause = cause_of(error);
    let (passing, what, help) = match cause.code() {
        Some(AUTHENTICATION) => (Passing::Never, "does not let us in", "check user and password"),
        Some(BOOTSTRAPPING) => (Passing::Later, "is not ready", "wait until it has started, and run it again"),
        _ => (Passing::Soon, "cannot be reached", "check that it runs, the hosts, the port and TLS"),
    };
    let message = format!("the cluster {what} ({})", hosts.join(", "));
    Error::new(ErrorKind::Connection, message).source(cause).passes(passing).help(help)
}

/// What the last node that was asked has said, or the network.
fn cause_of(error: &NewSessionError) -> DatabaseError {
    let unreached = match error {
        NewSessionError::FailedToResolveAnyHostname(_) => {
            return DatabaseError::new("none of these names has an address");
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
            last_connection_error,
        })) => last_connection_error,
        _ => return DatabaseError::new(error.to_string()),
    };
    match unreached {
        ConnectionError::ConnectTimeout => DatabaseError::new("no answer in time"),
        ConnectionError::ConnectionSetupRequestError(refused) => match &refused.error {
            ConnectionSetupRequestErrorKind::DbError(error, message) => {
                let fault = of_server(error, message.clone());
                fault.and_then(|fault| fault.cause().cloned()).unwrap_or_else(|| DatabaseError::new(message))
            }
            ConnectionSetupRequestErrorKind::MissingAuthentication => {
                let asks = DatabaseError::new("it asks for a user and a password");
                DatabaseError { code: Some(AUTHENTICATION.to_owned()), ..asks }
            }
            other => DatabaseError::new(other.to_string()),
        },
        other => DatabaseError::new(other.to_string()),
    }
}

/// The rows of a result, as text; none where it has none.
pub(crate) fn rows(result: QueryResult) -> Result<Rows, Fault> {
    let rows: Vec<Row> = typed(result)?;
    Ok(rows.into_iter().map(|row| row.columns.into_iter().map(|value| value.map(text)).collect()).collect())
}

/// The rows of a result; none where it has none.
pub(crate) fn typed<R>(result: QueryResult) -> Result<Vec<R>, Fault>
where
    R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
{
    if !result.is_rows() {
        return Ok(Vec::new());
    }
    let lost = |error: &dyn std::fmt::Display| Fault::Error(unreadable(error));
    let rows = result.into_rows_result().map_err(|error| lost(&error))?;
    let rows = rows.rows::<R>().map_err(|error| lost(&error))?;
    rows.collect::<Result<_, _>>().map_err(|error| lost(&error))
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Connection, format!("the answer of the server cannot be read: {error}"))
        .help("run it again; if it stays so, report it")
}

/// A value as our code reads it: a text without quotes, a time as `2025-03-01 12:00:04.128Z`, all else as CQL writes it.
fn text(value: CqlValue) -> String {
    match value {
        CqlValue::Ascii(text) | CqlValue::Text(text) => text,
        CqlValue::Timestamp(time) => match DateTime::from_timestamp_millis(time.0) {
            Some(time) => time.format("%Y-%m-%d %H:%M:%S%.3fZ").to_string(),
            None => time.0.to_string(),
        },
        CqlValue::Uuid(id) => id.to_string(),
        CqlValue::Inet(address) => address.to_string(),
        CqlValue::List(values) => values.into_iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
