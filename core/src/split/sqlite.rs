//! SQLite: a `;` ends a statement, but for those in the body of a trigger.

use crate::lex::{FaultKind, Token};
use crate::lex::{is_any, is_word};

/// The states of `sqlite3_complete` (SQLite's complete.c), without those that only blanks tell apart.
///
/// "If a trigger … is being created … then the ending is `;END;`": so a `CASE … END` in the body needs no thought.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Normal,
    Explain,
    Create,
    Trigger,
    /// After a `;` in the body.
    Semicolon,
    /// After its `; END`.
    End,
}

#[derive(Default)]
pub(super) struct Sqlite {
    state: State,
    /// The `TRIGGER` whose body is open.
    opened: (usize, usize),
}

impl Sqlite {
    pub(super) fn token(&mut self, token: &Token, bytes: &[u8]) {
        self.state = match self.state {
            State::Normal => return,
            State::Start | State::Explain if is_word(token, bytes, b"create") => State::Create,
            State::Start if is_word(token, bytes, b"explain") => State::Explain,
            // `EXPLAIN QUERY PLAN CREATE …`
            State::Explain if !is_any(token, bytes, &[b"explain", b"temp", b"temporary", b"trigger", b"end"]) => return,
            State::Create if is_any(token, bytes, &[b"temp", b"temporary"]) => return,
            State::Create if is_word(token, bytes, b"trigger") => {
                self.opened = (token.start, token.end);
                State::Trigger
            }
            State::Start | State::Explain | State::Create => State::Normal,
            State::Semicolon if is_word(token, bytes, b"end") => State::End,
            State::Trigger | State::Semicolon | State::End => State::Trigger,
        };
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.state, State::Normal | State::Trigger)
    }

    pub(super) fn ends_at_semicolon(&mut self) -> bool {
        let is_in_body = matches!(self.state, State::Trigger | State::Semicolon);
        if is_in_body {
            self.state = State::Semicolon;
        }
        !is_in_body
    }

    pub(super) fn unfinished(&self) -> Option<(FaultKind, usize, usize)> {
        let is_open = matches!(self.state, State::Trigger | State::Semicolon);
        is_open.then_some((FaultKind::Body, self.opened.0, self.opened.1))
    }
}
