//! Shapes of statements, written as SQL manuals write them, so that lists of statements can be data.
//!
//! A shape is words in lower case, compared from the start of the statement: `a|b` is a choice, `?a` may be missing,
//! `?()` is a parenthesis that may be missing, `*` is one name, `..` is anything up to what follows it (a parenthesis
//! is passed over as a whole), `$` is the end. What follows the shape does not matter.

use crate::Dialect;
use crate::lex::{Lexer, Token, TokenKind};

/// Whether the statement has the shape.
pub(crate) fn matches(statement: &str, dialect: Dialect, shape: &str) -> bool {
    let mut reader = Reader::new(statement, dialect);
    let mut parts = shape.split(' ').peekable();
    while let Some(part) = parts.next() {
        let fits = match part {
            ".." => {
                let after: Vec<&str> = parts.by_ref().take_while(|&part| part != "..").collect();
                // A second `..` was taken by `take_while`; what follows it begins anew.
                let found = reader.find(&after);
                if found && parts.peek().is_some() { return rest(reader, parts.collect()) } else { return found }
            }
            _ => reader.fits(part),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// The parts after a second `..`.
fn rest(mut reader: Reader<'_>, parts: Vec<&str>) -> bool {
    parts.split(|&part| part == "..").all(|section| reader.find(section))
}

/// The words of a statement, one by one.
struct Reader<'a> {
    bytes: &'a [u8],
    lexer: Lexer<'a>,
    token: Token,
}

impl<'a> Reader<'a> {
    fn new(statement: &'a str, dialect: Dialect) -> Self {
        let mut lexer = Lexer::new(statement.as_bytes(), dialect);
        let token = lexer.next();
        let mut reader = Self { bytes: statement.as_bytes(), lexer, token };
        reader.pass_version_comments();
        reader
    }

    fn advance(&mut self) {
        self.token = self.lexer.next();
        self.pass_version_comments();
    }

    /// What stands in `/*! … */` is code.
    fn pass_version_comments(&mut self) {
        while self.token.kind == TokenKind::VersionComment {
            self.token = self.lexer.next();
        }
    }

    /// Whether the part of a shape fits here; passes over what it fits.
    fn fits(&mut self, part: &str) -> bool {
        if part == "$" {
            return self.token.kind == TokenKind::End;
        }
        if part == "?()" {
            self.pass_parenthesis();
            return true;
        }
        let (word, may_be_missing) = part.strip_prefix('?').map_or((part, false), |word| (word, true));
        let fits =
            if word == "*" { self.token.kind != TokenKind::End } else { word.split('|').any(|word| self.is(word)) };
        if fits {
            self.advance();
        }
        fits || may_be_missing
    }

    fn is(&self, word: &str) -> bool {
        // A quoted name keeps its quotes here, so it is never taken for a keyword.
        self.bytes[self.token.start..self.token.end].eq_ignore_ascii_case(word.as_bytes())
    }

    /// Goes on to the first place where the parts fit, and passes over them.
    fn find(&mut self, parts: &[&str]) -> bool {
        loop {
            let (token, at) = (self.token, self.lexer.position());
            if parts.iter().all(|part| self.fits(part)) {
                return true;
            }
            self.token = token;
            self.lexer.go_to(at);
            if self.token.kind == TokenKind::End || self.is(")") {
                return false;
            }
            if !self.pass_parenthesis() {
                self.advance();
            }
        }
    }

    /// Passes over a parenthesis, if one opens here.
    fn pass_parenthesis(&mut self) -> bool {
        if !self.is("(") {
            return false;
        }
        let mut depth = 0_usize;
        loop {
            depth = if self.is("(") {
                depth + 1
            } else if self.is(")") {
                depth - 1
            } else {
                depth
            };
            if self.token.kind == TokenKind::End {
                return true;
            }
            self.advance();
            if depth == 0 {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(statement: &str, shape: &str) -> bool {
        matches(statement, Dialect::Postgres, shape)
    }

    #[test]
    fn words_choices_and_what_may_be_missing() {
        let shape = "create ?unique index|table concurrently";
        assert!(postgres("CREATE /* x */ UNIQUE Index concurrently i on t (a)", shape));
        assert!(postgres("create table concurrently", shape));
        assert!(!postgres("create unique view concurrently", shape));
        assert!(!postgres("create \"index\" concurrently", shape));
    }

    #[test]
    fn anything_in_between_passes_over_parentheses() {
        assert!(postgres("copy t (a, b) from stdin", "copy .. from stdin"));
        assert!(!postgres("copy (select a from stdin) to '/f'", "copy .. from stdin"));
        assert!(postgres("reindex (verbose, concurrently) table t", "reindex ( .. concurrently"));
        assert!(!postgres("reindex (verbose) table concurrently", "reindex ( .. concurrently"));
        assert!(postgres(
            "alter table a.b detach partition c concurrently",
            "alter table .. detach partition .. concurrently"
        ));
    }

    #[test]
    fn the_end() {
        for statement in ["cluster", "cluster verbose", "cluster (verbose)"] {
            assert!(postgres(statement, "cluster ?verbose ?() $"), "{statement}");
        }
        assert!(!postgres("cluster t using i", "cluster ?verbose ?() $"));
    }
}
