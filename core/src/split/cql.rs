//! CQL: a `;` ends a statement, but for those in a batch or transaction.

use crate::lex::{FaultKind, Token, TokenKind};
use crate::lex::{is_any, is_word};

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// After `BEGIN`.
    Begin,
    /// In a batch; Parser.g: `BEGIN [UNLOGGED | COUNTER] BATCH … APPLY BATCH`, with a `;` where one likes.
    Batch,
    /// After `APPLY`, which is reserved and so can only end the batch.
    Apply,
    /// In a transaction of Cassandra 6: `BEGIN TRANSACTION … COMMIT TRANSACTION`.
    Transaction,
    /// After `COMMIT`.
    Commit,
    Plain,
}

#[derive(Default)]
pub(super) struct Cql {
    state: State,
    begin: (usize, usize),
    /// Open `{`: in a map, `:` stands between key and value.
    braces: usize,
    /// The byte after a `:` outside braces, when that was the last token; a name here makes it a bind marker.
    colon: usize,
}

impl Cql {
    pub(super) fn token(&mut self, token: &Token, bytes: &[u8]) -> Option<FaultKind> {
        let colon = std::mem::take(&mut self.colon);
        if !matches!(token.kind, TokenKind::Word) {
            return if matches!(token.kind, TokenKind::Mark) { self.mark(token) } else { None };
        }
        if !matches!(self.state, State::Plain) {
            self.word(token, bytes);
        }
        if colon == token.start && colon > 0 && token.byte > b'9' {
            return Some(FaultKind::BindMarker);
        }
        // Lexer.g knows letters beyond ASCII only in literals, and the `µ` of `5µs`.
        let is_ascii = token.byte.is_ascii_digit() || bytes[token.start..token.end].is_ascii();
        if is_ascii { None } else { Some(FaultKind::Character) }
    }

    fn mark(&mut self, token: &Token) -> Option<FaultKind> {
        match token.byte {
            b'{' => self.braces += 1,
            b'}' => self.braces = self.braces.saturating_sub(1),
            b':' if self.braces == 0 => self.colon = token.end,
            b'?' => return Some(FaultKind::BindMarker),
            b'(' | b')' | b'[' | b']' | b',' | b':' | b'.' | b'=' | b'<' | b'>' | b'!' | b'+' | b'-' | b'*' | b'/'
            | b'%' => {}
            _ => return Some(FaultKind::Character),
        }
        None
    }

    fn word(&mut self, token: &Token, bytes: &[u8]) {
        let is = |keyword| is_word(token, bytes, keyword);
        self.state = match self.state {
            State::Start if is(b"begin") => {
                self.begin = (token.start, token.end);
                State::Begin
            }
            State::Begin if is_any(token, bytes, &[b"batch", b"unlogged", b"counter"]) => State::Batch,
            State::Begin if is(b"transaction") => State::Transaction,
            State::Batch if is(b"apply") => State::Apply,
            State::Transaction if is(b"commit") => State::Commit,
            State::Batch => State::Batch,
            State::Transaction => State::Transaction,
            State::Apply if !is(b"batch") => State::Batch,
            State::Commit if !is(b"transaction") => State::Transaction,
            State::Start | State::Begin | State::Apply | State::Commit | State::Plain => State::Plain,
        };
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain) && self.colon == 0
    }

    pub(super) fn ends_at_semicolon(&self) -> bool {
        self.unfinished().is_none()
    }

    pub(super) fn unfinished(&self) -> Option<(FaultKind, usize, usize)> {
        let is_open = matches!(self.state, State::Batch | State::Apply | State::Transaction | State::Commit);
        is_open.then_some((FaultKind::Body, self.begin.0, self.begin.1))
    }
}
