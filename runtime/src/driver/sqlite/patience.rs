//! Waiting for others: briefly inside SQLite, where nothing can be cancelled, and again and again from here.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnection;

use crate::driver::Batch;
use crate::driver::completed::{Completed, Keep};
use crate::driver::sqlite::answer::{self, Fault};
use crate::stopper::Stopper;

/// How long SQLite itself waits, asleep: neither a dropped run nor a deadline would wake it.
pub(crate) const LOCK_WAIT: Duration = Duration::from_millis(200);
/// How long it waits for the end of a statement outside a transaction, which it would begin anew: readers that come and
/// go must not keep it from that for ever.
pub(crate) const STATEMENT_WAIT: Duration = Duration::from_secs(2);
/// The pause where it refuses at once.
const PAUSE: Duration = Duration::from_millis(5);

/// Sends statements, and again while others are in the way.
pub(crate) async fn send(
    connection: &mut SqliteConnection,
    patience: &mut Patience,
    sql: String,
    keep: Keep<'_>,
) -> Result<Completed, Fault> {
    loop {
        let asked = Instant::now();
        match answer::send(connection, sql.clone(), keep).await {
            Err(fault) if patience.waits_for(&fault, asked).await => {}
            answer => return answer,
        }
    }
}

/// How long a run that is asked to stop still waits for others, so that it can record what is done.
const GRACE: Duration = Duration::from_secs(1);

/// How long others are still waited for, and who may ask to stop meanwhile.
#[derive(Debug)]
pub(crate) struct Patience(Duration, Option<Stopper>);

impl Patience {
    pub(crate) fn of(batch: &Batch<'_>) -> Self {
        Self(batch.patience, batch.observer.stopper.clone())
    }

    /// For so long, whoever asks to stop: what is under way is ended above.
    pub(crate) fn lasting(time: Duration) -> Self {
        Self(time, None)
    }

    /// For what somebody above tries again.
    pub(crate) fn once() -> Self {
        Self(LOCK_WAIT, None)
    }

    /// For what nobody tries again, and nobody has set a time for.
    pub(crate) fn last() -> Self {
        Self(Duration::from_secs(10), None)
    }

    /// Pauses, if what was asked and refused is worth another try.
    ///
    /// Where SQLite has not waited, waiting is in vain: it would be a deadlock. But whoever reads the schema of a
    /// database in memory while another writes it is refused at once, whatever the connection's patience
    /// (<https://sqlite.org/rescode.html#locked_sharedcache>).
    pub(crate) async fn waits_for(&mut self, fault: &Fault, asked: Instant) -> bool {
        let waited = fault.is_busy() && asked.elapsed() >= LOCK_WAIT;
        if self.1.as_ref().is_some_and(Stopper::is_stopped) {
            self.0 = self.0.min(GRACE);
        }
        self.0 = self.0.saturating_sub(asked.elapsed());
        let waits = (waited || fault.is_schema_locked()) && fault.before.statements.is_empty() && !self.0.is_zero();
        if waits {
            self.0 = self.0.saturating_sub(PAUSE);
            tokio::time::sleep(PAUSE).await;
        }
        waits
    }
}
