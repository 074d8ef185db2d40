//! Reading a script as a whole: options, digests, what is stored.

use std::borrow::Cow;
use std::time::Duration;

use whimbrel_core::Dialect::{Mysql, Postgres, Sqlite};
use whimbrel_core::read::{Demand, Outline, read, read_or_empty, read_stored};
use whimbrel_core::script::{Options, Phase, Wrapping};
use whimbrel_core::{Dialect, Digest, Direction, Kind};

use crate::{read_as, read_portable};

#[test]
fn a_simple_script_is_read_in_every_dialect() {
    let text = "\u{feff}-- users\ncreate table a (b int primary key);\ninsert into a (b) values (1);\n";
    for dialect in Dialect::ALL {
        let script = read_as(dialect, text).unwrap();
        let statements: Vec<_> = script.statements().collect();
        assert_eq!(statements.len(), 2, "{dialect}");
        assert_eq!(script.text_of(&statements[1]), "insert into a (b) values (1)");
        assert_eq!((statements[1].line, statements[1].kind), (3, Kind::Dml));
    }
    assert_eq!(read_portable(text).unwrap().len(), 2);
}

#[test]
fn a_wrapped_script_keeps_its_pair() {
    for text in ["begin;\ncreate table a (b int);\ncommit;", "START TRANSACTION; create table a (b int); COMMIT"] {
        for dialect in [Dialect::Postgres, Dialect::Mysql] {
            assert_eq!(read_as(dialect, text).unwrap().wrapping(), Wrapping::Whole, "{dialect}: {text}");
        }
    }
}

fn digest(dialect: Dialect, text: &str) -> Digest {
    read_as(dialect, text).unwrap().digest(dialect)
}

#[test]
fn the_digest_counts_tokens_and_nothing_else() {
    let plain = digest(Postgres, "select a, 'b' from c; select 2;");
    for same in
        ["\u{feff}-- licence\r\nselect a,'b'\r\n  from c;\r\nselect 2", "select a , 'b' /* why */ from c;; select 2;;"]
    {
        assert_eq!(digest(Postgres, same), plain, "{same}");
    }
    for other in [
        "select a, 'b ' from c; select 2;",
        "select a, 'B' from c; select 2;",
        "select a, 'b' from c select 2;",
        "select a 'b' from c; select 2;",
        "select a, \"b\" from c; select 2;",
        "select a, E'b' from c; select 2;",
        "select a, 'b' fromc; select 2;",
    ] {
        assert_ne!(digest(Postgres, other), plain, "{other}");
    }
    assert_ne!(digest(Postgres, "select E'a'"), digest(Postgres, "select E 'a'"));
    assert_eq!(digest(Postgres, "select E'a' -- why\n 'b\\'; c'"), digest(Postgres, "select E'a'\n'b\\'; c'"));
}

/// Git writes the line ends of the machine into routine bodies too, so that they cannot be told from an edit.
#[test]
fn a_checkout_with_other_line_ends_has_the_same_digest() {
    for (dialect, text) in [
        (
            Postgres,
            "create function f() returns int language sql as $$\n  select 1;\n\n$$;\ninsert into a values ('b\nc');",
        ),
        (Mysql, "create procedure p() begin\n select 'a\\\n\n'; -- b\n end;"),
        (Sqlite, "insert into [a\nb] values ('c\n\n', \"d\ne\");"),
        (Dialect::Cql, "insert into a (b) values ($$c\nd$$);"),
    ] {
        assert_eq!(digest(dialect, &text.replace('\n', "\r\n")), digest(dialect, text), "{dialect}");
    }
    assert_ne!(digest(Postgres, "select 'a\rb'"), digest(Postgres, "select 'a\nb'"));
    assert_ne!(digest(Postgres, "select 'a\r\nb'"), digest(Postgres, "select 'ab'"));
}

#[test]
fn a_dialect_finds_the_same_digest_whichever_others_read_the_script() {
    for text in [
        "create table a (tags text[] default array['a', 'b']);",
        "create table a (tags text[] default array [ 'a' , 'b' ] ); select 1",
        "select $$a  b$$;",
        "select array[1, -- x\n 2];",
        "insert into a values ('it''s')",
    ] {
        let portable = read_portable(text).unwrap();
        for dialect in Dialect::SQL {
            assert_eq!(portable.digest(dialect), digest(dialect, text), "{dialect}: {text}");
        }
        assert_eq!(portable.digest(Dialect::Cql), Digest::ZERO);
    }
}

#[test]
fn what_some_servers_of_mysql_run_counts() {
    let [one, two] = ["1", "2"].map(|number| digest(Mysql, &format!("select 1 /*!50001 + {number} */")));
    assert_ne!(one, two);
    assert_eq!(one, digest(Mysql, "select 1/*!50001\n+ 1*/ /* comment */"));
}

#[test]
fn delimiter_lines_do_not_count() {
    let body = "create procedure p() begin select 1; end";
    assert_eq!(digest(Mysql, &format!("delimiter //\n{body};\n//\ndelimiter ;\n")), digest(Mysql, body));
}

#[test]
fn directives_are_read_wherever_the_leading_comments_are() {
    let second = |seconds| Some(Duration::from_secs(seconds));
    for (text, expected) in [
        ("--whimbrel:no-transaction\r\nselect 1", Options { no_transaction: true, ..Options::default() }),
        ("/* a\n */ \n\n--   whimbrel:timeout  5m \nselect 1", Options { timeout: second(300), ..Options::default() }),
        ("\u{feff}-- whimbrel:lock-timeout 1h\nselect 1", Options { lock_timeout: second(3600), ..Options::default() }),
        ("-- a\n-- whimbrel:wait 30m\nselect 1", Options { wait: second(1800), ..Options::default() }),
        ("-- whimbrel: timeout 3s\nselect 1", Options { timeout: second(3), ..Options::default() }),
        ("--Whimbrel:\t phase  migrate", Options { phase: Some(Phase::Migrate), ..Options::default() }),
        ("-- a\n-- whimbrel:phase migrate\n", Options { phase: Some(Phase::Migrate), ..Options::default() }),
        (
            "-- no-transaction, since it builds an index\nselect 1",
            Options { no_transaction: true, ..Options::default() },
        ),
        ("-- a\n-- no-transaction would be wrong here\nselect 1", Options::default()),
        ("-- a\n-- no-transaction\nselect 1", Options { no_transaction: true, ..Options::default() }),
        ("-- atlas:txmode none\nselect 1", Options { no_transaction: true, ..Options::default() }),
        ("-- atlas:txmode file\nselect 1", Options::default()),
        ("select 1; -- no-transaction\nselect '-- whimbrel:timeout 3s'", Options::default()),
    ] {
        assert_eq!(read_as(Postgres, text).unwrap().options(), expected, "{text}");
    }
}

#[test]
fn a_portable_script_is_wrapped_in_the_words_of_any_dialect() {
    for text in ["start transaction; select 1; commit;", "begin; select 1; end;", "begin work; select 1; commit"] {
        let whole = read_portable(text).map(|script| script.wrapping());
        assert_eq!(whole, Ok(Wrapping::Whole), "{text}");
    }
}

#[test]
fn with_autocommit_off_a_commit_needs_no_begin() {
    assert!(read_as(Mysql, "set autocommit = 0; insert into a values (1); commit;").is_ok());
}

#[test]
fn what_the_file_name_asks_for_is_kept() {
    let options = Options { no_transaction: true, ..Options::default() };
    let outline = Outline {
        direction: Direction::Up,
        dialect: None,
        read_as: &Dialect::SQL,
        path: "1.sql",
        shown: "1.sql",
        options,
        demand: Demand::Nothing,
    };
    let script = read(&outline, Cow::Borrowed("-- whimbrel:timeout 2s\nselect 1")).unwrap();
    assert_eq!(script.options(), Options { timeout: Some(Duration::from_secs(2)), ..options });
}

#[test]
fn an_empty_file_is_read_where_the_set_allows_it() {
    let outline = Outline {
        direction: Direction::Up,
        dialect: None,
        read_as: &Dialect::SQL,
        path: "1.sql",
        shown: "m/1.sql",
        options: Options::default(),
        demand: Demand::Nothing,
    };
    assert!(read_or_empty(&outline, Cow::Borrowed("\n")).unwrap().is_empty());
    assert_eq!(read(&outline, Cow::Borrowed("\n")).unwrap_err()[0].code(), "empty-file");
    assert!(read(&outline, Cow::Borrowed("-- nothing to do\n")).unwrap().is_empty());
}

#[test]
fn a_stored_script_is_read_again() {
    let text = "-- whimbrel:no-transaction\ndrop index concurrently i;\n".to_owned();
    let script = read_stored(Direction::Down, Postgres, "1_x.down.sql", text).unwrap();
    assert_eq!(
        (script.direction(), script.dialect(), script.path()),
        (Direction::Down, Some(Postgres), "1_x.down.sql")
    );
    assert!(!script.is_transactional(Postgres));
}

#[test]
fn a_table_rebuild_of_sqlite_is_wrapped_without_its_pragmas() {
    let text = "pragma foreign_keys=off;\nbegin;\ndrop table a;\ncommit;\npragma foreign_keys=on;";
    let script = read_as(Sqlite, text).unwrap();
    assert_eq!((script.wrapping(), script.len()), (Wrapping::Whole, 3));
    assert!(script.options().foreign_keys_off);
    // PostgreSQL has no such statement, and whoever writes it there shall hear it from the server.
    assert_eq!(read_as(Postgres, text).unwrap().len(), 5);
}
