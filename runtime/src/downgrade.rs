//! A binary that is older than its database: whether it takes back what a newer one has applied.

use whimbrel_core::Version;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::{self, Facts, Goal};
use crate::refusal;
use crate::settings::{AllowDowngrade, Newer};
use crate::target::{Rollback, Target};

/// The rollback that comes before all else, where the settings ask for one and the database is ahead.
///
/// # Errors
/// What would forbid to go on after it: nothing is rolled back for that.
pub(crate) fn way_down(facts: Facts<'_, '_>, goal: &Goal) -> Result<Option<Goal>> {
    let (Goal::Up(Target::Latest), AllowDowngrade::RollBack) = (goal, facts.settings.allow_downgrade) else {
        return Ok(None);
    };
    let Some(last) = facts.set.last().map(whimbrel_core::Migration::version) else { return Ok(None) };
    if !facts.history.standing().any(|entry| entry.version > *last) {
        return Ok(None);
    }
    let tolerant = facts.settings.clone().newer(Newer::Allow);
    let wanted: Vec<_> = plan::pending(facts).collect();
    let mut faults = refusal::faults(Facts { settings: &tolerant, ..facts }, &wanted);
    faults.retain(|fault| matches!(fault.kind(), ErrorKind::Changed | ErrorKind::Missing | ErrorKind::OutOfOrder));
    refusal::refuse(faults)?;
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
