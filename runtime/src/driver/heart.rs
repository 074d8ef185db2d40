//! Signs of life of a runner that holds the right to migrate, from a second connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::driver::Answer;
use crate::error::Result;

/// What gives the signs.
pub(crate) trait Pulse: Send {
    /// Gives one, unless the session that it is for is at nothing; whether that session is there at all.
    fn beat(&mut self) -> Answer<'_, Result<bool>>;

    /// Closes its connection, which has failed: the next beat opens another one.
    fn reset(&mut self);
}

/// When the signs are due.
pub(crate) struct Heart {
    every: Duration,
    /// The last sign of life, whichever connection gave it.
    last: Mutex<Instant>,
}

/// So often at most, however short the lease.
const SHORTEST: Duration = Duration::from_millis(50);

impl Heart {
    pub(crate) fn new(lease: Duration) -> Self {
        Self { every: (lease / 3).max(SHORTEST), last: Mutex::new(Instant::now()) }
    }

    /// The progress that was noted just now was a sign of life.
    pub(crate) fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Beats beside the work, and together with it: a task of its own would go on while the work stands still. `None`
    /// when our session is gone and the connection that we wait on says nothing.
    ///
    /// Short work opens no second connection, and a caller's has no pulse: it does not tell where it leads.
    pub(crate) async fn beside<T>(&self, pulse: Option<impl Pulse>, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut beating = pulse.map(|pulse| Box::pin(self.beat(pulse)));
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => match &mut beating {
                Some(beating) => beating.as_mut().poll(context).map(|()| None),
                None => Poll::Pending,
            },
        })
        .await
    }

    /// Beats until the session is gone.
    async fn beat(&self, mut pulse: impl Pulse) {
        loop {
            let since = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            if let Some(pause) = self.every.checked_sub(since) {
                tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
                continue;
            }
            match tokio::time::timeout(self.every, pulse.beat()).await {
                Ok(Ok(true)) => self.note(),
                Ok(Ok(false)) => return,
                failed => {
                    let why = match failed {
                        Ok(Err(error)) => error.to_string(),
                        _ => "no answer in time".to_owned(),
                    };
                    tracing::warn!(why, "no sign of life could be given; another runner may take over");
                    pulse.reset();
                    tokio::time::sleep(self.every / 3).await;
                }
            }
        }
    }
}
