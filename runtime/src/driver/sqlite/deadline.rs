//! When a statement has taken too long.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When SQLite shall give up the statement that runs; shared with its thread.
#[derive(Debug, Default)]
pub(crate) struct Deadline(Mutex<Option<Instant>>);

impl Deadline {
    pub(crate) fn set(&self, time: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Begins to run; none is none, and one that no clock reaches as well.
    pub(crate) fn start(&self, timeout: Option<Duration>) {
        self.set(timeout.and_then(|timeout| Instant::now().checked_add(timeout)));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|time| time <= Instant::now())
    }
}
