//! What the servers answer: rows as text, or why not.

use chrono::DateTime;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::{
    BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError,
    ExecutionError, FrameHeaderParseError, MetadataError, NewSessionError, RequestAttemptError, UseKeyspaceError,
};
use scylla::response::query_result::QueryResult;
use scylla::value::{CqlValue, Row};

use crate::database_error::DatabaseError;
use crate::driver::scylla::table::Table;
use crate::driver::scylla::tls;
use crate::driver::scylla::url::{Address, Tls};
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

    /// Whether the node knows no such table; Cassandra's words, and ScyllaDB's.
    pub(crate) fn is_missing(&self) -> bool {
        let says = |text| self.cause().is_some_and(|cause| cause.message().contains(text));
        self.is_invalid() && (says("does not exist") || says("unconfigured table"))
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
            let message = format!("a right is missing for the history {}", table.shown);
            let help = rights(&table.keyspace, &cause);
            return Error::new(ErrorKind::Refused, message).source(cause).help(help);
        }
        let message = format!("a request about the history {} was refused", table.shown);
        let help = match cause.message() {
            text if text.contains("with tablets") => {
                "put the history into a keyspace `WITH … AND tablets = {'enabled': false}`, and name it there with \
                 `--history-table`, or `.history_table(\"keyspace.table\")` in the program"
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
const BOOTSTRAPPING: &str = "0x1002";
const WRITE_TIMEOUT: &str = "0x1100";
const READ_TIMEOUT: &str = "0x1200";

/// What a role needs, so that we can work; the server says one right at a time.
fn rights(keyspace: &str, cause: &DatabaseError) -> String {
    let keyspace = as_in_cql(keyspace);
    let role = missing(cause.message()).map_or_else(|| "ROLE".to_owned(), |(_, _, role)| role);
    format!(
        "`GRANT ALL PERMISSIONS ON KEYSPACE {keyspace} TO {role}`, so that it may migrate; `GRANT SELECT ON KEYSPACE \
         {keyspace} TO {role}`, so that it may look"
    )
}

/// The right, on what, and the role of `User x has no SELECT permission on <table a.b> or any of its parents`, as
/// `GRANT` has them.
fn missing(text: &str) -> Option<(&str, String, String)> {
    let (role, rest) = text.strip_prefix("User ")?.split_once(" has no ")?;
    let (right, rest) = rest.split_once(" permission on <")?;
    let (of, _) = rest.split_once('>')?;
    let of = match of.split_once(' ')? {
        ("keyspace", name) => format!("KEYSPACE {}", as_in_cql(name)),
        ("table", name) => {
            let (keyspace, table) = name.split_once('.')?;
            format!("TABLE {}.{}", as_in_cql(keyspace), as_in_cql(table))
        }
        ("all", "keyspaces") => "ALL KEYSPACES".to_owned(),
        ("all", tables) => format!("KEYSPACE {}", as_in_cql(tables.strip_prefix("tables in ")?)),
        _ => return None,
    };
    Some((right, of, as_in_cql(role)))
}

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
        DbError::AuthenticationError => ("0x0100", Fault::Refused),
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
    if matches!(error, DbError::Unauthorized) {
        cause.hint = missing(&cause.message).map(|(right, of, role)| format!("`GRANT {right} ON {of} TO {role}`"));
    }
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

/// Why no session could be opened; of several hosts, why the last one did not do.
pub(crate) fn no_session(error: &NewSessionError, address: &Address) -> Error {
    let at = address.hosts.join(", ");
    let unreachable = |cause: String| {
        Error::new(ErrorKind::Connection, format!("the cluster cannot be reached ({at})"))
            .source(DatabaseError::new(cause))
            .passes(Passing::Soon)
            .help("check that it runs, the hosts, the port and TLS")
    };
    let pool = match error {
        NewSessionError::FailedToResolveAnyHostname(_) => {
            return Error::new(ErrorKind::Connection, format!("no host in the URL has an address ({at})"))
                .passes(Passing::Soon)
                .help("check how they are spelt, and that this machine can ask its name server");
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(pool)) => pool,
        error => return unreachable(error.to_string()),
    };
    let ConnectionPoolError::Broken { last_connection_error: error } = pool else {
        return unreachable(pool.to_string());
    };
    if let ConnectionError::ConnectionSetupRequestError(refused) = error
        && let Some(refused) = not_let_in(refused.get_error(), address)
    {
        return refused;
    }
    let ((message, help), cause, passing) = match (&address.tls, broken_by(error)) {
        // It may be about to end.
        (None, Some(Broken::Server(cause))) => (NOT_CQL, cause.to_string(), Passing::Soon),
        (Some(Tls { identity: None, .. }), Some(Broken::Server(cause))) => {
            (NOT_ACCEPTED, cause.to_string(), Passing::Soon)
        }
        (Some(_), Some(Broken::Io(cause))) => match tls::refusal(cause) {
            Some(refusal) => (refusal, cause.to_string(), Passing::Never),
            None => return unreachable(cause.to_string()),
        },
        _ if matches!(error, ConnectionError::ConnectTimeout) => return unreachable("no answer in time".to_owned()),
        _ => return unreachable(error.to_string()),
    };
    Error::new(ErrorKind::Connection, format!("{message} ({at})"))
        .source(DatabaseError::new(cause))
        .passes(passing)
        .help(help)
}

const NOT_CQL: (&str, &str) = (
    "the server does not speak CQL on this port, or only with TLS",
    "check the port in the URL; if the server wants TLS, write `tls=on` behind a `?`",
);

/// What the server says to our name, where it says something.
fn not_let_in(refused: &ConnectionSetupRequestErrorKind, address: &Address) -> Option<Error> {
    let at = address.hosts.join(", ");
    let user = address.user.as_ref().map_or("", |(user, _)| user);
    let (message, cause, passing, help) = match refused {
        ConnectionSetupRequestErrorKind::MissingAuthentication => {
            let message = format!("the cluster asks for a user and a password, and the URL has none ({at})");
            let help = "write them into the URL: `scylla://user:password@host:9042/keyspace`";
            return Some(Error::new(ErrorKind::Connection, message).help(help));
        }
        // Cassandra cannot look, when it has no majority of those who know the passwords.
        ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, text)
            if text.starts_with("Unable to perform authentication") =>
        {
            let message = format!("the cluster cannot look whether it may let {user} in ({at})");
            let help = "look at the nodes that hold the keyspace system_auth (`nodetool status system_auth`)";
            (message, text, Passing::Soon, help)
        }
        ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, text) => {
            let help = "check the user and the password in the URL, each `%` and `@` in them as `%25` and `%40`, and \
                        that the role has LOGIN";
            (format!("the cluster does not let {user} in ({at})"), text, Passing::Never, help)
        }
        ConnectionSetupRequestErrorKind::DbError(error, text) => {
            let passing = match error {
                DbError::IsBootstrapping | DbError::Overloaded => Passing::Later,
                _ => Passing::Soon,
            };
            let help = "look at the cluster (`nodetool status`), and run it again";
            (format!("the cluster does not accept the connection ({at})"), text, passing, help)
        }
        _ => return None,
    };
    let cause = DatabaseError::new(cause.clone());
    Some(Error::new(ErrorKind::Connection, message).source(cause).passes(passing).help(help))
}

/// What broke a connection before it was one.
enum Broken<'e> {
    /// The socket, or TLS on it.
    Io(&'e std::io::Error),
    /// A server that ends it, or says what is not CQL.
    Server(&'e BrokenConnectionErrorKind),
}

fn broken_by(error: &ConnectionError) -> Option<Broken<'_>> {
    let broken = match error {
        ConnectionError::IoError(error) => return Some(Broken::Io(error)),
        ConnectionError::BrokenConnection(broken) => broken,
        ConnectionError::ConnectionSetupRequestError(request) => match request.get_error() {
            ConnectionSetupRequestErrorKind::BrokenConnection(broken) => broken,
            _ => return None,
        },
        _ => return None,
    };
    match broken.downcast_ref::<BrokenConnectionErrorKind>()? {
        // TLS says so, of what it cannot decrypt, or was told by the other side.
        BrokenConnectionErrorKind::FrameHeaderParseError(FrameHeaderParseError::HeaderIoError(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            Some(Broken::Io(error))
        }
        kind => Some(Broken::Server(kind)),
    }
}

/// Of a server that ends what TLS has begun: from TLS 1.3 on the client has done its part before the server has looked.
pub(crate) const NOT_ACCEPTED: (&str, &str) = (
    "the server does not accept our side of TLS",
    "if it asks for a certificate of clients, name one that it trusts in the URL: \
     `tls_cert=/path/client.pem&tls_key=/path/client.key`",
);

/// Why a keyspace that is missing could not be created.
pub(crate) fn not_created(keyspace: &str, fault: Fault, table: &Table) -> Error {
    let Fault::Refused(cause) = fault else { return fault.into_error(table) };
    let help = match cause.hint() {
        Some(grant) => format!("{grant}, or let a role create it that may"),
        None => "correct the replication, such as `{'class': 'NetworkTopologyStrategy', 'DATACENTER': 3}`".to_owned(),
    };
    let message = format!("the keyspace {keyspace} cannot be created; nothing was run");
    Error::new(ErrorKind::Refused, message).source(cause).help(help)
}

/// A name as a statement has it: quoted where it must be.
pub(crate) fn as_in_cql(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
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

#[cfg(test)]
mod tests {
    use scylla::errors::{OperationType, WriteType};
    use scylla::statement::Consistency;

    use super::*;

    /// Those that no proxy can make up, or that come of ScyllaDB alone, among the others.
    #[test]
    fn what_an_error_means() {
        let consistency = Consistency::Quorum;
        let (received, required, numfailures) = (1, 2, 1);
        let text = String::new;
        let limited = |rejected_by_coordinator| DbError::RateLimitReached {
            op_type: OperationType::Write,
            rejected_by_coordinator,
        };
        let timeout = |write_type| DbError::WriteTimeout { consistency, received, required, write_type };
        let cases = [
            (DbError::SyntaxError, "", "refused 0x2000"),
            (DbError::Invalid, "", "refused 0x2200"),
            (DbError::Unauthorized, "", "refused 0x2100"),
            (DbError::ConfigError, "", "refused 0x2300"),
            (DbError::AlreadyExists { keyspace: text(), table: text() }, "", "refused 0x2400"),
            (
                DbError::FunctionFailure { keyspace: text(), function: text(), arg_types: Vec::new() },
                "",
                "refused 0x1400",
            ),
            (DbError::ProtocolError, "", "refused 0x000A"),
            (DbError::Overloaded, "", "later 0x1001"),
            (DbError::IsBootstrapping, "", "later 0x1002"),
            (DbError::Unavailable { consistency, required: 2, alive: 1 }, "", "later 0x1000"),
            (limited(true), "", "later rate limit"),
            // Another replica may have taken it.
            (limited(false), "", "unknown"),
            (DbError::ReadTimeout { consistency, received, required, data_present: false }, "", "later 0x1200"),
            (
                DbError::ReadFailure { consistency, received, required, numfailures, data_present: false },
                "",
                "later 0x1300",
            ),
            (timeout(WriteType::Simple), "", "unknown 0x1100"),
            (timeout(WriteType::Cas), "", "unknown 0x1100"),
            (timeout(WriteType::Counter), "", "unknown 0x1100"),
            (
                DbError::WriteFailure { consistency, received, required, numfailures, write_type: WriteType::Simple },
                "",
                "unknown 0x1500",
            ),
            (DbError::TruncateError, "", "unknown 0x1003"),
            (DbError::ServerError, "java.lang.RuntimeException", "unknown 0x0000"),
            (
                DbError::ServerError,
                "The outcome of this statement is unknown. It may or may not have been applied",
                "unknown 0x0000",
            ),
            (
                DbError::ServerError,
                "raft operation [add_entry] timed out, there is no raft quorum, total voters count 3, alive voters 1",
                "unknown 0x0000",
            ),
            (
                DbError::ServerError,
                "raft operation [read_barrier] timed out, there is no raft quorum, total voters count 3, alive voters 1",
                "later 0x0000",
            ),
            (DbError::ServerError, "Failed to apply group 0 change due to concurrent modification", "later 0x0000"),
            (
                DbError::ServerError,
                "Timed out while waiting for the follower to enact the epoch Epoch{epoch=42}",
                "done",
            ),
            (DbError::Other(0x1700), "", "unknown"),
        ];
        for (error, message, expected) in cases {
            let name = format!("{error:?} {message}");
            let fault = of_server(&error, message.to_owned());
            let word = match &fault {
                None => "done",
                Some(Fault::Refused(_)) => "refused",
                Some(Fault::Later(_)) => "later",
                Some(Fault::Unknown(_)) => "unknown",
                Some(Fault::Error(_)) => "error",
            };
            let code = fault.as_ref().and_then(Fault::cause).and_then(DatabaseError::code).unwrap_or_default();
            assert_eq!(format!("{word} {code}").trim_end(), expected, "{name}");
        }
    }
}
