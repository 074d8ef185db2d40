//! Shapes of statements, written as SQL manuals write them, so that lists of statements can be data.
//!
//! A shape is what follows the first word of a statement, in lower case: `a|b` is a choice, `?a` may be missing, `?()`
//! is a parenthesis that may be missing, `*` is one name, `..` is anything up to what follows it (a parenthesis is
//! passed over as a whole), `$` is the end. What follows the shape does not matter; the empty shape fits everything.

use std::ops::Range;

use crate::Dialect;
use crate::lex::{Lexer, Token, TokenKind};

/// A statement after its first word, which whoever asks has looked at already.
pub(crate) struct Statement<'a> {
    bytes: &'a [u8],
    lexer: Lexer<'a>,
    token: Token,
    /// The second word, and the byte after it.
    second: (Token, usize),
}

impl<'a> Statement<'a> {
    /// The statement that ends with the text; its first word lies before `after`.
    pub(crate) fn new(text: &'a str, after: usize, dialect: Dialect) -> Self {
        let bytes = text.as_bytes();
        let mut lexer = Lexer::new(bytes, dialect);
        lexer.go_to(after);
        let token = code(&mut lexer);
        let at = lexer.position();
        Self { bytes, lexer, token, second: (token, at) }
    }

    /// Whether it has one of the shapes.
    pub(crate) fn has_any(&mut self, shapes: &[&str]) -> bool {
        let mut index = 0;
        while index < shapes.len() {
            if self.has(shapes[index]) {
                return true;
            }
            index += 1;
        }
        false
    }

    /// Whether it has the shape.
    pub(crate) fn has(&mut self, shape: &str) -> bool {
        let shape = shape.as_bytes();
        if self.begins_otherwise(shape) {
            return false;
        }
        self.token = self.second.0;
        self.lexer.go_to(self.second.1);
        let mut at = 0;
        while at < shape.len() {
            let end = part_end(shape, at);
            if is_anything(shape, at, end) {
                return self.has_further_on(&shape[end + 1..]);
            }
            if !self.fits(&shape[at..end]) {
                return false;
            }
            at = end + 1;
        }
        true
    }

    /// The token that follows a shape that it has.
    pub(crate) fn here(&self) -> Range<usize> {
        self.token.start..self.token.end
    }

    /// Whether the first letter tells that it cannot have the shape, as it nearly always does.
    fn begins_otherwise(&self, shape: &[u8]) -> bool {
        !shape.is_empty() && self.second.0.byte | 0x20 != shape[0] && begins_with_a_word(shape)
    }

    /// Whether the rest of a shape, each section of it after a `..`, is found further on.
    fn has_further_on(&mut self, shape: &[u8]) -> bool {
        let (mut start, mut at) = (0, 0);
        while at < shape.len() {
            let end = part_end(shape, at);
            if is_anything(shape, at, end) {
                if !self.find(&shape[start..at - 1]) {
                    return false;
                }
                start = end + 1;
            }
            at = end + 1;
        }
        self.find(&shape[start..])
    }

    /// Goes on to the first place where the section fits, and passes over it.
    fn find(&mut self, section: &[u8]) -> bool {
        if begins_with_a_word(section) && !contains(&self.bytes[self.token.start..], &section[..part_end(section, 0)]) {
            return false;
        }
        loop {
            let (token, at) = (self.token, self.lexer.position());
            if self.fits_all(section) {
                return true;
            }
            self.token = token;
            self.lexer.go_to(at);
            if token.kind == TokenKind::End || self.is(b")") {
                return false;
            }
            if !self.pass_parenthesis() {
                self.advance();
            }
        }
    }

    fn fits_all(&mut self, section: &[u8]) -> bool {
        let mut at = 0;
        while at < section.len() {
            let end = part_end(section, at);
            if !self.fits(&section[at..end]) {
                return false;
            }
            at = end + 1;
        }
        true
    }

    /// Whether one part of a shape fits here; passes over what it fits.
    fn fits(&mut self, part: &[u8]) -> bool {
        match part {
            b"$" => return self.token.kind == TokenKind::End,
            b"?()" => {
                self.pass_parenthesis();
                return true;
            }
            _ => {}
        }
        let may_be_missing = part[0] == b'?';
        let fits = if part == b"*" {
            self.token.kind != TokenKind::End
        } else {
            self.is_one_of(&part[usize::from(may_be_missing)..])
        };
        if fits {
            self.advance();
        }
        fits || may_be_missing
    }

    /// Whether the token is one of the words between `|`.
    fn is_one_of(&self, words: &[u8]) -> bool {
        let mut start = 0;
        let mut at = 0;
        while at <= words.len() {
            if at == words.len() || words[at] == b'|' {
                if self.is(&words[start..at]) {
                    return true;
                }
                start = at + 1;
            }
            at += 1;
        }
        false
    }

    fn is(&self, word: &[u8]) -> bool {
        // A quoted name keeps its quotes here, so it is never taken for a keyword.
        self.token.end - self.token.start == word.len()
            && self.bytes[self.token.start..self.token.end].eq_ignore_ascii_case(word)
    }

    /// Passes over a parenthesis, if one opens here.
    fn pass_parenthesis(&mut self) -> bool {
        if !self.is(b"(") {
            return false;
        }
        let mut depth = 0_usize;
        while self.token.kind != TokenKind::End {
            if self.is(b"(") {
                depth += 1;
            } else if self.is(b")") {
                depth -= 1;
            }
            self.advance();
            if depth == 0 {
                break;
            }
        }
        true
    }

    fn advance(&mut self) {
        self.token = code(&mut self.lexer);
    }
}

/// The next token; what stands in `/*! … */` is code.
fn code(lexer: &mut Lexer<'_>) -> Token {
    loop {
        let token = lexer.next();
        if token.kind != TokenKind::VersionComment {
            return token;
        }
    }
}

/// Whether the bytes of a word stand anywhere in the text; as a rule they do not, and no token needs to be looked at.
pub(crate) fn contains(text: &[u8], word: &[u8]) -> bool {
    let mut at = 0;
    while at + word.len() <= text.len() {
        if text[at] | 0x20 == word[0] && text[at..at + word.len()].eq_ignore_ascii_case(word) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether the first part is a word, and no choice of several.
fn begins_with_a_word(shape: &[u8]) -> bool {
    let mut at = 0;
    while at < shape.len() && shape[at] > b' ' && shape[at] != b'|' {
        at += 1;
    }
    shape[0].is_ascii_lowercase() && (at == shape.len() || shape[at] == b' ')
}

/// Whether the part is `..`.
fn is_anything(shape: &[u8], start: usize, end: usize) -> bool {
    end == start + 2 && shape[start] == b'.'
}

fn part_end(shape: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < shape.len() && shape[at] != b' ' {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(statement: &str, shape: &str) -> bool {
        let first = statement.find(' ').unwrap_or(statement.len());
        Statement::new(statement, first, Dialect::Postgres).has(shape)
    }

    #[test]
    fn words_choices_and_what_may_be_missing() {
        let shape = "?unique index|table concurrently";
        assert!(postgres("CREATE /* x */ UNIQUE Index concurrently i on t (a)", shape));
        assert!(postgres("create table concurrently", shape));
        assert!(!postgres("create unique view concurrently", shape));
        assert!(!postgres("create \"index\" concurrently", shape));
    }

    #[test]
    fn anything_in_between_passes_over_parentheses() {
        assert!(postgres("copy t (a, b) from stdin", ".. from stdin"));
        assert!(!postgres("copy (select a from stdin) to '/f'", ".. from stdin"));
        assert!(postgres("reindex (verbose, concurrently) table t", "( .. concurrently"));
        assert!(!postgres("reindex (verbose) table concurrently", "( .. concurrently"));
        assert!(postgres(
            "alter table a.b detach partition c concurrently",
            "table .. detach partition .. concurrently"
        ));
    }

    #[test]
    fn the_end() {
        for statement in ["cluster", "cluster verbose", "cluster (verbose)"] {
            assert!(postgres(statement, "?verbose ?() $"), "{statement}");
        }
        assert!(!postgres("cluster t using i", "?verbose ?() $"));
    }
}
