//! What a run did, step by step.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use whimbrel_core::{Place, Version};

use crate::backup::BackupReport;
use crate::database_error::DatabaseError;

/// What was to be done with a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Run its up script.
    Apply,
    /// Run its down script.
    RollBack,
    /// Record it as applied, running nothing.
    Baseline,
}

impl Action {
    /// `applied`, `rolled back`, `baselined`.
    pub(crate) fn past(self) -> &'static str {
        match self {
            Self::Apply => "applied",
            Self::RollBack => "rolled back",
            Self::Baseline => "baselined",
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done, and recorded.
    Done,
    /// It failed.
    Failed(Box<Failed>),
    /// It stopped between two statements, as it was asked to; what is done stays, and the next run goes on.
    #[non_exhaustive]
    Stopped {
        /// How many of its statements are done.
        done: usize,
        /// How many it has.
        statements: usize,
    },
    /// A step before it failed, or the run was asked to stop.
    NotRun,
}

/// How a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// Which part: `statement 2 of 3`, `verify query 1 of 1`, `a constraint at the end`.
    pub part: String,
    /// What is left of the step: `rolled back`, `still applied`, or `the 2 statements before it stay`.
    pub left: String,
    /// What the database said.
    pub cause: DatabaseError,
    /// Where in the script.
    pub place: Option<Place>,
}

/// One migration of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepReport {
    /// The version; prints as its file wrote it.
    pub version: Version,
    /// The name.
    pub name: String,
    /// The task that it belongs to.
    pub task: Option<String>,
    /// What was to be done.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// How many statements ran.
    pub statements: usize,
    /// How many rows they changed, as the database counts; `None` where it does not (ScyllaDB, Cassandra).
    pub rows: Option<u64>,
    /// How long it took.
    pub duration: Duration,
}

/// What a run did, step by step; also after a failure, from [`Error::report`](crate::Error::report).
///
/// It prints as people read it:
///
/// ```text
/// applied 3 migrations in 128 ms, now at 0006
///   0004 add_email      2 statements      0 rows    12 ms
/// ```
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let report = migrate(&MIGRATIONS, &pool).await?;
/// assert_eq!(report.previous(), None);
/// for step in report.steps() {
///     assert_eq!(step.outcome, Outcome::Done);
///     println!("{} {}: {} statements in {:?}", step.version, step.name, step.statements, step.duration);
/// }
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub(crate) steps: Vec<StepReport>,
    pub(crate) previous: Option<Version>,
    pub(crate) current: Option<Version>,
    /// Migrations that are applied now.
    pub(crate) applied: usize,
    /// Their versions, as far as the run had to look at them.
    pub(crate) versions: BTreeSet<Version>,
    pub(crate) duration: Duration,
    pub(crate) waited: Duration,
    /// Runners whose right it has taken, since they were silent.
    pub(crate) taken_over: Vec<String>,
    pub(crate) backup: Option<BackupReport>,
}

impl Report {
    /// The steps, in the order in which they ran.
    pub fn steps(&self) -> &[StepReport] {
        &self.steps
    }

    /// Whether nothing had to be done.
    pub fn is_up_to_date(&self) -> bool {
        self.steps.is_empty()
    }

    /// The highest applied version before the run.
    pub fn previous(&self) -> Option<&Version> {
        self.previous.as_ref()
    }

    /// The highest applied version now.
    pub fn current(&self) -> Option<&Version> {
        self.current.as_ref()
    }

    /// How many migrations are applied now.
    pub fn applied(&self) -> usize {
        self.applied
    }

    /// How long the run took.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// How much of it was spent waiting for other runners and for locks.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The backup that the run made before its first change; see [`Backup`](crate::Backup).
    pub fn backup(&self) -> Option<&BackupReport> {
        self.backup.as_ref()
    }

    pub(crate) fn failed_step(&self) -> Option<(&StepReport, &Failed)> {
        self.steps.iter().find_map(|step| match &step.outcome {
            Outcome::Failed(failed) => Some((step, &**failed)),
            _ => None,
        })
    }

    fn done(&self) -> impl Iterator<Item = &StepReport> {
        self.steps.iter().filter(|step| step.outcome == Outcome::Done)
    }

    fn headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.done().count();
        let total = self.steps.len();
        let Some(first) = self.steps.first() else {
            return match &self.current {
                Some(current) => write!(f, "up to date at {current} ({})", migrations(self.applied)),
                None => f.write_str("up to date: no migration is applied"),
            };
        };
        let verb = first.action.past();
        if let Some((failed, _)) = self.failed_step() {
            write!(f, "{verb} {done} of {}, then {} failed", migrations(total), failed.version)
        } else if done < total {
            write!(f, "{verb} {done} of {}, then stopped", migrations(total))
        } else {
            write!(f, "{verb} {} in {}, ", migrations(done), Took(self.duration))?;
            match &self.current {
                Some(current) => write!(f, "now at {current}"),
                None => f.write_str("now empty"),
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        if let Some(backup) = &self.backup {
            write!(f, "\n  backed up to {backup}")?;
        }
        let label = |step: &StepReport| format!("{} {}", step.version, step.name);
        let width = self.steps.iter().map(|step| label(step).chars().count()).max().unwrap_or(0);
        let failed = self.failed_step().is_some();
        for step in &self.steps {
            write!(f, "\n  {:width$}  ", label(step))?;
            let took = Took(step.duration).to_string();
            match &step.outcome {
                Outcome::Done if failed => write!(f, "{:<13}{took:>9}", step.action.past())?,
                Outcome::Done => {
                    let statements = count(step.statements, "statement");
                    write!(f, "{statements:>13}  ")?;
                    if let Some(rows) = step.rows {
                        write!(f, "{:>9}  ", count(rows as usize, "row"))?;
                    }
                    write!(f, "{took:>8}")?;
                }
                Outcome::Stopped { done, statements } => {
                    write!(f, "stopped after {done} of {}, which stay", count(*statements, "statement"))?;
                }
                Outcome::NotRun => f.write_str("not run")?,
                Outcome::Failed(failed) => write_failed(f, failed)?,
            }
        }
        Ok(())
    }
}

fn write_failed(f: &mut fmt::Formatter<'_>, failed: &Failed) -> fmt::Result {
    write!(f, "{} failed, {}: {}", failed.part, failed.left, failed.cause)?;
    for (name, more) in [("detail", failed.cause.detail()), ("hint", failed.cause.hint())] {
        if let Some(more) = more {
            write!(f, "\n    {name}: {more}")?;
        }
    }
    if let Some(place) = &failed.place {
        for line in place.to_string().lines() {
            write!(f, "\n    {line}")?;
        }
    }
    Ok(())
}

/// `1 migration`, `3 migrations`.
pub(crate) fn migrations(number: usize) -> String {
    count(number, "migration")
}

/// `1 row`, `3 rows`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A time as people say it: `12 ms`, `1.3 s`, `4 min 10 s`.
#[derive(Debug, Clone, Copy)]
pub struct Took(pub Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..10 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            10..60 => write!(f, "{seconds} s"),
            _ => write!(f, "{} min {} s", seconds / 60, seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(version: &str, name: &str, outcome: Outcome) -> StepReport {
        StepReport {
            version: version.parse().unwrap(),
            name: name.to_owned(),
            task: None,
            action: Action::Apply,
            outcome,
            statements: 2,
            rows: Some(0),
            duration: Duration::from_millis(12),
        }
    }

    fn report(steps: Vec<StepReport>) -> Report {
        let current = Some("0006".parse().unwrap());
        Report { steps, current, applied: 6, duration: Duration::from_millis(128), ..Report::default() }
    }

    #[test]
    fn success_is_one_line_a_migration() {
        let shown =
            report(vec![step("0004", "add_email", Outcome::Done), step("0005", "x", Outcome::Done)]).to_string();
        assert_eq!(
            shown,
            "applied 2 migrations in 128 ms, now at 0006\n\
             \u{20} 0004 add_email   2 statements     0 rows     12 ms\n\
             \u{20} 0005 x           2 statements     0 rows     12 ms"
        );
    }

    #[test]
    fn nothing_to_do_is_one_line() {
        assert_eq!(report(Vec::new()).to_string(), "up to date at 0006 (6 migrations)");
    }

    #[test]
    fn a_failure_tells_what_was_done_why_it_stopped_and_where() {
        let text = "create table t (id int);\nupdate t\n   set emial = 1";
        let cause = DatabaseError {
            message: "column \"emial\" does not exist".to_owned(),
            code: Some("42703".to_owned()),
            detail: None,
            hint: None,
        };
        let failed = Failed {
            part: "statement 2 of 3".to_owned(),
            left: "rolled back".to_owned(),
            cause,
            place: Some(Place::in_text("migrations/0005_b.up.sql", text, 41..46)),
        };
        let steps = vec![
            step("0004", "add_email", Outcome::Done),
            step("0005", "b", Outcome::Failed(Box::new(failed))),
            step("0006", "c", Outcome::NotRun),
        ];
        assert_eq!(
            report(steps).to_string(),
            "applied 1 of 3 migrations, then 0005 failed\n\
             \u{20} 0004 add_email  applied          12 ms\n\
             \u{20} 0005 b          statement 2 of 3 failed, rolled back: column \"emial\" does not exist (42703)\n\
             \u{20}    --> migrations/0005_b.up.sql:3:8\n\
             \u{20}     |\n\
             \u{20}   3 |    set emial = 1\n\
             \u{20}     |        ^^^^^\n\
             \u{20}     |\n\
             \u{20} 0006 c          not run"
        );
    }
}
