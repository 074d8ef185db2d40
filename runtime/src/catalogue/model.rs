//! What a schema is made of, as far as it is compared. Not in it: rights, owners, comments, the order of columns, and the
//! names of constraints, which a server may have chosen.

use std::collections::BTreeMap;

/// A schema: what the scripts make, or what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    /// By the name that a person reads; other schemas than the default one stand before it.
    pub(crate) tables: BTreeMap<String, Table>,
    /// What does not belong to a table, and what it says.
    pub(crate) objects: BTreeMap<Named, String>,
}

/// An object by what it is and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    /// `view`, `function`, `trigger`, …
    pub(crate) sort: &'static str,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// Properties that have a value, by name: the engine, how it is partitioned.
    pub(crate) properties: BTreeMap<&'static str, String>,
    pub(crate) columns: BTreeMap<String, Column>,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) indexes: BTreeMap<String, String>,
    /// What else belongs to it: triggers, policies, and what they say.
    pub(crate) parts: BTreeMap<Named, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) column_type: String,
    pub(crate) nullability: Nullability,
    /// Further properties that have a value, by name: the default, the collation, what it is generated from.
    pub(crate) properties: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nullability {
    Nullable,
    NotNull,
}

/// A key or a check, without its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Constraint {
    /// [`PRIMARY_KEY`], `unique key`, `foreign key`, `check`, …
    pub(crate) sort: &'static str,
    /// `(id)`, `(room) references rooms (id)`, `(age > 0)`
    pub(crate) says: String,
}

/// The sort of constraint of which a table has one at most.
pub(crate) const PRIMARY_KEY: &str = "primary key";

impl Named {
    pub(crate) fn new(sort: &'static str, name: impl Into<String>) -> Self {
        Self { sort, name: name.into() }
    }
}

impl Column {
    /// A column; properties without a value are none.
    pub(crate) fn new<const N: usize>(
        column_type: impl Into<String>,
        nullability: Nullability,
        properties: [(&'static str, Option<String>); N],
    ) -> Self {
        Self { column_type: column_type.into(), nullability, properties: of_value(properties) }
    }
}

impl Constraint {
    pub(crate) fn new(sort: &'static str, says: impl Into<String>) -> Self {
        Self { sort, says: says.into() }
    }
}

impl Catalogue {
    /// Takes tables away that are ours.
    pub(crate) fn forget(&mut self, tables: &[String]) {
        self.tables.retain(|name, _| !tables.contains(name));
    }

    /// Adds what belongs to a table, or to a view.
    pub(crate) fn add_part(&mut self, owner: &str, named: Named, says: String) {
        match self.tables.get_mut(owner) {
            Some(table) => drop(table.parts.insert(named, says)),
            None => {
                let name = format!("{} on {owner}", named.name);
                self.objects.insert(Named { name, ..named }, says);
            }
        }
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.objects.is_empty()
    }
}

/// The properties that have a value.
pub(crate) fn of_value<const N: usize>(
    properties: [(&'static str, Option<String>); N],
) -> BTreeMap<&'static str, String> {
    properties.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect()
}
