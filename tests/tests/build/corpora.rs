//! Real sets, written by others, are embedded as they are.

use std::fmt::Write as _;

use whimbrel::{Dialect, Migrations};
use whimbrel_tests::corpora;

use crate::package::Package;

const SETS: [(&str, Dialect); 4] = [
    ("docsrs-postgres", Dialect::Postgres),
    ("chirpstack-postgres", Dialect::Postgres),
    ("chirpstack-sqlite", Dialect::Sqlite),
    ("temporal-cassandra/versioned", Dialect::Cql),
];

#[test]
fn sets_of_others_embed_and_equal_what_is_loaded() {
    let package = Package::new("corpora");
    let (mut program, mut expected) = (String::from("use whimbrel::*;\nfn main() {\n"), String::new());
    for (name, dialect) in SETS {
        let Some(directory) = corpora::directory(name) else { continue };
        package.copy(&directory, name);
        // docs.rs has a down script without a word in it.
        package.write(&format!("{name}/whimbrel.toml"), &format!("dialect = \"{dialect}\"\nempty = \"allow\"\n"));
        let loaded = Migrations::from_directory(package.path(name)).unwrap();
        writeln!(program, "    let set: Migrations = embed_migrations!(\"{name}\");").unwrap();
        writeln!(program, "    println!(\"{name} {{}} {{}}\", set.len(), set.head(Dialect::{dialect:?}));").unwrap();
        writeln!(expected, "{name} {} {}", loaded.len(), loaded.head(dialect)).unwrap();
    }
    package.write("src/main.rs", &(program + "}\n"));
    assert_eq!(package.run(), expected);
}
