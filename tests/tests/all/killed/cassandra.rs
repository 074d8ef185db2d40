//! On Cassandra, where no transaction holds anything.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;
use whimbrel::{Cluster, Migrator};
use whimbrel_tests::cassandra::Keyspace;
use whimbrel_tests::proxy::Request;
use whimbrel_tests::starters::Times;

use super::dump::{Dump, OWN};
use super::matrix::{Few, Server, block_on, matrix};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/killed/cassandra");

/// What nodes say of a keyspace, without ids and times.
const CATALOGUE: [(&str, &str); 8] = [
    ("tables", "table_name, comment, default_time_to_live, gc_grace_seconds, speculative_retry, compaction, caching"),
    ("columns", "table_name, column_name, kind, position, type, clustering_order"),
    ("dropped_columns", "table_name, column_name, kind, type"),
    ("indexes", "table_name, index_name, kind, options"),
    ("views", "view_name, base_table_name, where_clause, include_all_columns"),
    ("types", "type_name, field_names, field_types"),
    ("functions", "function_name, argument_names, argument_types, body, language, return_type, called_on_null_input"),
    ("aggregates", "aggregate_name, argument_types, state_func, final_func, initcond"),
];

/// The columns of the history, but for those of [`OWN`] and for those that tell who has migrated last, and when.
const HISTORY: &str = "version, head, head_chain, completed, unfinished, rank, name, task, folder, kind, path, \
    checksum, chain, state, statements, applied, undone, phase, error, up, down, at_statement, coordinator, \
    schema_before, write_time";

/// All that a keyspace holds.
pub(super) async fn dump(keyspace: &Keyspace) -> Dump {
    let (name, mut lines) = (keyspace.name(), BTreeSet::new());
    for (table, columns) in CATALOGUE {
        let select = format!("SELECT {columns} FROM system_schema.{table} WHERE keyspace_name = '{name}'");
        let rows = keyspace.strings(&select).await;
        lines.extend(rows.into_iter().map(|row| format!("{table} {row}")));
    }
    for table in keyspace.tables().await.iter().filter(|table| *table != "whimbrel_history") {
        let rows = keyspace.strings(&format!("SELECT JSON * FROM {name}.{table}")).await;
        lines.extend(rows.into_iter().map(|row| format!("row of {table} {row}")));
    }
    let history = async |columns: &str, part: &str| {
        let of = format!("scope = 'whimbrel' AND part = '{part}'");
        keyspace.strings(&format!("SELECT {columns} FROM {name}.whimbrel_history WHERE {of}")).await
    };
    let rows = history(HISTORY, "entry").await.into_iter();
    lines.extend(rows.map(|row| format!("row of whimbrel_history {row}")));
    for column in OWN {
        let rows = history(&format!("version, {column}"), "entry").await.into_iter();
        let is_null = |row: &str| if row.ends_with(" null") { "is" } else { "is not" };
        let version = |row: &str| row.split(' ').next().unwrap_or_default().to_owned();
        lines.extend(rows.map(|row| format!("{column} of {} {} null", version(&row), is_null(&row))));
    }
    Dump::new(lines, history("event, what, of_version, detail", "event").await.iter().map(|row| told(row)).collect())
}

/// `1 started 2`, and so on. A run that stops between two statements, since it cannot ask, is as good as interrupted.
fn told(row: &str) -> String {
    let mut words = row.splitn(4, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (number, what, version, detail) = (next(), next(), next(), next());
    let what = if detail.starts_with("the cluster did not answer") { "resolved" } else { what };
    format!("{number} {what} {version}")
}

/// The node at `TEST_CASSANDRA_URL`.
pub(super) struct Cassandra;

impl Cassandra {
    /// `None` where no server is given.
    pub(super) async fn new() -> Option<Self> {
        Keyspace::create().await.map(|_| Self)
    }
}

async fn keyspace() -> Keyspace {
    Keyspace::create().await.expect("there is a server")
}

impl Server for Cassandra {
    /// A keyspace, and the next one: a table of the history that is gone never comes again with its id.
    type Database = Mutex<Keyspace>;

    const FEW: Few = Few::One;

    fn directory(&self) -> &'static Path {
        Path::new(DIRECTORY)
    }

    async fn database(&self) -> Mutex<Keyspace> {
        Mutex::new(keyspace().await)
    }

    async fn empty(&self, database: &Mutex<Keyspace>) {
        *database.lock().await = keyspace().await;
    }

    fn url(&self, database: &Mutex<Keyspace>) -> String {
        database.try_lock().expect("nobody else has it").url()
    }

    async fn dump(&self, database: &Mutex<Keyspace>) -> Dump {
        dump(&*database.lock().await).await
    }

    /// All but signs of life, looks whether the nodes agree, and all but one of those that read the schema together.
    fn is_counted(&self) -> fn(&str) -> bool {
        |text| {
            let is_of_schema = text.starts_with("SELECT * FROM system_schema.");
            let is_look = text.contains("schema_version") || text.contains("system.peers");
            let is_sign = text.starts_with("UPDATE") && text.contains("SET beat =");
            !is_look && !is_sign && (!is_of_schema || text.contains("system_schema.tables "))
        }
    }

    fn times(&self) -> &'static Times {
        const TIMES: &Times = &[("STARTER_LEASE_MS", Duration::from_secs(30)), ("STARTER_SETTLE_MS", SETTLE)];
        TIMES
    }

    fn treat<'m>(&self, migrator: Migrator<'m>) -> Migrator<'m> {
        migrator.cluster(Cluster::default().settle_time(SETTLE))
    }

    /// Cuts the lease of a dead runner short, so that nobody waits for the rest of it: how it ends by itself, others show.
    async fn bury(&self, database: &Mutex<Keyspace>) {
        let keyspace = database.lock().await;
        if keyspace.tables().await.iter().any(|table| table == "whimbrel_history") {
            let table = format!("{}.whimbrel_history", keyspace.name());
            keyspace
                .execute(&format!("UPDATE {table} SET lease_ms = 200 WHERE scope = 'whimbrel' IF owner != null"))
                .await;
        }
    }

    /// A schema change reaches the server once.
    fn assert_sent(&self, log: &[Request], when: &str) {
        let is_change = |text: &&str| ["CREATE", "ALTER", "DROP"].iter().any(|verb| text.starts_with(verb));
        let mut sent = BTreeSet::new();
        let texts = log.iter().map(|request| &*request.text).filter(is_change);
        for text in texts.filter(|text| !text.contains("whimbrel_history")) {
            assert!(sent.insert(text), "{when}: it was sent again: {text}\n{log:#?}");
        }
    }
}

const SETTLE: Duration = Duration::from_millis(400);

#[test]
fn a_run_that_ends_at_any_request_converges_on_cassandra() {
    if let Some(server) = block_on(Cassandra::new()) {
        matrix(&server, [50, 25]);
    }
}
