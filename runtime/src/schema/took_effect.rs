//! Whether a schema change has been done.

use super::change::{Change, Gone, Guard, TableChange, Thing, TypeChange};
use super::column_type::ColumnType;
use super::effect::Effect;
use super::model::{Fields, Keyspace, Schema, Signature, Table};

/// What is there of a part of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Done,
    NotDone,
    /// Something else is there: it was done in part, or somebody has changed the schema since.
    Neither,
}

impl Effect {
    /// Whether it has been done, as far as what was found in the keyspaces of [`Effect::objects`] can tell. What says
    /// `IF` and is not there as wanted may be sent again: the server does what there is to do.
    pub(crate) fn took_effect(&self, found: &Schema) -> Option<bool> {
        match self {
            Self::Schema(change) => change.took_effect(found),
            Self::Rows { .. } | Self::Query | Self::Unknown => None,
        }
    }
}

impl Change {
    fn took_effect(&self, found: &Schema) -> Option<bool> {
        let in_keyspace = |name: &str| found.keyspaces.get(name);
        let (standings, guard) = match self {
            Self::Create { keyspace, thing: Thing::Keyspace, guard } => {
                (vec![there(in_keyspace(keyspace), |_| true)], *guard)
            }
            Self::Drop { keyspace, gone: Gone::Keyspace } => (vec![gone(in_keyspace(keyspace).is_some())], Guard::None),
            Self::Create { keyspace, thing, guard } => (vec![created(thing, in_keyspace(keyspace)?)], *guard),
            Self::Drop { keyspace, gone: dropped } => {
                (vec![gone(is_there(dropped, in_keyspace(keyspace)?))], Guard::None)
            }
            Self::Table { table, change, guard } => {
                (changed(change, in_keyspace(&table.keyspace)?.tables.get(&table.name)?), *guard)
            }
            Self::Type { name, change, guard } => {
                (of_fields(change, in_keyspace(&name.keyspace)?.types.get(&name.name)?), *guard)
            }
            Self::Options(_) | Self::Other(_) => return None,
        };
        let is_all = |standing| standings.iter().all(|it| *it == standing);
        match guard {
            _ if is_all(Standing::NotDone) => Some(false),
            // What stood there before looks the same.
            Guard::Replace => None,
            _ if is_all(Standing::Done) => Some(true),
            Guard::If => Some(false),
            Guard::None => None,
        }
    }
}

fn there<T>(found: Option<T>, is_wanted: impl FnOnce(T) -> bool) -> Standing {
    match found.map(is_wanted) {
        Some(true) => Standing::Done,
        Some(false) => Standing::Neither,
        None => Standing::NotDone,
    }
}

fn gone(is_there: bool) -> Standing {
    if is_there { Standing::NotDone } else { Standing::Done }
}

fn created(thing: &Thing, found: &Keyspace) -> Standing {
    match thing {
        Thing::Keyspace => Standing::Done,
        Thing::Table(name, table) => there(found.tables.get(name), |it| it == table),
        Thing::Index(Some(name), index) => there(found.indexes.get(name), |it| index.is(it)),
        // Two of one target are refused.
        Thing::Index(None, index) => there(found.indexes.values().find(|it| index.is(it)), |_| true),
        Thing::View(name, view) => there(found.views.get(name), |it| it == view),
        Thing::Type(name, fields) => there(found.types.get(name), |it| it == fields),
        Thing::Function(signature) => there(found.functions.get(signature), |_| true),
        Thing::Aggregate(signature) => there(found.aggregates.get(signature), |_| true),
    }
}

fn is_there(dropped: &Gone, found: &Keyspace) -> bool {
    let fits = |signature: &Signature, name: &String, arguments: &Option<Vec<ColumnType>>| {
        signature.name == *name && arguments.as_ref().is_none_or(|arguments| signature.arguments == *arguments)
    };
    match dropped {
        Gone::Keyspace => true,
        Gone::Table(name) => found.tables.contains_key(name),
        Gone::Index(name) => found.indexes.contains_key(name),
        Gone::View(name) => found.views.contains_key(name),
        Gone::Type(name) => found.types.contains_key(name),
        Gone::Function(name, arguments) => found.functions.iter().any(|it| fits(it, name, arguments)),
        Gone::Aggregate(name, arguments) => found.aggregates.iter().any(|it| fits(it, name, arguments)),
    }
}

fn changed(change: &TableChange, found: &Table) -> Vec<Standing> {
    match change {
        TableChange::Add(columns) => {
            columns.iter().map(|(name, column)| there(found.get(name), |it| it == column)).collect()
        }
        TableChange::Drop(columns) => columns.iter().map(|name| gone(found.contains_key(name))).collect(),
        TableChange::Rename(pairs) => renamed(pairs, |name| found.contains_key(name)),
        TableChange::Retype(name, to) => vec![retyped(found.get(name).map(|it| &it.column_type), to)],
    }
}

fn of_fields(change: &TypeChange, found: &Fields) -> Vec<Standing> {
    let field = |name: &String| found.iter().find(|(known, _)| known == name).map(|(_, it)| it);
    match change {
        TypeChange::Add(name, wanted) => vec![there(field(name), |it| it == wanted)],
        TypeChange::Rename(pairs) => renamed(pairs, |name| field(name).is_some()),
        TypeChange::Retype(name, to) => vec![retyped(field(name), to)],
    }
}

fn renamed(pairs: &[(String, String)], is_there: impl Fn(&String) -> bool) -> Vec<Standing> {
    let standing = |(from, to): &(String, String)| match (is_there(from), is_there(to)) {
        (false, true) => Standing::Done,
        (true, false) => Standing::NotDone,
        _ => Standing::Neither,
    };
    pairs.iter().map(standing).collect()
}

fn retyped(found: Option<&ColumnType>, to: &ColumnType) -> Standing {
    match found {
        Some(found) if found == to => Standing::Done,
        Some(_) => Standing::NotDone,
        None => Standing::Neither,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::apply::tests::made;

    #[test]
    fn what_took_effect() {
        const YES: Option<bool> = Some(true);
        const NO: Option<bool> = Some(false);
        let found = made(
            "CREATE KEYSPACE app; CREATE TABLE t (a int, b text, c int static, PRIMARY KEY (a)); \
             CREATE TYPE u (x int, y text); CREATE INDEX i ON t (b); CREATE CUSTOM INDEX j ON t (c) USING 'sai'; \
             CREATE MATERIALIZED VIEW v AS SELECT * FROM t PRIMARY KEY (b, a); CREATE FUNCTION f (a int) R; \
             CREATE AGGREGATE g (int) R",
        );
        let cases = [
            ("CREATE KEYSPACE app WITH x = 1", YES),
            ("CREATE KEYSPACE b WITH x = 1", NO),
            ("CREATE KEYSPACE IF NOT EXISTS b WITH x = 1", NO),
            ("DROP KEYSPACE app", NO),
            ("DROP KEYSPACE b", YES),
            ("CREATE TABLE t (b varchar, c int static, a int PRIMARY KEY) WITH comment = 'x'", YES),
            ("CREATE TABLE t (a int PRIMARY KEY)", None),
            ("CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY)", NO),
            ("CREATE TABLE other (a int PRIMARY KEY)", NO),
            // Nothing was looked up there.
            ("CREATE TABLE b.t (a int PRIMARY KEY)", None),
            ("DROP TABLE b.t", None),
            ("DROP TABLE t", NO),
            ("DROP TABLE IF EXISTS other", YES),
            ("ALTER TABLE t ADD b text", YES),
            ("ALTER TABLE t ADD b int", None),
            ("ALTER TABLE t ADD IF NOT EXISTS b int", NO),
            ("ALTER TABLE t ADD d int", NO),
            ("ALTER TABLE t ADD (b text, c int static)", YES),
            ("ALTER TABLE t ADD (b text, c int)", None),
            ("ALTER TABLE t ADD (b text, d int)", None),
            ("ALTER TABLE t ADD IF NOT EXISTS (b text, d int)", NO),
            ("ALTER TABLE other ADD d int", None),
            ("ALTER TABLE t DROP b", NO),
            ("ALTER TABLE t DROP d", YES),
            ("ALTER TABLE t DROP (b, d)", None),
            ("ALTER TABLE t DROP IF EXISTS (b, d)", NO),
            ("ALTER TABLE t RENAME a TO z", NO),
            ("ALTER TABLE t RENAME z TO a", YES),
            ("ALTER TABLE t RENAME a TO b", None),
            ("ALTER TABLE t RENAME y TO z", None),
            ("ALTER TABLE t ALTER c TYPE int", YES),
            ("ALTER TABLE t ALTER c TYPE blob", NO),
            ("ALTER TABLE t WITH comment = 'x'", None),
            ("CREATE TYPE u (x int, y varchar)", YES),
            ("CREATE TYPE u (y text, x int)", None),
            ("CREATE TYPE w (x int)", NO),
            ("ALTER TYPE u ADD y text", YES),
            ("ALTER TYPE u ADD z text", NO),
            ("ALTER TYPE u RENAME z TO y", YES),
            ("ALTER TYPE u RENAME y TO z", NO),
            ("DROP TYPE u", NO),
            ("DROP TYPE w", YES),
            ("CREATE INDEX i ON t (b)", YES),
            ("CREATE INDEX i ON t (a)", None),
            ("CREATE INDEX i ON t (b) USING 'sai'", None),
            ("CREATE INDEX j ON t (c)", YES),
            ("CREATE INDEX ON t (b)", YES),
            ("CREATE INDEX ON t (values(b))", YES),
            ("CREATE INDEX ON t (a)", NO),
            ("DROP INDEX i", NO),
            ("DROP INDEX k", YES),
            ("CREATE MATERIALIZED VIEW v AS SELECT * FROM t WHERE b IS NOT NULL PRIMARY KEY (b, a)", YES),
            ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t WHERE b IS NOT NULL PRIMARY KEY (b, a)", None),
            ("CREATE MATERIALIZED VIEW w AS SELECT * FROM t PRIMARY KEY (b, a)", NO),
            ("DROP MATERIALIZED VIEW v", NO),
            ("CREATE FUNCTION f (b int) CALLED", YES),
            ("CREATE FUNCTION f (b text) CALLED", NO),
            ("CREATE OR REPLACE FUNCTION f (b int) CALLED", None),
            ("CREATE OR REPLACE FUNCTION f (b text) CALLED", NO),
            ("DROP FUNCTION f", NO),
            ("DROP FUNCTION f (text)", YES),
            ("DROP FUNCTION h", YES),
            ("CREATE AGGREGATE g (int) SFUNC x", YES),
            ("DROP AGGREGATE g", NO),
            ("TRUNCATE t", None),
            ("GRANT a TO b", None),
            ("SELECT * FROM t", None),
            ("INSERT INTO t (a) VALUES (1)", None),
            ("CREATE TABLE a LIKE b", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Effect::of(text, "app").took_effect(&found), expected, "{text}");
        }
    }

    #[test]
    fn a_statement_that_is_applied_took_effect() {
        let script = include_str!("rows/cassandra.cql");
        let mut schema = made("CREATE KEYSPACE app");
        for text in script.split(";\n").filter(|text| !text.is_empty()) {
            let effect = Effect::of(text, "app");
            assert_eq!(effect.took_effect(&schema), Some(false), "{text}");
            let Effect::Schema(change) = &effect else { panic!("{text}") };
            schema.apply(change).unwrap();
            let expected = match text {
                _ if text.contains("OR REPLACE") => None,
                // There is one on that column.
                _ if text.starts_with("CREATE INDEX IF NOT EXISTS again") => Some(false),
                _ => Some(true),
            };
            assert_eq!(effect.took_effect(&schema), expected, "{text}");
        }
    }
}
