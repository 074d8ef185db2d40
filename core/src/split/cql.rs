//! CQL: a `;` ends a statement, but for those in a batch or transaction.

use crate::lex::{FaultKind, Token, TokenKind};
use crate::lex::{is_any, is_word};

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// After `BEGIN`.
    Begin,
    /// In a batch; Parser.g: `BEGIN [UNLOGGED | COUNTER] BATCH … APPLY BATCH`, with one `;` or none behind each statement.
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
    /// Whether a statement of the batch has begun since the last `;`.
    in_batched: bool,
    /// Open `{`: in a map, `:` stands between key and value.
    braces: usize,
    /// Whether the last token was a `:` that stands between no key and its value; a name here makes it a bind marker.
    after_colon: bool,
}

/// What a batch holds (Parser.g: batchStatementObjective).
const BATCHED: &[&[u8]] = &[b"insert", b"update", b"delete"];

/// What it does not; all of these are reserved, and so none of them is a name.
const NOT_BATCHED: &[&[u8]] =
    &[b"alter", b"begin", b"create", b"describe", b"drop", b"grant", b"revoke", b"select", b"truncate", b"use"];

impl Cql {
    pub(super) fn token(&mut self, token: &Token, bytes: &[u8]) -> Option<FaultKind> {
        let after_colon = std::mem::take(&mut self.after_colon);
        match token.kind {
            TokenKind::Mark => return self.mark(token, bytes),
            TokenKind::QuotedName if after_colon => return Some(FaultKind::BindMarker),
            TokenKind::Word => {}
            _ => return None,
        }
        let is_batched = !matches!(self.state, State::Plain) && self.word(token, bytes);
        if after_colon && token.byte > b'9' {
            return Some(FaultKind::BindMarker);
        }
        if token.byte == b'_' {
            return Some(FaultKind::UnquotedName);
        }
        // Lexer.g knows letters beyond ASCII only in literals, and the `µ` of `5µs`.
        if !token.byte.is_ascii_digit() && !bytes[token.start..token.end].is_ascii() {
            return Some(FaultKind::Character);
        }
        is_batched.then_some(FaultKind::NotBatched)
    }

    fn mark(&mut self, token: &Token, bytes: &[u8]) -> Option<FaultKind> {
        match token.byte {
            b'{' => self.braces += 1,
            b'}' => self.braces = self.braces.saturating_sub(1),
            b':' => self.after_colon = self.braces == 0 || !follows_a_term(bytes, token.start),
            b'?' => return Some(FaultKind::BindMarker),
            // At the end of a comment that is open, it would be no token.
            b'/' if token.start > 0 && bytes[token.start - 1] == b'*' => return Some(FaultKind::CommentEnd),
            b'(' | b')' | b'[' | b']' | b',' | b'.' | b'=' | b'<' | b'>' | b'!' | b'+' | b'-' | b'*' | b'/' | b'%' => {}
            _ => return Some(FaultKind::Character),
        }
        None
    }

    /// Takes a word that matters; whether it stands in a batch and cannot.
    fn word(&mut self, token: &Token, bytes: &[u8]) -> bool {
        let is_batch = matches!(self.state, State::Batch);
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
        let is_wrong = is_batch && is_any(token, bytes, NOT_BATCHED);
        self.in_batched |= is_wrong || is_batch && is_any(token, bytes, BATCHED);
        is_wrong
    }

    /// Takes a `;` that does not end the statement.
    pub(super) fn semicolon(&mut self) -> Option<FaultKind> {
        let is_batch = matches!(self.state, State::Batch | State::Apply);
        let is_stray = is_batch && !std::mem::take(&mut self.in_batched);
        is_stray.then_some(FaultKind::StraySemicolon)
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain) && !self.after_colon
    }

    pub(super) fn ends_at_semicolon(&self) -> bool {
        self.unfinished().is_none()
    }

    pub(super) fn unfinished(&self) -> Option<(FaultKind, usize, usize)> {
        let is_open = matches!(self.state, State::Batch | State::Apply | State::Transaction | State::Commit);
        is_open.then_some((FaultKind::Body, self.begin.0, self.begin.1))
    }
}

/// Whether a key of a map can end before this place; a comment counts as one.
fn follows_a_term(bytes: &[u8], mut at: usize) -> bool {
    while at > 0 && bytes[at - 1].is_ascii_whitespace() {
        at -= 1;
    }
    at > 0 && !matches!(bytes[at - 1], b'{' | b',' | b':' | b'(' | b'[')
}
