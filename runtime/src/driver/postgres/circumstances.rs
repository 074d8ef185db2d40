//! What of the database bears on a migration.

use crate::driver::Circumstances;
use crate::driver::completed::ALL;
use crate::driver::postgres::answer::Fault;
use crate::driver::postgres::link::Link;

/// An index that is being built is not valid either: it is in `pg_stat_progress_create_index` (12 and newer).
const INDEXES: &str = "SELECT 'index', i.indexrelid::regclass::text, i.indrelid::regclass::text FROM pg_index i \
                       WHERE NOT i.indisvalid AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index p \
                       WHERE p.index_relid = i.indexrelid) ORDER BY 2 LIMIT 20";

/// Other sessions of this database whose transaction is older than five minutes.
const TRANSACTIONS: &str = "SELECT 'transaction', format('pid %s (%s, %s) since %s', pid, usename, \
                            coalesce(nullif(application_name, ''), 'unnamed'), \
                            to_char(xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"Z\"')), NULL \
                            FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                            AND xact_start < now() - interval '5 minutes' ORDER BY xact_start LIMIT 20";

pub(crate) async fn circumstances(link: &mut Link<'_>) -> Result<Circumstances, Fault> {
    let rows = link.send(format!("{INDEXES};\n{TRANSACTIONS}"), ALL).await?.rows;
    let mut found = Circumstances::default();
    for row in rows {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten().unwrap_or_default();
        match &*next() {
            "index" => found.invalid_indexes.push((next(), next())),
            _ => found.long_transactions.push(next()),
        }
    }
    Ok(found)
}
