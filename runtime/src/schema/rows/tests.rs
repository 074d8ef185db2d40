use super::*;
use crate::schema::compare::compare;
use crate::schema::derive::derive;
use whimbrel_core::read::read_stored;
use whimbrel_core::{Dialect, Direction, Version};

/// A line is the name of a table of `system_schema` and the columns of a row, with ` | ` between, and `; ` in lists.
fn read(text: &str) -> Rows {
    let mut rows = Rows::default();
    for line in text.lines() {
        let parts: Vec<&str> = line.split(" |").map(str::trim).collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
        let list = |at: usize| {
            let text = part(at);
            text.split("; ").filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        match parts[0] {
            "keyspaces" => rows.keyspaces.push((part(1),)),
            "tables" => rows.tables.push((part(1),)),
            "columns" => {
                let position = part(4).parse().unwrap();
                rows.columns.push((part(1), part(2), part(3), position, part(5), part(6)));
            }
            "indexes" => {
                let pairs = list(4);
                let options = pairs.iter().filter_map(|pair| pair.split_once('='));
                let options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
                rows.indexes.push((part(1), part(2), part(3), Some(options)));
            }
            "views" => rows.views.push((part(1), part(2), part(3) == "true")),
            "types" => rows.types.push((part(1), Some(list(2)), Some(list(3)))),
            "functions" => rows.functions.push((part(1), Some(list(2)))),
            "aggregates" => rows.aggregates.push((part(1), Some(list(2)))),
            other => panic!("{other}"),
        }
    }
    rows
}

/// The rows are those that Cassandra 5.0.8 had after the script; for Scylla, those that its source says it has.
#[test]
fn what_a_script_makes_is_what_is_found() {
    let cases = [
        (include_str!("cassandra.cql"), include_str!("cassandra.txt")),
        (include_str!("scylla.cql"), include_str!("scylla.txt")),
    ];
    for (script, rows) in cases {
        let found = Schema::found([read(rows)]);
        let script = read_stored(Direction::Up, Dialect::Cql, "0001_a.cql", script.to_owned()).unwrap();
        let version: Version = "1".parse().unwrap();
        let derived = derive([(&version, &script)], "schema_rows");
        assert_eq!(derived.unchecked, []);
        assert_eq!(compare(&derived.schema, &found), []);
        assert_eq!(derived.schema, found);
    }
}

#[test]
fn a_keyspace_that_is_not_there_is_not_found() {
    assert_eq!(Schema::found([Rows::default()]), Schema::default());
    let null =
        Rows { types: vec![("u".into(), None, None)], functions: vec![("f".into(), None)], ..read("keyspaces | a") };
    let found = Schema::found([null]);
    assert_eq!(found.keyspaces["a"].types["u"], []);
    assert_eq!(found.keyspaces["a"].functions.len(), 1);
}

#[test]
fn what_is_indexed_is_read() {
    let cases = [
        ("email", "email"),
        ("\"Name\"", "\"Name\""),
        ("values(m)", "m"),
        ("keys(m)", "keys(m)"),
        ("keys(tags)", "tags"),
        ("full(\"L\")", "full(\"L\")"),
        (r#"{"pk":["a","b"],"ck":["c"]}"#, "(a, b), c"),
        (r#"{"ck":["c"],"pk":["a"]}"#, "(a), c"),
        (r#"{"tc":"v","fc":["f"]}"#, "v, f"),
        (r#"{"tc":"v","pk":["a"]}"#, "(a), v"),
        ("something else", "something else"),
        ("", ""),
    ];
    let rows = read("keyspaces | a\ntables | t\ncolumns | t | tags | regular | -1 | none | set<text>");
    for (stored, expected) in cases {
        let options = [("target".to_owned(), stored.to_owned())].into();
        let indexes = vec![("i".into(), "t".into(), "COMPOSITES".into(), Some(options))];
        let found = Schema::found([Rows { indexes, ..rows.clone() }]);
        assert_eq!(found.keyspaces["a"].indexes["i"].target, expected, "{stored}");
    }
}
