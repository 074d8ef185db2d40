//! A schema after a change.

use std::collections::btree_map::Entry;

use super::change::{Change, Gone, Guard, TableChange, Thing, TypeChange};
use super::model::{Fields, Index, Keyspace, Schema, Selected};
use super::name::{Name, kept};

impl Schema {
    /// Does to the schema what a statement did; `None` where it alters what is not known.
    pub(crate) fn apply(&mut self, change: &Change) -> Option<()> {
        match change {
            Change::Create { keyspace, thing, guard } => {
                self.keyspaces.entry(keyspace.clone()).or_default().create(thing, *guard);
            }
            Change::Drop { keyspace, gone: Gone::Keyspace } => {
                self.keyspaces.remove(keyspace);
            }
            Change::Drop { keyspace, gone } => {
                if let Some(keyspace) = self.keyspaces.get_mut(keyspace) {
                    keyspace.drop(gone);
                }
            }
            Change::Table { table, change, guard } => {
                self.keyspaces.get_mut(&table.keyspace)?.alter(&table.name, change, *guard)?;
            }
            Change::Type { name: Name { keyspace, name }, change, guard } => {
                alter_type(self.keyspaces.get_mut(keyspace)?.types.get_mut(name)?, change, *guard)?;
            }
            Change::Options(_) | Change::Other(_) => {}
        }
        Some(())
    }

    /// Forgets whatever has one of these names, since nobody knows what became of it.
    pub(crate) fn forget(&mut self, words: &[&str]) {
        for name in words.iter().filter_map(|word| kept(word)) {
            for keyspace in self.keyspaces.values_mut() {
                keyspace.drop(&Gone::Table(name.clone()));
                keyspace.drop(&Gone::Index(name.clone()));
                keyspace.drop(&Gone::View(name.clone()));
                keyspace.drop(&Gone::Type(name.clone()));
                keyspace.drop(&Gone::Function(name.clone(), None));
                keyspace.drop(&Gone::Aggregate(name.clone(), None));
            }
        }
    }
}

impl Keyspace {
    fn create(&mut self, thing: &Thing, guard: Guard) {
        match thing {
            Thing::Keyspace => {}
            Thing::Table(name, table) => put(self.tables.entry(name.clone()), table, guard),
            Thing::View(name, view) => put(self.views.entry(name.clone()), view, guard),
            Thing::Type(name, fields) => put(self.types.entry(name.clone()), fields, guard),
            // With IF NOT EXISTS a second one of that target is not made, whatever its name.
            Thing::Index(_, index) if guard == Guard::If && self.indexes.values().any(|known| index.is(known)) => {}
            Thing::Index(name, index) => {
                let name = name.clone().unwrap_or_else(|| self.index_name(index));
                put(self.indexes.entry(name), index, guard);
            }
            Thing::Function(signature) => {
                self.functions.insert(signature.clone());
            }
            Thing::Aggregate(signature) => {
                self.aggregates.insert(signature.clone());
            }
        }
    }

    /// The name that the server gives: of the table and of the one column, without what is no letter, and with a number
    /// where that is taken (tried with Cassandra 5.0.8; Scylla's create_index_statement.cc).
    fn index_name(&self, index: &Index) -> String {
        let local = index.target.strip_prefix('(').and_then(|rest| rest.split_once("), "));
        let target = local.map_or(index.target.as_str(), |(_, target)| target);
        let of = target.split_once('(').map_or(target, |(_, column)| column);
        let column: String = of.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let root = if target.contains(", ") { String::new() } else { format!("_{column}") };
        let name = format!("{}{root}_idx", index.table);
        let numbered = (1..).map(|number| format!("{name}_{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        names.find(|name| !self.indexes.contains_key(name)).unwrap_or(name)
    }

    fn drop(&mut self, gone: &Gone) {
        match gone {
            Gone::Keyspace => {}
            Gone::Table(name) => {
                self.tables.remove(name);
                self.indexes.retain(|_, index| index.table != *name);
            }
            Gone::Index(name) => {
                self.indexes.remove(name);
            }
            Gone::View(name) => {
                self.views.remove(name);
            }
            Gone::Type(name) => {
                self.types.remove(name);
            }
            Gone::Function(name, arguments) => self.functions.retain(|it| {
                it.name != *name || arguments.as_ref().is_some_and(|arguments| it.arguments != *arguments)
            }),
            Gone::Aggregate(name, arguments) => self.aggregates.retain(|it| {
                it.name != *name || arguments.as_ref().is_some_and(|arguments| it.arguments != *arguments)
            }),
        }
    }

    fn alter(&mut self, name: &str, change: &TableChange, guard: Guard) -> Option<()> {
        let table = self.tables.get_mut(name)?;
        match change {
            TableChange::Add(columns) => {
                for (name, column) in columns {
                    put(table.entry(name.clone()), column, guard);
                }
            }
            TableChange::Drop(columns) => table.retain(|name, _| !columns.contains(name)),
            TableChange::Retype(column, to) => table.get_mut(column)?.column_type = to.clone(),
            TableChange::Rename(pairs) => {
                for (from, to) in pairs {
                    let column = table.remove(from)?;
                    table.insert(to.clone(), column);
                }
                pairs.iter().for_each(|(from, to)| self.rename_elsewhere(name, from, to));
            }
        }
        Some(())
    }

    /// In views a column of the table is renamed too; one with an index cannot be.
    fn rename_elsewhere(&mut self, table: &str, from: &str, to: &str) {
        let rename = |name: &mut String| {
            if name == from {
                to.clone_into(name);
            }
        };
        for view in self.views.values_mut().filter(|view| view.base == table) {
            view.partition.iter_mut().for_each(rename);
            view.clustering.iter_mut().map(|(name, _)| name).for_each(rename);
            if let Selected::Those(names) = &mut view.selected
                && names.remove(from)
            {
                names.insert(to.to_owned());
            }
        }
    }
}

fn alter_type(fields: &mut Fields, change: &TypeChange, guard: Guard) -> Option<()> {
    let at = |fields: &Fields, name: &String| fields.iter().position(|(known, _)| known == name);
    match change {
        TypeChange::Add(name, field) => match at(fields, name) {
            Some(_) if guard == Guard::If => {}
            Some(at) => fields[at].1 = field.clone(),
            None => fields.push((name.clone(), field.clone())),
        },
        TypeChange::Retype(name, to) => {
            let at = at(fields, name)?;
            fields[at].1 = to.clone();
        }
        TypeChange::Rename(pairs) => {
            for (from, to) in pairs {
                let at = at(fields, from)?;
                fields[at].0.clone_from(to);
            }
        }
    }
    Some(())
}

/// What is there stays where the statement says so.
fn put<T: Clone>(entry: Entry<String, T>, value: &T, guard: Guard) {
    match entry {
        Entry::Occupied(_) if guard == Guard::If => {}
        entry => {
            entry.insert_entry(value.clone());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::schema::compare::compare;
    use crate::schema::effect::Effect;
    use crate::schema::model::Schema;

    /// What statements make of nothing, in the keyspace `app`.
    pub(in crate::schema) fn made(statements: &str) -> Schema {
        let mut schema = Schema::default();
        for text in statements.split(';').filter(|text| !text.trim().is_empty()) {
            let Effect::Schema(change) = Effect::of(text, "app") else { panic!("{text}") };
            assert_eq!(schema.apply(&change), Some(()), "{text}");
        }
        schema
    }

    #[test]
    fn changes_add_up() {
        const T: &str = "CREATE TABLE t (a int, b int, c int, PRIMARY KEY (a, b));";
        let cases = [
            ("ALTER TABLE t ADD d text", "CREATE TABLE t (a int, b int, c int, d text, PRIMARY KEY (a, b))"),
            (
                "ALTER TABLE t ADD IF NOT EXISTS (c text, d text static)",
                "CREATE TABLE t (a int, b int, c int, d text static, PRIMARY KEY (a, b))",
            ),
            ("ALTER TABLE t DROP (c)", "CREATE TABLE t (a int, b int, PRIMARY KEY (a, b))"),
            ("ALTER TABLE t RENAME b TO d", "CREATE TABLE t (a int, d int, c int, PRIMARY KEY (a, d))"),
            ("ALTER TABLE t ALTER c TYPE blob", "CREATE TABLE t (a int, b int, c blob, PRIMARY KEY (a, b))"),
            ("CREATE TABLE IF NOT EXISTS t (x int PRIMARY KEY)", T),
            ("DROP TABLE t; CREATE TABLE t (x int PRIMARY KEY)", "CREATE TABLE t (x int PRIMARY KEY)"),
            ("DROP TABLE IF EXISTS other; TRUNCATE t; ALTER TABLE t WITH comment = ''", T),
            ("CREATE INDEX ON t (c); DROP TABLE t", "CREATE KEYSPACE app"),
            ("DROP KEYSPACE app; CREATE KEYSPACE app", "CREATE KEYSPACE app"),
            (
                "DROP TABLE t; CREATE TYPE u (a int, b int); ALTER TYPE u ADD c int; ALTER TYPE u RENAME a TO x AND b TO y",
                "CREATE TYPE u (x int, y int, c int)",
            ),
            (
                "DROP TABLE t; CREATE FUNCTION f (a int) R; CREATE FUNCTION f (a text) R; DROP FUNCTION f (int)",
                "CREATE FUNCTION f (a varchar) R",
            ),
            (
                "CREATE MATERIALIZED VIEW v AS SELECT c FROM t PRIMARY KEY (b, a); ALTER TABLE t RENAME b TO d; DROP TABLE t",
                "CREATE MATERIALIZED VIEW v AS SELECT c FROM t PRIMARY KEY (d, a)",
            ),
        ];
        for (changes, expected) in cases {
            assert_eq!(made(&format!("{T} {changes}")), made(expected), "{changes}");
        }
        let mut nothing = Schema::default();
        for text in ["ALTER TABLE t ADD a int", "ALTER TYPE u ADD a int"] {
            let Effect::Schema(change) = Effect::of(text, "app") else { panic!("{text}") };
            assert_eq!(nothing.apply(&change), None, "{text}");
        }
    }

    #[test]
    fn an_index_gets_the_name_that_the_server_gives() {
        // As Cassandra 5.0.8 named them, but for the last two.
        let cases = [
            ("CREATE INDEX ON t (c)", "t_c_idx"),
            ("CREATE INDEX ON \"Mixed\" (\"Name\")", "Mixed_Name_idx"),
            ("CREATE INDEX ON t (\"we ird\")", "t_weird_idx"),
            ("CREATE INDEX ON t (KEYS(m))", "t_m_idx"),
            ("CREATE INDEX t_c_idx ON u (x); CREATE INDEX ON t (c)", "t_c_idx t_c_idx_1"),
            ("CREATE INDEX ON t (c); CREATE INDEX IF NOT EXISTS ON t (c)", "t_c_idx"),
            ("CREATE INDEX ON t (c); CREATE INDEX IF NOT EXISTS other ON t (c)", "t_c_idx"),
            ("CREATE INDEX ON t (c); DROP INDEX t_c_idx", ""),
            ("CREATE INDEX ON t ((a), c)", "t_c_idx"),
            ("CREATE CUSTOM INDEX ON t (a, c) USING 'x'", "t_idx"),
        ];
        for (text, expected) in cases {
            let schema = made(text);
            let names: Vec<&str> = schema.keyspaces["app"].indexes.keys().map(String::as_str).collect();
            assert_eq!(names.join(" "), expected, "{text}");
        }
        assert!(compare(&made("CREATE INDEX ON t (c)"), &made("CREATE INDEX t_c_idx ON t (values(c))")).is_empty());
    }
}
