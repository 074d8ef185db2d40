//! How a batch ended: what is done, and why it went no further.

use std::ops::Range;
use std::time::Duration;

use whimbrel_core::{Dialect, Kind, Statement};

use crate::database_error::DatabaseError;
use crate::error::Error;
use crate::history::STOPPED;
use crate::plan::Step;

/// How a batch ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// The steps that are done and recorded, in order.
    pub(crate) done: Vec<Done>,
    /// Why it went no further, unless all are done.
    pub(crate) stop: Option<Stop>,
}

impl Ended {
    /// The step that failed and how; the steps before it are done.
    #[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
    pub(super) fn failure<'e, 'a>(&'e self, batch: &crate::driver::Batch<'a>) -> Option<(&'a Step<'a>, &'e Failure)> {
        match &self.stop {
            Some(Stop::Failed(failure)) => Some((batch.steps.get(self.done.len())?, failure)),
            _ => None,
        }
    }

    pub(crate) fn stopped(done: Vec<Done>, stop: Stop) -> Self {
        Self { done, stop: Some(stop) }
    }
}

/// A step that is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) statements: usize,
    /// `None` where the database does not count them.
    pub(crate) rows: Option<u64>,
    pub(crate) duration: Duration,
}

impl Default for Done {
    fn default() -> Self {
        Self { statements: 0, rows: Some(0), duration: Duration::ZERO }
    }
}

#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
impl Done {
    pub(super) fn add_rows(&mut self, changed: u64) {
        self.rows = self.rows.map(|rows| rows + changed);
    }
}

/// Why a batch went no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another runner is at work.
    Busy,
    /// The history is not what the plan was made from.
    Stale,
    /// A statement did not get a table in time, or met a deadlock; its step is rolled back.
    Contended(DatabaseError),
    /// The answer to a statement is lost; what became of it is to be found out.
    Lost(DatabaseError),
    /// The step after the last one done failed.
    Failed(Box<Failure>),
    /// The connection, the rights or the history are at fault; not a migration.
    Broken(Error),
}

/// A step that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) part: Part,
    /// Where in the script, as far as the database tells.
    pub(crate) range: Option<Range<usize>>,
    pub(crate) cause: DatabaseError,
    /// Statements that stay: 0 where the step was a transaction.
    pub(crate) kept: usize,
}

impl Failure {
    /// A step that was asked to stop before the statement of that index, which is none that failed.
    pub(crate) fn stopped_before(index: usize, kept: usize, step: &Step<'_>) -> Self {
        let cause = DatabaseError::new(format!("{STOPPED}, after statement {index} of {}", step.statement_count()));
        Self { part: Part::Stopped, range: None, cause, kept }
    }

    /// What the events call it.
    pub(crate) fn event(&self) -> &'static str {
        if self.part == Part::Stopped { "stopped" } else { "failed" }
    }

    /// Whether PostgreSQL does not run the statement inside a transaction (25001, active SQL transaction).
    #[cfg(feature = "postgres")]
    pub(super) fn refuses_transactions(&self) -> bool {
        matches!(self.part, Part::Statement(_)) && self.cause.code() == Some("25001")
    }

    /// Whether a rollback outside a transaction failed before it took anything back: at its first statement, and that is
    /// none which may leave something although it fails.
    pub(crate) fn took_nothing_back(&self, step: &Step<'_>, dialect: Dialect) -> bool {
        let statement = match self.part {
            Part::Statement(index) => step.script.as_deref().and_then(|script| script.statement(index)),
            _ => None,
        };
        let is_half = matches!(self.part, Part::Half(_));
        // `CALL` and `DO` may have committed some of their work, unless they were not understood at all.
        let is_understood = !self.cause.code().is_some_and(|code| code.starts_with("42"));
        let leaves = |statement: Statement| {
            let commits = dialect == Dialect::Postgres && statement.kind == Kind::Other;
            statement.needs_no_transaction(dialect) || commits && is_understood
        };
        self.kept == 0 && !is_half && !statement.is_some_and(leaves)
    }
}

/// The part of a step that a request, or an error, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Opens the transaction and takes the lock.
    Open,
    /// Creates our tables.
    Create,
    /// Asserts the plan and writes the entry.
    Enter,
    /// The statement of that number in the up or down script.
    Statement(usize),
    /// The same, where it may have left something although it failed.
    Half(usize),
    /// None: the run was asked to stop between two statements.
    Stopped,
    /// The query of that number in the verify script.
    Verify(usize),
    /// Checks deferred constraints.
    Constraints,
    /// Takes back what the script set on its session.
    Reset,
    /// Completes the entry.
    Leave,
    /// Commits.
    Commit,
}

/// The rows that a statement changed: databases also count those of schema changes and of queries.
#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
pub(super) fn rows_of(step: &Step<'_>, index: usize, changed: u64) -> u64 {
    let statement = step.script.as_deref().and_then(|script| script.statement(index));
    if statement.is_some_and(|statement| statement.kind == Kind::Dml) { changed } else { 0 }
}
