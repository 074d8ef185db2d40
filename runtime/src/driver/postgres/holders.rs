//! Who holds what a statement did not get in time.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::driver::completed::{ALL, Completed, Keep};
use crate::driver::postgres::answer::{self, Fault};
use crate::driver::postgres::link::{Link, open};
use crate::driver::postgres::right::is_lock;
use crate::literal::literal;
use whimbrel_core::Dialect;

/// A request of which each statement gives up a lock after some time.
pub(crate) struct Waits<'w> {
    pub(crate) sql: String,
    pub(crate) keep: Keep<'w>,
    /// The shortest of these times.
    pub(crate) wait: Duration,
    /// The key of the lock that we hold meanwhile.
    pub(crate) key: i64,
}

/// Those that were seen in the way of a request, one a line.
pub(crate) type Seen = Option<String>;

/// Sends a request, and looks from a second connection at those who are in its way while it waits: `pg_blocking_pids`
/// answers only then, and when the statement has given up it is too late.
///
/// It looks twice in the time that a statement may wait, and connects only then. A caller's connection does not tell
/// where it leads, so that nothing is seen beside it. Both go together when they are dropped: a task of its own would
/// keep a connection open until its runtime comes round to it.
pub(crate) async fn send(link: &mut Link<'_>, waits: Waits<'_>) -> (Result<Completed, Fault>, Seen) {
    let seen = Mutex::new(None);
    let answer = {
        let options = link.options();
        let mut sending = pin!(link.send(waits.sql, waits.keep));
        let mut looking = options.map(|options| Box::pin(look(options, waits.key, waits.wait / 2, &seen)));
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
pub(crate) async fn holders(link: &mut Link<'_>, seen: Seen, statement: &str) -> Option<String> {
    match seen {
        Some(seen) => Some(seen),
        None => guess(link, statement).await,
    }
}

/// At least so long between two looks.
const SHORTEST: Duration = Duration::from_millis(10);

async fn look(options: PgConnectOptions, key: i64, pause: Duration, seen: &Mutex<Seen>) {
    tokio::time::sleep(pause).await;
    // Without an answer the error tells less.
    let Ok(mut connection) = open(options).await else { return };
    // We are whoever holds the lock of our key, also where a pooler hides our session's number.
    let sql = format!(
        "SELECT format('held by pid %s (%s, %s) since %s: %s', a.pid, a.usename, \
         coalesce(nullif(a.application_name, ''), 'unnamed'), \
         to_char(a.query_start AT TIME ZONE 'UTC', 'HH24:MI:SS\"Z\"'), \
         regexp_replace(left(a.query, 80), '\\s+', ' ', 'g')) \
         FROM pg_locks l JOIN pg_stat_activity w ON w.pid = l.pid AND w.wait_event_type = 'Lock' \
         CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(w.pid)) AS pid) b \
         JOIN pg_stat_activity a ON a.pid = b.pid \
         WHERE {} \
         ORDER BY a.query_start LIMIT 5",
        is_lock(key)
    );
    loop {
        let Ok(answer) = answer::send(&mut connection, sql.clone(), ALL).await else { return };
        if let Some(lines) = lines(answer) {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
        }
        tokio::time::sleep(pause.max(SHORTEST)).await;
    }
}

/// Those that hold a lock on a table which the statement names: where nobody could look while it waited.
async fn guess(link: &mut Link<'_>, statement: &str) -> Option<String> {
    let statement = literal(Dialect::Postgres, statement);
    let sql = format!(
        "SELECT format('perhaps held by pid %s (%s, %s) since %s: %s', a.pid, a.usename, \
         coalesce(nullif(a.application_name, ''), 'unnamed'), \
         to_char(a.xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS\"Z\"'), string_agg(DISTINCT c.relname::text, ', ')) \
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation \
         WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND strpos(lower({statement}), lower(c.relname::text)) > 0 \
         GROUP BY a.pid, a.usename, a.application_name, a.xact_start ORDER BY a.xact_start LIMIT 5"
    );
    // Without the answer the error tells less.
    lines(link.send(sql, ALL).await.ok()?)
}

fn lines(answer: Completed) -> Option<String> {
    let lines: Vec<String> = answer.rows.into_iter().flatten().flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
