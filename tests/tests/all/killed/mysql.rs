//! On MariaDB.

use std::path::Path;
use std::thread;
use std::time::Instant;

use sqlx::{AssertSqlSafe, MySqlConnection};
use tokio::sync::Mutex;
use whimbrel_tests::mysql::Database;
use whimbrel_tests::random::{Random, few_or, seed};

use super::dump::{Dump, OWN, Queries};
use super::matrix::{Server, Way, block_on, matrix, runs, starter};

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

impl Place {
    /// Ends all sessions but ours, in the middle of whatever they do.
    async fn end_sessions(&self) {
        let sql = "BEGIN NOT ATOMIC
               DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; -- gone by itself
               FOR it IN (SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID())
               DO KILL CONNECTION it.id; END FOR;
             END";
        self.execute(sql.to_owned()).await;
    }

    async fn execute(&self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.connection.lock().await).await.unwrap();
    }
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
        // What a client left behind may still be at work.
        place.end_sessions().await;
        let name = place.database.name();
        place.execute(format!("DROP DATABASE `{name}`; CREATE DATABASE `{name}`; USE `{name}`")).await;
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
        matrix(&server, [25, 15]);
    }
}

/// At a request the server either has not begun or does all of it, also when its client is gone. What ends in between is
/// a change of the schema whose session the server ends: it stays, and its progress is not noted.
#[test]
fn a_session_that_ends_at_any_time_is_gone_on_from_on_mysql() {
    let Some(server) = block_on(Mysql::new()) else { return };
    let (seed, begun, rounds) = (seed(), Instant::now(), few_or(20, 500));
    let mut random = Random::of(seed);
    block_on(async {
        let place = server.database().await;
        server.empty(&place).await;
        let running = Instant::now();
        runs(&server, &place, Way::Up).await.unwrap();
        let (time, undisturbed) = (running.elapsed(), server.dump(&place).await);
        for _ in 0..rounds {
            server.empty(&place).await;
            let mut starter = starter(Path::new(DIRECTORY), &server.url(&place), Way::Up, &[]);
            starter.go();
            let after = time * random.below(1000) as u32 / 1000;
            thread::sleep(after);
            place.end_sessions().await;
            starter.kill(0);
            let when = format!("after {after:?}; WHIMBREL_SEED={seed}");
            runs(&server, &place, Way::Up).await.unwrap_or_else(|error| panic!("{when}: {error:?}"));
            server.dump(&place).await.assert_equals(&undisturbed, 1, &when);
        }
    });
    println!("{rounds} sessions ended in {:.1} s; WHIMBREL_SEED={seed}", begun.elapsed().as_secs_f64());
}
