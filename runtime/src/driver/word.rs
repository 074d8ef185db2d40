//! A word of a message, found in the statement that it is about.

use std::ops::Range;

/// The one place where a text has a word.
pub(crate) fn only_place(text: &str, word: &str) -> Option<Range<usize>> {
    let alone = |at: &usize| !text[..*at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word);
    let mut found = text.match_indices(word).map(|(at, _)| at).filter(alone);
    match (found.next(), found.next()) {
        (Some(at), None) => Some(at..at + word.len()),
        _ => None,
    }
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
