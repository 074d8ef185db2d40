//! What a CQL statement does, read from its text alone.

use super::alter::alter;
use super::change::Change;
use super::create::create;
use super::drop::drop;
use super::name::Name;
use super::reader::Reader;
use super::repeat::{CONDITIONAL, Repeat, repeat, tables};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes the schema, or something as slow as that: TRUNCATE, rights.
    Schema(Change),
    /// It writes rows.
    Rows { tables: Vec<Name>, repeat: Repeat },
    /// It only reads.
    Query,
    /// It was not understood, and nothing is guessed.
    Unknown,
}

impl Effect {
    /// The effect of one statement, whose names without a keyspace are of that one.
    pub(crate) fn of(text: &str, keyspace: &str) -> Self {
        let mut reader = Reader::new(text, keyspace);
        let verb = reader.peek().to_ascii_lowercase();
        let change = match verb.as_str() {
            "select" | "list" | "describe" | "desc" => return Self::Query,
            "insert" | "update" | "delete" | "begin" => {
                let tables = tables(reader.rest(), keyspace);
                let repeat = repeat(reader.rest());
                return if tables.is_empty() { Self::Unknown } else { Self::Rows { tables, repeat } };
            }
            _ => change(&mut reader),
        };
        change.map_or(Self::Unknown, Self::Schema)
    }

    /// What it touches: tables and other things, a keyspace as a name that is empty.
    pub(crate) fn objects(&self) -> Vec<Name> {
        match self {
            Self::Schema(change) => change.objects(),
            Self::Rows { tables, .. } => tables.clone(),
            Self::Query | Self::Unknown => Vec::new(),
        }
    }

    /// Whether it writes only if what it reads is so.
    pub(crate) fn is_conditional(&self) -> bool {
        matches!(self, Self::Rows { repeat: Repeat::Unrepeatable(why), .. } if why.ends_with(CONDITIONAL))
    }

    /// Whether it is a schema change that only adds: once more, or late, it destroys nothing.
    pub(crate) fn is_additive(&self) -> bool {
        matches!(self, Self::Schema(change) if change.is_additive())
    }
}

fn change(reader: &mut Reader) -> Option<Change> {
    type Read = fn(&mut Reader) -> Option<Change>;
    const VERBS: &[(&str, Read)] = &[
        ("create", create),
        ("alter", alter),
        ("drop", drop),
        ("truncate", truncate),
        ("grant|revoke", |_| Some(Change::Other(None))),
        ("add identity", |_| Some(Change::Other(None))),
    ];
    reader.one_of(VERBS).and_then(|read| read(reader))
}

fn truncate(reader: &mut Reader) -> Option<Change> {
    reader.take("table|columnfamily");
    let table = reader.qualified()?;
    Some(Change::Other(Some(table)))
}

#[cfg(test)]
mod tests;
