//! What the stories share: a database for each test, a proxy that counts, delays and cuts, and second opinions.

pub mod cassandra;
pub mod cluster;
pub mod corpora;
pub mod guarded;
pub mod log;
pub mod mysql;
pub mod oracle;
pub mod pgbouncer;
pub mod postgres;
pub mod postgres_server;
pub mod proxy;
pub mod random;
pub mod sqlite;
pub mod starters;
mod unprivileged;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

pub use proxy::Proxy;

/// Says once for each process what is not tested, and what to set. It writes past the harness, which keeps from a
/// person what a test prints that passes.
pub fn skipped(what: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned()) {
        // In one piece, between the lines of others. That nobody can read it is no reason to fail.
        let _ = io::stderr().write_all(format!("skipped: {what}\n").as_bytes());
    }
}
