//! How a step failed, as the report and the error tell it.

use whimbrel_core::{Dialect, Place, Script};

use crate::driver::{Failure, Part};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::plan::{Mode, Step};
use crate::report::{Action, Failed, Report};

impl Engine<'_, '_> {
    /// The error of a failed step, and its line in the report.
    pub(crate) fn failed(&self, rest: &[Step<'_>], failure: Failure, report: &mut Report) -> Error {
        let step = &rest[0];
        let place = place_of(step, &failure);
        let part = name_of(failure.part, step);
        let left = left_of(step, &failure, self.driver.dialect());
        report
            .step_failed(rest, Failed { part: part.clone(), left, cause: failure.cause.clone(), place: place.clone() });
        let at = place.as_ref().map_or_else(String::new, |place| match (place.line(), place.column()) {
            (Some(line), Some(column)) => format!(" ({}:{line}:{column})", place.path()),
            _ => String::new(),
        });
        let verb = if step.action == Action::RollBack { "rolling back " } else { "" };
        let message = format!("{verb}{} failed at {part}{at}", step.label());
        let kind = if failure.cause.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Failed };
        let mut help = help_of(step, &failure, (kind, self.driver.dialect())).to_owned();
        if step.record.as_ref().is_some_and(|record| record.rank == 1) && failure.cause.is_there_already() {
            help.push_str(MADE_BEFORE);
        }
        Error::new(kind, message).source(failure.cause).at(place).help(help)
    }
}

/// Where nothing is applied yet, and what was to be made is there.
const MADE_BEFORE: &str =
    "; if this database was made before whimbrel came, record where it is: `migrate baseline VERSION`";

fn place_of(step: &Step<'_>, failure: &Failure) -> Option<Place> {
    let (script, path) = match (failure.part, step.verify.as_ref()) {
        (Part::Verify(_), Some((verify, path))) => (Some(*verify), path.as_str()),
        _ => (step.script.as_deref(), step.path.as_str()),
    };
    Some(script?.place(path, failure.range.clone()?))
}

fn name_of(part: Part, step: &Step<'_>) -> String {
    let of = |script: Option<&Script>| script.map_or(0, Script::len);
    match part {
        Part::Statement(index) | Part::Half(index) => {
            format!("statement {} of {}", index + 1, of(step.script.as_deref()))
        }
        Part::Verify(index) => format!("verify query {} of {}", index + 1, of(step.verify.as_ref().map(|it| it.0))),
        Part::Constraints | Part::Commit => "a constraint at the end".to_owned(),
        Part::Reset => "setting the session back".to_owned(),
        Part::Stopped => "a request to stop".to_owned(),
        Part::Open | Part::Create | Part::Enter | Part::Leave => "its entry in the history".to_owned(),
    }
}

fn help_of(step: &Step<'_>, failure: &Failure, (kind, dialect): (ErrorKind, Dialect)) -> &'static str {
    match (step.mode, failure.part) {
        _ if kind == ErrorKind::Timeout => "make it faster, or raise `-- whimbrel:timeout`, and run it again",
        _ if failure.cause.is_disk() => "make room on the disk, or mend it, and run it again",
        (Mode::Outside, Part::Verify(_)) => {
            "correct the data or the query, and run it again: it goes on with the query"
        }
        (Mode::Outside, _) if step.action == Action::RollBack && failure.took_nothing_back(step, dialect) => {
            "correct the down script and run it again: this migration is still applied"
        }
        (_, Part::Half(_)) => "look what of it took effect, correct it, and run it again: it goes on with it",
        (Mode::Outside, Part::Constraints) => {
            "mend the rows that `PRAGMA foreign_key_check` lists, and run it again: its statements are done"
        }
        (Mode::Outside, _) => "correct the statement and run it again: it goes on with it",
        _ if step.action == Action::RollBack => {
            "correct the down script and run it again: this migration is still applied"
        }
        _ => "correct the script and run it again: what is applied stays, nothing of this migration does",
    }
}

fn left_of(step: &Step<'_>, failure: &Failure, dialect: Dialect) -> String {
    let and_some = if matches!(failure.part, Part::Half(_)) { ", and perhaps some of it" } else { "" };
    match (step.mode, failure.kept) {
        (Mode::Outside, _) if step.action == Action::RollBack && failure.took_nothing_back(step, dialect) => {
            "still applied".to_owned()
        }
        (Mode::Transaction | Mode::ForeignKeysOff, _) if step.action == Action::RollBack => "still applied".to_owned(),
        (Mode::Outside, 0) => format!("nothing before it{and_some}"),
        (Mode::Outside, 1) => format!("the statement before it stays{and_some}"),
        (Mode::Outside, kept) => format!("the {kept} statements before it stay{and_some}"),
        _ => "rolled back".to_owned(),
    }
}
