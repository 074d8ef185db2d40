//! The words of a statement, for whoever must know what it is about.

use crate::Dialect;
use crate::lex::{Lexer, TokenKind};

/// The tokens of a statement as they are written, without comments and what is blank; a quoted name keeps its quotes.
pub fn words(text: &str, dialect: Dialect) -> Vec<&str> {
    let mut lexer = Lexer::new(text.as_bytes(), dialect);
    let mut words = Vec::new();
    loop {
        let token = lexer.next();
        if token.kind == TokenKind::End {
            return words;
        }
        words.extend(text.get(token.start..token.end));
    }
}
