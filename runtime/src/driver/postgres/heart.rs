//! Signs of life while a step outside a transaction is at work, from a second connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::driver::completed::ALL;
use crate::driver::postgres::answer::{self, Fault};
use crate::driver::postgres::link::{Link, open};
use crate::driver::postgres::request::TONGUE;
use crate::driver::postgres::right::{Backend, is_ours, micros};
use crate::settings::whole_millis;
use crate::table_name::Tables;

/// The pulse of a runner that holds the right.
pub(crate) struct Heart<'t> {
    tables: &'t Tables,
    /// `None` beside a caller's connection, which does not tell where it leads.
    options: Option<PgConnectOptions>,
    sql: String,
    every: Duration,
    /// The last sign of life, whichever connection gave it.
    last: Mutex<Instant>,
}

/// So often at most, however short the lease.
const SHORTEST: Duration = Duration::from_millis(50);

impl<'t> Heart<'t> {
    pub(crate) fn new(link: &Link<'_>, tables: &'t Tables, backend: Backend, lease: Duration) -> Self {
        let every = (lease / 3).max(SHORTEST);
        let (options, sql) = (link.options(), beat(tables, backend, lease));
        Self { tables, options, sql, every, last: Mutex::new(Instant::now()) }
    }

    /// The progress that was noted just now was a sign of life.
    pub(crate) fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Beats beside the work, and together with it: a task of its own would go on while the work stands still. `None`
    /// when our session is gone and the connection that we wait on says nothing.
    ///
    /// Short work opens no second connection.
    pub(crate) async fn beside<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut beating = self.options.as_ref().map(|options| Box::pin(self.beat(options)));
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
    async fn beat(&self, options: &PgConnectOptions) {
        let mut second = None;
        loop {
            let since = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            if let Some(pause) = self.every.checked_sub(since) {
                tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
                continue;
            }
            match tokio::time::timeout(self.every, self.beat_once(&mut second, options)).await {
                Ok(Ok(true)) => self.note(),
                Ok(Ok(false)) => return,
                failed => {
                    if let Ok(Err(fault)) = failed {
                        let error = fault.into_error(self.tables);
                        tracing::warn!(%error, "no sign of life could be given; another runner may take over");
                    }
                    second = None;
                    tokio::time::sleep(self.every / 3).await;
                }
            }
        }
    }

    /// Whether the session that we beat for is there.
    async fn beat_once(&self, second: &mut Option<PgConnection>, options: &PgConnectOptions) -> Result<bool, Fault> {
        let connection = match second {
            Some(connection) => connection,
            None => second.insert(open(options.clone()).await?),
        };
        let answer = answer::send(connection, self.sql.clone(), ALL).await?;
        Ok(!answer.rows.is_empty())
    }
}

/// Gives a sign of life for a session that is at work, and says whether it is there at all.
///
/// One that has been idle for the lease is at nothing: what we sent it, or its answer, is lost on the way, and so are we.
fn beat(tables: &Tables, backend: Backend, lease: Duration) -> String {
    let start = micros("a.backend_start");
    format!(
        "UPDATE {} AS r SET heartbeat = {} FROM pg_stat_activity a WHERE {} AND a.pid = {} AND {start} = {} \
         AND (coalesce(a.state, '') NOT LIKE 'idle%' \
         OR a.state_change > clock_timestamp() - interval '{} milliseconds');\n\
         SELECT 1 FROM pg_stat_activity a WHERE a.pid = {} AND {start} = {}",
        tables.lock,
        TONGUE.now,
        is_ours(backend),
        backend.pid,
        backend.start,
        whole_millis(lease),
        backend.pid,
        backend.start,
    )
}
