//! PostgreSQL: a `;` ends a statement outside parentheses and outside `BEGIN ATOMIC … END`.
//!
//! The rules are psql's (psqlscan.l): parentheses hold the commands of a `CREATE RULE … DO (…; …)`, and `BEGIN` in a
//! `CREATE [OR REPLACE] {FUNCTION | PROCEDURE}` opens a body in which `CASE` also ends with `END`.

use crate::lex::{FaultKind, Parentheses, Token, TokenKind};
use crate::lex::{is_any, is_word};

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// After `CREATE`, with `OR REPLACE`.
    Create,
    /// After `CREATE FUNCTION`, up to `BEGIN`.
    Routine,
    /// After its `BEGIN`, which opens a body only before `ATOMIC`.
    Begin,
    Body,
    /// After `COPY`.
    Copy,
    /// After its `FROM`.
    CopyFrom,
    /// After its `FROM STDIN`.
    CopyIn,
    /// Only parentheses matter.
    Plain,
}

#[derive(Default)]
pub(super) struct Postgres {
    state: State,
    pub(super) parentheses: Parentheses,
    /// `BEGIN ATOMIC` and each `CASE` in it.
    blocks: usize,
    /// The `BEGIN` that is open.
    begin: (usize, usize),
    /// After `.` or `AS` even `end` is a name (PG manual, appendix C: labels).
    next_is_name: bool,
}

impl Postgres {
    pub(super) fn token(&mut self, token: &Token, bytes: &[u8]) {
        if matches!(token.kind, TokenKind::Word) {
            if !matches!(self.state, State::Plain) && self.parentheses.depth == 0 {
                self.word(token, bytes);
            }
        } else if token.byte == b'(' {
            self.parentheses.open(token.start);
        } else if token.byte == b')' {
            self.parentheses.close();
        }
        self.next_is_name = token.byte == b'.' || matches!(self.state, State::Body) && is_word(token, bytes, b"as");
    }

    fn word(&mut self, token: &Token, bytes: &[u8]) {
        let is = |keyword| is_word(token, bytes, keyword);
        self.state = match self.state {
            State::Start if is(b"create") => State::Create,
            State::Start if is(b"copy") => State::Copy,
            State::Create if is_any(token, bytes, &[b"or", b"replace"]) => State::Create,
            State::Create if is_any(token, bytes, &[b"function", b"procedure"]) => State::Routine,
            State::Start | State::Create => State::Plain,
            State::Begin if is(b"atomic") => {
                self.blocks = 1;
                State::Body
            }
            State::Routine | State::Begin if is(b"begin") && !self.next_is_name => {
                self.begin = (token.start, token.end);
                State::Begin
            }
            State::Begin => State::Routine,
            State::Body => return self.body_word(token, bytes),
            State::Copy | State::CopyFrom if is(b"from") => State::CopyFrom,
            State::CopyFrom if is(b"stdin") => State::CopyIn,
            State::CopyFrom => State::Copy,
            unchanged => unchanged,
        };
    }

    fn body_word(&mut self, token: &Token, bytes: &[u8]) {
        if self.next_is_name {
            return;
        }
        if is_word(token, bytes, b"case") {
            self.blocks += 1;
        } else if is_word(token, bytes, b"end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain)
    }

    pub(super) fn ends_at_semicolon(&self) -> bool {
        self.parentheses.depth == 0 && self.blocks == 0
    }

    /// Whether what follows the statement is data, as pg_dump writes it.
    pub(super) fn data_follows(&self) -> bool {
        self.state == State::CopyIn
    }

    pub(super) fn unfinished(&self) -> Option<(FaultKind, usize, usize)> {
        if self.parentheses.depth > 0 {
            Some((FaultKind::Parenthesis, self.parentheses.start, self.parentheses.start + 1))
        } else if self.blocks > 0 {
            Some((FaultKind::Body, self.begin.0, self.begin.1))
        } else {
            None
        }
    }
}
