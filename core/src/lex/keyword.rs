//! Keywords, which are given in lower case and have letters only.

use super::{Token, TokenKind};

/// Whether the token is the keyword.
pub(crate) fn is_word(token: &Token, bytes: &[u8], keyword: &[u8]) -> bool {
    may_be(token, keyword)
        && matches!(token.kind, TokenKind::Word)
        && is_keyword(&bytes[token.start..token.end], keyword)
}

/// Whether the token is one of the keywords.
pub(crate) fn is_any(token: &Token, bytes: &[u8], keywords: &[&[u8]]) -> bool {
    let mut index = 0;
    while index < keywords.len() {
        if may_be(token, keywords[index]) && is_word(token, bytes, keywords[index]) {
            return true;
        }
        index += 1;
    }
    false
}

/// Two comparisons that answer nearly always, and cost nothing without optimization, where a call does.
#[inline(always)]
fn may_be(token: &Token, keyword: &[u8]) -> bool {
    token.end - token.start == keyword.len() && token.byte | 0x20 == keyword[0]
}

/// Whether a word that is as long as the keyword is the keyword.
pub(crate) fn is_keyword(word: &[u8], keyword: &[u8]) -> bool {
    let mut at = 0;
    // With this bit set, nothing but a capital becomes a letter.
    while at < keyword.len() && word[at] | 0x20 == keyword[at] {
        at += 1;
    }
    at == keyword.len()
}
