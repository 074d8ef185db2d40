//! On PostgreSQL.

use std::path::Path;

use sqlx::PgConnection;
use tokio::sync::Mutex;
use whimbrel_tests::postgres::Database;

use super::dump::{Dump, OWN, Queries};
use super::matrix::{Server, block_on, matrix};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/killed/postgres");

const CATALOGUE: &[&str] = &[
    "SELECT format('column %s.%s %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), \
     a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped",
    "SELECT format('relation %s %s', relname, relkind) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    "SELECT format('index %s %s %s %s', pg_get_indexdef(indexrelid), indisvalid, indisready, indislive) FROM pg_index i \
     JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace",
    "SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint \
     WHERE connamespace = 'public'::regnamespace",
    "SELECT 'routine ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "SELECT format('value %s %s', enumtypid::regtype, enumlabel) FROM pg_enum",
    "SELECT format('view %s %s', viewname, definition) FROM pg_views WHERE schemaname = 'public'",
    "SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
];

/// A row as JSON, in which some columns tell only whether they are NULL. What `whimbrel_lock` says of a dead runner is
/// read by nobody, and may stay there until the next one needs the right.
fn tables() -> String {
    let own = OWN.join(",");
    format!(
        "SELECT format('SELECT %L || (SELECT jsonb_object_agg(key, CASE WHEN key = ANY (%L::text[]) \
         THEN to_jsonb(value = ''null'') ELSE value END) FROM jsonb_each(to_jsonb(t)))::text FROM %s AS t ORDER BY 1', \
         'row of ' || relname || ' ', '{{{own}}}', oid::regclass) FROM pg_class \
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT IN ('whimbrel_events', 'whimbrel_lock')"
    )
}

pub(super) struct Postgres(Queries);

impl Postgres {
    /// `None` where no server is given.
    pub(super) async fn new() -> Option<Self> {
        Database::create().await?;
        Some(Self(Queries { catalogue: CATALOGUE, tables: tables() }))
    }
}

/// A database, and a connection to it that knows its catalogue: a new one each time would take most of the time.
pub(super) struct Place {
    database: Database,
    connection: Mutex<PgConnection>,
}

impl Server for Postgres {
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
        let sql = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid(); \
                   DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        sqlx::raw_sql(sql).execute(&mut *place.connection.lock().await).await.unwrap();
    }

    fn url(&self, place: &Place) -> String {
        place.database.url()
    }

    async fn dump(&self, place: &Place) -> Dump {
        Dump::of(&self.0, &mut *place.connection.lock().await).await
    }
}

#[test]
fn a_run_that_ends_at_any_request_converges_on_postgres() {
    if let Some(server) = block_on(Postgres::new()) {
        matrix(&server, [50, 40]);
    }
}
