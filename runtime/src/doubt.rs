//! A statement outside a transaction whose runner died at it: whether it took effect, and what to ask where only the
//! database knows.

use whimbrel_core::words::words;
use whimbrel_core::{Dialect, Kind, Script, Statement};

pub(crate) mod cql;
pub(crate) mod mysql;

/// What is known of a statement at which a runner died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It took effect.
    Done,
    /// It did not, or it may run twice.
    Again,
    /// The database knows: what the answers agree on.
    Ask(Vec<Question>),
    /// Only a person can tell.
    Unknown,
}

/// What a catalogue is asked, and which answer means that the statement took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) thing: Thing,
    pub(crate) done: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A valid index of that name on that table.
    ValidIndex {
        name: String,
        table: String,
    },
    Relation(String),
    Database(String),
    Tablespace(String),
    /// What MySQL lists by its name, and by its table where it belongs to one.
    Object {
        sort: mysql::Sort,
        name: String,
        table: Option<String>,
    },
    /// What a statement of CQL changes, of which the entry with that key says what was there before.
    Statement {
        key: String,
        text: String,
    },
    /// Rows that were changed without their progress, by a statement of these words: there are none where all tables
    /// that it names have transactions.
    Rows(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// The database cannot tell either.
    Unknown,
}

/// Whether a statement took effect, by what was asked and what was answered.
pub(crate) fn concluded(answers: &[(Answer, Answer)]) -> Finding {
    let done = answers.iter().filter(|(done, answer)| done == answer).count();
    match done {
        _ if answers.iter().any(|(_, answer)| *answer == Answer::Unknown) => Finding::Unknown,
        0 => Finding::Again,
        all if all == answers.len() => Finding::Done,
        // It took effect in part, or somebody has changed the schema since.
        _ => Finding::Unknown,
    }
}

/// Whether a statement of a script outside a transaction is sent in one transaction with its progress, so that either
/// both are done or neither is.
///
/// `DO` and `CALL` may commit by themselves, and are refused where somebody else has begun. What only reads, or sets
/// something on its session, may run again; but a query of PostgreSQL may call a function that writes.
pub(crate) fn goes_with_progress(script: &Script, statement: &Statement, dialect: Dialect) -> bool {
    let writes = match statement.kind {
        // MySQL's schema changes commit by themselves.
        Kind::Ddl => dialect != Dialect::Mysql,
        Kind::Dml => true,
        Kind::Query => dialect != Dialect::Sqlite,
        _ => false,
    };
    writes && !statement.needs_no_transaction(dialect) && !has_its_own_ways(script, dialect)
}

/// SQLite refuses `BEGIN IMMEDIATE` under `PRAGMA query_only`, and inside a `SAVEPOINT`.
fn has_its_own_ways(script: &Script, dialect: Dialect) -> bool {
    let is_one = |statement: Statement| {
        let text = script.text_of(&statement).to_ascii_lowercase();
        text.starts_with("savepoint") || statement.kind == Kind::Session && text.contains("query_only")
    };
    dialect == Dialect::Sqlite && script.statements().any(is_one)
}

/// What is known of the statement after those that are done.
pub(crate) fn finding(script: &Script, done: usize, dialect: Dialect) -> Finding {
    // All of them are done.
    let Some(statement) = script.statement(done) else { return Finding::Again };
    let before: Vec<Kind> = script.statements().take(done).map(|statement| statement.kind).collect();
    let inside = before.iter().rev().find(|kind| is_border(**kind, dialect)) == Some(&Kind::Begin);
    match statement.kind {
        // The progress of what stands before it was written in its transaction, and is there to be read.
        Kind::Commit if inside => Finding::Done,
        // Nothing of a transaction is left, nor its progress: it runs as a whole.
        Kind::Begin if dialect == Dialect::Mysql => mysql::rows(script, done),
        Kind::Begin | Kind::Session => Finding::Again,
        Kind::Query if dialect == Dialect::Sqlite => Finding::Again,
        Kind::Ddl if dialect == Dialect::Mysql => mysql::finding(script, done),
        _ if inside => Finding::Unknown,
        // A script may end what a schema change has ended already.
        Kind::Commit | Kind::Rollback if dialect == Dialect::Mysql => Finding::Again,
        _ if goes_with_progress(script, &statement, dialect) && dialect == Dialect::Mysql => mysql::rows(script, done),
        _ if goes_with_progress(script, &statement, dialect) => Finding::Again,
        _ if dialect == Dialect::Mysql => mysql::finding(script, done),
        _ => of_words(script, &words(script.text_of(&statement), dialect), dialect),
    }
}

/// Whether a statement begins or ends a transaction; MySQL's schema changes commit what is open.
pub(crate) fn is_border(kind: Kind, dialect: Dialect) -> bool {
    matches!(kind, Kind::Begin | Kind::Commit | Kind::Rollback) || kind == Kind::Ddl && dialect == Dialect::Mysql
}

/// Statements that cannot be in a transaction with their progress: `?` marks what may be missing, `a|b` is a choice, `*`
/// is a name, which may be qualified, `$` is the end.
const FINDINGS: &[(Dialect, &str, &str)] = &[
    (Dialect::Postgres, "create ?unique index concurrently ?if ?not ?exists * on ?only *", "valid index"),
    (Dialect::Postgres, "drop index concurrently ?if ?exists *", "no relation"),
    (Dialect::Postgres, "create database *", "database"),
    (Dialect::Postgres, "drop database ?if ?exists *", "no database"),
    (Dialect::Postgres, "create tablespace *", "tablespace"),
    (Dialect::Postgres, "drop tablespace ?if ?exists *", "no tablespace"),
    (Dialect::Postgres, "alter system", "again"),
    (Dialect::Postgres, "vacuum", "again"),
    (Dialect::Postgres, "analyze", "again"),
    (Dialect::Postgres, "cluster", "again"),
    (Dialect::Postgres, "refresh materialized view ?concurrently", "again"),
    (Dialect::Postgres, "reindex", "again"),
    (Dialect::Sqlite, "vacuum", "again"),
    (Dialect::Sqlite, "analyze", "again"),
    (Dialect::Sqlite, "reindex", "again"),
    (Dialect::Sqlite, "explain", "again"),
];

fn of_words(script: &Script, words: &[&str], dialect: Dialect) -> Finding {
    // What is done concurrently leaves something of its own behind, and must be named.
    let concurrently = words.iter().any(|word| word.eq_ignore_ascii_case("concurrently"));
    let fits = |shape: &str| !concurrently || shape.contains("concurrently");
    let rows = FINDINGS.iter().filter(|(known, shape, _)| *known == dialect && fits(shape));
    let Some((names, means)) = rows.filter_map(|(_, shape, means)| Some((names(words, shape)?, *means))).next() else {
        return Finding::Unknown;
    };
    let [first, second] = [0, 1].map(|index| names.get(index).cloned().unwrap_or_default());
    let (thing, done) = match means {
        "again" => return Finding::Again,
        "valid index" => (Thing::ValidIndex { name: first, table: second }, Answer::Yes),
        "no relation" => (Thing::Relation(first), Answer::No),
        "database" => (Thing::Database(first), Answer::Yes),
        "no database" => (Thing::Database(first), Answer::No),
        "tablespace" => (Thing::Tablespace(first), Answer::Yes),
        _ => (Thing::Tablespace(first), Answer::No),
    };
    match &thing {
        // Where the script has set what a name means, it means something else to who asks.
        Thing::ValidIndex { table: name, .. } | Thing::Relation(name) if !name.contains('.') && sets_names(script) => {
            Finding::Unknown
        }
        _ => Finding::Ask(vec![Question { thing, done }]),
    }
}

fn sets_names(script: &Script) -> bool {
    let text = script.text().to_ascii_lowercase();
    ["search_path", "role", "authorization", "schema"].iter().any(|word| text.contains(word))
}

/// The index that a statement builds concurrently, and its table.
pub(crate) fn concurrent_index(text: &str) -> Option<(String, String)> {
    let names = names(&words(text, Dialect::Postgres), FINDINGS[0].1)?;
    Some((names.first()?.clone(), names.get(1)?.clone()))
}

/// The names in a statement of that shape.
fn names(words: &[&str], shape: &str) -> Option<Vec<String>> {
    fit(words, shape).map(|(names, _)| names)
}

/// The names in a statement of that shape, and the number of words that the shape takes.
pub(crate) fn fit(words: &[&str], shape: &str) -> Option<(Vec<String>, usize)> {
    let (mut at, mut names) = (0, Vec::new());
    for part in shape.split(' ') {
        let fits = |choice: &str| {
            let is = |word: &&str| choice.split('|').any(|known| word.eq_ignore_ascii_case(known));
            words.get(at).is_some_and(is)
        };
        match part.strip_prefix('?') {
            Some(choice) => at += usize::from(fits(choice)),
            None if part == "$" => {
                if at < words.len() {
                    return None;
                }
            }
            None if part == "*" => {
                let mut name = (*words.get(at).filter(|word| is_name(word))?).to_owned();
                at += 1;
                while words.get(at) == Some(&".") {
                    name = format!("{name}.{}", words.get(at + 1)?);
                    at += 2;
                }
                names.push(name);
            }
            None if fits(part) => at += 1,
            None => return None,
        }
    }
    Some((names, at))
}

/// Neither a mark, nor a word that is reserved where a name may be missing.
fn is_name(word: &str) -> bool {
    const RESERVED: &[&str] =
        &["check", "column", "constraint", "foreign", "fulltext", "index", "key", "primary", "spatial", "unique"];
    word.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '`' | '"' | '\''))
        && !RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}

#[cfg(test)]
mod tests {
    use super::*;
    use whimbrel_core::Direction;
    use whimbrel_core::read::read_stored;

    fn found(dialect: Dialect, text: &str, done: usize) -> Finding {
        let script = read_stored(Direction::Up, dialect, "0001_a.sql", text.to_owned()).unwrap();
        finding(&script, done, dialect)
    }

    fn ask(thing: Thing, done: Answer) -> Finding {
        Finding::Ask(vec![Question { thing, done }])
    }

    #[test]
    fn what_became_of_a_statement() {
        let index = |name: &str, table: &str| Thing::ValidIndex { name: name.into(), table: table.into() };
        let cases = [
            ("INSERT INTO a VALUES (1)", Finding::Again),
            ("CREATE TABLE a (id INTEGER)", Finding::Again),
            ("SELECT f()", Finding::Again),
            ("SET search_path = a", Finding::Again),
            ("VACUUM a", Finding::Again),
            ("ALTER SYSTEM SET work_mem = '1MB'", Finding::Again),
            ("CREATE INDEX CONCURRENTLY i ON s.a (id)", ask(index("i", "s.a"), Answer::Yes)),
            (
                "create unique index concurrently if not exists \"I\" on only a (id)",
                ask(index("\"I\"", "a"), Answer::Yes),
            ),
            ("CREATE INDEX /* now */ CONCURRENTLY i ON s . a (id)", ask(index("i", "s.a"), Answer::Yes)),
            ("DROP INDEX CONCURRENTLY IF EXISTS s.i", ask(Thing::Relation("s.i".into()), Answer::No)),
            ("CREATE DATABASE d", ask(Thing::Database("d".into()), Answer::Yes)),
            ("DROP DATABASE IF EXISTS d", ask(Thing::Database("d".into()), Answer::No)),
            ("DROP TABLESPACE t", ask(Thing::Tablespace("t".into()), Answer::No)),
            ("REINDEX SCHEMA s", Finding::Again),
            ("REINDEX (VERBOSE) TABLE CONCURRENTLY a", Finding::Unknown),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", Finding::Again),
            ("CALL p()", Finding::Unknown),
            ("DO 'begin commit; end'", Finding::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(found(Dialect::Postgres, text, 0), expected, "{text}");
        }
        let sets = "SET search_path = s; DROP INDEX CONCURRENTLY i; DROP INDEX CONCURRENTLY s.i";
        assert_eq!(found(Dialect::Postgres, sets, 1), Finding::Unknown);
        assert_eq!(found(Dialect::Postgres, sets, 2), ask(Thing::Relation("s.i".into()), Answer::No));
    }

    #[test]
    fn what_became_of_a_transaction_of_the_scripts_own() {
        let text = "VACUUM; BEGIN; INSERT INTO a VALUES (1); COMMIT; INSERT INTO a VALUES (2);";
        let expected =
            [Finding::Again, Finding::Again, Finding::Unknown, Finding::Done, Finding::Again, Finding::Again];
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            for (done, expected) in expected.iter().enumerate() {
                assert_eq!(found(dialect, text, done), *expected, "{dialect} {done}");
            }
        }
        let query_only = "PRAGMA query_only = 0; INSERT INTO a VALUES (1)";
        assert_eq!(found(Dialect::Sqlite, query_only, 1), Finding::Unknown);
    }
}
