//! What a service does with its database before it serves.

use std::fmt;
use std::time::Duration;

use whimbrel_core::{Direction, Version};

use crate::database::Database;
use crate::driver::{Answer, Detail};
use crate::error::Result;
use crate::history::Entry;
use crate::migrator::{Migrator, opened, read};
use crate::plan::Facts;
use crate::report::{Action, Outcome, Report, StepReport};
use crate::settings::{Settings, ValidateSchema};
use whimbrel_core::Migrations;

/// Makes a database ready for this binary, or says why it is not: what a service calls when it starts.
///
/// Where the settings allow it ([`AutoMigrate`](crate::AutoMigrate)), what is pending is applied, and what a newer binary
/// has applied is rolled back ([`AllowDowngrade`](crate::AllowDowngrade)). Otherwise the service must not start, and the
/// error names the command that an operator has to run. Up to date costs one round trip.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// // SHOP_AUTO_MIGRATE, SHOP_MIGRATION_TIMEOUT, SHOP_VALIDATE_SCHEMA, SHOP_ALLOW_DOWNGRADE, …
/// let ready = ensure_ready(&MIGRATIONS, &pool, &Settings::from_env("SHOP")?).await?;
/// println!("{ready}");
/// for warning in &ready.warnings {
///     eprintln!("warning: {warning}");
/// }
/// # assert_eq!(ready.current.unwrap().to_string(), "0013");
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
///
/// # Errors
/// Anything of [`ErrorKind`](crate::ErrorKind): with any of them the service must not start.
pub async fn ensure_ready<'a>(
    migrations: &'a Migrations,
    database: impl Database<'a>,
    settings: &Settings,
) -> Result<Readiness> {
    Migrator::new(migrations, database).settings(settings.clone()).boxed_ready().await
}

/// A database that is ready, and what it took; printing it shows the report and the warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// The highest applied version before.
    pub previous: Option<Version>,
    /// The highest applied version now.
    pub current: Option<Version>,
    /// What was applied, or rolled back, each with its duration.
    pub steps: Vec<StepReport>,
    /// How long all of it took.
    pub duration: Duration,
    /// How much of that was spent waiting for other runners and for locks.
    pub waited: Duration,
    /// Whether all was validated at the end.
    pub validated: ValidateSchema,
    /// What somebody should know, though nothing is wrong.
    pub warnings: Vec<String>,
    report: Report,
}

impl Readiness {
    /// The same as a report.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n  warning: {warning}"))
    }
}

impl Migrator<'_> {
    /// As [`ensure_ready`], for a migrator that has its settings already.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// let mut migrator = Migrator::connect(&MIGRATIONS, "sqlite::memory:")?;
    /// let ready = migrator.ensure_ready().await?;
    /// assert!(ready.warnings.is_empty(), "{ready}");
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`ensure_ready`].
    pub async fn ensure_ready(&mut self) -> Result<Readiness> {
        self.boxed_ready().await
    }

    fn boxed_ready(&mut self) -> Answer<'_, Result<Readiness>> {
        Box::pin(async move {
            let report = self.up().await?;
            // The fast path has looked at no entry: all of them are this binary's.
            let warnings = if report.versions.is_empty() { Vec::new() } else { self.warnings(&report).await? };
            for warning in &warnings {
                tracing::warn!("{warning}");
            }
            Ok(Readiness {
                previous: report.previous.clone(),
                current: report.current.clone(),
                steps: report.steps.clone(),
                duration: report.duration,
                waited: report.waited,
                validated: self.settings.validate_schema,
                warnings,
                report,
            })
        })
    }

    async fn warnings(&mut self, report: &Report) -> Result<Vec<String>> {
        let driver = opened(&mut self.driver, self.migrations)?;
        let history = read(&mut **driver, Detail::Entries, &self.settings).await;
        driver.release().await;
        let (set, dialect, settings) = (self.migrations, driver.dialect(), &self.settings);
        let facts = Facts { set, dialect, history: &history?, settings, application: &self.identity.application };
        Ok(warnings(facts, report))
    }
}

/// What somebody should know of a run that has succeeded.
fn warnings(facts: Facts<'_, '_>, report: &Report) -> Vec<String> {
    let mut warnings: Vec<String> = report.taken_over.iter().map(|runner| format!("took over from {runner}")).collect();
    let done = || report.steps.iter().filter(|step| step.outcome == Outcome::Done);
    let back: Vec<String> = done().filter(|step| step.action == Action::RollBack).map(label).collect();
    if let (false, Some(previous), Some(last)) = (back.is_empty(), &report.previous, facts.set.last()) {
        let (last, back) = (last.version(), back.join(", "));
        warnings.push(format!("the database was at {previous}, and was rolled back to {last}: {back}"));
    }
    let is_newer = |entry: &&Entry| facts.set.last().is_none_or(|last| entry.version > *last.version());
    let (newer, missing): (Vec<&Entry>, Vec<&Entry>) =
        facts.history.completed().filter(|entry| facts.set.get(&entry.version).is_none()).partition(is_newer);
    let labels = |entries: &[&Entry]| entries.iter().map(|entry| entry.label()).collect::<Vec<_>>().join(", ");
    if let Some(first) = newer.first() {
        warnings.push(format!("the database is newer than this binary, by {}: {}", first.application, labels(&newer)));
    }
    if !missing.is_empty() {
        warnings.push(format!("applied, but not in this binary: {}", labels(&missing)));
    }
    let is_closed = |step: &&StepReport| {
        let migration = facts.set.get(&step.version);
        step.action == Action::Apply && migration.is_some_and(|it| it.script(Direction::Down, facts.dialect).is_none())
    };
    let closed: Vec<String> = done().filter(is_closed).map(label).collect();
    if !closed.is_empty() {
        warnings.push(format!("applied without a way back, for want of a down script: {}", closed.join(", ")));
    }
    warnings
}

fn label(step: &StepReport) -> String {
    format!("{} {}", step.version, step.name)
}
