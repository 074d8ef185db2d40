//! Errors: what happened, where, what was done before, and what to do now.

use std::fmt;

use whimbrel_core::{Place, Problems};

use crate::report::Report;

/// The result of everything that whimbrel does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run, or a question, did not succeed.
///
/// It prints as one sentence and the lines that belong to it, such as the migrations that it is about; its
/// [`source`](std::error::Error::source) is what the database said. `{:?}` prints
/// everything: the report of what was done, the place in the script, the chain of causes and what to do; that is what
/// `fn main() -> whimbrel::Result<()>` shows.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
/// let error = migrator.up_to(Target::Version("99".parse()?)).await.unwrap_err();
/// assert_eq!(error.to_string(), "there is no migration 99; nothing was run");
/// assert_eq!(error.help_text(), Some("name one of 0001 to 0013"));
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    /// Lines below the message that belong to it: which migrations, with what differences.
    details: String,
    place: Option<Place>,
    help: Option<String>,
    passing: Passing,
    report: Option<Report>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What sort of thing went wrong.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
/// let report = match migrator.up().await {
///     Ok(report) => report,
///     // A newer release has been here: let its schema be, and serve.
///     Err(error) if error.kind() == ErrorKind::Newer => return Ok(()),
///     // Another instance takes its time: come back later.
///     Err(error) if matches!(error.kind(), ErrorKind::Locked | ErrorKind::Timeout) => return Err(error.into()),
///     Err(error) => {
///         if let Some(report) = error.report() {
///             eprintln!("done before: {} migrations", report.applied());
///         }
///         return Err(error.into());
///     }
/// };
/// println!("{report}");
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The database cannot be reached, or does not let us in, or the connection broke.
    Connection,
    /// Applied migrations were edited afterwards.
    Changed,
    /// Applied migrations are not in this binary, though later ones are.
    Missing,
    /// Pending migrations are older than applied ones.
    OutOfOrder,
    /// The database is at a version that this binary does not know.
    Newer,
    /// Migrations are pending, and this process may not apply them
    /// ([`AutoMigrate::Off`](crate::AutoMigrate::Off)).
    Pending,
    /// All that was asked for is applied, but the database is not as its migrations left it
    /// ([`ValidateSchema::On`](crate::ValidateSchema::On)).
    Invalid,
    /// A statement, a verify query or a constraint failed.
    Failed,
    /// A statement was being run when its runner died, and nobody but a person can tell whether it took effect; see
    /// [`Migrator::resolve`](crate::Migrator::resolve).
    InDoubt,
    /// Another runner holds the right to migrate, or another session a table, for longer than we may wait; or another
    /// runner has taken over, because this one gave no sign of life.
    Locked,
    /// The run took longer than it may.
    Timeout,
    /// The run was asked to stop ([`Stopper::stop`](crate::Stopper::stop)), and did at a safe point: the next one goes on there.
    Stopped,
    /// A migration that should be rolled back has no down script.
    NoWayBack,
    /// What was asked for cannot be done: the sentence says why.
    Refused,
    /// The backup before the migration could not be made ([`Backup`](crate::Backup)); nothing was run.
    Backup,
    /// The history table is not one of ours, or holds what we cannot read.
    History,
    /// The files are not a valid set.
    Files,
    /// This debug build is older than its migration files.
    Stale,
}

impl ErrorKind {
    /// The name that programs know it by, in `--json` and logs: `no_way_back`.
    ///
    /// ```
    /// assert_eq!(whimbrel::ErrorKind::NoWayBack.name(), "no_way_back");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::OutOfOrder => "out_of_order",
            Self::Newer => "newer",
            Self::Pending => "pending",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Locked => "locked",
            Self::Timeout => "timeout",
            Self::Stopped => "stopped",
            Self::NoWayBack => "no_way_back",
            Self::Refused => "refused",
            Self::Backup => "backup",
            Self::History => "history",
            Self::Files => "files",
            Self::Stale => "stale",
        }
    }
}

/// Whether what an error says ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    Never,
    /// Nobody listens: a server that is restarted does again soon, and another port never will.
    Soon,
    /// The server says itself that it is not ready yet.
    Later,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            details: String::new(),
            place: None,
            help: None,
            passing: Passing::Never,
            report: None,
            source: None,
        }))
    }

    pub(crate) fn help(mut self, order: impl Into<String>) -> Self {
        self.0.help = Some(order.into());
        self
    }

    pub(crate) fn details(mut self, lines: impl Into<String>) -> Self {
        self.0.details = lines.into();
        self
    }

    pub(crate) fn passes(mut self, passing: Passing) -> Self {
        self.0.passing = passing;
        self
    }

    pub(crate) fn passing(&self) -> Passing {
        self.0.passing
    }

    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        self.0.place = place;
        self
    }

    /// Both: of the other one, what it says and what to do.
    pub(crate) fn and(mut self, other: Self) -> Self {
        if !self.0.details.is_empty() {
            self.0.details = format!("{}\n", self.0.details.trim_end());
        }
        self.0.details.push_str(&other.to_string());
        self.0.help = match (self.0.help, other.0.help) {
            (Some(first), Some(second)) => Some(format!("{first}\n  help: {second}")),
            (first, second) => first.or(second),
        };
        self
    }

    pub(crate) fn source(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(cause.into());
        self
    }

    pub(crate) fn with_report(mut self, report: Report) -> Self {
        self.0.report = Some(report);
        self
    }

    /// What sort of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the run did before it stopped; `None` when it had not begun to act.
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }

    /// The file, line and column that the error is about.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    fn write_details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.details.is_empty() { Ok(()) } else { write!(f, "\n{}", self.0.details.trim_end()) }
    }

    /// What to do now: an order, a line for each of several faults.
    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        self.write_details(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.report.as_ref().filter(|report| report.failed_step().is_some()) {
            // The report names the step, the cause and the place in its lines.
            Some(report) => write!(f, "{report}")?,
            None => {
                f.write_str(&self.0.message)?;
                let mut cause = self.0.source.as_deref().map(|cause| cause as &dyn std::error::Error);
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                self.write_details(f)?;
                if let Some(place) = &self.0.place {
                    write!(f, "\n{place}")?;
                }
                if let Some(report) = self.0.report.as_ref().filter(|report| !report.steps().is_empty()) {
                    write!(f, "\n{report}")?;
                }
            }
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|cause| cause as _)
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::new(ErrorKind::Files, problems.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_and_travels() {
        fn travels<T: Send + Sync + 'static>() {}
        travels::<Error>();
        assert_eq!(size_of::<Error>(), 8);
    }
}
