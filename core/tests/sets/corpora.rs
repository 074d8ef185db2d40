//! Real migration directories, written by others; they are read where they lie.

use std::path::PathBuf;

use whimbrel_core::{Dialect, Direction, load::load};

/// Directory, dialect, migrations, first and last version.
const SETS: [(&str, Dialect, usize, &str, &str); 4] = [
    ("docsrs-postgres", Dialect::Postgres, 33, "20231021111635", "20260811210608"),
    ("chirpstack-postgres", Dialect::Postgres, 31, "00000000000000", "20260615141114-0000"),
    ("chirpstack-sqlite", Dialect::Sqlite, 14, "00000000000000", "20260630150641-0000"),
    ("modelregistry-mysql", Dialect::Mysql, 21, "000001", "000021"),
];

#[test]
fn the_sets_of_others_have_no_problem() {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora"));
    let corpora = std::env::var_os("WHIMBREL_CORPORA").map_or(beside, PathBuf::from);
    if !corpora.is_dir() {
        println!("skipped: set WHIMBREL_CORPORA");
        return;
    }
    for (name, dialect, count, first, last) in SETS {
        let loaded = load(&corpora.join(name), name, Some(dialect)).unwrap_or_else(|problems| panic!("{problems}"));
        let set = loaded.migrations;
        assert_eq!((set.len(), set.dialects().collect::<Vec<_>>()), (count, vec![dialect]), "{name}");
        assert!(set.iter().all(|migration| migration.script(Direction::Down, dialect).is_some()), "{name}");
        let ends = [set.iter().next(), set.last()].map(|end| end.unwrap().version().as_written());
        assert_eq!(ends, [first, last], "{name}");
        assert_eq!(loaded.files.len(), 2 * count, "{name}");
    }
}
