//! Ctrl-C and SIGTERM: once, and the run ends at the next safe point; twice, and it ends now.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use whimbrel::{Result, Stopper};

use crate::answer::say;
use crate::exit::Exit;
use crate::failure::Failure;

/// Runs to its end, or to the second signal.
pub(crate) async fn guarded<T>(stopper: Stopper, running: impl Future<Output = Result<T>>) -> Result<T, Failure> {
    let mut running = pin!(running);
    tokio::select! {
        done = &mut running => return Ok(done?),
        () = signal() => {}
    }
    say("stopping at the next safe point; once more, and it stops now");
    stopper.stop();
    // A supervisor may tell the process and its group: that is one signal.
    tokio::select! {
        done = &mut running => return Ok(done?),
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    tokio::select! {
        done = running => Ok(done?),
        () = signal() => Err(Failure::new(Exit::Stopped, "stopped at once, in the middle")
            .help("run it again: what is done stays, and it finds out what became of the rest")),
    }
}

/// Waits for Ctrl-C or, where there is such a thing, SIGTERM.
async fn signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
