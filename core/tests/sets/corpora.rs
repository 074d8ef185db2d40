//! Real migration directories, written by others; they are read where they lie.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use whimbrel_core::{Dialect, Direction, Migration, Migrations, load::load};

/// Directory, dialect, migrations, first and last version.
const SETS: [(&str, Dialect, usize, &str, &str); 5] = [
    ("docsrs-postgres", Dialect::Postgres, 33, "20231021111635", "20260811210608"),
    ("chirpstack-postgres", Dialect::Postgres, 31, "00000000000000", "20260615141114-0000"),
    ("chirpstack-sqlite", Dialect::Sqlite, 14, "00000000000000", "20260630150641-0000"),
    ("modelregistry-mysql", Dialect::Mysql, 21, "000001", "000021"),
    ("temporal-cassandra/versioned", Dialect::Cql, 14, "1.0", "1.13"),
];

const SKIPPED: &[u8] = b"skipped: what loads real sets; set WHIMBREL_CORPORA to the directory that holds them\n";

#[test]
fn the_sets_of_others_have_no_problem() {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora"));
    let corpora = std::env::var_os("WHIMBREL_CORPORA").map_or(beside, PathBuf::from);
    if !corpora.is_dir() {
        // Past the harness, which keeps what a passing test prints.
        io::stderr().write_all(SKIPPED).unwrap();
        return;
    }
    for (name, dialect, count, first, last) in SETS {
        let directory = corpora.join(name);
        // docs.rs has an empty down script, which is a problem by default.
        let config = ("whimbrel.toml".into(), format!("dialect = \"{dialect}\"\nempty = \"allow\"").into_bytes());
        let set = Migrations::from_files(files(&directory).into_iter().chain([config]));
        let set = set.unwrap_or_else(|problems| panic!("{name}\n{problems}"));
        match load(&directory, name, Some(dialect)) {
            Ok(loaded) => assert_eq!(loaded.migrations, set, "{name}"),
            Err(problems) => assert!(problems.iter().all(|problem| problem.code() == "empty-file"), "{problems}"),
        }
        assert_eq!((set.len(), set.dialects().collect::<Vec<_>>()), (count, vec![dialect]), "{name}");
        let has_down = |migration: &Migration| migration.script(Direction::Down, dialect).is_some();
        // The tools that read manifests know no way back.
        assert!(set.iter().all(|migration| has_down(migration) == (dialect != Dialect::Cql)), "{name}");
        let ends = [set.iter().next(), set.last()].map(|end| end.unwrap().version().as_written());
        assert_eq!(ends, [first, last], "{name}");
    }
}

/// The files of a directory and its folders.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (name.join(below), bytes)));
        } else {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    found
}
