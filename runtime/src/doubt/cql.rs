//! What a statement of CQL does, as far as that decides how it is run, and what became of it.

use whimbrel_core::Script;

use super::{Answer, Finding, Question, Thing};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It changes the schema of these keyspaces.
    Schema {
        reach: Reach,
        keyspaces: Vec<String>,
    },
    Rows(Repeated),
    Query,
}

/// What a schema change may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Anything,
    /// It only adds something.
    Adds,
}

/// What it means that a statement is sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// Nothing, with the same time for what it writes.
    Pinned,
    /// Nothing: it says the time by itself.
    Same,
    /// Something: it counts, appends, or depends on what is there.
    Different,
}

impl Nature {
    /// Whether it may be sent again although it may have been done.
    pub(crate) fn is_harmless_again(&self) -> bool {
        matches!(self, Self::Query | Self::Rows(Repeated::Pinned | Repeated::Same))
    }
}

pub(crate) fn nature(text: &str, keyspace: &str) -> Nature {
    let lower = text.trim_start().to_ascii_lowercase();
    let starts = |word: &str| lower.starts_with(word);
    if starts("select") {
        Nature::Query
    } else if ["insert", "update", "delete", "begin"].into_iter().any(starts) {
        Nature::Rows(Repeated::Pinned)
    } else {
        Nature::Schema { reach: Reach::Anything, keyspaces: vec![keyspace.to_owned()] }
    }
}

/// What is known of the statement after those that are done, in the entry with that key.
pub(crate) fn finding(script: &Script, done: usize, key: &str) -> Finding {
    // All of them are done.
    let Some(statement) = script.statement(done) else { return Finding::Again };
    let text = script.text_of(&statement);
    match nature(text, "") {
        nature if nature.is_harmless_again() => Finding::Again,
        Nature::Schema { .. } => {
            let thing = Thing::Statement { key: key.to_owned(), text: text.to_owned() };
            Finding::Ask(vec![Question { thing, done: Answer::Yes }])
        }
        _ => Finding::Unknown,
    }
}
