//! What is embedded is what is loaded.

use std::path::Path;

use whimbrel::{Dialect, Migrations, embed_migrations};

static DEMONSTRATION: Migrations = embed_migrations!("../migrations");
static VARIANTS: Migrations = embed_migrations!("tests/build/sets/variants");
static OVERRIDDEN: Migrations = embed_migrations!("tests/build/sets/plain", dialect = "PostgreSQL");
static CQL: Migrations = embed_migrations!("tests/build/sets/cql");
static MANIFEST: Migrations = embed_migrations!("tests/build/sets/manifest");
static CONFIGURED: Migrations = embed_migrations!("tests/build/sets/configured");

fn loaded(directory: &str) -> Migrations {
    Migrations::from_directory(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap()
}

#[test]
fn the_demonstration_and_its_chains() {
    let loaded = loaded("../migrations");
    assert_eq!(DEMONSTRATION, loaded);
    for dialect in Dialect::ALL {
        assert_eq!(DEMONSTRATION.head(dialect), loaded.head(dialect));
        assert_eq!(DEMONSTRATION.chain(dialect), loaded.chain(dialect));
    }
}

#[test]
fn variants_for_each_dialect() {
    assert_eq!(VARIANTS, loaded("tests/build/sets/variants"));
    assert_ne!(VARIANTS.head(Dialect::Sqlite), VARIANTS.head(Dialect::Postgres));
    assert!(!VARIANTS.supports(Dialect::Cql));
}

#[test]
fn every_byte_of_the_text() {
    let text = VARIANTS.iter().flat_map(|migration| migration.scripts()).map(|script| script.text());
    assert!(text.clone().any(|text| text.contains("\r\n") && text.contains("\u{202e}") && text.contains("\"#\\")));
    for (embedded, loaded) in VARIANTS.iter().zip(&loaded("tests/build/sets/variants")) {
        assert_eq!(embedded.scripts(), loaded.scripts());
    }
}

#[test]
fn another_language_and_a_config() {
    assert_eq!(CQL, loaded("tests/build/sets/cql"));
    assert_eq!(CONFIGURED, loaded("tests/build/sets/configured"));
    assert_eq!(CONFIGURED.minimum_supported().map(ToString::to_string).as_deref(), Some("2"));
}

#[test]
fn scripts_that_a_manifest_puts_together() {
    let loaded = loaded("tests/build/sets/manifest");
    assert_eq!(MANIFEST, loaded);
    assert_eq!(MANIFEST.head(Dialect::Cql), loaded.head(Dialect::Cql));
    let files: Vec<_> = MANIFEST.__source().expect("tests have debug assertions").files.lines().collect();
    assert_eq!(files.iter().filter(|file| file.ends_with("manifest.json")).count(), MANIFEST.len());
}

#[test]
fn the_dialect_of_the_call_wins() {
    assert!(OVERRIDDEN.supports(Dialect::Postgres));
    assert!(!OVERRIDDEN.supports(Dialect::Sqlite));
    assert_eq!(OVERRIDDEN.iter().next().unwrap().scripts()[0].dialect(), Some(Dialect::Postgres));
}

/// A debug build finds the files that were added since, so both must list them alike.
#[test]
fn the_names_that_a_debug_build_compares() {
    let source = DEMONSTRATION.__source().expect("tests have debug assertions");
    let now = whimbrel::__private::files_below(Path::new(source.directory), source.ignore).unwrap();
    assert_eq!(source.files, now.join("\n"));
    assert!(source.caller.ends_with("equal.rs"), "{}", source.caller);
}
