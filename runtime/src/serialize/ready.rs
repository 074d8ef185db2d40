use serde::{Serialize, Serializer};

use crate::ready::Readiness;
use crate::report::StepReport;
use crate::serialize::{ms, text};
use crate::settings::ValidateSchema;

#[derive(Serialize)]
struct ReadinessShape<'a> {
    previous: Option<&'a str>,
    current: Option<&'a str>,
    duration_ms: u64,
    waited_ms: u64,
    validated: bool,
    warnings: &'a [String],
    steps: &'a [StepReport],
}

impl Serialize for Readiness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = ReadinessShape {
            previous: self.previous.as_ref().map(text),
            current: self.current.as_ref().map(text),
            duration_ms: ms(self.duration),
            waited_ms: ms(self.waited),
            validated: self.validated == ValidateSchema::On,
            warnings: &self.warnings,
            steps: &self.steps,
        };
        shape.serialize(serializer)
    }
}
