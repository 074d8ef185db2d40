//! Independent opinions on where statements end, each the database's own.

pub mod postgres;
pub mod sqlite;

use std::ops::Range;

/// Whether a piece of a script holds no statement: white space, comments, `;`.
pub fn is_blank(mut piece: &str) -> bool {
    loop {
        piece = piece.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ';' || c == '\u{feff}');
        let after = match piece.get(..2) {
            Some("--") => piece.split_once('\n').map(|(_, after)| after),
            Some("/*") => piece.split_once("*/").map(|(_, after)| after),
            _ => return piece.is_empty(),
        };
        // A comment may end with the script.
        let Some(after) = after else { return true };
        piece = after;
    }
}

/// The pieces that hold a statement.
fn with_statements(script: &str, pieces: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    pieces.filter(|piece| !is_blank(&script[piece.clone()])).collect()
}
