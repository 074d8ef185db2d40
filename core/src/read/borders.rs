//! The `BEGIN` and `COMMIT` that a script writes itself.

use super::page::Page;
use crate::{Dialect, Kind, Statement};

/// Notes a `BEGIN` without its `COMMIT`, the other way round, and between them what cannot run there.
pub(super) fn check(page: &mut Page<'_>, statements: &[Statement]) {
    let mut open: Option<&Statement> = None;
    let mut begins_by_itself = false;
    for statement in statements {
        match statement.kind {
            Kind::Begin => {
                if let Some(earlier) = open {
                    again(page, statement, earlier);
                }
                open = Some(statement);
            }
            Kind::Commit | Kind::Rollback => {
                if open.is_none() && !begins_by_itself {
                    without_begin(page, statement);
                }
                if !chains(&page.text[statement.range()]) {
                    open = None;
                }
            }
            Kind::Session if page.reads_as(Dialect::Mysql) => {
                begins_by_itself |= sets_autocommit(&page.text[statement.range()]);
            }
            _ if open.is_some() && statement.outside != 0 => refused(page, statement),
            _ => {}
        }
    }
    if let Some(begin) = open {
        let help = "write `COMMIT;` after its last statement, or remove it: a script runs in a transaction of its own";
        page.wrong(verb(page.text, begin), "unbalanced-begin", "this transaction is never committed", help);
    }
}

fn again(page: &mut Page<'_>, statement: &Statement, earlier: &Statement) {
    let message = format!("the transaction of line {} is still open here", earlier.line);
    page.wrong(verb(page.text, statement), "unbalanced-begin", message, "commit that one first, or remove this one");
}

fn without_begin(page: &mut Page<'_>, statement: &Statement) {
    let help =
        "remove it, or write the `BEGIN;` that it belongs to: without one it would end the transaction of the runner";
    page.wrong(verb(page.text, statement), "unbalanced-commit", "no transaction is open here", help);
}

fn refused(page: &mut Page<'_>, statement: &Statement) {
    page.wrong(
        statement.range(),
        "refused-in-transaction",
        format!("{} does not run this inside a transaction, and the script has one open", refuser(page, statement)),
        "move it before the `BEGIN` or after the `COMMIT`, or to a migration of its own",
    );
}

/// The database that does not run the statement inside a transaction.
pub(super) fn refuser(page: &Page<'_>, statement: &Statement) -> &'static str {
    let reader = page.outline.read_as.iter().copied().find(|&dialect| statement.needs_no_transaction(dialect));
    if reader == Some(Dialect::Sqlite) { "SQLite" } else { "PostgreSQL" }
}

/// With `SET autocommit = 0` each statement begins a transaction where none is open (MySQL manual 15.3.1).
fn sets_autocommit(statement: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    statement.split(|c| !is_part(c)).any(|word| word.eq_ignore_ascii_case("autocommit"))
}

/// `COMMIT AND CHAIN` begins the next transaction (PG manual, COMMIT; MySQL manual 15.3.1).
fn chains(statement: &str) -> bool {
    let is_word = |word: &&str, known: &str| word.eq_ignore_ascii_case(known);
    let words: Vec<&str> = statement.split_ascii_whitespace().collect();
    words.windows(2).any(|pair| is_word(&pair[0], "and") && is_word(&pair[1], "chain"))
}

/// The first word.
fn verb(text: &str, statement: &Statement) -> std::ops::Range<usize> {
    let range = statement.range();
    let length = text[range.clone()].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(range.len());
    range.start..range.start + length
}
