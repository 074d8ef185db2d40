//! On MariaDB.

use std::path::Path;

use sqlx::MySqlConnection;
use tokio::sync::Mutex;
use whimbrel_tests::mysql::Database;

use super::dump::{Dump, OWN, Queries};
use super::matrix::{Server, block_on, matrix};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/killed/mysql");

const CATALOGUE: &[&str] = &[
    "SELECT CONCAT_WS(' ', table_type, table_name, engine, table_collation, row_format) FROM information_schema.tables \
     WHERE table_schema = DATABASE()",
    "SELECT CONCAT_WS(' ', 'column', table_name, ordinal_position, column_name, column_type, is_nullable, \
     column_default, collation_name, extra) FROM information_schema.columns WHERE table_schema = DATABASE()",
    "SELECT CONCAT_WS(' ', 'index', table_name, index_name, non_unique, seq_in_index, column_name) \
     FROM information_schema.statistics WHERE table_schema = DATABASE()",
    "SELECT CONCAT_WS(' ', 'constraint', table_name, constraint_name, constraint_type) \
     FROM information_schema.table_constraints WHERE table_schema = DATABASE()",
    "SELECT CONCAT_WS(' ', routine_type, routine_name, routine_definition, sql_mode, is_deterministic) \
     FROM information_schema.routines WHERE routine_schema = DATABASE()",
    "SELECT CONCAT_WS(' ', 'trigger', trigger_name, event_object_table, action_timing, event_manipulation, \
     action_statement, sql_mode) FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    "SELECT CONCAT_WS(' ', 'view', table_name, REPLACE(view_definition, DATABASE(), '')) \
     FROM information_schema.views WHERE table_schema = DATABASE()",
];

fn tables() -> String {
    let own = OWN.map(|column| format!("'{column}'")).join(", ");
    format!(
        "SELECT CONCAT('SELECT CONCAT_WS('' '', ''row of ', t.table_name, ''', ', GROUP_CONCAT(CONCAT('''', c.column_name, \
         ''', ', IF(c.column_name IN ({own}), CONCAT('`', c.column_name, '` IS NULL'), \
         CONCAT('QUOTE(`', c.column_name, '`)'))) ORDER BY c.ordinal_position SEPARATOR ', '), ') FROM `', t.table_name, \
         '` ORDER BY 1') FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name) \
         WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' \
         AND t.table_name NOT IN ('whimbrel_events', 'whimbrel_lock') GROUP BY t.table_name"
    )
}

pub(super) struct Mysql(Queries);

impl Mysql {
    /// `None` where no server is given.
    pub(super) async fn new() -> Option<Self> {
        Database::create().await?;
        Some(Self(Queries { catalogue: CATALOGUE, tables: tables() }))
    }
}

/// A database, and a connection to it.
pub(super) struct Place {
    database: Database,
    connection: Mutex<MySqlConnection>,
}

impl Server for Mysql {
    type Database = Place;

    fn directory(&self) -> &'static Path {
        Path::new(DIRECTORY)
    }

    async fn database(&self) -> Place {
        let database = Database::create().await.expect("there is a server");
        let connection = Mutex::new(database.connect().await);
        Place { database, connection }
    }

    async fn empty(&self, place: &Place) {
        let name = place.database.name();
        // What a client left behind may still be at work.
        let sql = format!(
            "BEGIN NOT ATOMIC
               DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; -- gone by itself
               FOR it IN (SELECT id FROM information_schema.processlist WHERE db = '{name}' AND id <> CONNECTION_ID())
               DO KILL CONNECTION it.id; END FOR;
             END;
             DROP DATABASE `{name}`; CREATE DATABASE `{name}`; USE `{name}`"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *place.connection.lock().await).await.unwrap();
    }

    fn url(&self, place: &Place) -> String {
        // The proxy reads what is sent.
        format!("{}?ssl-mode=disabled", place.database.url())
    }

    async fn dump(&self, place: &Place) -> Dump {
        Dump::of(&self.0, &mut *place.connection.lock().await).await
    }
}

#[test]
fn a_run_that_ends_at_any_request_converges_on_mysql() {
    if let Some(server) = block_on(Mysql::new()) {
        matrix(&server, [25, 20]);
    }
}
