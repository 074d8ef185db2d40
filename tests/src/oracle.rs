//! Independent opinions on where statements end, each the database's own.

pub mod postgres;
pub mod sqlite;

use std::ops::Range;

use whimbrel_core::Dialect;

/// Whether a piece of a script holds no statement: white space, comments, `;`.
pub fn is_blank(mut piece: &str, dialect: Dialect) -> bool {
    loop {
        piece = piece.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ';');
        piece = match piece.get(..2) {
            Some("--") => piece.split_once('\n').map_or("", |(_, after)| after),
            Some("/*") => after_comment(piece, dialect),
            _ => return piece.is_empty(),
        };
    }
}

/// What follows a block comment; PostgreSQL nests them (PG manual 4.1.5).
fn after_comment(mut piece: &str, dialect: Dialect) -> &str {
    let mut depth = 0;
    while !piece.is_empty() {
        let length = match piece.get(..2) {
            Some("/*") if depth == 0 || dialect == Dialect::Postgres => {
                depth += 1;
                2
            }
            Some("*/") => {
                depth -= 1;
                2
            }
            _ => piece.chars().next().map_or(0, char::len_utf8),
        };
        piece = &piece[length..];
        if depth == 0 {
            break;
        }
    }
    piece
}

/// The pieces that hold a statement.
fn with_statements(script: &str, dialect: Dialect, pieces: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    pieces.filter(|piece| !is_blank(&script[piece.clone()], dialect)).collect()
}
