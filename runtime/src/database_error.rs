//! What a database says when it refuses.

/// What the database said: its sentence and its code, and what it adds to them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
pub struct DatabaseError {
    pub(crate) message: String,
    /// SQLSTATE, SQLite's extended result code, or MySQL's number and SQLSTATE.
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
}

impl DatabaseError {
    /// Whether the disk is full or faulty: `SQLITE_FULL`, `SQLITE_IOERR` and its kind, PostgreSQL's `disk_full` and
    /// `io_error`, and of MySQL a table or disk that is full (1114, 1021), and a file that cannot be written (3, 1026).
    pub(crate) fn is_disk(&self) -> bool {
        let is_any = |code: &str, known: &[&str]| known.iter().any(|known| code.strip_prefix(known).is_some());
        match self.code.as_deref() {
            Some("53100" | "58030") => true,
            // ENOSPC, which it got from a storage engine.
            Some(code) if is_any(code, &["1030/"]) => self.message.contains("rror 28"),
            Some(code) if code.contains('/') => is_any(code, &["3/", "1021/", "1026/", "1114/"]),
            // A SQLSTATE has five characters.
            Some(code) if code.len() < 5 => matches!(code.parse::<u32>().map(|code| code & 0xff), Ok(10 | 13)),
            _ => false,
        }
    }

    /// Whether what was to be made is there: SQLite's and Cassandra's words (0x2400, `AlreadyExists`), PostgreSQL's
    /// `duplicate_table`, `duplicate_object` and `duplicate_function`, and a table of MySQL's (1050).
    pub(crate) fn is_there_already(&self) -> bool {
        match self.code.as_deref() {
            Some("42P07" | "42710" | "42723" | "0x2400") => true,
            Some("1") => self.message.ends_with("already exists"),
            Some(code) => code.starts_with("1050/"),
            None => false,
        }
    }

    /// Whether a statement took longer than it may: PostgreSQL's `query_canceled`, `SQLITE_INTERRUPT`, and the statement
    /// times of MariaDB (1969) and MySQL (3024).
    pub(crate) fn is_timeout(&self) -> bool {
        self.code.as_deref().is_some_and(|code| matches!(code, "57014" | "9" | "1969/70100" | "3024/HY000"))
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// SQLSTATE, SQLite's extended result code, or MySQL's number and SQLSTATE: `1146/42S02`.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What the server adds about the data or the objects.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What the server suggests.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// What we say in a database's stead.
impl DatabaseError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, detail: None, hint: None }
    }

    /// Of a verify query that returns no row.
    pub(crate) fn found_nothing() -> Self {
        Self::new("the query returned no row")
    }

    /// Of a script that leaves us no entry to complete.
    pub(crate) fn entry_gone() -> Self {
        let hint = Some("do not touch the history in a migration".to_owned());
        Self { hint, ..Self::new("the script took its own entry out of the history") }
    }
}
