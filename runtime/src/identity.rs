//! Who migrates: for history, events and messages.

use whimbrel_core::Migrations;

/// The account, host and application that a run is recorded under.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// `deploy@web-1`.
    pub(crate) by: String,
    /// `shop 2.3.0`.
    pub(crate) application: String,
    /// The process, on that host.
    pub(crate) process: u32,
}

impl Identity {
    /// The identity of this process; the application is the package that embeds the set, or else the executable.
    pub(crate) fn new(set: &Migrations) -> Self {
        let user = whoami::account().unwrap_or_else(|_| UNKNOWN.to_owned());
        let host = whoami::hostname().unwrap_or_else(|_| UNKNOWN.to_owned());
        let application = set.application().map_or_else(executable, str::to_owned);
        Self { by: format!("{user}@{host}"), application, process: std::process::id() }
    }
}

const UNKNOWN: &str = "unknown";

fn executable() -> String {
    let path = std::env::current_exe().ok();
    let stem = path.as_deref().and_then(|path| path.file_stem());
    stem.map_or_else(|| UNKNOWN.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
