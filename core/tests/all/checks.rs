//! Every check that looks inside a script, with the words a user reads.

use whimbrel_core::Dialect::{Cql, Mysql, Postgres, Sqlite};
use whimbrel_core::{Dialect, Direction, Problem};

use crate::{read_as, read_for, read_portable};

/// The text, and for each problem its code, line and column, message and help.
type Case = (Dialect, &'static str, &'static [(&'static str, (u32, u32), &'static str, &'static str)]);

const DIRECTIVES: &[Case] = &[
    (
        Postgres,
        "-- whimbrel:tiemout 3s\nselect 1;",
        &[("unknown-directive", (1, 1), "unknown directive `tiemout`", "write `-- whimbrel:timeout`")],
    ),
    (
        Postgres,
        "-- whimbrel:retry\nselect 1;",
        &[(
            "unknown-directive",
            (1, 1),
            "unknown directive `retry`",
            "write one of `no-transaction`, `timeout`, `lock-timeout`, `wait`, `foreign-keys`, `phase`, `allow`, `todo`; if it \
             is prose, let it not begin with `whimbrel:`",
        )],
    ),
    (
        Postgres,
        "-- Whimbrel: see our wiki\nselect 1;",
        &[(
            "unknown-directive",
            (1, 1),
            "unknown directive `see`",
            "write one of `no-transaction`, `timeout`, `lock-timeout`, `wait`, `foreign-keys`, `phase`, `allow`, `todo`; if it \
             is prose, let it not begin with `whimbrel:`",
        )],
    ),
    (
        Sqlite,
        "-- whimbrel:\nselect 1;",
        &[(
            "unknown-directive",
            (1, 1),
            "a directive needs a name",
            "write one of `no-transaction`, `timeout`, `lock-timeout`, `wait`, `foreign-keys`, `phase`, `allow`, `todo`; if it \
             is prose, let it not begin with `whimbrel:`",
        )],
    ),
    (
        Postgres,
        "-- whimbrel:timeout soon\nselect 1;",
        &[(
            "directive-value",
            (1, 1),
            "`soon` is no value of `timeout`",
            "write `-- whimbrel:timeout 30s`, or in ms, m or h",
        )],
    ),
    (
        Postgres,
        "--whimbrel:lock-timeout\nselect 1;",
        &[(
            "directive-value",
            (1, 1),
            "`lock-timeout` needs a value",
            "write `-- whimbrel:lock-timeout 2s`, or in ms, m or h",
        )],
    ),
    (
        Mysql,
        "-- whimbrel:wait for ever\nselect 1;",
        &[(
            "directive-value",
            (1, 1),
            "`for ever` is no value of `wait`",
            "write `-- whimbrel:wait 30m`, or in ms, s or h",
        )],
    ),
    (
        Sqlite,
        "-- whimbrel:foreign-keys on\nselect 1;",
        &[("directive-value", (1, 1), "`on` is no value of `foreign-keys`", "write `-- whimbrel:foreign-keys off`")],
    ),
    (
        Cql,
        "// whimbrel:phase shrink\nselect a from b;",
        &[(
            "directive-value",
            (1, 1),
            "`shrink` is no value of `phase`",
            "write `-- whimbrel:phase expand`, `migrate` or `contract`",
        )],
    ),
    (
        Postgres,
        "-- whimbrel:allow drop-column\nselect 1;",
        &[(
            "directive-value",
            (1, 1),
            "`drop-column` is no value of `allow`",
            "write `-- whimbrel:allow <rule> <reason>`",
        )],
    ),
    (
        Postgres,
        "-- whimbrel:no-transaction please\nselect 1;",
        &[(
            "directive-value",
            (1, 1),
            "`please` is no value of `no-transaction`",
            "write `-- whimbrel:no-transaction` alone",
        )],
    ),
    (
        Postgres,
        "-- whimbrel:timeout 3s\n-- whimbrel:timeout 5s\n-- whimbrel:allow a b\n-- whimbrel:allow c d\nselect 1;",
        &[("repeated-directive", (2, 1), "`timeout` is given twice", "keep one of them")],
    ),
    (
        Postgres,
        "select 1;\n -- whimbrel:no-transaction\nvacuum;",
        &[(
            "late-directive",
            (2, 2),
            "a directive stands before the first statement",
            "move `-- whimbrel:no-transaction` up, before the first statement",
        )],
    ),
    (
        Postgres,
        "/* whimbrel:timeout 3s */ select 1;",
        &[("directive-form", (1, 1), "a directive is a line of its own", "write `-- whimbrel:timeout 3s`")],
    ),
];

const BORDERS: &[Case] = &[
    (
        Sqlite,
        "-- whimbrel:no-transaction\nselect 1;\nsavepoint s; insert into a values (1); release s;\nbegin; savepoint t; commit;",
        &[(
            "savepoint-outside",
            (3, 1),
            "outside a transaction SAVEPOINT begins one that no `COMMIT` of the script ends",
            "write `BEGIN;` before it, and `COMMIT;` behind",
        )],
    ),
    (
        Mysql,
        "begin;\ninsert into a values (1);",
        &[(
            "unbalanced-begin",
            (1, 1),
            "this transaction is never committed",
            "write `COMMIT;` after its last statement, or remove it: a script runs in a transaction of its own",
        )],
    ),
    (
        Sqlite,
        "select 1; commit;",
        &[(
            "unbalanced-commit",
            (1, 11),
            "no transaction is open here",
            "remove it, or write the `BEGIN;` that it belongs to: without one it would end the transaction of the runner",
        )],
    ),
    (
        Postgres,
        "begin;\nselect 1;\ncommit /* x */ work and\n chain;\nselect 2;\ncommit;",
        &[(
            "chained-transaction",
            (3, 1),
            "COMMIT AND CHAIN begins a transaction that no statement of the script shows",
            "write `COMMIT; BEGIN;`",
        )],
    ),
    (
        Mysql,
        "set autocommit = 0; insert into a values (1); rollback and chain; commit and no chain;",
        &[(
            "chained-transaction",
            (1, 47),
            "ROLLBACK AND CHAIN begins a transaction that no statement of the script shows",
            "write `ROLLBACK; BEGIN;`",
        )],
    ),
    (
        Postgres,
        "begin; drop index concurrently i; commit;",
        &[(
            "refused-in-transaction",
            (1, 8),
            "PostgreSQL does not run this inside a transaction, and the script has one open",
            "move it before the `BEGIN` or after the `COMMIT`, or to a migration of its own",
        )],
    ),
];

const BYTES: &[Case] = &[
    (Sqlite, "select 1;\nselect '\0';", &[("nul-byte", (2, 9), "a NUL byte, which no database takes", "remove it")]),
    (
        Cql,
        "select a\u{a0}from b;",
        &[(
            "invalid-character",
            (1, 9),
            "the character U+00A0 cannot stand outside quotes in CQL",
            "write a space in its place",
        )],
    ),
];

const FAULTS: &[Case] = &[
    (Mysql, "select `a;", &[("unterminated-name", (1, 8), "unterminated quoted name", "close it with ```")]),
    (Sqlite, "select [a;", &[("unterminated-name", (1, 8), "unterminated quoted name", "close it with `]`")]),
    (
        Postgres,
        "select $a$b;",
        &[("unterminated-dollar-quote", (1, 8), "unterminated dollar quote", "close it with `$a$`")],
    ),
    (Mysql, "select 1; /* b", &[("unterminated-comment", (1, 11), "unterminated comment", "close it with `*/`")]),
    (
        Postgres,
        "select 1; /* /* b */",
        &[(
            "unterminated-comment",
            (1, 11),
            "unterminated comment",
            "close it with `*/`; PostgreSQL nests comments, so each `/*` needs its own",
        )],
    ),
    (
        Sqlite,
        "create trigger a after insert on b begin\nselect 1;",
        &[("unterminated-body", (1, 8), "this `TRIGGER` has no end", "end the body of the trigger with `; END;`")],
    ),
    (
        Cql,
        "begin batch insert into a (b) values (1);",
        &[(
            "unterminated-body",
            (1, 1),
            "this `BEGIN` has no end",
            "end it with `APPLY BATCH;` or `COMMIT TRANSACTION;`",
        )],
    ),
    (
        Postgres,
        "create table a (b int;\nselect 1;",
        &[(
            "unclosed-parenthesis",
            (1, 16),
            "this `(` is never closed",
            "close it with `)`; until then no `;` ends the statement",
        )],
    ),
    (
        Cql,
        "insert into a (b) values (:c);",
        &[(
            "bind-marker",
            (1, 27),
            "`:c` is a bind marker, and a script has no values to bind",
            "write the value itself",
        )],
    ),
];

const REFUSALS: &[Case] = &[
    (
        Postgres,
        "copy (select 1) to stdout;",
        &[(
            "copy-stdout",
            (1, 1),
            "COPY … TO STDOUT sends data to a client, and none reads it",
            "copy to a file of the server, or remove it",
        )],
    ),
    (
        Postgres,
        "prepare transaction 'a';",
        &[(
            "prepare-transaction",
            (1, 1),
            "PREPARE TRANSACTION takes the transaction, and the history's row with it, away from the runner",
            "remove it: the runner commits",
        )],
    ),
    (
        Postgres,
        "deallocate prepare all;",
        &[(
            "deallocate-all",
            (1, 1),
            "DEALLOCATE ALL drops the prepared statements of the driver",
            "deallocate by name what the script has prepared",
        )],
    ),
    (
        Postgres,
        "create unique index concurrently on a (b);",
        &[(
            "unnamed-concurrent-index",
            (1, 1),
            "an index that is built concurrently needs a name, or a run that was cut off builds it twice",
            "give it a name: `CREATE INDEX CONCURRENTLY name ON …`",
        )],
    ),
    (
        Postgres,
        "set local standard_conforming_strings = off;",
        &[(
            "changes-quoting",
            (1, 1),
            "with standard_conforming_strings off, backslashes change where strings end",
            "remove it, and write strings that have escapes as `E'…'`",
        )],
    ),
    (
        Mysql,
        "set session sql_mode = 'ansi';",
        &[(
            "changes-quoting",
            (1, 1),
            "sql_mode ANSI changes where strings and names end",
            "remove it, and quote names with backticks and strings with `'`",
        )],
    ),
    (
        Cql,
        "use a;",
        &[(
            "use-keyspace",
            (1, 1),
            "USE changes one connection of many",
            "write the keyspace before the names: `keyspace.table`",
        )],
    ),
    (
        Cql,
        "describe tables;",
        &[(
            "client-command",
            (1, 1),
            "`DESCRIBE` is a command of cqlsh, not CQL",
            "write what it does as a statement, or remove it",
        )],
    ),
];

/// What Cassandra refuses; the goldens have more of each.
const CQL: &[Case] = &[
    (
        Cql,
        "begin batch insert into a (b) values (1);; apply batch;",
        &[(
            "stray-semicolon",
            (1, 42),
            "this `;` ends no statement of the batch, and the server refuses it",
            "remove it",
        )],
    ),
    (
        Cql,
        "begin batch create table a (b int primary key); apply batch;",
        &[(
            "not-batched",
            (1, 13),
            "`CREATE` cannot stand in a batch: it holds INSERT, UPDATE and DELETE only",
            "end the batch before it with `APPLY BATCH;`, or move it out",
        )],
    ),
    (
        Cql,
        "rollback;",
        &[(
            "no-transactions",
            (1, 1),
            "CQL has no transactions of several statements",
            "remove it, or write a batch: `BEGIN BATCH`",
        )],
    ),
    (
        Cql,
        "select \"\" from a;",
        &[("empty-name", (1, 8), "a quoted name cannot be empty", "write the name; an empty string is `''`")],
    ),
    (
        Cql,
        "select _b from a;",
        &[("unquoted-name", (1, 8), "a name that begins with `_` must be quoted", "write `\"_b\"`")],
    ),
    (
        Cql,
        "select b from a /* /* */ */;",
        &[(
            "nested-comment",
            (1, 26),
            "this `*/` closes no comment: in CQL they do not nest",
            "remove it, with the `/*` that stands inside the comment before",
        )],
    ),
    (
        Cql,
        "create table \"a-b\" (c int primary key);",
        &[(
            "invalid-name",
            (1, 14),
            "the name of this table has other characters than letters and digits of ASCII and `_`",
            "rename it: quotes do not help",
        )],
    ),
    (
        Cql,
        "create keyspace k2345678901234567890123456789012345678901234567890 with replication = {};",
        &[(
            "long-name",
            (1, 17),
            "the name of this keyspace has 50 characters, and no server takes more than 48",
            "shorten it",
        )],
    ),
];

#[test]
fn each_check_says_what_is_wrong_and_what_to_do() {
    for cases in [DIRECTIVES, BORDERS, BYTES, FAULTS, REFUSALS, CQL] {
        for (dialect, text, expected) in cases {
            let found = read_as(*dialect, text).expect_err(text);
            let found: Vec<_> = found.iter().map(told).collect();
            assert_eq!(found, *expected, "{text}");
        }
    }
}

fn told(problem: &Problem) -> (&str, (u32, u32), &str, &str) {
    let place = problem.place().unwrap();
    let at = (place.line().unwrap_or(0), place.column().unwrap_or(0));
    (problem.code(), at, problem.message(), problem.help_text().unwrap())
}

#[test]
fn a_mark_of_a_section_is_refused_wherever_it_stands() {
    for (dialect, text, tool, place) in [
        (Postgres, "-- +goose Up\ncreate", "goose", (1, 1)),
        (Postgres, "/* Copyright */\n-- +goose Up\ncreate table a (id int);\n-- +goose Down\n", "goose", (2, 1)),
        (Sqlite, "\n-- by us\n\n--+goose up\n", "goose", (4, 1)),
        (Postgres, "-- migrate:up transaction:false\r\n", "dbmate", (1, 1)),
        (Mysql, "set names utf8mb4;\n  --  +migrate   Up notransaction\ndo 1;", "sql-migrate", (2, 3)),
        (Mysql, "do 1;\n--+migrate Down\ndo 2;", "sql-migrate", (2, 1)),
        (Cql, "use 'a; // +migrate down", "", (0, 0)),
        (Cql, "select a from b; // migrate:down", "dbmate", (1, 18)),
        (Postgres, "select '\n-- +goose Down\n', 'x -- +goose Down'; -- migrate the users, +goose Down\n", "", (0, 0)),
        (Postgres, "select 1; -- migrate:upstream, +goose Updates", "", (0, 0)),
    ] {
        let problems = read_as(dialect, text).err().unwrap_or_default();
        let marks: Vec<_> = problems.iter().filter(|problem| problem.code() == "sections").map(told).collect();
        let message = format!("the file has sections for up and down, as {tool} writes them, which are not read yet");
        let help = "move the down section into a down script of its own, and delete the marks";
        let expected = ("sections", place, &message[..], help);
        assert_eq!(marks, Vec::from_iter((!tool.is_empty()).then_some(expected)), "{text:?}");
    }
}

#[test]
fn strings_of_postgres_keep_their_rules() {
    let off = (
        "changes-quoting",
        (1, 1),
        "with standard_conforming_strings off, backslashes change where strings end",
        "remove it, and write strings that have escapes as `E'…'`",
    );
    for text in [
        "set standard_conforming_strings = no",
        "SET LOCAL Standard_Conforming_Strings TO 'NO'",
        "set session standard_conforming_strings = '0'",
        "set standard_conforming_strings to /* x */ fals",
        "set standard_conforming_strings = \"off\"",
        "set standard_conforming_strings = E'off'",
        "set standard_conforming_strings = -0",
        "select set_config('standard_conforming_strings', 'no', false)",
        "select 1, pg_catalog.set_config ('standard_conforming_strings', lower('OFF'), true)",
        "alter role joe in database d set standard_conforming_strings to off",
        "alter system set standard_conforming_strings = off",
    ] {
        let problems = read_as(Postgres, text).expect_err(text);
        assert_eq!(problems.iter().map(told).collect::<Vec<_>>(), [off], "{text}");
    }
    for text in [
        "set standard_conforming_strings = on",
        "set local standard_conforming_strings to 'ON'",
        "set standard_conforming_strings to default",
        "select pg_catalog.set_config('standard_conforming_strings', 'on', false)",
        "select current_setting('standard_conforming_strings') = 'off'",
        "select set_config('search_path', '', false)",
        "alter database d set standard_conforming_strings = on",
        "create function f() returns int language sql set standard_conforming_strings = off as 'select 1'",
        "set escape_string_warning = off",
    ] {
        assert!(read_as(Postgres, text).is_ok(), "{text}");
    }
}

#[test]
fn all_problems_are_told_at_once_and_in_order() {
    let text = "-- whimbrel:phase x\ncopy a from stdin;\nbegin;\ndiscard all;\n\\i x\n";
    let problems = read_as(Postgres, text).unwrap_err();
    let codes: Vec<_> = problems.iter().map(Problem::code).collect();
    let expected = ["directive-value", "copy-stdin", "unbalanced-begin", "discard-all", "client-command"];
    assert_eq!(codes, expected);
}

#[test]
fn the_problems_of_what_is_likely_no_script_are_counted() {
    let problems = read_as(Postgres, &"discard all;\n".repeat(103)).unwrap_err();
    let last = problems.last().unwrap();
    let help = last.help_text().unwrap();
    assert_eq!((problems.len(), last.code(), last.message()), (101, "more-problems", "3 more problems in this file"));
    assert_eq!(help, "mend those above, then build again");
}

#[test]
fn a_script_is_read_under_a_dialect() {
    let problems = read_for(Direction::Up, None, &[], "select 1").unwrap_err();
    assert_eq!(problems[0].code(), "no-dialect");
}

#[test]
fn a_fault_of_one_dialect_names_it() {
    let problems = read_portable("insert into a values ('C:\\');").unwrap_err();
    assert_eq!(problems.len(), 1);
    let (code, _, message, help) = told(&problems[0]);
    assert_eq!((code, message), ("unterminated-string", "unterminated string when read as mysql"));
    assert_eq!(
        help,
        "if it is not for mysql, write `dialect = [\"sqlite\", \"postgres\"]` in whimbrel.toml; if it is, close it with \
         `'`, or double a quote inside a string: `''`; a backslash takes the next character with it"
    );
}

#[test]
fn a_portable_script_that_splits_differently_is_ambiguous() {
    let problems = read_portable("select 1;\ndo $$ begin; end $$;").unwrap_err();
    let expected = (
        "ambiguous-dialect",
        (2, 1),
        "postgres does not split statement 2 as sqlite and mysql do",
        "if it is for postgres, write `dialect = \"postgres\"` in whimbrel.toml, or rename the file to end in \
         `.postgres.sql`; if it is not, write `dialect = [\"sqlite\", \"mysql\"]`, or the one of them that it is for",
    );
    assert_eq!(problems.iter().map(told).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_verify_script_only_asks() {
    let verify = |dialect, text| read_for(Direction::Verify, Some(dialect), &[dialect], text);
    for query in ["select 1", "with x as (select 1) select * from x", "values (1)", "(select 1) union select 2"] {
        assert!(verify(Postgres, query).is_ok(), "{query}");
    }
    let writes = "a verify script only reads, and this writes";
    for (dialect, text, message) in [
        (Postgres, "with x as (delete from a returning b) select * from x", writes),
        (Mysql, "update a set b = 1", writes),
        (Postgres, "show search_path", "this is no query"),
        (Postgres, "explain select 1", "this is no query"),
        (Postgres, "select 1 into a", "this is no query"),
        (Sqlite, "pragma foreign_key_check", "this is no query"),
    ] {
        let problems = verify(dialect, text).unwrap_err();
        let help = "write a SELECT, WITH, VALUES or TABLE that returns a row when all is well";
        assert_eq!(problems.iter().map(told).collect::<Vec<_>>(), [("verify-query", (1, 1), message, help)], "{text}");
    }
    assert_eq!(
        told(&verify(Cql, "insert into a (b) values (1)").unwrap_err()[0]).3,
        "write a SELECT that returns a row when all is well"
    );
}
