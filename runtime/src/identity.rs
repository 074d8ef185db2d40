//! Who migrates: for history, events and messages.

/// The account, host and application that a run is recorded under.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// `deploy@web-1`.
    pub(crate) by: String,
    /// `shop 2.3.0`.
    pub(crate) application: String,
}

impl Identity {
    /// The identity of this process; the application is called after its executable.
    pub(crate) fn of_process() -> Self {
        let user = whoami::account().unwrap_or_else(|_| "unknown".to_owned());
        let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
        let executable = std::env::current_exe().ok();
        let stem = executable.as_deref().and_then(|path| path.file_stem());
        let application = stem.map_or_else(|| "unknown".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Self { by: format!("{user}@{host}"), application }
    }
}
