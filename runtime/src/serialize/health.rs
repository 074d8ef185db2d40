use serde::{Serialize, Serializer};

use crate::health::{Health, Level, Reason};
use crate::serialize::{ms, text};

#[derive(Serialize)]
struct HealthShape<'a> {
    level: Level,
    reasons: &'a [Reason],
    version: Option<&'a str>,
    applied: usize,
    pending: usize,
    unknown: usize,
    checked: &'a [&'static str],
    took_ms: u64,
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = HealthShape {
            level: self.level,
            reasons: &self.reasons,
            version: self.version.as_ref().map(text),
            applied: self.applied,
            pending: self.pending,
            unknown: self.unknown,
            checked: &self.checked,
            took_ms: ms(self.took),
        };
        shape.serialize(serializer)
    }
}
