//! What is accepted, and what it means: dialects, configuration, numbering.

use proptest::prelude::*;
use whimbrel_core::packed::{Embedded, pack};
use whimbrel_core::{Dialect, Direction, Migrations};

use Dialect::{Cql, Mysql, Postgres, Sqlite};

fn with(paths: &[&str], config: &str) -> Migrations {
    let mut files: Vec<(&str, &str)> = paths.iter().map(|path| (*path, "create table a (id int);\n")).collect();
    files.push(("whimbrel.toml", config));
    crate::set(&files).unwrap_or_else(|problems| panic!("{paths:?}\n{config}\n{problems}"))
}

#[test]
fn a_set_supports_what_its_names_and_its_configuration_say() {
    let cases: &[(&[&str], &str, &[Dialect])] = &[
        (&["1.sql"], "", &[Sqlite, Postgres, Mysql]),
        (&["1.cql"], "", &[Cql]),
        (&["1.cql", "1.sql"], "", &[Sqlite, Postgres, Mysql, Cql]),
        (&["1.sqlite.sql", "1.postgres.sql", "2.sql"], "", &[Sqlite, Postgres]),
        (&["1.sqlite.sql", "1.sql"], "", &[Sqlite, Postgres, Mysql]),
        (&["1.sqlite.sql", "1.postgres.sql", "1.sql"], "", &[Sqlite, Postgres, Mysql]),
        (&["1.postgres.sql", "1.cql", "2.sql", "2.cql"], "", &[Postgres, Cql]),
        (&["1.sql"], "dialect = \"postgres\"", &[Postgres]),
        (&["1.sql"], "dialect = \"cql\"", &[Cql]),
        (&["1.sql", "1.sqlite.sql"], "dialect = \"postgres\"", &[Sqlite, Postgres]),
        (&["1.sqlite.sql"], "dialect = \"postgres\"", &[Sqlite]),
        (&["1.sql"], "dialect = [\"sqlite\", \"mariadb\"]", &[Sqlite, Mysql]),
        (&["1.sqlite.sql", "1.sql"], "dialect = [\"sqlite\", \"mysql\"]", &[Sqlite, Mysql]),
        (&["1.sql", "1.cql"], "dialect = [\"sqlite\", \"cql\"]", &[Sqlite, Cql]),
        (&["README"], "empty = \"allow\"", &[Sqlite, Postgres, Mysql, Cql]),
    ];
    for (paths, config, supported) in cases {
        let set = with(paths, config);
        assert_eq!(set.dialects().collect::<Vec<_>>(), *supported, "{paths:?} {config}");
        for dialect in *supported {
            assert!(set.iter().all(|migration| migration.script(Direction::Up, *dialect).is_some()), "{paths:?}");
        }
    }
}

#[test]
fn the_specific_script_wins() {
    let set = with(&["1.sqlite.sql", "1.sql"], "");
    let path = |dialect| set.last().unwrap().script(Direction::Up, dialect).unwrap().path();
    assert_eq!((path(Sqlite), path(Mysql)), ("1.sqlite.sql", "1.sql"));
}

#[test]
fn plain_scripts_need_suit_no_other_dialect_than_the_set_supports() {
    // A dollar quote is PostgreSQL's; the others would see two statements.
    let quoted = "do $$ begin perform 1; end $$;\n";
    let files = [("1.postgres.sql", "select 1;\n"), ("2.sql", quoted)];
    assert!(crate::set(&files).is_ok());
    let portable = crate::set(&[("2.sql", quoted)]);
    assert!(portable.is_err());
}

#[test]
fn a_database_finds_its_checksums_again_whichever_other_dialects_the_set_has() {
    // PostgreSQL's array is two names to SQLite, its dollar quote a word and blanks to the others.
    let files = [("1.sql", "create table a (b text[] default array['a', 'b']);\n"), ("2.sql", "select $$a  b$$;\n")];
    let under = |config| crate::set(&[&files[..], &[("whimbrel.toml", config)]].concat()).unwrap();
    let (portable, postgres) = (under(""), under("dialect = \"postgres\""));
    assert_eq!(portable.chain(Postgres), postgres.chain(Postgres));
    assert_ne!(portable.chain(Sqlite), portable.chain(Postgres));

    let packed = pack(&portable);
    let embedded = Box::leak(Box::new(Embedded::new(packed.text.leak(), packed.table.leak())));
    let bits = Dialect::SQL.iter().fold(0, |bits, dialect| bits | dialect.bit());
    let embedded = Migrations::__embedded(embedded, bits, None, "", None, None);
    assert_eq!(embedded, portable);
    assert!(Dialect::SQL.into_iter().all(|dialect| embedded.head(dialect) == portable.head(dialect)));
}

#[test]
fn prisma_says_its_dialect_in_the_lock_file() {
    let lock = ("migration_lock.toml", "# by Prisma\nprovider = \"postgresql\"\n");
    let script = ("20240115100000_init/migration.sql", "create table a (id int);\n");
    let dialects = |files: &[(&str, &str)]| crate::set(files).unwrap().dialects().collect::<Vec<_>>();
    assert_eq!(dialects(&[lock, script]), [Postgres]);
    assert_eq!(dialects(&[lock, script, ("whimbrel.toml", "dialect = \"mysql\"")]), [Mysql]);
    assert_eq!(dialects(&[("migration_lock.toml", "provider = \"sqlserver\"\n"), script]), [Sqlite, Postgres, Mysql]);
}

#[test]
fn metadata_switches_the_transaction_off_for_up_and_down() {
    let sql = "create table a (id int);\n";
    let metadata = "run_in_transaction = false\n";
    let set = crate::set(&[
        ("1_a/up.sql", sql),
        ("1_a/down.sql", sql),
        ("1_a/metadata.toml", metadata),
        ("2_b/up.sql", sql),
        ("2_b/metadata.toml", "run_in_transaction = true\n"),
    ]);
    let set = set.unwrap();
    let outside: Vec<bool> =
        set.iter().flat_map(|migration| migration.scripts()).map(|script| script.options().no_transaction).collect();
    assert_eq!(outside, [true, true, false]);
}

#[test]
fn only_a_sequence_has_gaps() {
    for (paths, config) in [
        (&["1.sql", "3.sql"][..], "gaps = \"allow\""),
        (&["1.sql", "3.sql"], "numbering = \"free\""),
        (&["7.sql", "8.sql", "9.sql"], ""),
        (&["0.sql", "1.sql"], ""),
        (&["10.sql", "20.sql", "40.sql"], ""),
        (&["20250110.sql", "20250210.sql"], ""),
        (&["1.sql", "3.sql", "20250110120000.sql"], ""),
        (&["1.0_x.sql", "1.1_x.sql", "3_x.sql"], ""),
        (&["20250110120000.sql", "20250110.sql"], "numbering = \"timestamp\""),
    ] {
        with(paths, config);
    }
    for (paths, config) in [
        (&["1.sql", "3.sql"][..], ""),
        (&["10.sql", "20.sql"], "numbering = \"sequence\""),
        (&["1.sql", "20250110120000.sql"], "numbering = \"sequence\""),
    ] {
        let config = ("whimbrel.toml", config);
        let files: Vec<_> = paths.iter().map(|path| (*path, "select 1;\n")).chain([config]).collect();
        let problems = crate::set(&files).unwrap_err();
        assert_eq!(problems.iter().map(|problem| problem.code()).collect::<Vec<_>>(), ["gap"], "{paths:?}");
    }
}

#[test]
fn a_misnamed_file_leaves_no_gap() {
    let problems = crate::named(&["0001_a.sql", "2-b.sql", "0003_c.sql"]).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.code()).collect::<Vec<_>>(), ["misnamed"]);
}

#[test]
fn a_misnamed_file_is_not_missing_as_well() {
    let config = ("whimbrel.toml", "down = \"require\"\n");
    for misnamed in ["1-a.up.sql", "1_a.DOWN.sql"] {
        let other = if misnamed.contains("up") { "1_a.down.sql" } else { "1_a.up.sql" };
        let problems = crate::set(&[(misnamed, "select 1;\n"), (other, "select 1;\n"), config]).unwrap_err();
        assert_eq!(problems.iter().map(|problem| problem.code()).collect::<Vec<_>>(), ["misnamed"]);
    }
}

#[test]
fn scripts_are_not_read_under_a_dialect_that_was_meant_otherwise() {
    let quoted = ("1.sql", "do $$ begin perform 1; end $$;\n");
    for config in ["dialekt = \"postgres\"", "dialect = \"postgers\"", "dialect = postgres"] {
        let problems = crate::set(&[quoted, ("whimbrel.toml", config)]).unwrap_err();
        assert_eq!(problems.iter().count(), 1, "{problems}");
    }
}

#[test]
fn a_configuration_that_is_wrong_elsewhere_hides_no_script() {
    let script = ("1.sql", "-- whimbrel:timout 3s\nselect 1;\n");
    for config in ["gap = 1", "gaps = 1", "colour = \"red\"", "dialekt = 1\ndialect = \"sqlite\""] {
        let problems = crate::set(&[script, ("whimbrel.toml", config)]).unwrap_err();
        let codes: Vec<_> = problems.iter().map(|problem| problem.code()).collect();
        assert!(codes.len() == 2 && codes[0] == "unknown-directive", "{problems}");
    }
}

#[test]
fn a_plain_script_in_a_set_for_cql_only_is_never_run() {
    let problems =
        crate::set(&[("1.sql", "select 1;\n"), ("1.cql", "select 1;\n"), ("whimbrel.toml", "dialect = [\"cql\"]")]);
    assert_eq!(problems.unwrap_err().iter().map(|problem| problem.code()).collect::<Vec<_>>(), ["unused-script"]);
}

#[test]
fn the_up_script_names_the_migration() {
    let set = crate::named(&["1_create.up.sql", "01_undo.down.sql"]).unwrap();
    let migration = set.last().unwrap();
    assert_eq!((migration.version().as_written(), migration.name()), ("1", "create"));
}

#[test]
fn migrations_come_in_the_order_of_their_versions() {
    let set = crate::named(&["10_a.sql", "9_b.sql", "8_c.sql"]).unwrap();
    assert_eq!(set.iter().map(|migration| migration.name()).collect::<Vec<_>>(), ["c", "b", "a"]);
    let set = crate::named(&["1.10_a.sql", "1.9_b.sql", "1_c.sql"]).unwrap();
    assert_eq!(set.iter().map(|migration| migration.name()).collect::<Vec<_>>(), ["c", "b", "a"]);
}

#[test]
fn what_lies_beside_migrations_as_a_rule_is_known() {
    crate::named(&["1.sql", "README", "readme.txt", ".gitkeep", ".hidden/x.sql"]).unwrap();
}

#[test]
fn the_minimum_supported_is_kept() {
    let set = with(&["1.sql", "2.sql"], "minimum_supported = \"2\"");
    assert_eq!(set.minimum_supported(), Some(&"2".parse().unwrap()));
    assert_ne!(set, with(&["1.sql", "2.sql"], ""));
}

#[test]
fn an_empty_file_is_allowed_where_the_configuration_says_so() {
    let set = crate::set(&[("1.sql", ""), ("whimbrel.toml", "empty = \"allow\"")]).unwrap();
    assert!(set.last().unwrap().scripts()[0].is_empty());
}

#[test]
fn the_argument_of_the_macro_overrides_the_configuration() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sets/bad/duplicate-version-plain/migrations");
    let loaded = whimbrel_core::load::load(&path, "migrations", Some(Sqlite)).unwrap();
    assert_eq!(loaded.migrations.dialects().collect::<Vec<_>>(), [Sqlite, Postgres]);
}

proptest! {
    #[test]
    fn whatever_stands_in_the_other_files_no_line_of_it_panics(
        config in r#"((dialect|ignore|gaps|layout|x|é|minimum_supported)? ?=? ?("[a-zé*]{0,9}"|\[("sql[a-z]*",?){0,2}\]|[0-9.]{0,4})\n){0,4}"#,
        sum in r"(whimbrel-sum 1 [0-9a-f]{64}\r?\n)?([0-9.]{0,3} ([0-9a-f]{64})? ?[a-zé ]{0,5}\n){0,4}",
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let script = b"select 1;".to_vec();
        let files = |config: Vec<u8>, sum: Vec<u8>| [("1_a.sql", script.clone()), ("whimbrel.toml", config), ("whimbrel.sum", sum)];
        let print = |result: Result<Migrations, whimbrel_core::Problems>| result.err().map(|problems| problems.to_string());
        print(Migrations::from_files(files(config.into_bytes(), sum.into_bytes())));
        print(Migrations::from_files(files(bytes.clone(), bytes)));
    }
}
