//! What makes cargo build again, and what a change does to the checksums.

use std::fs;

use whimbrel::Migrations;
use whimbrel_core::sum;

use crate::package::Package;

const PROGRAM: &str = r#"
static MIGRATIONS: whimbrel::Migrations = whimbrel::embed_migrations!();

fn main() {
    for migration in &MIGRATIONS {
        let text: usize = migration.scripts().iter().map(|script| script.text().len()).sum();
        let checksum = migration.checksum(whimbrel::Dialect::Sqlite);
        println!("{} {} {checksum} {text}", migration.version(), migration.name());
    }
}
"#;

#[test]
fn an_edit_is_seen() {
    let package = package("edit");
    let before = lines(&package);
    package.write("migrations/0001_users.sql", "create table users (id integer, name text);\n");
    let after = lines(&package);
    assert_ne!(before[0].checksum, after[0].checksum);
    assert_eq!(before[1], after[1]);
}

#[test]
fn a_removal_is_seen() {
    let package = package("remove");
    assert_eq!(lines(&package).len(), 2);
    fs::remove_file(package.path("migrations/0002_notes.sql")).unwrap();
    assert_eq!(lines(&package).len(), 1);
}

#[test]
fn a_new_name_is_seen() {
    let package = package("rename");
    let before = lines(&package);
    fs::rename(package.path("migrations/0002_notes.sql"), package.path("migrations/0002_letters.sql")).unwrap();
    let after = lines(&package);
    assert_eq!((before[1].name.as_str(), after[1].name.as_str()), ("notes", "letters"));
    assert_eq!(before[1].checksum, after[1].checksum);
}

#[test]
fn an_addition_is_seen_through_a_build_script() {
    let package = package("add");
    package.write("build.rs", "fn main() { println!(\"cargo::rerun-if-changed=migrations\") }\n");
    assert_eq!(lines(&package).len(), 2);
    package.write("migrations/0003_tags.sql", "create table tags (id integer);\n");
    assert_eq!(lines(&package).len(), 3);
}

#[test]
fn an_addition_is_seen_through_the_sum_file() {
    let package = package("add-with-sum");
    let record = || {
        drop(fs::remove_file(package.path("migrations/whimbrel.sum")));
        let set = Migrations::from_directory(package.path("migrations")).unwrap();
        package.write("migrations/whimbrel.sum", &sum::write(&set));
    };
    record();
    assert_eq!(lines(&package).len(), 2);
    package.write("migrations/0003_tags.sql", "create table tags (id integer);\n");
    record();
    assert_eq!(lines(&package).len(), 3);
}

#[test]
fn an_addition_that_nothing_tells_cargo_of_is_not_seen() {
    let package = package("add-unseen");
    assert_eq!(lines(&package).len(), 2);
    package.write("migrations/0003_tags.sql", "create table tags (id integer);\n");
    assert_eq!(lines(&package).len(), 2, "cargo has learned it: the stale check and its advice can go");
}

#[test]
fn a_change_of_the_config_is_seen() {
    let package = package("config");
    package.write("migrations/whimbrel.toml", "gaps = \"deny\"\n");
    package.write("migrations/0003_tags.sql", "create table tags (id integer);\n");
    assert_eq!(lines(&package).len(), 3);
    package.write("migrations/whimbrel.toml", "down = \"require\"\n");
    assert!(!package.cargo(&["check", "--quiet"]).output().unwrap().status.success());
}

#[test]
fn a_change_of_a_manifest_or_of_what_it_names_is_seen() {
    let package = Package::new("rebuild-manifest");
    package.write("src/main.rs", PROGRAM);
    let manifest = |files: &str| format!("{{ \"Description\": \"users\", \"SchemaUpdateCqlFiles\": [{files}] }}\n");
    package.write("migrations/v1.0/manifest.json", &manifest("\"b.sql\", \"a.sql\""));
    package.write("migrations/v1.0/a.sql", "create table a (id integer);\n");
    package.write("migrations/v1.0/b.sql", "create table b (id integer);\n");
    let before = lines(&package);
    package.write("migrations/v1.0/manifest.json", &manifest("\"a.sql\", \"b.sql\""));
    let reordered = lines(&package);
    package.write("migrations/v1.0/b.sql", "create table b (id integer, name text);\n");
    let edited = lines(&package);
    assert_ne!(before, reordered);
    assert_ne!(reordered, edited);
}

#[test]
fn line_ends_and_comments_are_embedded_but_leave_the_checksum() {
    let package = package("comment");
    let before = lines(&package);
    package.write("migrations/0001_users.sql", "-- who\r\ncreate table users\r\n  (id integer);\r\n");
    let after = lines(&package);
    assert_ne!(before[0].length, after[0].length, "it was not built again");
    assert_eq!(before[0].checksum, after[0].checksum);
}

/// A line that the program prints.
#[derive(Debug, PartialEq)]
struct Line {
    name: String,
    checksum: String,
    length: usize,
}

fn package(name: &str) -> Package {
    let package = Package::new(&format!("rebuild-{name}"));
    package.write("src/main.rs", PROGRAM);
    package.write("migrations/0001_users.sql", "create table users (id integer);\n");
    package.write("migrations/0002_notes.sql", "create table notes (id integer);\n");
    package
}

fn lines(package: &Package) -> Vec<Line> {
    let line = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        Line { name: words[1].to_owned(), checksum: words[2].to_owned(), length: words[3].parse().unwrap() }
    };
    package.run().lines().map(line).collect()
}
