//! What was made for a while, and goes: when all is well on the caller's runtime, otherwise on a thread of its own.

use std::thread;
use std::time::Duration;

use crate::driver::Answer;
use crate::error::Result;

/// A database that goes when this does, also when a future is dropped or a test panics.
pub(crate) struct Made {
    /// How messages name it.
    pub(crate) name: String,
    ending: Option<Ending>,
}

/// What ends it; it needs nothing of what it was made with.
pub(crate) type Ending = Box<dyn FnOnce() -> Answer<'static, Result<()>> + Send>;

/// How long the end of one may take.
const PATIENCE: Duration = Duration::from_secs(15);

impl Made {
    pub(crate) fn new(name: String, ending: impl FnOnce() -> Answer<'static, Result<()>> + Send + 'static) -> Self {
        Self { name, ending: Some(Box::new(ending)) }
    }

    /// There was nothing to end.
    pub(crate) fn forget(mut self) {
        self.ending = None;
    }

    /// Ends it; otherwise says what stays, and why.
    pub(crate) async fn end(mut self) -> Option<String> {
        // Should this be dropped before it has ended, another attempt does no harm, but would need the closure again:
        // so the work is on its way for good once it has begun.
        let ending = self.ending.take()?;
        let name = self.name.clone();
        let run = tokio::spawn(async move { tokio::time::timeout(PATIENCE, ending()).await });
        let why = match run.await {
            Ok(Ok(Ok(()))) => return None,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(_)) => "it took too long".to_owned(),
            Err(_) => "its end was cut off".to_owned(),
        };
        Some(stays(&name, &why))
    }
}

fn stays(name: &str, why: &str) -> String {
    format!("{name} stays: {why}; drop it by hand")
}

impl Drop for Made {
    fn drop(&mut self) {
        let Some(ending) = self.ending.take() else { return };
        // The runtime may be gone, or belong to a test that panics.
        let ended = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let run = async { tokio::time::timeout(PATIENCE, ending()).await };
            runtime.block_on(run).map_err(|_| "it took too long".to_owned())?.map_err(|error| error.to_string())
        });
        let why = match ended.join() {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(_) => "its end panicked".to_owned(),
        };
        tracing::warn!("{}", stays(&self.name, &why));
    }
}
