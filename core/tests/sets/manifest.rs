//! Manifests: several files make one script.

use proptest::prelude::*;
use whimbrel_core::packed::{Embedded, pack};
use whimbrel_core::read::read_stored;
use whimbrel_core::{Dialect, Direction, Migrations, Problems, Script, sum};

const MANIFEST: (&str, &str) = (
    "v1.2/manifest.json",
    r#"{ "CurrVersion": "1.2", "MinCompatibleVersion": "1.0", "Description": "two  tables",
        "SchemaUpdateCqlFiles": [ "b.cql", "a.cql" ] }"#,
);
const A: (&str, &str) = ("v1.2/a.cql", "create table a (b int primary key)");
const B: (&str, &str) = ("v1.2/b.cql", "-- first\ncreate type c (d int) -- last");

/// The files, and of those above what they do not replace.
fn set(files: &[(&str, &str)]) -> Result<Migrations, Problems> {
    let rest = [MANIFEST, A, B].into_iter().filter(|(path, _)| !files.iter().any(|(other, _)| other == path));
    crate::set(&files.iter().copied().chain(rest).collect::<Vec<_>>())
}

fn up(set: &Migrations) -> &Script {
    set.last().unwrap().script(Direction::Up, Dialect::Cql).unwrap()
}

#[test]
fn the_files_of_a_version_are_one_script_in_the_order_of_the_manifest() {
    let set = set(&[("v1.2/README", "known")]).unwrap();
    let (migration, script) = (set.last().unwrap(), up(&set));
    assert_eq!((migration.version().as_written(), migration.name()), ("1.2", "two tables"));
    assert_eq!((migration.folder(), script.path()), (Some("v1.2"), "v1.2/manifest.json"));
    assert_eq!(script.text(), "-- first\ncreate type c (d int) -- last\n;\ncreate table a (b int primary key)");
    assert_eq!(set.dialects().collect::<Vec<_>>(), [Dialect::Cql]);
}

#[test]
fn a_place_is_in_the_file_that_holds_it() {
    let set = set(&[]).unwrap();
    let places = up(&set).statements().map(|statement| up(&set).place("m/v1.2/manifest.json", statement.range()));
    let told: Vec<_> = places.map(|place| (place.path().to_owned(), place.line(), place.column())).collect();
    assert_eq!(told, [("m/v1.2/b.cql".to_owned(), Some(2), Some(1)), ("m/v1.2/a.cql".to_owned(), Some(1), Some(1))]);
}

#[test]
fn what_the_history_stores_is_read_as_it_was() {
    for b in ["create type c (d int)", "create type c (d int);", "create type c (d int) // x", "// x", "// x\n"] {
        let set = set(&[("v1.2/b.cql", b)]).unwrap();
        let script = up(&set);
        let stored = read_stored(Direction::Up, Dialect::Cql, script.path(), script.text().to_owned()).unwrap();
        assert_eq!(stored.digest(Dialect::Cql), script.digest(Dialect::Cql), "{b}");
        assert_eq!(stored.len(), if b.starts_with('/') { 1 } else { 2 }, "{b}");
    }
}

#[test]
fn a_statement_that_is_taken_out_of_a_script_ends_all_the_same() {
    let files = "{\"SchemaUpdateCqlFiles\": [\"a.sql\", \"b.sql\"]}";
    let rebuild = "PRAGMA foreign_keys=OFF;\ncreate table a (b int);\nPRAGMA foreign_keys=ON";
    let set = crate::set(&[
        ("v1/manifest.json", files),
        ("v1/a.sql", rebuild),
        ("v1/b.sql", "create table b (c int);"),
        ("whimbrel.toml", "dialect = \"sqlite\""),
    ]);
    let set = set.unwrap();
    let script = set.last().unwrap().script(Direction::Up, Dialect::Sqlite).unwrap();
    let statements: Vec<_> = script.statements().map(|statement| script.text_of(&statement)).collect();
    assert_eq!(statements, ["create table a (b int)", "create table b (c int)"]);
}

#[test]
fn it_travels_through_the_compiler() {
    let set = set(&[("v1.2/verify.cql", "select * from a;"), ("v1.2/down.cql", "drop table a;")]).unwrap();
    let packed = pack(&set);
    let embedded = Box::leak(Box::new(Embedded::new(packed.text.leak(), packed.table.leak())));
    assert_eq!(Migrations::__embedded(embedded, Dialect::Cql.bit(), None, "", None, None), set);
    for direction in [Direction::Down, Direction::Verify] {
        let script = set.last().unwrap().script(direction, Dialect::Cql).unwrap();
        assert_eq!(script.path(), format!("v1.2/{direction}.cql"));
    }
}

#[test]
fn the_sum_file_knows_an_edit_of_each_of_its_files() {
    let text = sum::write(&set(&[]).unwrap());
    assert!(text.ends_with(" v1.2/manifest.json\n"), "{text}");
    set(&[("whimbrel.sum", &text), ("v1.2/b.cql", "create type c (d int); -- a comment\n")]).unwrap();
    for (path, edited) in [A, B].map(|(path, text)| (path, text.replace("int", "text"))) {
        let problems = set(&[("whimbrel.sum", &text), (path, &edited)]).unwrap_err();
        assert_eq!(problems.iter().map(|problem| problem.code()).collect::<Vec<_>>(), ["sum-changed"]);
    }
}

#[test]
fn a_manifest_may_name_scripts_of_sql() {
    let files = "{\"SchemaUpdateCqlFiles\": [\"a.sql\"]}";
    let set = crate::set(&[("v1_first/manifest.json", files), ("v1_first/a.sql", "create table a (b int);")]).unwrap();
    assert_eq!(set.last().unwrap().name(), "first");
    assert_eq!(set.dialects().collect::<Vec<_>>(), Dialect::SQL);
}

#[test]
fn a_file_that_a_manifest_names_may_be_called_as_in_another_layout() {
    let files = "{\"SchemaUpdateCqlFiles\": [\"up.cql\", \"down.cql\"]}";
    let text = "create table a (b int primary key);";
    let set = crate::set(&[("v1/manifest.json", files), ("v1/up.cql", text), ("v1/down.cql", text)]).unwrap();
    assert_eq!((up(&set).len(), set.last().unwrap().scripts().len()), (2, 1));
}

#[test]
fn a_version_whose_manifest_cannot_be_read_is_not_missing() {
    let files = |file: &str| format!("{{\"SchemaUpdateCqlFiles\": [\"{file}\"]}}");
    let (one, two) = (files("a.cql"), files("nowhere.cql"));
    let text = "create table a (b int primary key);";
    let all = [("v1/manifest.json", &one), ("v2/manifest.json", &two), ("v3/manifest.json", &one)];
    let all = all.map(|(path, text)| (path, text.as_str()));
    let problems = crate::set(&[&all[..], &[("v1/a.cql", text), ("v3/a.cql", text)]].concat()).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.code()).collect::<Vec<_>>(), ["manifest-files"]);
}

#[test]
fn versions_follow_one_another_number_by_number() {
    let manifest = "{\"SchemaUpdateCqlFiles\": [\"a.cql\"]}";
    let paths: Vec<_> = ["v1.9", "v1.10", "v1.0", "v0.5"]
        .iter()
        .flat_map(|v| [format!("{v}/manifest.json"), format!("{v}/a.cql")])
        .collect();
    let text = |path: &str| if path.ends_with("json") { manifest } else { "select a from b;" };
    let files: Vec<_> = paths.iter().map(|path| (path.as_str(), text(path))).collect();
    let set = crate::set(&files).unwrap();
    let versions: Vec<_> = set.iter().map(|migration| migration.version().as_written()).collect();
    assert_eq!(versions, ["0.5", "1.0", "1.9", "1.10"]);
}

proptest! {
    #[test]
    fn whatever_stands_in_a_manifest_it_is_read_or_refused(
        text in r#"\{?("(CurrVersion|SchemaUpdateCqlFiles|[a.cql]{0,3}|[é\\u0-9]{0,6})"|[\[\]{}:,\\" \n]){0,12}\}?"#,
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        for manifest in [text.into_bytes(), bytes] {
            let files = [("v1/manifest.json", manifest), ("v1/a.cql", b"select a from b;".to_vec())];
            match Migrations::from_files(files) {
                Ok(set) => prop_assert_eq!(set.len(), 1),
                Err(problems) => prop_assert!(!problems.to_string().is_empty()),
            }
        }
    }
}
