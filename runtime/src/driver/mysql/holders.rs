//! Who holds what a statement did not get in time.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;

use crate::driver::completed::{ALL, Completed, NONE};
use crate::driver::mysql::answer::{self, Fault};
use crate::driver::mysql::link::{Link, open};

/// A request with a statement that gives up a lock after some time.
pub(crate) struct Waits {
    pub(crate) sql: String,
    pub(crate) wait: Duration,
    /// The name of the lock that we hold meanwhile.
    pub(crate) lock: String,
}

/// Those that were seen in the way of a request, one a line.
pub(crate) type Seen = Option<String>;

/// Sends a request, and looks from a second connection at those who are in its way while it waits.
///
/// It looks twice in the time that a statement may wait, and connects only then. A caller's connection does not tell
/// where it leads, so that nothing is seen beside it. Both go together when they are dropped.
pub(crate) async fn send(link: &mut Link<'_>, waits: Waits) -> (Result<Completed, Fault>, Seen) {
    let seen = Mutex::new(None);
    let answer = {
        let options = link.options();
        // The server counts these times in whole seconds.
        let pause = waits.wait.max(Duration::from_secs(1)) / 2;
        let mut sending = pin!(link.send(waits.sql, NONE));
        let look = |options| Box::pin(look(options, waits.lock, pause, &seen));
        let mut looking = options.map(look);
        poll_fn(|context| {
            let sent = sending.as_mut().poll(context);
            if sent.is_pending() && looking.as_mut().is_some_and(|looking| looking.as_mut().poll(context).is_ready()) {
                looking = None;
            }
            sent
        })
        .await
    };
    (answer, seen.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The sessions that hold what a statement did not get; `None` when they are gone by now.
pub(crate) async fn holders(link: &mut Link<'_>, seen: Seen) -> Option<String> {
    match seen {
        Some(seen) => Some(seen),
        None => found(link.send(guess("CONNECTION_ID()"), ALL).await),
    }
}

async fn look(options: MySqlConnectOptions, lock: String, pause: Duration, seen: &Mutex<Seen>) {
    tokio::time::sleep(pause).await;
    // Without an answer the error tells less.
    let Ok(mut connection) = open(options).await else { return };
    // We are whoever holds the lock.
    let ours = format!("IS_USED_LOCK({lock})");
    loop {
        // The first that knows: not each server has each list.
        for sql in [of_rows(&ours), guess(&ours)] {
            if let Some(lines) = found(answer::send(&mut connection, sql, ALL).await) {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
                break;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

fn found(answer: Result<Completed, Fault>) -> Option<String> {
    let lines: Vec<String> = answer.ok()?.rows.into_iter().flatten().flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What a person is told of a session `p`.
const WHO: &str = "connection ', p.id, ' (', p.user, ', ', p.host, ') for ', p.time, ' s: ', \
     coalesce(REGEXP_REPLACE(LEFT(p.info, 80), '[[:space:]]+', ' '), 'it is idle')";

/// Those that hold rows which we wait for.
fn of_rows(ours: &str) -> String {
    format!(
        "SELECT DISTINCT CONCAT('held by {WHO}) FROM information_schema.innodb_lock_waits w \
         JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id AND r.trx_mysql_thread_id = {ours} \
         JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id \
         JOIN information_schema.processlist p ON p.id = b.trx_mysql_thread_id ORDER BY 1 LIMIT 5"
    )
}

/// Those with an open transaction, which may be in the way of a change of a table; only while we wait for one.
fn guess(ours: &str) -> String {
    format!(
        "SELECT DISTINCT CONCAT('perhaps held by {WHO}) FROM information_schema.innodb_trx t \
         JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
         WHERE p.id <> {ours} AND EXISTS (SELECT 1 FROM information_schema.processlist o \
         WHERE o.id = {ours} AND (o.state LIKE 'Waiting%' OR o.id = CONNECTION_ID())) ORDER BY 1 LIMIT 5"
    )
}
