//! Tokens: where words, literals and comments begin and end, by each database's own rules.
//!
//! This runs unoptimized in users' builds, inside a macro. So it is written in index loops over bytes with a class
//! table; iterators, `Option`s and closures cost ten times as much there.

pub(crate) mod class;
mod comment;
mod keyword;
mod literal;
mod plain;

use crate::Dialect;
pub(crate) use keyword::{is_any, is_keyword, is_word};
pub(crate) use plain::Parentheses;

/// A range of the text that means one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// The first byte; 0 at the end.
    pub(crate) byte: u8,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The line of the first byte, counted from 1.
    pub(crate) line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword, a name without quotes, or a number up to its point.
    Word,
    /// A string, with its one-letter prefix: `'…'`, `E'…'`, `$$…$$`.
    String,
    /// `"…"`, `` `…` `` or `[…]`.
    QuotedName,
    /// One byte of anything else. Operators are not put together, so that `a=-1` is `a = - 1`.
    Mark,
    /// The delimiter that a `DELIMITER` line has set (MySQL).
    Delimiter,
    /// The `/*!50001` before, or the `*/` after, what only some MySQL servers run.
    VersionComment,
    /// The end of the text.
    End,
}

/// What is wrong with a range of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    String,
    QuotedName,
    DollarQuote,
    Comment,
    /// The `/` of a `*/` that closes none.
    CommentEnd,
    /// A body, batch or block without its end.
    Body,
    Parenthesis,
    /// A line that a client such as psql carries out itself.
    ClientCommand,
    BindMarker,
    /// A byte that no token of the dialect can begin with.
    Character,
    /// `""`, which names nothing.
    EmptyName,
    /// A name that must be quoted.
    UnquotedName,
    /// A statement that no batch can hold.
    NotBatched,
    /// A `;` in a batch that ends no statement.
    StraySemicolon,
}

impl FaultKind {
    /// Whether all the text that follows was taken for part of a literal or comment.
    pub(crate) fn runs_to_the_end(self) -> bool {
        matches!(self, Self::String | Self::QuotedName | Self::DollarQuote | Self::Comment)
    }

    /// Whether statements that follow may be lost in this one.
    pub(crate) fn hides_the_end(self) -> bool {
        self.runs_to_the_end() || matches!(self, Self::Body | Self::Parenthesis)
    }
}

/// A comment that speaks to us, or to a tool like us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Its text, without what opens and closes it and the blanks around.
    pub(crate) inner: (usize, usize),
}

/// More are not kept: the work on each is not free.
const MOST_FAULTS: usize = 100;

pub(crate) struct Lexer<'a> {
    bytes: &'a [u8],
    dialect: Dialect,
    class: &'static [u8; 256],
    at: usize,
    line: u32,
    /// What ends a statement besides `;`; empty without a `DELIMITER` line.
    delimiter: (usize, usize),
    /// Where the `/*!` stands that is open.
    version_comment: Option<usize>,
    /// The quote at which an `E'…'` goes on; the escapes of the first string hold in the next.
    escapes_at: usize,
    /// Whether a line that ends copied data can still come; looked for behind each COPY, it would cost the square.
    data_can_end: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) notes: Vec<Note>,
    /// The number of comments so far.
    pub(crate) comments: usize,
    /// Where `--` stands that MySQL takes for no comment, but all others do.
    pub(crate) dashes: Vec<usize>,
    /// Whether a statement is open, as far as who cuts them says; who reads a part of one need not.
    pub(crate) in_statement: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(bytes: &'a [u8], dialect: Dialect) -> Self {
        Self {
            bytes,
            dialect,
            class: class::of(dialect),
            at: 0,
            line: 1,
            delimiter: (0, 0),
            version_comment: None,
            escapes_at: usize::MAX,
            data_can_end: true,
            faults: Vec::new(),
            notes: Vec::new(),
            comments: 0,
            dashes: Vec::new(),
            in_statement: true,
        }
    }

    /// Reads from another place on.
    pub(crate) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The byte after the last token.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn fault(&mut self, kind: FaultKind, start: usize, end: usize) {
        // Of a file that is something else altogether, the first faults tell enough; those that hide the end are few.
        if self.faults.len() < MOST_FAULTS || kind.hides_the_end() {
            self.faults.push(Fault { kind, start, end });
        }
    }

    /// The next token; comments and blanks are passed over.
    ///
    /// Blanks and words, which are most of a script, are read here: a call costs as much as a short word.
    pub(crate) fn next(&mut self) -> Token {
        let (bytes, class, len) = (self.bytes, self.class, self.bytes.len());
        loop {
            let mut at = self.at;
            let mut found = class::BLANK;
            while at < len {
                found = class[bytes[at] as usize];
                if found == class::NEWLINE {
                    self.line += 1;
                } else if found != class::BLANK {
                    break;
                }
                at += 1;
            }
            self.at = at;
            if at >= len {
                return self.end();
            }
            let byte = bytes[at];
            if self.delimiter.0 < self.delimiter.1 && self.at_delimiter(at) {
                return self.delimiter(byte);
            }
            if found >= class::DIGIT {
                // PostgreSQL lets a name go on with `$`, a number not: `1$$a$$` is a number and a string (PG manual
                // 4.1.1).
                let least = if found == class::DIGIT { class::DIGIT } else { class::DOLLAR };
                let start = at;
                at += 1;
                while at < len && class[bytes[at] as usize] >= least {
                    at += 1;
                }
                return self.word(byte, start, at);
            }
            if found == class::MARK {
                return self.mark(byte);
            }
            if !self.comment(byte) {
                return self.literal(byte);
            }
        }
    }

    fn word(&mut self, byte: u8, start: usize, mut end: usize) -> Token {
        if self.delimiter.0 < self.delimiter.1 {
            end = self.word_before_delimiter(start, end);
        }
        self.at = end;
        // E'…', B'…', N'…', X'…' are one token: `E 'a'` is something else. CQL has no prefixes.
        if end == start + 1 && self.byte_at(end) == b'\'' && !matches!(self.dialect, Dialect::Cql) {
            return self.prefixed_string(start);
        }
        Token { kind: TokenKind::Word, byte, start, end, line: self.line }
    }

    fn delimiter(&mut self, byte: u8) -> Token {
        self.close_version_comment();
        let start = self.at;
        self.at = start + self.delimiter.1 - self.delimiter.0;
        Token { kind: TokenKind::Delimiter, byte, start, end: self.at, line: self.line }
    }

    fn end(&mut self) -> Token {
        self.close_version_comment();
        Token { kind: TokenKind::End, byte: 0, start: self.at, end: self.at, line: self.line }
    }

    /// At the end of what is sent at once, none may be open.
    fn close_version_comment(&mut self) {
        if let Some(start) = self.version_comment.take() {
            self.fault(FaultKind::Comment, start, start + 2);
        }
    }

    /// A token of one byte.
    fn mark(&mut self, byte: u8) -> Token {
        let start = self.at;
        self.at = start + 1;
        Token { kind: TokenKind::Mark, byte, start, end: self.at, line: self.line }
    }

    fn byte_at(&self, at: usize) -> u8 {
        if at < self.bytes.len() { self.bytes[at] } else { 0 }
    }

    /// Takes the rest of the line as the new delimiter, as MySQL's clients do.
    pub(crate) fn delimiter_line(&mut self) {
        let line_end = self.line_end(self.at, b'\n');
        let mut start = self.at;
        while start < line_end && self.class[self.bytes[start] as usize] == class::BLANK {
            start += 1;
        }
        // It may stand in quotes (mysql.cc: get_arg).
        let quote = self.byte_at(start);
        let is_quoted = start < line_end && matches!(quote, b'\'' | b'"' | b'`');
        start += usize::from(is_quoted);
        let ends = |byte: u8| if is_quoted { byte == quote } else { self.class[byte as usize] == class::BLANK };
        let mut end = start;
        while end < line_end && !ends(self.bytes[end]) {
            end += 1;
        }
        let is_default = end == start + 1 && self.bytes[start] == b';';
        self.delimiter = if is_default { (0, 0) } else { (start, end) };
        self.at = line_end;
    }

    /// Whether a `DELIMITER` line holds.
    pub(crate) fn has_delimiter(&self) -> bool {
        self.delimiter.0 < self.delimiter.1
    }

    fn at_delimiter(&self, at: usize) -> bool {
        let length = self.delimiter.1 - self.delimiter.0;
        at + length <= self.bytes.len()
            && self.bytes[at] == self.bytes[self.delimiter.0]
            && self.bytes[at..at + length] == self.bytes[self.delimiter.0..self.delimiter.1]
    }

    /// The end of a word that runs into the delimiter: `END$$`.
    fn word_before_delimiter(&self, start: usize, end: usize) -> usize {
        let mut at = start + 1;
        while at < end && !self.at_delimiter(at) {
            at += 1;
        }
        at
    }

    /// The end of the line, before its line end; `also` ends it too.
    fn line_end(&self, from: usize, also: u8) -> usize {
        let (bytes, len) = (self.bytes, self.bytes.len());
        let mut at = from;
        while at < len && bytes[at] != b'\n' && bytes[at] != also {
            at += 1;
        }
        at
    }
}
