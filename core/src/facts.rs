//! What a statement is, told from its words: its kind, and whether it can run in a transaction.

use crate::lex::{Lexer, Token, TokenKind, is_any, is_word};
use crate::{Dialect, Kind, Statement, shape};

/// A statement of which only the place is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) line: u32,
    /// Its first word, such as `CREATE`; empty when it has none.
    pub(crate) word: (usize, usize),
}

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
fn needs_no_transaction(text: &str, dialect: Dialect, piece: &Piece) -> bool {
    let table = match dialect {
        Dialect::Postgres => OUTSIDE_POSTGRES,
        Dialect::Sqlite => OUTSIDE_SQLITE,
        // MySQL's DDL commits whatever is open; CQL has no transactions.
        Dialect::Mysql | Dialect::Cql => return false,
    };
    let word = first_word(text, piece);
    let mut index = 0;
    while index < table.len() {
        let outside = &table[index];
        if is(word, outside.verb) {
            let mut rest = rest(text, dialect, piece);
            return rest.has_any(outside.refused) && !rest.has_any(outside.allowed);
        }
        index += 1;
    }
    false
}

/// What cannot run in a transaction, by its first word.
struct Outside {
    verb: &'static str,
    /// Shapes of what follows.
    refused: &'static [&'static str],
    /// What of the above is allowed after all.
    allowed: &'static [&'static str],
}

/// SQLSTATE 25001 on 15 and 18 (tried), or PreventInTransactionBlock in the server's source. `DISCARD ALL` is refused
/// as a whole.
const OUTSIDE_POSTGRES: &[Outside] = &[
    Outside {
        verb: "create",
        refused: &["?unique index concurrently", "database|tablespace", "subscription"],
        // Subscriptions that neither make a slot nor ask the publisher.
        allowed: &[
            "subscription .. with ( .. connect = false|off|0",
            "subscription .. with ( .. create_slot = false|off|0",
        ],
    },
    Outside {
        verb: "alter",
        refused: &[
            "system",
            "database * set tablespace",
            "table .. detach partition .. concurrently",
            "subscription * refresh publication",
            "subscription * set|add|drop publication",
        ],
        allowed: &["subscription * set|add|drop publication .. with ( .. refresh = false|off|0"],
    },
    Outside { verb: "drop", refused: &["index concurrently", "database|tablespace", "subscription"], allowed: &[] },
    Outside {
        verb: "reindex",
        refused: &[
            "( .. concurrently",
            "?() index|table|schema|database|system concurrently",
            "?() schema|database|system",
        ],
        allowed: &[],
    },
    Outside { verb: "vacuum", refused: &[""], allowed: &[] },
    // With a table it is allowed.
    Outside { verb: "cluster", refused: &["?verbose ?() $"], allowed: &[] },
    Outside { verb: "commit", refused: &["prepared"], allowed: &[] },
    Outside { verb: "rollback", refused: &["prepared"], allowed: &[] },
];

/// What fails in a transaction or does nothing there (tried with 3.40 and 3.51). To read a PRAGMA is harmless, and
/// ATTACH is allowed.
const OUTSIDE_SQLITE: &[Outside] = &[
    Outside { verb: "vacuum", refused: &[""], allowed: &[] },
    Outside { verb: "detach", refused: &[""], allowed: &[] },
    Outside {
        verb: "pragma",
        refused: &[
            "wal_checkpoint",
            "* . wal_checkpoint",
            "journal_mode|synchronous|page_size|encoding|auto_vacuum|temp_store =|(",
            "* . journal_mode|synchronous|page_size|encoding|auto_vacuum|temp_store =|(",
        ],
        allowed: &[],
    },
];

/// The kind of a statement by its first word.
fn kind(text: &str, dialect: Dialect, piece: &Piece) -> Kind {
    let word = first_word(text, piece);
    let mut index = 0;
    while index < VERBS.len() && !is(word, VERBS[index].0) {
        index += 1;
    }
    if index == VERBS.len() {
        return Kind::Other;
    }
    match VERBS[index].1 {
        kind @ (Kind::Begin | Kind::Commit | Kind::Rollback) => border(text, dialect, piece, kind),
        Kind::Query => query(text, dialect, piece),
        Kind::Ddl if dialect == Dialect::Cql && is(word, "truncate") => Kind::Dml,
        // SQLite and PostgreSQL load a library with it.
        Kind::Dml if dialect != Dialect::Mysql && is(word, "load") => Kind::Other,
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
    ("prepare", Kind::Session),
    ("deallocate", Kind::Session),
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
    let word = first_word(text, piece);
    let mut rest = rest(text, dialect, piece);
    let is_border = match dialect {
        // `BEGIN BATCH … APPLY BATCH` and `BEGIN TRANSACTION … COMMIT TRANSACTION` are one statement.
        Dialect::Cql => return if is(word, "begin") { Kind::Dml } else { Kind::Other },
        Dialect::Sqlite => !is(word, "start") && !is(word, "abort"),
        // `START REPLICA` is something else.
        _ if is(word, "start") => rest.has("transaction"),
        Dialect::Postgres => true,
        // `BEGIN NOT ATOMIC` opens a block of MariaDB.
        Dialect::Mysql if is(word, "begin") => rest.has("?work $"),
        Dialect::Mysql => is(word, "commit") || is(word, "rollback"),
    };
    // `ROLLBACK TO` goes back to a savepoint; `COMMIT PREPARED` ends a transaction of before.
    let is_other = kind != Kind::Begin && rest.has_any(&["?work|transaction to", "prepared"]);
    if is_border && !is_other { kind } else { Kind::Other }
}

/// The statement after its first word.
pub(crate) fn rest<'a>(text: &'a str, dialect: Dialect, piece: &Piece) -> shape::Statement<'a> {
    shape::Statement::new(&text[..piece.end], piece.word.1, dialect)
}

/// Whether a `SELECT`, `WITH`, `VALUES` or `TABLE` only reads.
fn query(text: &str, dialect: Dialect, piece: &Piece) -> Kind {
    let bytes = &text.as_bytes()[..piece.end];
    let mut lexer = Lexer::new(bytes, dialect);
    lexer.go_to(piece.start);
    let (mut depth, mut opens) = (0_usize, false);
    // After `WITH` the verb is yet to come; behind it `UPDATE` can only be `FOR UPDATE`.
    let mut reads = !is(first_word(text, piece), "with");
    while !reads || matches!(dialect, Dialect::Postgres | Dialect::Mysql) {
        let token = lexer.next();
        if token.kind == TokenKind::End {
            break;
        }
        // `WITH … INSERT`, and PostgreSQL's `WITH a AS (INSERT …)`.
        let may_write = !reads && (depth == 0 || opens && dialect == Dialect::Postgres);
        if may_write && is_any(&token, bytes, &[b"insert", b"update", b"delete", b"merge", b"replace"]) {
            return Kind::Dml;
        }
        if reads && depth == 0 && is_word(&token, bytes, b"into") {
            // PG manual, SELECT INTO: it "creates a new table". MySQL sets variables of the session, or writes a file.
            return match dialect {
                Dialect::Mysql if is_mark(&lexer.next(), b'@') => Kind::Session,
                Dialect::Mysql => Kind::Other,
                _ => Kind::Ddl,
            };
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

/// Whether the word is the known one, which is given in lower case.
pub(crate) fn is(word: &[u8], known: &str) -> bool {
    // The last letters tell most words of one length and first letter apart.
    let (length, known) = (word.len(), known.as_bytes());
    length == known.len()
        && word[0] | 0x20 == known[0]
        && word[length - 1] | 0x20 == known[length - 1]
        && word.eq_ignore_ascii_case(known)
}
