//! What a statement locks, as the library reads it from its words and as PostgreSQL shows it in `pg_locks`; and about how
//! many rows tables have.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use whimbrel_tests::postgres::Database;

use crate::stories::world::{World, stories};

/// The list that the library's own test holds against what it reads.
const CASES: &str = include_str!("../../../runtime/src/locks/postgres.txt");

const SCHEMA: &str = "
    CREATE TABLE users (id int PRIMARY KEY);
    CREATE TABLE orders (id int NOT NULL, note text);
    CREATE INDEX orders_note ON orders (note);
    CREATE UNIQUE INDEX orders_user ON orders (id);
    ALTER TABLE orders ADD CONSTRAINT orders_positive CHECK (id > 0) NOT VALID;
    CREATE TABLE loose (id int NOT NULL);
    CREATE TABLE measures (id int NOT NULL) PARTITION BY RANGE (id);
    CREATE TABLE measures_0 PARTITION OF measures FOR VALUES FROM (0) TO (10);
    CREATE VIEW seen AS SELECT id FROM orders;
    CREATE MATERIALIZED VIEW kept AS SELECT id FROM loose;
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
";

const RELATIONS: [&str; 7] = ["users", "orders", "loose", "measures", "measures_0", "seen", "kept"];

/// From the weakest.
const MODES: [&str; 8] = [
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
];

#[tokio::test]
async fn what_a_statement_is_said_to_lock_is_what_postgres_locks() {
    let Some(database) = Database::create().await else { return };
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.unwrap();
    let inside = CASES.split("# outside a transaction").next().unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in inside.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (text, said) = case.split_once(" => ").unwrap();
        if said.starts_with("unknown") {
            continue;
        }
        seen += 1;
        let found = held_by(&mut connection, text).await;
        // What is weaker disturbs nobody who migrates, and is not told; a name is shown as the statement writes it.
        let disturbing = |(_, mode): &(&String, &String)| rank(mode) >= 3 || said.contains(&**mode);
        let found: BTreeMap<&String, &String> = found.iter().filter(disturbing).collect();
        let mut expected = BTreeMap::new();
        for lock in said.split("; ").filter(|lock| *lock != "nothing") {
            let mode = lock.split([',']).next().unwrap();
            let (mode, table) = mode.split_once(" on ").unwrap_or((mode, ""));
            expected.insert(table.trim_start_matches("public.").trim_matches('"').to_owned(), mode.to_owned());
        }
        // Where the statement does not name the table, it is the one of `orders_note`.
        if let Some(mode) = expected.remove("") {
            // Nothing but the index is locked when it is renamed.
            if !text.contains("RENAME") {
                expected.insert("orders".to_owned(), mode);
            }
        }
        // A view is told of, and what belongs to it is not.
        let is_told = |name: &str| expected.contains_key(name) || !matches!(name, "seen" | "kept" | "measures_0");
        let found: BTreeMap<String, String> =
            found.into_iter().filter(|(name, _)| is_told(name)).map(|(a, b)| (a.clone(), b.clone())).collect();
        if found != expected {
            wrong.push(format!("{text}\n  said {expected:?}\n found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "{seen}");
}

fn rank(mode: &str) -> usize {
    MODES.iter().position(|known| *known == mode).unwrap_or_else(|| panic!("{mode}"))
}

/// The strongest lock on each relation after the statement, inside its transaction.
async fn held_by(connection: &mut PgConnection, text: &str) -> BTreeMap<String, String> {
    let names = RELATIONS.map(|name| format!("'{name}'::regclass::oid::text"));
    let sql = format!("SELECT {}", names.join(", "));
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap();
    let oids: BTreeMap<String, &str> =
        RELATIONS.iter().enumerate().map(|(index, name)| (row.get::<String, _>(index), *name)).collect();
    let mut begun = connection.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
        .execute(&mut *begun)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let sql = "SELECT relation::text, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' \
               AND granted";
    let rows = sqlx::query(sql).fetch_all(&mut *begun).await.unwrap();
    begun.rollback().await.unwrap();
    let mut held: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        let (oid, mode): (String, String) = (row.get(0), row.get(1));
        let Some(name) = oids.get(&oid) else { continue };
        let mode = spelt(&mode);
        let strongest = held.entry((*name).to_owned()).or_insert_with(|| mode.clone());
        if rank(&mode) > rank(strongest) {
            *strongest = mode;
        }
    }
    held
}

/// `AccessExclusiveLock` as the manual writes it.
fn spelt(mode: &str) -> String {
    let words = mode.trim_end_matches("Lock").chars().flat_map(|c| {
        let space = c.is_uppercase().then_some(' ');
        space.into_iter().chain([c.to_ascii_uppercase()])
    });
    words.collect::<String>().trim().to_owned()
}

stories! {
    the_sizes_of_tables_are_known on sqlite, postgres, mysql, scylla
}

async fn the_sizes_of_tables_are_known(world: World) {
    let set = world
        .set([("0001_a.sql", "CREATE TABLE orders (id INT PRIMARY KEY); CREATE TABLE none (id INT PRIMARY KEY);")]);
    world.up(&set).await.unwrap();
    for id in 0..12 {
        world.run(format!("INSERT INTO orders (id) VALUES ({id})")).await;
    }
    let quoted = if world.dialect() == "mysql" { "`orders`" } else { "\"orders\"" };
    let asked = ["orders", quoted, "none", "nowhere", "no name; at all"];
    match &world {
        World::Postgres(..) => world.run("ANALYZE orders").await,
        World::Mysql(..) => world.run("ANALYZE TABLE orders").await,
        // It locks nothing, so that nobody needs to know.
        World::Scylla(..) => {
            assert!(world.migrator(&set).table_sizes(asked).await.unwrap().is_empty());
            return;
        }
        World::Sqlite(..) => {}
    }
    let sizes = world.migrator(&set).table_sizes(asked).await.unwrap();
    let expected = [("none", 0), ("orders", 12), (quoted, 12)].map(|(name, rows)| (name.to_owned(), rows));
    assert_eq!(sizes, BTreeMap::from(expected));
}
