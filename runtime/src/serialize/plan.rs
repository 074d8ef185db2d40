use serde::{Serialize, Serializer};

use crate::plan::{Mode, Plan, Step};
use crate::report::Action;
use crate::serialize::text;

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Transaction => "transaction",
            Self::ForeignKeysOff => "foreign_keys_off",
            Self::Outside => "outside",
        })
    }
}

#[derive(Serialize)]
struct StepShape<'a> {
    version: &'a str,
    name: &'a str,
    task: Option<&'a str>,
    action: Action,
    mode: Mode,
    path: &'a str,
    statements: Vec<&'a str>,
}

impl Serialize for Step<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = StepShape {
            version: text(self.version()),
            name: self.name(),
            task: self.task(),
            action: self.action(),
            mode: self.mode(),
            path: self.path(),
            statements: self.statements().collect(),
        };
        shape.serialize(serializer)
    }
}

#[derive(Serialize)]
struct PlanShape<'a> {
    steps: &'a [Step<'a>],
}

impl Serialize for Plan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PlanShape { steps: self.steps() }.serialize(serializer)
    }
}
