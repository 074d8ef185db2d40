//! Who holds the tables that a statement did not get in time.

use crate::driver::completed::ALL;
use crate::driver::postgres::link::Link;
use crate::literal::literal;
use whimbrel_core::Dialect;

/// The sessions, one a line; `None` when they are gone by now.
///
/// `pg_blocking_pids` answers only while we wait, which is over: so it is those that hold a lock on a table which the
/// statement names.
pub(crate) async fn holders(link: &mut Link<'_>, statement: &str) -> Option<String> {
    let statement = literal(Dialect::Postgres, statement);
    let sql = format!(
        "SELECT format('held by pid %s (%s, %s) since %s: %s', a.pid, a.usename, \
         coalesce(nullif(a.application_name, ''), 'unnamed'), \
         to_char(a.xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS\"Z\"'), string_agg(DISTINCT c.relname::text, ', ')) \
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation \
         WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND strpos(lower({statement}), lower(c.relname::text)) > 0 \
         GROUP BY a.pid, a.usename, a.application_name, a.xact_start ORDER BY a.xact_start LIMIT 5"
    );
    // Without the answer the error tells less.
    let rows = link.send(sql, ALL).await.ok()?.rows;
    let lines: Vec<String> = rows.into_iter().flatten().flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
