//! The `BEGIN` and `COMMIT` that a script writes itself.

use super::Demand;
use super::page::Page;
use crate::script::{Options, Wrapping};
use crate::{Dialect, Kind, Statement, shape};

/// Reads a script that ends the runner's transaction and begins it again, `COMMIT; …; BEGIN;`, as one that runs without
/// such a transaction: takes the two out of the statements.
///
/// Tools that wrap every script in a transaction have no other way out of it.
pub(super) fn take_runners(page: &Page<'_>, statements: &mut Vec<Statement>, options: &mut Options) {
    let at: Vec<usize> = (0..statements.len()).filter(|&index| statements[index].kind.is_border()).collect();
    let (Some(&end), Some(&begin)) = (at.first(), at.last()) else { return };
    let alternate = |pair: &[usize]| [pair[0], pair[1]].map(|at| statements[at].kind) == [Kind::Commit, Kind::Begin];
    let is_runners = at.len().is_multiple_of(2) && at.chunks(2).all(alternate);
    if !is_runners || page.outline.demand == Demand::Transaction {
        return;
    }
    // Where nothing is left between the two, such as a PRAGMA that stands for a directive, one transaction does.
    options.no_transaction |= at.chunks(2).any(|pair| pair[1] - pair[0] > 1);
    statements.remove(begin);
    statements.remove(end);
}

/// Notes a `BEGIN` without its `COMMIT`, the other way round, and between them what cannot run there.
pub(super) fn check(page: &mut Page<'_>, statements: &[Statement], options: &Options) {
    let is_outside = page.reads_as(Dialect::Sqlite)
        && (options.no_transaction
            || Wrapping::of(statements.iter().map(|statement| statement.kind)) == Wrapping::Inside
            || statements.iter().any(|statement| statement.needs_no_transaction(Dialect::Sqlite)));
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
            Kind::Commit | Kind::Rollback if chains(page, statement) => chain(page, statement),
            Kind::Commit | Kind::Rollback => {
                if open.is_none() && !begins_by_itself {
                    without_begin(page, statement);
                }
                open = None;
            }
            Kind::Session if page.reads_as(Dialect::Mysql) => {
                begins_by_itself |= sets_autocommit(&page.text[statement.range()]);
            }
            _ if open.is_some() && statement.outside != 0 => refused(page, statement),
            _ if open.is_none() && is_outside && is_savepoint(page.text, statement) => savepoint(page, statement),
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

/// What is kept when a statement fails is told by where transactions begin, and this begins one in secret.
fn chain(page: &mut Page<'_>, statement: &Statement) {
    let verb = page.text[verb(page.text, statement)].to_uppercase();
    let message = format!("{verb} AND CHAIN begins a transaction that no statement of the script shows");
    page.wrong(statement.range(), "chained-transaction", message, format!("write `{verb}; BEGIN;`"));
}

fn is_savepoint(text: &str, statement: &Statement) -> bool {
    text[verb(text, statement)].eq_ignore_ascii_case("savepoint")
}

/// SQLite: outside a transaction it acts as BEGIN (<https://sqlite.org/lang_savepoint.html>).
fn savepoint(page: &mut Page<'_>, statement: &Statement) {
    let message = "outside a transaction SAVEPOINT begins one that no `COMMIT` of the script ends";
    page.wrong(
        verb(page.text, statement),
        "savepoint-outside",
        message,
        "write `BEGIN;` before it, and `COMMIT;` behind",
    );
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

/// Whether it begins the next transaction too (PG manual, COMMIT; MySQL manual 15.3.1).
fn chains(page: &Page<'_>, statement: &Statement) -> bool {
    let verb = verb(page.text, statement);
    let dialect = page.outline.read_as[0];
    shape::Statement::new(&page.text[..statement.range().end], verb.end, dialect).has("?work|transaction and chain")
}

/// The first word.
fn verb(text: &str, statement: &Statement) -> std::ops::Range<usize> {
    let range = statement.range();
    let length = text[range.clone()].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(range.len());
    range.start..range.start + length
}

#[cfg(test)]
mod tests {
    use crate::read::read_stored;
    use crate::{Dialect, Direction, Kind};

    #[test]
    fn the_runners_transaction_may_be_left_for_a_while() {
        use Kind::{Begin, Commit, Dml, Other};
        // The text, the kinds that are left, and whether it runs in a transaction.
        let cases: [(&str, &[Kind], bool); 4] = [
            ("COMMIT; VACUUM; BEGIN;", &[Other], false),
            (
                "INSERT INTO a VALUES (1); COMMIT; INSERT INTO a VALUES (2); BEGIN; INSERT INTO a VALUES (3)",
                &[Dml; 3],
                false,
            ),
            ("COMMIT; PRAGMA foreign_keys=OFF; BEGIN; INSERT INTO a VALUES (1)", &[Dml], true),
            (
                "COMMIT; PRAGMA foreign_keys=OFF; BEGIN; INSERT INTO a VALUES (1); COMMIT; PRAGMA foreign_keys=ON; BEGIN;",
                &[Begin, Dml, Commit],
                true,
            ),
        ];
        for (text, kinds, transactional) in cases {
            let script = read_stored(Direction::Up, Dialect::Sqlite, "1.sql", text.to_owned()).unwrap();
            let found: Vec<Kind> = script.statements().map(|statement| statement.kind).collect();
            assert_eq!((&*found, script.is_transactional(Dialect::Sqlite)), (kinds, transactional), "{text}");
        }
        for text in ["COMMIT; VACUUM;", "VACUUM; BEGIN;", "ROLLBACK; VACUUM; BEGIN;", "COMMIT; COMMIT; BEGIN; BEGIN;"] {
            assert!(read_stored(Direction::Up, Dialect::Sqlite, "1.sql", text.to_owned()).is_err(), "{text}");
        }
    }
}
