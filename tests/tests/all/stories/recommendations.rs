//! What would make the next migration safer, as each database tells it.

use whimbrel::Recommendations;

use crate::stories::world::{World, set_for, stories};

stories! {
    a_column_that_rows_have_no_value_for_is_told on sqlite, postgres, mysql
    what_is_wrong_with_the_set_is_told on sqlite, postgres, mysql, scylla
    what_postgres_knows_is_told on postgres
    one_copy_is_told on scylla
    a_change_of_a_large_table_is_told on mysql
    recommendations_change_nothing on sqlite, postgres, mysql, scylla
}

/// The rules that found something, and what.
fn found(all: &Recommendations) -> Vec<(&str, &str)> {
    all.iter().map(|it| (it.rule, &*it.reason)).collect()
}

async fn a_column_that_rows_have_no_value_for_is_told(world: World) {
    let first = ("0001_a.sql", "CREATE TABLE rooms (id INT PRIMARY KEY); INSERT INTO rooms (id) VALUES (1), (2);");
    world.up(&world.set([first])).await.unwrap();
    match &world {
        World::Postgres(..) => world.run("ANALYZE rooms").await,
        World::Mysql(..) => world.run("ANALYZE TABLE rooms").await,
        _ => {}
    }
    let both = world.set([first, ("0002_kind.sql", "ALTER TABLE rooms ADD COLUMN kind INT NOT NULL")]);
    let all = world.migrator(&both).recommendations().await.unwrap();
    let ends = world.each("so that it will fail", "so that it will fail", "each of which gets an empty value");
    let (rule, reason) = found(&all)[0];
    // About so many: PostgreSQL may count those that it has analyzed a second time.
    let begins = "0002 kind adds kind NOT NULL without a default to rooms (";
    assert!(rule == "not_null" && reason.starts_with(begins), "{all}");
    assert!(reason.ends_with(&format!(" rows), {ends} (0002_kind.sql:1)")), "{all}");
}

async fn what_is_wrong_with_the_set_is_told(world: World) {
    let set = world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)")]);
    let all = world.migrator(&set).recommendations().await.unwrap();
    let found = found(&all);
    assert!(found.contains(&("down_scripts", "1 of 1 migration cannot be rolled back: 0001")), "{all}");
    // With a way back, and with nothing to say of the database.
    let set = world.three();
    world.up(&set).await.unwrap();
    let all = world.migrator(&set).recommendations().await.unwrap();
    let others: Vec<_> = all.iter().filter(|it| it.rule != "replication").collect();
    assert!(others.is_empty(), "{all}");
    if !world.is_cql() {
        assert_eq!(all.to_string(), "nothing to recommend");
    }
}

async fn what_postgres_knows_is_told(world: World) {
    let files = [
        ("0001_a.up.sql", "CREATE TABLE orders (id int, status int); CREATE INDEX broken ON orders (id)"),
        ("0001_a.down.sql", "DROP TABLE orders"),
        ("0002_b.up.sql", "SELECT 1;\nCREATE INDEX i ON orders (status)"),
        ("0002_b.down.sql", "DROP INDEX i"),
        ("0003_c.up.sql", "ALTER TABLE orders ADD CHECK (id > 0)"),
        ("0003_c.down.sql", "SELECT 1"),
    ];
    let set = set_for("postgres", files);
    world.migrator(&set).up_to(whimbrel::Target::Steps(1)).await.unwrap();
    world.run("UPDATE pg_class SET reltuples = 12400000 WHERE relname = 'orders'").await;
    world.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass").await;
    let all = world.migrator(&set).recommendations().await.unwrap();
    let index = "0002 b builds an index on orders (12.4 M rows); who writes to it waits meanwhile (0002_b.up.sql:2)";
    let check = "0003 c reads all of orders (12.4 M rows), and nobody reads or writes it meanwhile (0003_c.up.sql:1)";
    let broken = "the index broken of orders is not valid: it is written to, and serves no query";
    let backup = "migrations are pending, and no backup is made before they run";
    let expected =
        [("concurrent_index", index), ("blocking_change", check), ("invalid_index", broken), ("backup", backup)];
    assert_eq!(found(&all), expected, "{all}");
}

async fn one_copy_is_told(world: World) {
    let set = world.three();
    let all = world.migrator(&set).recommendations().await.unwrap();
    let reason = format!(
        "the keyspace {} keeps one copy of each row: without its node nobody migrates, nor reads it",
        world.database()
    );
    assert_eq!(found(&all), [("replication", &*reason)], "{all}");
}

async fn a_change_of_a_large_table_is_told(world: World) {
    let first = "CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT); INSERT INTO orders () VALUES (), (), (), ()";
    let double = "; INSERT INTO orders (id) SELECT NULL FROM orders".repeat(15);
    let first = format!("{first}{double}");
    let only = set_for("mysql", [("0001_a.up.sql", &*first), ("0001_a.down.sql", "DROP TABLE orders")]);
    world.up(&only).await.unwrap();
    world.run("ANALYZE TABLE orders").await;
    let second = "ALTER TABLE orders ADD status INT";
    let both = set_for(
        "mysql",
        [
            ("0001_a.up.sql", &*first),
            ("0001_a.down.sql", "DROP TABLE orders"),
            ("0002_b.up.sql", second),
            ("0002_b.down.sql", "ALTER TABLE orders DROP status"),
        ],
    );
    let all = world.migrator(&both).recommendations().await.unwrap();
    assert_eq!(all.iter().map(|it| it.rule).collect::<Vec<_>>(), ["change_algorithm", "backup"], "{all}");
}

async fn recommendations_change_nothing(world: World) {
    let set = world.three();
    world.migrator(&set).recommendations().await.unwrap();
    if !world.is_cql() {
        assert!(!world.has("whimbrel_history").await);
    }
    world.up(&set).await.unwrap();
    let events = world.events().await;
    world.migrator(&set).recommendations().await.unwrap();
    assert_eq!(world.events().await, events);
}
