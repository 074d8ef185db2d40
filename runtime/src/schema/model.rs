//! What a schema is made of, as far as it is compared: options such as compaction, comments and TTLs are not in it, nor
//! is how a keyspace is replicated or what a function does.

use std::collections::{BTreeMap, BTreeSet};

use super::column_type::ColumnType;

/// A schema: what the scripts say there is, or what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) keyspaces: BTreeMap<String, Keyspace>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keyspace {
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) indexes: BTreeMap<String, Index>,
    pub(crate) views: BTreeMap<String, View>,
    pub(crate) types: BTreeMap<String, Fields>,
    pub(crate) functions: BTreeSet<Signature>,
    pub(crate) aggregates: BTreeSet<Signature>,
}

/// The columns of a table by their names.
pub(crate) type Table = BTreeMap<String, Column>;

/// The fields of a user-defined type, in their order.
pub(crate) type Fields = Vec<(String, ColumnType)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) kind: ColumnKind,
    pub(crate) column_type: ColumnType,
}

/// What a column is in its table; positions count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    PartitionKey(usize),
    Clustering(usize, Order),
    Static,
    Regular,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) table: String,
    /// `email`, `keys(m)`, in Scylla `(tenant), email`; of a collection the values are meant where nothing else is said.
    pub(crate) target: String,
    pub(crate) kind: IndexKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexKind {
    /// What the server makes of an index without a class.
    Plain,
    /// One of a class.
    Custom,
}

impl Index {
    /// Whether that is the index that is wanted; a server may be set to make its plain ones of a class.
    pub(crate) fn is(&self, found: &Self) -> bool {
        let is_kind = self.kind == IndexKind::Plain || found.kind == IndexKind::Custom;
        self.table == found.table && self.target == found.target && is_kind
    }
}

/// A materialized view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) base: String,
    pub(crate) partition: Vec<String>,
    pub(crate) clustering: Vec<(String, Order)>,
    pub(crate) selected: Selected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    /// `*`, and what is added to the table later.
    All,
    /// Those, the key among them.
    Those(BTreeSet<String>),
}

/// A function or an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) arguments: Vec<ColumnType>,
}
