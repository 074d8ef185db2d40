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

impl Made {
    /// Ends it before it returns: for a test, whose process may be gone in the next moment.
    #[cfg(feature = "testing")]
    pub(crate) fn end_here(&mut self) {
        if let Some(ending) = self.leave() {
            let _ = ending.join();
        }
    }

    /// Ends it on a thread of its own: the runtime may be gone, or belong to a test that panics.
    fn leave(&mut self) -> Option<thread::JoinHandle<()>> {
        let ending = self.ending.take()?;
        let name = self.name.clone();
        let run = move || {
            let ended = ended(ending);
            if let Err(why) = ended {
                tracing::warn!("{}", stays(&name, &why));
            }
        };
        let begun = thread::Builder::new().name("whimbrel-scratch".to_owned()).spawn(run);
        begun.inspect_err(|error| tracing::warn!("{}", stays(&self.name, &error.to_string()))).ok()
    }
}

fn ended(ending: Ending) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let run = async { tokio::time::timeout(PATIENCE, ending()).await };
    runtime.block_on(run).map_err(|_| "it took too long".to_owned())?.map_err(|error| error.to_string())
}

impl Drop for Made {
    fn drop(&mut self) {
        let Some(ending) = self.leave() else { return };
        // A thread of a runtime has others to serve.
        if tokio::runtime::Handle::try_current().is_err() {
            let _ = ending.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn dropping_one_does_not_block_the_runtime() {
        let (go, wait) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let made = Made::new("it".to_owned(), move || {
            Box::pin(async move {
                let in_time = wait.recv_timeout(Duration::from_secs(10)).is_ok();
                let _ = tell.send(in_time);
                Ok(())
            })
        });
        drop(made);
        go.send(()).unwrap();
        assert_eq!(told.recv(), Ok(true));
    }
}
