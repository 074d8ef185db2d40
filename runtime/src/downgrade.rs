//! A binary that is older than its database: whether it takes back what a newer one has applied.

use whimbrel_core::Version;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::{self, Facts, Goal};
use crate::refusal;
use crate::report::{Action, Outcome, Report};
use crate::settings::AllowDowngrade;
use crate::target::{Rollback, Target};

/// The rollback that comes before all else, where the settings ask for one and the database is ahead.
///
/// # Errors
/// What would forbid to go on after it: nothing is rolled back for that.
pub(crate) fn way_down(facts: Facts<'_, '_>, goal: &Goal, report: &Report) -> Result<Option<Goal>> {
    let (Goal::Up(Target::Latest), AllowDowngrade::RollBack) = (goal, facts.settings.allow_downgrade) else {
        return Ok(None);
    };
    let Some(last) = facts.set.last().map(whimbrel_core::Migration::version) else { return Ok(None) };
    if !facts.history.standing().any(|entry| entry.version > *last) {
        return Ok(None);
    }
    // A newer release has begun meanwhile, and applied it again: they would take turns.
    if report.steps().iter().any(|step| step.action == Action::RollBack && step.outcome == Outcome::Done) {
        return Ok(None);
    }
    let mut afterwards = facts.history.clone();
    afterwards.entries.retain(|entry| entry.version <= *last);
    let facts = Facts { history: &afterwards, ..facts };
    let wanted: Vec<_> = plan::pending(facts).collect();
    refusal::refuse(refusal::faults(facts, &wanted))?;
    Ok(Some(Goal::Down(Rollback::To(last.clone()))))
}

/// What to do where there is no way back for all of it.
pub(crate) fn no_way_down(facts: Facts<'_, '_>, error: Error) -> Error {
    if error.kind() != ErrorKind::NoWayBack {
        return error;
    }
    let newer = facts.history.completed().max_by(|one, other| one.version.cmp(&other.version));
    let application = newer.map_or("the newer release", |entry| &*entry.application);
    let last = facts.set.last().map(|last| last.version());
    let ends = last.map_or_else(String::new, |last: &Version| format!(": this binary ends at {last}"));
    error.help(format!("deploy {application} or newer{ends}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use whimbrel_core::{Dialect, Digest, Migrations};

    use super::*;
    use crate::history::{Entry, History, State};
    use crate::report::StepReport;
    use crate::settings::Settings;

    fn entry(set: &Migrations, number: usize) -> Entry {
        let version: Version = number.to_string().parse().unwrap();
        let checksum = set.get(&version).map_or(Digest::ZERO, |migration| migration.checksum(Dialect::Sqlite));
        Entry {
            rank: number as i64,
            name: "a".to_owned(),
            task: None,
            kind: "sql".to_owned(),
            path: format!("{number}_a.up.sql"),
            checksum,
            state: State::Completed,
            statements: 1,
            applied: 1,
            undone: None,
            phase: None,
            started_at: String::new(),
            completed_at: None,
            duration_ms: None,
            applied_by: String::new(),
            application: "shop 2".to_owned(),
            error: None,
            key: version.canonical(),
            chain: None,
            up: None,
            down: None,
            version,
        }
    }

    /// What is decided over these numbers of a set that ends at 1, after these rollbacks.
    fn decided(numbers: &[usize], rolled_back: &[&str]) -> bool {
        let files = [("1_a.up.sql", "SELECT 1"), ("whimbrel.toml", "dialect = \"sqlite\"")];
        let set = Migrations::from_files(files.map(|(path, text)| (path, text.as_bytes()))).unwrap();
        let entries = numbers.iter().map(|number| entry(&set, *number)).collect();
        let history = History { present: true, entries, ..History::default() };
        let settings = Settings::default().allow_downgrade(AllowDowngrade::RollBack);
        let facts =
            Facts { set: &set, dialect: Dialect::Sqlite, history: &history, settings: &settings, application: "" };
        let mut report = Report::default();
        report.steps.extend(rolled_back.iter().map(|version| StepReport {
            version: version.parse().unwrap(),
            name: "a".to_owned(),
            task: None,
            action: Action::RollBack,
            outcome: Outcome::Done,
            statements: 1,
            rows: Some(0),
            duration: Duration::ZERO,
        }));
        way_down(facts, &Goal::Up(Target::Latest), &report).unwrap().is_some()
    }

    #[test]
    fn a_run_rolls_back_once() {
        assert!(decided(&[1, 2], &[]));
        assert!(!decided(&[1], &[]));
        // Somebody has applied it again.
        assert!(!decided(&[1, 2], &["2"]));
    }
}
