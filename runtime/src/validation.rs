//! Whether the database is what its migrations say.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use whimbrel_core::read::read_stored;
use whimbrel_core::{Dialect, Direction, Migrations, Script, Version};

use crate::backoff::Backoff;
use crate::driver::Detail;
use crate::engine::{self, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, History, State};
use crate::plan::{self, Facts};
use crate::refusal;
use crate::report::{count, migrations};
use crate::scratch::{self, ScratchDatabase, Unbuilt};

/// What [`Migrator::validate`](crate::Migrator::validate) found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Validation {
    /// How many applied migrations were compared with this binary's.
    pub compared: usize,
    /// How many verify scripts were asked.
    pub verified: usize,
    /// What is wrong, each with its place where it has one.
    pub problems: Vec<String>,
    /// How the schema differs from what the migrations make: `column users.email is nullable, expected not null`.
    pub differences: Vec<String>,
    /// What is in the schema that no migration has made: `index users_by_age on users`. It is no fault.
    pub unmanaged: Vec<String>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

/// Why it is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Somebody asks.
    Asked,
    /// A run has ended: a database is not created for that unless somebody has said so.
    Run,
}

impl Validation {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.problems.is_empty() && self.differences.is_empty()
    }
}

impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (compared, verify) = (migrations(self.compared), count(self.verified, "verify script"));
        match self.is_valid() {
            true => write!(f, "valid: {compared} compared, {verify} asked")?,
            false => {
                let problems = count(self.problems.len() + self.differences.len(), "problem");
                write!(f, "not valid: {problems} in {compared} compared, {verify} asked")?;
            }
        }
        let faults = self.problems.iter().chain(&self.differences);
        faults.into_iter().try_for_each(|problem| write!(f, "\n  {}", problem.replace('\n', "\n  ")))?;
        if !self.unmanaged.is_empty() {
            write!(f, "\nmade by no migration: {}", self.unmanaged.join(", "))?;
        }
        self.unchecked.iter().try_for_each(|what| write!(f, "\nnot checked: {what}"))
    }
}

pub(crate) async fn validate(engine: &mut Engine<'_, '_>, occasion: Occasion) -> Result<Validation> {
    let (set, settings, driver) = (engine.set, engine.settings, &mut *engine.driver);
    let history = engine::read(driver, Detail::Scripts, &mut Backoff::new(settings.lock_timeout)).await?;
    let dialect = driver.dialect();
    let mut validation = Validation { compared: history.completed().count(), ..Validation::default() };
    let absent =
        driver.absent().map(|file| format!("the file {} does not exist; `migrate up` makes it", file.display()));
    validation.problems.extend(absent);
    let application = &engine.identity.application;
    let facts = Facts { set, dialect, history: &history, settings, application };
    let pending: Vec<_> = plan::pending(facts).collect();
    // It was not going to run anything.
    let told = |fault: Error| fault.to_string().replacen("; nothing was run", "", 1);
    validation.problems.extend(refusal::faults(facts, &pending).into_iter().map(told));
    for entry in history.entries.iter().filter(|entry| matches!(entry.state, State::Failed | State::Running)) {
        validation.problems.push(match entry.is_stopped() {
            true => {
                let (work, done, of) = (entry.work(), entry.done(), count(entry.statements, "statement"));
                format!("{work} is stopped after {done} of {of}; {}", entry.goes_on())
            }
            false => format!("{} is {}", entry.label(), entry.state),
        });
    }
    let applied: HashSet<&Version> = history.completed().map(|entry| &entry.version).collect();
    for migration in set.iter().filter(|migration| applied.contains(migration.version())) {
        let Some(script) = migration.script(Direction::Verify, dialect) else { continue };
        validation.verified += 1;
        if let Some(failure) = driver.verify(script, settings).await? {
            let place = failure.range.map(|range| script.place(set.path_of(script), range));
            let place = place.map_or_else(String::new, |place| format!("\n{place}"));
            let label = format!("{} {}", migration.version(), migration.name());
            validation.problems.push(format!("{label}: {}{place}", failure.cause));
        }
    }
    compare_schema(engine, &history, occasion, &mut validation).await?;
    Ok(validation)
}

/// Compares the schema with what the migrations make in a scratch database, or with what their scripts say.
async fn compare_schema(
    engine: &mut Engine<'_, '_>,
    history: &History,
    occasion: Occasion,
    validation: &mut Validation,
) -> Result<()> {
    let dialect = engine.driver.dialect();
    let is_wanted = dialect == Dialect::Sqlite || engine.settings.scratch.is_some() || occasion == Occasion::Asked;
    let may_build = dialect != Dialect::Cql || engine.settings.scratch != Some(ScratchDatabase::Never);
    if is_wanted && may_build {
        let drift = scratch::drift(engine, history).await?;
        validation.differences.extend(drift.differences);
        validation.unmanaged.extend(drift.unmanaged);
        match (drift.unbuilt, dialect) {
            (None, _) => return Ok(()),
            // What the scripts say is known without running them.
            (Some(Unbuilt::Unreachable), Dialect::Cql) => {}
            (Some(why), Dialect::Cql) => {
                let instead = "the schema by a scratch keyspace, only by what the scripts say";
                validation.unchecked.push(format!("{instead}: {why}"));
            }
            (Some(why), _) => {
                validation.unchecked.push(format!("the schema: {why}"));
                return Ok(());
            }
        }
    }
    let mut unread = Vec::new();
    let scripts = applied_scripts((engine.set, dialect), history, &mut unread);
    let compared = engine.driver.compare(&scripts).await?;
    validation.differences.extend(compared.differences);
    validation.unchecked.extend(compared.unchecked);
    if compared.is_understood {
        validation.unchecked.extend(unread);
    }
    Ok(())
}

/// The up scripts of what is applied, in that order: as they are stored, or else as this binary has them.
fn applied_scripts<'s>(
    (set, dialect): (&'s Migrations, Dialect),
    history: &History,
    unread: &mut Vec<String>,
) -> Vec<(Version, Cow<'s, Script>)> {
    let script = |entry: &Entry| {
        let stored = entry.up.clone().and_then(|text| read_stored(Direction::Up, dialect, &entry.path, text).ok());
        let own = || set.get(&entry.version)?.script(Direction::Up, dialect).map(Cow::Borrowed);
        let script = stored.map(Cow::Owned).or_else(own);
        if script.is_none() {
            unread
                .push(format!("all of {}: its script is not stored, and this binary does not have it", entry.label()));
        }
        Some((entry.version.clone(), script?))
    };
    history.completed().filter_map(script).collect()
}

/// The validation as an error, when something is wrong.
pub(crate) fn check_valid(validation: &Validation) -> Result<()> {
    if validation.is_valid() {
        return Ok(());
    }
    let faults = || validation.problems.iter().chain(&validation.differences);
    let told = faults().map(|problem| format!("  {}", problem.replace('\n', "\n  ")));
    let problems = count(faults().count(), "problem");
    let message = format!("all that was asked for is applied, but the database is not valid: {problems}");
    Err(Error::new(ErrorKind::Invalid, message)
        .details(told.collect::<Vec<_>>().join("\n"))
        .help("find out what changed it, and mend it, by hand or with a new migration"))
}
