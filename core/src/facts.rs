//! What a statement is, told from its words: its kind, and whether it can run in a transaction.

use crate::lex::{Lexer, Token, TokenKind};
use crate::split::{Piece, is_any, is_word};
use crate::{Dialect, Kind, Statement, shape};

/// The statement of a piece, as one dialect reads it.
pub(crate) fn statement(text: &str, dialect: Dialect, piece: &Piece) -> Statement {
    let outside = if needs_no_transaction(text, dialect, piece) { dialect.bit() } else { 0 };
    Statement {
        // Longer texts are refused before they come here.
        start: piece.start as u32,
        end: piece.end as u32,
        line: piece.line,
        kind: kind(text, dialect, piece),
        outside,
    }
}

/// Whether the dialect refuses the statement inside a transaction, or ignores it there.
pub(crate) fn needs_no_transaction(text: &str, dialect: Dialect, piece: &Piece) -> bool {
    let (words, shapes, exceptions) = match dialect {
        Dialect::Postgres => (POSTGRES_VERBS, OUTSIDE_POSTGRES, INSIDE_POSTGRES),
        Dialect::Sqlite => (SQLITE_VERBS, OUTSIDE_SQLITE, &[][..]),
        // MySQL's DDL commits whatever is open; CQL has no transactions.
        Dialect::Mysql | Dialect::Cql => return false,
    };
    if !starts_with_any(text, piece, words) {
        return false;
    }
    let statement = &text[piece.start..piece.end];
    let has = |shapes: &[&str]| shapes.iter().any(|shape| shape::matches(statement, dialect, shape));
    has(shapes) && !has(exceptions)
}

/// The verbs of the shapes below; most statements are told apart by these alone.
const POSTGRES_VERBS: &[&str] =
    &["create", "drop", "alter", "reindex", "vacuum", "cluster", "commit", "rollback", "discard"];

/// SQLSTATE 25001 on 15 and 18 (tried), or PreventInTransactionBlock in the server's source.
const OUTSIDE_POSTGRES: &[&str] = &[
    "create ?unique index concurrently",
    "drop index concurrently",
    "reindex ( .. concurrently",
    "reindex ?() index|table|schema|database|system concurrently",
    "reindex ?() schema|database|system",
    "vacuum",
    "cluster ?verbose ?() $",
    "create|drop database|tablespace",
    "alter database * set tablespace",
    "alter system",
    "alter table .. detach partition .. concurrently",
    "create subscription",
    "drop subscription",
    "alter subscription * refresh publication",
    "alter subscription * set|add|drop publication",
    "commit|rollback prepared",
    "discard all",
];

/// What of the above is allowed after all: subscriptions that neither make a slot nor ask the publisher.
const INSIDE_POSTGRES: &[&str] = &[
    "create subscription .. with ( .. connect = false|off|0",
    "create subscription .. with ( .. create_slot = false|off|0",
    "alter subscription * set|add|drop publication .. with ( .. refresh = false|off|0",
];

const SQLITE_VERBS: &[&str] = &["vacuum", "detach", "pragma"];

/// What fails in a transaction or does nothing there (tried with 3.40 and 3.51). To read a PRAGMA is harmless, and
/// ATTACH is allowed.
const OUTSIDE_SQLITE: &[&str] = &[
    "vacuum",
    "detach",
    "pragma wal_checkpoint",
    "pragma * . wal_checkpoint",
    "pragma journal_mode|synchronous|page_size|encoding|auto_vacuum|temp_store =|(",
    "pragma * . journal_mode|synchronous|page_size|encoding|auto_vacuum|temp_store =|(",
];

/// The kind of a statement by its first word.
pub(crate) fn kind(text: &str, dialect: Dialect, piece: &Piece) -> Kind {
    let word = first_word(text, piece);
    let Some(&(_, kind)) = VERBS.iter().find(|(verb, _)| is(word, verb)) else {
        return Kind::Other;
    };
    match kind {
        Kind::Begin | Kind::Commit | Kind::Rollback => border(text, dialect, piece, kind),
        Kind::Query => query(text, dialect, piece),
        Kind::Ddl if dialect == Dialect::Cql && is(word, "truncate") => Kind::Dml,
        // SQLite and PostgreSQL load a library with it.
        Kind::Dml if is(word, "load") && dialect != Dialect::Mysql => Kind::Other,
        kind => kind,
    }
}

const VERBS: &[(&str, Kind)] = &[
    ("insert", Kind::Dml),
    ("update", Kind::Dml),
    ("delete", Kind::Dml),
    ("create", Kind::Ddl),
    ("alter", Kind::Ddl),
    ("drop", Kind::Ddl),
    ("comment", Kind::Ddl),
    ("grant", Kind::Ddl),
    ("revoke", Kind::Ddl),
    ("rename", Kind::Ddl),
    ("truncate", Kind::Ddl),
    ("import", Kind::Ddl),
    ("security", Kind::Ddl),
    ("reassign", Kind::Ddl),
    ("merge", Kind::Dml),
    ("replace", Kind::Dml),
    ("copy", Kind::Dml),
    ("load", Kind::Dml),
    ("select", Kind::Query),
    ("with", Kind::Query),
    ("values", Kind::Query),
    ("table", Kind::Query),
    ("set", Kind::Session),
    ("reset", Kind::Session),
    ("pragma", Kind::Session),
    ("use", Kind::Session),
    ("attach", Kind::Session),
    ("detach", Kind::Session),
    ("discard", Kind::Session),
    ("begin", Kind::Begin),
    ("start", Kind::Begin),
    ("commit", Kind::Commit),
    ("end", Kind::Commit),
    ("rollback", Kind::Rollback),
    ("abort", Kind::Rollback),
];

/// The kind of what begins or ends a transaction, if it does.
fn border(text: &str, dialect: Dialect, piece: &Piece, kind: Kind) -> Kind {
    let statement = &text[piece.start..piece.end];
    let has = |shape| shape::matches(statement, dialect, shape);
    let is_border = match dialect {
        // `BEGIN BATCH … APPLY BATCH` and `BEGIN TRANSACTION … COMMIT TRANSACTION` are one statement.
        Dialect::Cql => return if kind == Kind::Begin { Kind::Dml } else { Kind::Other },
        Dialect::Mysql => has("begin ?work $") || has("start transaction") || has("commit") || has("rollback"),
        Dialect::Sqlite => !has("start|abort"),
        Dialect::Postgres => !has("start") || has("start transaction"),
    };
    // `ROLLBACK TO` goes back to a savepoint; `COMMIT PREPARED` ends a transaction of before.
    let is_other = has("rollback ?work|transaction to") || has("commit|rollback prepared");
    if is_border && !is_other { kind } else { Kind::Other }
}

/// Whether a `SELECT`, `WITH`, `VALUES` or `TABLE` only reads.
fn query(text: &str, dialect: Dialect, piece: &Piece) -> Kind {
    let bytes = &text.as_bytes()[..piece.end];
    let mut lexer = Lexer::new(bytes, dialect);
    lexer.go_to(piece.start);
    let (mut depth, mut opens) = (0_usize, false);
    // After `WITH` the verb is yet to come; behind it `UPDATE` can only be `FOR UPDATE`.
    let mut reads = !is(first_word(text, piece), "with");
    while !reads || dialect == Dialect::Postgres {
        let token = lexer.next();
        if token.kind == TokenKind::End {
            break;
        }
        // `WITH … INSERT`, and PostgreSQL's `WITH a AS (INSERT …)`.
        let may_write = !reads && (depth == 0 || opens && dialect == Dialect::Postgres);
        if may_write && is_any(&token, bytes, &[b"insert", b"update", b"delete", b"merge", b"replace"]) {
            return Kind::Dml;
        }
        // PG manual, SELECT INTO: it "creates a new table".
        if reads && depth == 0 && is_word(&token, bytes, b"into") {
            return Kind::Ddl;
        }
        reads |= depth == 0 && is_any(&token, bytes, &[b"select", b"values", b"table"]);
        opens = is_mark(&token, b'(');
        depth = if opens { depth + 1 } else { depth.saturating_sub(usize::from(is_mark(&token, b')'))) };
    }
    Kind::Query
}

fn is_mark(token: &Token, byte: u8) -> bool {
    token.kind == TokenKind::Mark && token.byte == byte
}

/// The first word of a piece; empty when it has none.
pub(crate) fn first_word<'a>(text: &'a str, piece: &Piece) -> &'a [u8] {
    &text.as_bytes()[piece.word.0..piece.word.1]
}

/// Whether the piece begins with one of the words, given in lower case.
pub(crate) fn starts_with_any(text: &str, piece: &Piece, words: &[&str]) -> bool {
    let word = first_word(text, piece);
    words.iter().any(|known| is(word, known))
}

fn is(word: &[u8], known: &str) -> bool {
    word.len() == known.len() && word[0] | 0x20 == known.as_bytes()[0] && word.eq_ignore_ascii_case(known.as_bytes())
}
