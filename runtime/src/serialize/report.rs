use serde::{Serialize, Serializer};

use crate::backup::BackupReport;
use crate::database_error::DatabaseError;
use crate::report::{Action, Outcome, Report, StepReport};
use crate::serialize::{PlaceShape, ms, text};

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Apply => "apply",
            Self::RollBack => "roll_back",
            Self::Baseline => "baseline",
        })
    }
}

#[derive(Serialize)]
struct FailedShape<'a> {
    part: &'a str,
    left: &'a str,
    cause: &'a DatabaseError,
    place: Option<PlaceShape<'a>>,
}

#[derive(Serialize)]
struct StepShape<'a> {
    version: &'a str,
    name: &'a str,
    task: Option<&'a str>,
    action: Action,
    outcome: &'static str,
    failed: Option<FailedShape<'a>>,
    statements: usize,
    rows: Option<u64>,
    duration_ms: u64,
}

impl Serialize for StepReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (outcome, failed) = match &self.outcome {
            Outcome::Done => ("done", None),
            Outcome::Stopped { .. } => ("stopped", None),
            Outcome::NotRun => ("not_run", None),
            Outcome::Failed(failed) => ("failed", Some(failed)),
        };
        let failed = failed.map(|failed| FailedShape {
            part: &failed.part,
            left: &failed.left,
            cause: &failed.cause,
            place: failed.place.as_ref().map(PlaceShape::from),
        });
        let shape = StepShape {
            version: text(&self.version),
            name: &self.name,
            task: self.task.as_deref(),
            action: self.action,
            outcome,
            failed,
            statements: self.statements,
            rows: self.rows,
            duration_ms: ms(self.duration),
        };
        shape.serialize(serializer)
    }
}

#[derive(Serialize)]
struct BackupShape<'a> {
    place: &'a str,
    bytes: Option<u64>,
    duration_ms: u64,
}

impl<'a> From<&'a BackupReport> for BackupShape<'a> {
    fn from(backup: &'a BackupReport) -> Self {
        Self { place: &backup.place, bytes: backup.bytes, duration_ms: ms(backup.duration) }
    }
}

impl Serialize for BackupReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BackupShape::from(self).serialize(serializer)
    }
}

#[derive(Serialize)]
struct ReportShape<'a> {
    previous: Option<&'a str>,
    current: Option<&'a str>,
    applied: usize,
    up_to_date: bool,
    duration_ms: u64,
    waited_ms: u64,
    backup: Option<BackupShape<'a>>,
    steps: &'a [StepReport],
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = ReportShape {
            previous: self.previous().map(text),
            current: self.current().map(text),
            applied: self.applied(),
            up_to_date: self.is_up_to_date(),
            duration_ms: ms(self.duration()),
            waited_ms: ms(self.waited()),
            backup: self.backup().map(BackupShape::from),
            steps: self.steps(),
        };
        shape.serialize(serializer)
    }
}
