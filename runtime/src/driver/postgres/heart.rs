//! The pulse of a runner: signs of life for the session that executes.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::driver::Answer;
use crate::driver::completed::ALL;
use crate::driver::heart;
use crate::driver::postgres::answer;
use crate::driver::postgres::link::{Link, open};
use crate::driver::postgres::request::TONGUE;
use crate::driver::postgres::right::{Backend, is_our_session, is_ours};
use crate::error::Result;
use crate::settings::whole_millis;
use crate::table_name::Tables;

pub(crate) struct Pulse<'t> {
    tables: &'t Tables,
    options: PgConnectOptions,
    second: Option<PgConnection>,
    sql: String,
}

impl<'t> Pulse<'t> {
    /// `None` beside a caller's connection, which does not tell where it leads.
    pub(crate) fn new(link: &Link<'_>, tables: &'t Tables, backend: Backend, lease: Duration) -> Option<Self> {
        let (options, sql) = (link.options()?, beat(tables, backend, lease));
        Some(Self { tables, options, second: None, sql })
    }
}

impl heart::Pulse for Pulse<'_> {
    fn beat(&mut self) -> Answer<'_, Result<bool>> {
        Box::pin(async move {
            let error = |fault: answer::Fault| fault.into_error(self.tables);
            let connection = match &mut self.second {
                Some(connection) => connection,
                None => self.second.insert(open(self.options.clone()).await.map_err(error)?),
            };
            let answer = answer::send(connection, self.sql.clone(), ALL).await.map_err(error)?;
            Ok(!answer.rows.is_empty())
        })
    }

    fn reset(&mut self) {
        self.second = None;
    }
}

/// Gives a sign of life for a session that is at work, and says whether it is there at all.
///
/// One that has been idle for the lease is at nothing: what we sent it, or its answer, is lost on the way, and so are we.
fn beat(tables: &Tables, backend: Backend, lease: Duration) -> String {
    let session = is_our_session(backend);
    format!(
        "UPDATE {} AS r SET heartbeat = {} FROM pg_stat_activity a WHERE {} AND {session} \
         AND (coalesce(a.state, '') NOT LIKE 'idle%' \
         OR a.state_change > clock_timestamp() - interval '{} milliseconds');\n\
         SELECT 1 FROM pg_stat_activity a WHERE {session}",
        tables.lock,
        TONGUE.now,
        is_ours(backend),
        whole_millis(lease),
    )
}
