//! What a statement does to the schema.

use super::column_type::ColumnType;
use super::model::{Column, Fields, Index, Signature, Table, View};
use super::name::Name;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Create {
        keyspace: String,
        thing: Thing,
        guard: Guard,
    },
    Drop {
        keyspace: String,
        gone: Gone,
    },
    Table {
        table: Name,
        change: TableChange,
        guard: Guard,
    },
    Type {
        name: Name,
        change: TypeChange,
        guard: Guard,
    },
    /// What is not compared.
    Options(Name),
    /// What nobody can look up here: rights, roles, triggers, rows that are truncated.
    Other(Option<Name>),
}

/// What a statement says about what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    None,
    /// `IF NOT EXISTS`, `IF EXISTS`.
    If,
    /// `OR REPLACE`.
    Replace,
}

/// What is created, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    Keyspace,
    Table(String, Table),
    /// Without a name, the server makes one of the table and the column.
    Index(Option<String>, Index),
    View(String, View),
    Type(String, Fields),
    Function(Signature),
    Aggregate(Signature),
}

/// What is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gone {
    Keyspace,
    Table(String),
    Index(String),
    View(String),
    Type(String),
    /// Its arguments may be left out.
    Function(String, Option<Vec<ColumnType>>),
    Aggregate(String, Option<Vec<ColumnType>>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TableChange {
    Add(Vec<(String, Column)>),
    Drop(Vec<String>),
    Rename(Vec<(String, String)>),
    Retype(String, ColumnType),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypeChange {
    Add(String, ColumnType),
    Rename(Vec<(String, String)>),
    Retype(String, ColumnType),
}

impl Change {
    /// What it touches; of an index its table too.
    pub(crate) fn objects(&self) -> Vec<Name> {
        match self {
            Self::Create { keyspace, thing, .. } => {
                let names: &[&str] = match thing {
                    Thing::Keyspace => &[""],
                    Thing::Index(name, index) => &[&index.table, name.as_deref().unwrap_or(&index.table)],
                    Thing::View(name, view) => &[name, &view.base],
                    Thing::Table(name, _) | Thing::Type(name, _) => &[name],
                    Thing::Function(signature) | Thing::Aggregate(signature) => &[&signature.name],
                };
                let mut names: Vec<Name> = names.iter().map(|name| Name::new(keyspace, name)).collect();
                names.dedup();
                names
            }
            Self::Drop { keyspace, gone } => vec![Name::new(keyspace, gone.name())],
            Self::Table { table: name, .. } | Self::Type { name, .. } | Self::Options(name) => vec![name.clone()],
            Self::Other(name) => name.iter().cloned().collect(),
        }
    }

    /// Whether it only adds: done once more, or late, it destroys nothing.
    ///
    /// Options are not among it: a TTL, or another replication, loses rows. Nor is `OR REPLACE`, which brings back what
    /// was replaced since.
    pub(crate) fn is_additive(&self) -> bool {
        match self {
            Self::Create { guard, .. } => *guard != Guard::Replace,
            Self::Table { change, .. } => matches!(change, TableChange::Add(_)),
            Self::Type { change, .. } => matches!(change, TypeChange::Add(..)),
            Self::Drop { .. } | Self::Options(_) | Self::Other(_) => false,
        }
    }
}

impl Gone {
    fn name(&self) -> &str {
        match self {
            Self::Keyspace => "",
            Self::Table(name) | Self::Index(name) | Self::View(name) | Self::Type(name) => name,
            Self::Function(name, _) | Self::Aggregate(name, _) => name,
        }
    }
}
