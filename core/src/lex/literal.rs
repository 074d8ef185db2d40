//! Strings and quoted names.

use super::{FaultKind, Lexer, Token, TokenKind, class};
use crate::Dialect;

/// Whether a backslash takes the next byte with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    Escapes,
    IsPlain,
}

impl Lexer<'_> {
    /// The token that begins with a byte that is no blank, word or comment.
    pub(super) fn literal(&mut self, first: u8) -> Token {
        match first {
            b'\'' if self.at == self.escapes_at => self.string(self.at, Backslash::Escapes),
            b'\'' => self.string(self.at, self.backslash_in_strings()),
            b'"' if matches!(self.dialect, Dialect::Mysql) => {
                // MySQL manual 11.1.1: "enclosed within either single quote or double quote characters"; sql_mode
                // ANSI_QUOTES is pinned off.
                self.quoted(TokenKind::String, b'"', Backslash::Escapes)
            }
            b'"' => self.quoted(TokenKind::QuotedName, b'"', Backslash::IsPlain),
            // MySQL manual 11.2; SQLite takes MySQL's backticks too (lang_keywords.html).
            b'`' if matches!(self.dialect, Dialect::Mysql | Dialect::Sqlite) => {
                self.quoted(TokenKind::QuotedName, b'`', Backslash::IsPlain)
            }
            b'[' if matches!(self.dialect, Dialect::Sqlite) => self.bracketed(),
            b'$' => self.dollar(),
            b'/' | b'*' if matches!(self.dialect, Dialect::Mysql) => match self.version_comment(first) {
                Some(token) => token,
                None => self.mark(first),
            },
            _ => self.mark(first),
        }
    }

    /// A string after a prefix of one letter, which is already read.
    pub(super) fn prefixed_string(&mut self, start: usize) -> Token {
        let is_escape = matches!(self.bytes[start], b'e' | b'E') && matches!(self.dialect, Dialect::Postgres);
        // PG manual 4.1.2.2: "An escape string constant is specified by writing the letter E … just before the
        // opening single quote".
        self.string(start, if is_escape { Backslash::Escapes } else { self.backslash_in_strings() })
    }

    /// Where the string before goes on, if it does; `usize::MAX` if not.
    ///
    /// PG manual 4.1.2.1: strings "separated only by whitespace with at least one newline" are one, and scan.l
    /// (quotecontinue) takes `--` comments for whitespace there.
    fn continuation(&self) -> usize {
        let (bytes, len) = (self.bytes, self.bytes.len());
        let (mut at, mut has_newline) = (self.at, false);
        while at < len {
            let byte = bytes[at];
            if byte == b'-' && self.byte_at(at + 1) == b'-' {
                at = self.line_end(at, b'\r');
                continue;
            }
            if !matches!(self.class[byte as usize], class::BLANK | class::NEWLINE) {
                break;
            }
            has_newline |= matches!(byte, b'\n' | b'\r');
            at += 1;
        }
        if has_newline && self.byte_at(at) == b'\'' { at } else { usize::MAX }
    }

    /// PG manual 4.1.2.1: with `standard_conforming_strings` on, a backslash is plain. MySQL manual 11.1.1: it
    /// escapes, NO_BACKSLASH_ESCAPES being pinned off. SQLite and CQL know no escapes but `''`.
    fn backslash_in_strings(&self) -> Backslash {
        if matches!(self.dialect, Dialect::Mysql) { Backslash::Escapes } else { Backslash::IsPlain }
    }

    fn string(&mut self, start: usize, backslash: Backslash) -> Token {
        let mut token = self.quoted(TokenKind::String, b'\'', backslash);
        token.start = start;
        token.byte = self.bytes[start];
        if backslash == Backslash::Escapes && matches!(self.dialect, Dialect::Postgres) {
            self.escapes_at = self.continuation();
        }
        token
    }

    /// From a quote to its like; a doubled one stands for itself.
    fn quoted(&mut self, kind: TokenKind, quote: u8, backslash: Backslash) -> Token {
        let (bytes, len, start) = (self.bytes, self.bytes.len(), self.at);
        let (mut at, line) = (start + 1, self.line);
        let mut lines = line;
        // Without escapes this is the quote once more: no byte is asked a question that cannot matter.
        let escape = if backslash == Backslash::Escapes { b'\\' } else { quote };
        let mut is_closed = false;
        while at < len {
            let byte = bytes[at];
            at += 1;
            if byte != quote && byte != b'\n' && byte != escape {
                continue;
            }
            if byte == quote {
                if at < len && bytes[at] == quote {
                    at += 1;
                } else {
                    is_closed = true;
                    break;
                }
            } else if byte == b'\n' {
                lines += 1;
            } else if byte == escape && at < len {
                if bytes[at] == b'\n' {
                    lines += 1;
                }
                at += 1;
            }
        }
        self.at = at;
        self.line = lines;
        if !is_closed {
            let fault = if kind == TokenKind::String { FaultKind::String } else { FaultKind::QuotedName };
            self.fault(fault, start, start + 1);
        } else if at == start + 2 && quote == b'"' && matches!(self.dialect, Dialect::Cql) {
            // Lexer.g has a token for it, EMPTY_QUOTED_NAME, of which Parser.g makes no name.
            self.fault(FaultKind::EmptyName, start, at);
        }
        Token { kind, byte: quote, start, end: at, line }
    }

    /// `[name]`, as SQLite takes it from SQL Server (lang_keywords.html); no doubling.
    fn bracketed(&mut self) -> Token {
        let (bytes, len, start, line) = (self.bytes, self.bytes.len(), self.at, self.line);
        let mut at = start + 1;
        while at < len && bytes[at] != b']' {
            if bytes[at] == b'\n' {
                self.line += 1;
            }
            at += 1;
        }
        if at < len {
            at += 1;
        } else {
            self.fault(FaultKind::QuotedName, start, start + 1);
        }
        self.at = at;
        Token { kind: TokenKind::QuotedName, byte: b'[', start, end: at, line }
    }

    /// The token that begins with this `$`, where the grammar says that it is no name.
    pub(crate) fn dollar_quote(&mut self, start: usize) -> Token {
        self.at = start;
        self.dollar()
    }

    /// `$tag$…$tag$` (PG manual 4.1.2.4; sql_lex.cc of MySQL 9), `$$…$$` without tags (Cassandra's Lexer.g:
    /// STRING_LITERAL), or a lone `$`.
    fn dollar(&mut self) -> Token {
        let start = self.at;
        let opening = match self.dialect {
            Dialect::Postgres | Dialect::Mysql => self.dollar_tag_end(start),
            Dialect::Cql if self.byte_at(start + 1) == b'$' => start + 2,
            _ => start,
        };
        if opening == start {
            return self.mark(b'$');
        }
        let line = self.line;
        self.at = self.dollar_end(start, opening);
        Token { kind: TokenKind::String, byte: b'$', start, end: self.at, line }
    }

    /// The byte after `$tag$`; `start` itself when no tag stands there, as in `$1`.
    fn dollar_tag_end(&self, start: usize) -> usize {
        let (bytes, class, len) = (self.bytes, self.class, self.bytes.len());
        let mut at = start + 1;
        while at < len && class[bytes[at] as usize] >= class::DIGIT && bytes[at] != b'$' {
            at += 1;
        }
        let begins_with_digit = class[self.byte_at(start + 1) as usize] == class::DIGIT;
        if at < len && bytes[at] == b'$' && !begins_with_digit { at + 1 } else { start }
    }

    /// The byte after the closing tag.
    fn dollar_end(&mut self, start: usize, opening: usize) -> usize {
        let (bytes, len) = (self.bytes, self.bytes.len());
        let length = opening - start;
        let (mut at, mut line) = (opening, self.line);
        while at < len {
            let byte = bytes[at];
            if byte == b'\n' {
                line += 1;
            } else if byte == b'$' && at + length <= len && bytes[at..at + length] == bytes[start..opening] {
                self.line = line;
                return at + length;
            }
            at += 1;
        }
        self.line = line;
        self.fault(FaultKind::DollarQuote, start, opening);
        len
    }
}
