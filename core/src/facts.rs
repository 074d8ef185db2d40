//! What a statement is, told from its words: its kind, and whether it can run in a transaction.

use crate::lex::{Lexer, Token, TokenKind, is_any, is_keyword, is_word};
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
    verb: &'static [u8],
    /// Shapes of what follows.
    refused: &'static [&'static str],
    /// What of the above is allowed after all.
    allowed: &'static [&'static str],
}

/// SQLSTATE 25001 on 15 and 18 (tried), or PreventInTransactionBlock in the server's source. `DISCARD ALL` is refused
/// as a whole.
const OUTSIDE_POSTGRES: &[Outside] = &[
    Outside {
        verb: b"create",
        refused: &["index concurrently", "unique index concurrently", "database", "tablespace", "subscription"],
        // Subscriptions that neither make a slot nor ask the publisher.
        allowed: &[
            "subscription .. with ( .. connect = false|off|0",
            "subscription .. with ( .. create_slot = false|off|0",
        ],
    },
    Outside {
        verb: b"alter",
        refused: &[
            "system",
            "database * set tablespace",
            "table .. detach partition .. concurrently",
            "subscription * refresh publication",
            "subscription * set|add|drop publication",
        ],
        allowed: &["subscription * set|add|drop publication .. with ( .. refresh = false|off|0"],
    },
    Outside { verb: b"drop", refused: &["index concurrently", "database", "tablespace", "subscription"], allowed: &[] },
    Outside {
        verb: b"reindex",
        refused: &[
            "( .. concurrently",
            "?() index|table|schema|database|system concurrently",
            "?() schema|database|system",
        ],
        allowed: &[],
    },
    Outside { verb: b"vacuum", refused: &[""], allowed: &[] },
    // With a table it is allowed.
    Outside { verb: b"cluster", refused: &["?verbose ?() $"], allowed: &[] },
    Outside { verb: b"commit", refused: &["prepared"], allowed: &[] },
    Outside { verb: b"rollback", refused: &["prepared"], allowed: &[] },
];

/// What fails in a transaction or does nothing there (tried with 3.40 and 3.51). To read a PRAGMA is harmless, and
/// ATTACH is allowed.
const OUTSIDE_SQLITE: &[Outside] = &[
    Outside { verb: b"vacuum", refused: &[""], allowed: &[] },
    Outside { verb: b"detach", refused: &[""], allowed: &[] },
    Outside {
        verb: b"pragma",
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
        Kind::Ddl if dialect == Dialect::Cql && is(word, b"truncate") => Kind::Dml,
        // SQLite and PostgreSQL load a library with it.
        Kind::Dml if dialect != Dialect::Mysql && is(word, b"load") => Kind::Other,
        kind => kind,
    }
}

const VERBS: &[(&[u8], Kind)] = &[
    (b"insert", Kind::Dml),
    (b"update", Kind::Dml),
    (b"delete", Kind::Dml),
    (b"create", Kind::Ddl),
    (b"alter", Kind::Ddl),
    (b"drop", Kind::Ddl),
    (b"comment", Kind::Ddl),
    (b"grant", Kind::Ddl),
    (b"revoke", Kind::Ddl),
    (b"rename", Kind::Ddl),
    (b"truncate", Kind::Ddl),
    (b"import", Kind::Ddl),
    (b"security", Kind::Ddl),
    (b"reassign", Kind::Ddl),
    (b"merge", Kind::Dml),
    (b"replace", Kind::Dml),
    (b"copy", Kind::Dml),
    (b"load", Kind::Dml),
    (b"select", Kind::Query),
    (b"with", Kind::Query),
    (b"values", Kind::Query),
    (b"table", Kind::Query),
    (b"set", Kind::Session),
    (b"reset", Kind::Session),
    (b"pragma", Kind::Session),
    (b"use", Kind::Session),
    (b"prepare", Kind::Session),
    (b"deallocate", Kind::Session),
    (b"attach", Kind::Session),
    (b"detach", Kind::Session),
    (b"discard", Kind::Session),
    (b"begin", Kind::Begin),
    (b"start", Kind::Begin),
    (b"commit", Kind::Commit),
    (b"end", Kind::Commit),
    (b"rollback", Kind::Rollback),
    (b"abort", Kind::Rollback),
];

/// The kind of what begins or ends a transaction, if it does.
fn border(text: &str, dialect: Dialect, piece: &Piece, kind: Kind) -> Kind {
    let word = first_word(text, piece);
    let mut rest = rest(text, dialect, piece);
    let is_border = match dialect {
        // `BEGIN BATCH … APPLY BATCH` and `BEGIN TRANSACTION … COMMIT TRANSACTION` are one statement.
        Dialect::Cql => return if is(word, b"begin") { Kind::Dml } else { Kind::Other },
        Dialect::Sqlite => !is(word, b"start") && !is(word, b"abort"),
        // `START REPLICA` is something else.
        _ if is(word, b"start") => rest.has("transaction"),
        Dialect::Postgres => true,
        // `BEGIN NOT ATOMIC` opens a block of MariaDB.
        Dialect::Mysql if is(word, b"begin") => rest.has("?work $"),
        Dialect::Mysql => is(word, b"commit") || is(word, b"rollback"),
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
    // After `WITH` the verb is yet to come; behind it `UPDATE` can only be `FOR UPDATE`.
    let mut reads = !is(first_word(text, piece), b"with");
    let finds_into = matches!(dialect, Dialect::Postgres | Dialect::Mysql);
    if reads && (!finds_into || !shape::contains(&bytes[piece.start..], b"into")) {
        return Kind::Query;
    }
    let mut lexer = Lexer::new(bytes, dialect);
    lexer.go_to(piece.start);
    let (mut depth, mut opens) = (0_usize, false);
    while !reads || finds_into {
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

/// Whether the word is the keyword.
///
/// Whole lists are searched with it for each statement; without optimization, the calls would cost more than the rest.
#[inline(always)]
pub(crate) fn is(word: &[u8], keyword: &[u8]) -> bool {
    word.len() == keyword.len() && word[0] | 0x20 == keyword[0] && is_keyword(word, keyword)
}
