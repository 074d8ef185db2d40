//! What a run tells while it is at work.

use std::path::Path;
use std::time::Duration;

use crate::migrator::Migrator;
use crate::plan::{Plan, Step};
use crate::report::StepReport;

/// What a run has come to; see [`Migrator::on_progress`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Progress<'p> {
    /// It is decided what will run. It comes again, with what is left, when another runner was faster.
    #[non_exhaustive]
    Planned {
        /// All of it.
        plan: &'p Plan<'p>,
        /// The statements of all its steps.
        statements: usize,
    },
    /// The database is being backed up; see [`Backup`](crate::Backup). That may take long, and says nothing until it is done.
    #[non_exhaustive]
    BackingUp {
        /// Where to: the folder, as the user wrote it; `None` for a command that has none.
        folder: Option<&'p Path>,
    },
    /// A statement of a step outside a transaction is about to be sent. What stands in a transaction goes to the database
    /// many steps at once, and tells of nothing until the step is done.
    #[non_exhaustive]
    Statement {
        /// The step.
        step: &'p Step<'p>,
        /// Which statement, counted from 1.
        statement: usize,
        /// How many its script has.
        of: usize,
    },
    /// A step is done, and recorded.
    #[non_exhaustive]
    StepDone {
        /// What it did.
        step: &'p StepReport,
        /// How many steps are done by now.
        done: usize,
        /// How many there are.
        of: usize,
    },
    /// Somebody else is in the way.
    #[non_exhaustive]
    Waiting {
        /// Who, or what: `another runner: pid 4712 (deploy, shop) since 12:00:04Z`.
        what: &'p str,
        /// How long they are waited for, at most.
        at_most: Duration,
    },
}

/// Whoever is told.
pub(crate) type Listener<'a> = Box<dyn Fn(&Progress<'_>) + Send + Sync + 'a>;

impl<'a> Migrator<'a> {
    /// Tells of each run as it goes: for a progress bar, or for lines in a pipe.
    ///
    /// It costs no requests. It is called in the middle of the run, which waits for it: be quick.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool).on_progress(|progress| match progress {
    ///     Progress::Planned { plan, .. } => println!("{} migrations to go", plan.steps().len()),
    ///     Progress::StepDone { step, done, of, .. } => println!("{done} of {of}: {} {}", step.version, step.name),
    ///     Progress::Waiting { what, .. } => println!("waiting for {what}"),
    ///     _ => {}
    /// });
    /// migrator.up().await?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    pub fn on_progress(mut self, tell: impl Fn(&Progress<'_>) + Send + Sync + 'a) -> Self {
        self.observer.listener = Some(Box::new(tell));
        self
    }
}
