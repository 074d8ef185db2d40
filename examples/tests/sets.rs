//! The examples' sets, as the compiler and the loader read them.

use whimbrel::{Dialect, Direction, Kind, Migration, Migrations, embed_migrations};

static STORAGE: Migrations = embed_migrations!("scylla-migrations");

#[test]
fn the_set_for_clusters_is_read_alike_by_the_compiler_and_the_loader() {
    let loaded = Migrations::from_directory("scylla-migrations").unwrap();
    assert_eq!(STORAGE, loaded);
    assert_eq!(loaded.dialects().collect::<Vec<_>>(), [Dialect::Cql]);
    assert_eq!(loaded.minimum_supported().map(ToString::to_string).as_deref(), Some("1.0.0"));
    let told = |migration: &Migration| {
        let of = |direction| migration.script(direction, Dialect::Cql).map_or(0, whimbrel::Script::len);
        let directions = [Direction::Up, Direction::Down, Direction::Verify].map(of);
        (migration.version().to_string(), migration.name().to_owned(), directions)
    };
    let expected = [("1.0.0", "storage", [10, 8, 8]), ("1.1.0", "enhanced_metadata", [6, 6, 6])];
    let expected = expected.map(|(version, name, statements)| (version.to_owned(), name.to_owned(), statements));
    assert_eq!(loaded.iter().map(told).collect::<Vec<_>>(), expected);
}

#[test]
fn a_schema_change_of_the_set_for_clusters_may_come_twice_wherever_cql_has_words_for_it() {
    for script in STORAGE.iter().flat_map(Migration::scripts) {
        for statement in script.statements().filter(|statement| statement.kind == Kind::Ddl) {
            let text = script.text_of(&statement);
            let may_come_twice = text.contains(" IF NOT EXISTS ") || text.contains(" IF EXISTS ");
            // Cassandra has `ALTER TABLE … ADD IF NOT EXISTS` since 4.1, ScyllaDB has not.
            assert!(may_come_twice || text.starts_with("ALTER TABLE "), "{text}");
        }
    }
}
