//! The pulse of a runner: signs of life for the session that executes.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};

use crate::driver::Answer;
use crate::driver::completed::ALL;
use crate::driver::heart;
use crate::driver::mysql::answer;
use crate::driver::mysql::link::{Link, open};
use crate::driver::mysql::request::TONGUE;
use crate::error::Result;
use crate::table_name::Tables;

pub(crate) struct Pulse<'t> {
    tables: &'t Tables,
    options: MySqlConnectOptions,
    second: Option<MySqlConnection>,
    sql: String,
}

impl<'t> Pulse<'t> {
    /// `None` beside a caller's connection, which does not tell where it leads.
    pub(crate) fn new(link: &Link<'_>, tables: &'t Tables, lease: Duration) -> Option<Self> {
        let (options, sql) = (link.options()?, beat(tables, link.number?, lease));
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

/// Gives a sign of life for a session that is at work, and tells whether it is there at all.
///
/// One that has been idle for the lease is at nothing: what we sent it, or its answer, is lost on the way, and so are we.
fn beat(tables: &Tables, connection: u64, lease: Duration) -> String {
    let seconds = lease.as_secs_f64().ceil();
    format!(
        "START TRANSACTION READ WRITE;\nUPDATE {} SET heartbeat = {} WHERE id = 1 AND backend = {connection} AND EXISTS \
         (SELECT 1 FROM information_schema.processlist p WHERE p.id = {connection} \
         AND (p.command <> 'Sleep' OR p.time < {seconds}));\nCOMMIT;\n\
         SELECT CAST(p.id AS CHAR) FROM information_schema.processlist p WHERE p.id = {connection}",
        tables.lock, TONGUE.now
    )
}
