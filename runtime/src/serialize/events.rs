use serde::{Serialize, Serializer};

use crate::events::Event;
use crate::serialize::text;

#[derive(Serialize)]
struct EventShape<'a> {
    id: i64,
    at: &'a str,
    what: &'a str,
    version: Option<&'a str>,
    duration_ms: Option<i64>,
    applied_by: &'a str,
    application: &'a str,
    detail: Option<&'a str>,
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = EventShape {
            id: self.id,
            at: &self.at,
            what: &self.what,
            version: self.version.as_ref().map(text),
            duration_ms: self.duration_ms,
            applied_by: &self.applied_by,
            application: &self.application,
            detail: self.detail.as_deref(),
        };
        shape.serialize(serializer)
    }
}
