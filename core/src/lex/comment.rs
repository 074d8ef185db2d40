//! Comments, and the lines that clients keep for themselves.

use super::{FaultKind, Lexer, Note, Token, TokenKind};
use crate::Dialect;

impl Lexer<'_> {
    /// Passes over a comment that begins here; `false` when none does.
    pub(super) fn comment(&mut self, first: u8) -> bool {
        let next = self.byte_at(self.at + 1);
        match (first, next) {
            (b'-', b'-') => self.dashes(),
            (b'/', b'*') => self.block(),
            (b'/', b'/') if matches!(self.dialect, Dialect::Cql) => self.line_comment(2),
            // MySQL manual 11.7: "From a # character to the end of the line."
            (b'#', _) if matches!(self.dialect, Dialect::Mysql) => self.line_comment(1),
            (b'\\', _) => self.backslash(next),
            _ => false,
        }
    }

    fn dashes(&mut self) -> bool {
        // MySQL manual 11.7: the second dash must be "followed by at least one whitespace or control character".
        let after = self.byte_at(self.at + 2);
        // Between statements its client takes `--x` for one as well: "We also ignore lines starting with '--', even if
        // there isn't a whitespace after" (mysql.cc: add_line).
        if matches!(self.dialect, Dialect::Mysql) && after > b' ' && after != 0x7f && self.in_statement {
            self.dashes.push(self.at);
            return false;
        }
        self.line_comment(2)
    }

    fn line_comment(&mut self, opening: usize) -> bool {
        let start = self.at;
        // A lone carriage return ends it too for PostgreSQL (scan.l: non_newline) and CQL (Lexer.g: COMMENT).
        let also = if matches!(self.dialect, Dialect::Postgres | Dialect::Cql) { b'\r' } else { b'\n' };
        let end = self.line_end(start + opening, also);
        self.at = end;
        self.note(start, end, start + opening, end);
        true
    }

    fn block(&mut self) -> bool {
        let start = self.at;
        if matches!(self.dialect, Dialect::Mysql) && self.opens_version_comment() {
            return false;
        }
        let (bytes, len) = (self.bytes, self.bytes.len());
        // PostgreSQL nests block comments (PG manual 4.1.5); SQLite, MySQL and CQL do not.
        let nests = matches!(self.dialect, Dialect::Postgres);
        let (mut at, mut line, mut depth) = (start + 2, self.line, 1);
        while at < len && depth > 0 {
            let byte = bytes[at];
            at += 1;
            if byte == b'\n' {
                line += 1;
            } else if byte == b'*' && at < len && bytes[at] == b'/' {
                depth -= 1;
                at += 1;
            } else if byte == b'/' && nests && at < len && bytes[at] == b'*' {
                depth += 1;
                at += 1;
            }
        }
        self.at = at;
        self.line = line;
        // SQLite: "C-style comments … extend to the next */ or to the end of input" (lang_comment.html).
        if depth > 0 && !matches!(self.dialect, Dialect::Sqlite) {
            self.fault(FaultKind::Comment, start, start + 2);
        }
        self.note(start, at, start + 2, if depth > 0 { at } else { at - 2 });
        true
    }

    /// Whether the `/*` here opens code for some servers: `/*!`, and `/*M!` for MariaDB (MySQL manual 11.7), also in
    /// such code (sql_lex.cc: MY_LEX_LONG_COMMENT).
    fn opens_version_comment(&self) -> bool {
        let after = self.byte_at(self.at + 2);
        after == b'!' || after == b'M' && self.byte_at(self.at + 3) == b'!'
    }

    /// The `/*!50001` or its `*/`, when one stands here.
    pub(super) fn version_comment(&mut self, first: u8) -> Option<Token> {
        let start = self.at;
        if first == b'/' && self.byte_at(start + 1) == b'*' {
            self.version_comment = Some(start);
            let mut end = start + 3;
            while matches!(self.byte_at(end), b'!' | b'0'..=b'9') {
                end += 1;
            }
            self.at = end.min(self.bytes.len());
        } else if first == b'*' && self.byte_at(start + 1) == b'/' && self.version_comment.is_some() {
            self.version_comment = None;
            self.at = start + 2;
        } else {
            return None;
        }
        Some(Token { kind: TokenKind::VersionComment, byte: first, start, end: self.at, line: self.line })
    }

    /// Whether a `/*!` is open.
    pub(crate) fn in_version_comment(&self) -> bool {
        self.version_comment.is_some()
    }

    /// Passes over a line of psql or of the mysql client; no SQL of theirs has a backslash outside quotes, but for
    /// MySQL's `\N`, which is NULL (MySQL manual 11.1.7).
    fn backslash(&mut self, next: u8) -> bool {
        let is_command = match self.dialect {
            Dialect::Postgres => true,
            Dialect::Mysql => next != b'N',
            Dialect::Sqlite | Dialect::Cql => false,
        };
        if is_command {
            self.client_line(self.at);
        }
        is_command
    }

    /// Passes over the rest of a line that begins at `start` and belongs to a client.
    pub(crate) fn client_line(&mut self, start: usize) {
        let end = self.line_end(self.at, b'\n');
        let mut word_end = start + 1;
        while word_end < end && self.bytes[word_end] > b' ' {
            word_end += 1;
        }
        self.at = end;
        self.fault(FaultKind::ClientCommand, start, word_end);
    }

    /// Passes over the lines of data after `COPY … FROM STDIN`, up to `\\.`; stays where it is when no such line is
    /// there.
    pub(crate) fn skip_copied_data(&mut self) {
        let (bytes, len) = (self.bytes, self.bytes.len());
        let (mut at, mut line) = (self.at, self.line);
        while at < len && self.data_can_end {
            let byte = bytes[at];
            at += 1;
            if byte == b'\n' {
                line += 1;
                if self.byte_at(at) == b'\\' && self.byte_at(at + 1) == b'.' && self.byte_at(at + 2) <= b'\r' {
                    self.at = at + 2;
                    self.line = line;
                    return;
                }
            }
        }
        self.data_can_end = false;
    }

    /// Counts a comment, and keeps it when it speaks to us.
    fn note(&mut self, start: usize, end: usize, mut from: usize, mut to: usize) {
        self.comments += 1;
        while from < to && self.bytes[from].is_ascii_whitespace() {
            from += 1;
        }
        if self.speaks(from) {
            while from < to && self.bytes[to - 1].is_ascii_whitespace() {
                to -= 1;
            }
            self.notes.push(Note { start, end, inner: (from, to) });
        }
    }

    /// Whether the text of a comment that begins here is a directive, ours or a peer's, or a mark of theirs.
    fn speaks(&self, at: usize) -> bool {
        match self.byte_at(at) {
            b'w' | b'W' => self.says(at, b"whimbrel:"),
            b'n' | b'N' => self.says(at, b"no-transaction"),
            b'a' | b'A' => self.says(at, b"atlas:txmode"),
            b'm' | b'M' => self.says(at, b"migrate:"),
            b'+' => self.says(at, b"+goose") || self.says(at, b"+migrate"),
            _ => false,
        }
    }

    fn says(&self, at: usize, word: &[u8]) -> bool {
        at + word.len() <= self.bytes.len() && self.bytes[at..at + word.len()].eq_ignore_ascii_case(word)
    }
}
