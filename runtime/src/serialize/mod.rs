//! What comes out as `serde` writes it: the shapes that `--json` shows and docs/json.md documents.
//!
//! A shape changes only by getting more fields; whatever else is a new number of the format. Versions and digests are
//! texts, as their files and the history have them; durations are whole milliseconds, in fields that end in `_ms`; times
//! are the database's, in UTC.

mod error;
mod events;
mod health;
mod history;
mod plan;
mod ready;
mod report;
mod status;
mod validation;

use std::time::Duration;

use whimbrel_core::{Place, Version};

/// A version as its file writes it.
fn text(version: &Version) -> &str {
    version.as_written()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A place in a file; line and column count from 1.
#[derive(serde::Serialize)]
struct PlaceShape<'a> {
    path: &'a str,
    line: Option<u32>,
    column: Option<u32>,
}

impl<'a> From<&'a Place> for PlaceShape<'a> {
    fn from(place: &'a Place) -> Self {
        Self { path: place.path(), line: place.line(), column: place.column() }
    }
}
