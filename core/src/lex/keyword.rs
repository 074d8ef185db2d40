//! Keywords among the tokens.

use super::{Token, TokenKind};

/// Whether the token is the keyword, given in lower case.
pub(crate) fn is_word(token: &Token, bytes: &[u8], keyword: &[u8]) -> bool {
    // The first two comparisons answer nearly always, and cost nothing without optimization.
    token.end - token.start == keyword.len()
        && token.byte | 0x20 == keyword[0]
        && matches!(token.kind, TokenKind::Word)
        && bytes[token.start..token.end].eq_ignore_ascii_case(keyword)
}

/// Whether the token is one of the keywords, given in lower case.
pub(crate) fn is_any(token: &Token, bytes: &[u8], keywords: &[&[u8]]) -> bool {
    let mut index = 0;
    while index < keywords.len() {
        if is_word(token, bytes, keywords[index]) {
            return true;
        }
        index += 1;
    }
    false
}
