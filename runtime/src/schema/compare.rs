//! How a schema differs from what the scripts say.

use std::collections::BTreeMap;
use std::fmt;

use super::model::{
    Column, ColumnKind, Fields, Index, IndexKind, Keyspace, Order, Schema, Selected, Signature, Table, View,
};
use super::name::written;

/// A sentence for somebody on call: `column users.email is missing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference(String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that is not as expected. What nobody expects is no fault, unless it is inside a table or a type that is.
///
/// Options are not compared, nor what a keyspace is replicated to, what a function does, or the class of an index.
pub(crate) fn compare(expected: &Schema, found: &Schema) -> Vec<Difference> {
    let mut page = Page::default();
    for (name, keyspace) in &expected.keyspaces {
        page.prefix = if expected.keyspaces.len() > 1 { format!("{}.", written(name)) } else { String::new() };
        match found.keyspaces.get(name) {
            Some(found) => page.keyspace(keyspace, found),
            None => page.say(format!("keyspace {} is missing", written(name))),
        }
    }
    page.differences
}

#[derive(Default)]
struct Page {
    /// The keyspace, where there are several.
    prefix: String,
    differences: Vec<Difference>,
}

impl Page {
    fn say(&mut self, sentence: String) {
        self.differences.push(Difference(sentence));
    }

    fn name(&self, name: &str) -> String {
        format!("{}{}", self.prefix, written(name))
    }

    fn keyspace(&mut self, expected: &Keyspace, found: &Keyspace) {
        self.each("type", &expected.types, &found.types, Self::fields);
        self.each("table", &expected.tables, &found.tables, Self::table);
        self.each("index", &expected.indexes, &found.indexes, Self::index);
        for (name, index) in &found.indexes {
            if expected.tables.contains_key(&index.table) && !expected.indexes.contains_key(name) {
                self.say(format!("index {} on {} is not in any migration", self.name(name), self.name(&index.table)));
            }
        }
        self.each("materialized view", &expected.views, &found.views, Self::view);
        let functions: Vec<_> = expected.functions.difference(&found.functions).cloned().collect();
        let aggregates: Vec<_> = expected.aggregates.difference(&found.aggregates).cloned().collect();
        for (sort, signatures) in [("function", functions), ("aggregate", aggregates)] {
            for signature in signatures {
                self.say(format!("{sort} {}{signature} is missing", self.prefix));
            }
        }
    }

    /// What is not there, and what `differs` of the others.
    fn each<T>(
        &mut self,
        sort: &str,
        expected: &BTreeMap<String, T>,
        found: &BTreeMap<String, T>,
        differs: fn(&mut Self, &str, &T, &T),
    ) {
        for (name, expected) in expected {
            let shown = self.name(name);
            match found.get(name) {
                Some(found) => differs(self, &shown, expected, found),
                None => self.say(format!("{sort} {shown} is missing")),
            }
        }
    }

    fn fields(&mut self, name: &str, expected: &Fields, found: &Fields) {
        let names = |fields: &Fields| fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let as_map = |fields: &Fields| fields.iter().cloned().collect::<BTreeMap<_, _>>();
        let before = self.differences.len();
        let (wanted, there) = (as_map(expected), as_map(found));
        for (field, wanted) in &wanted {
            let shown = format!("{name}.{}", written(field));
            match there.get(field) {
                None => self.say(format!("field {shown} is missing")),
                Some(it) if it != wanted => self.say(format!("field {shown} has type {it}, expected {wanted}")),
                Some(_) => {}
            }
        }
        for field in there.keys().filter(|field| !wanted.contains_key(*field)) {
            self.say(format!("field {name}.{} is not in any migration", written(field)));
        }
        if self.differences.len() == before && names(expected) != names(found) {
            let (found, expected) = (list(&names(found)), list(&names(expected)));
            self.say(format!("type {name} has its fields in the order {found}, expected {expected}"));
        }
    }

    fn table(&mut self, name: &str, expected: &Table, found: &Table) {
        for (column, wanted) in expected {
            let shown = format!("{name}.{}", written(column));
            match found.get(column) {
                None => self.say(format!("column {shown} is missing")),
                Some(found) => self.column(&shown, wanted, found),
            }
        }
        for column in found.keys().filter(|column| !expected.contains_key(*column)) {
            self.say(format!("column {name}.{} is not in any migration", written(column)));
        }
    }

    fn column(&mut self, name: &str, expected: &Column, found: &Column) {
        if expected.column_type != found.column_type {
            self.say(format!("column {name} has type {}, expected {}", found.column_type, expected.column_type));
        }
        match (expected.kind, found.kind) {
            (wanted, there) if wanted == there => {}
            (ColumnKind::Clustering(at, wanted), ColumnKind::Clustering(position, order)) if at == position => {
                self.say(format!("column {name} is sorted {order}, expected {wanted}"));
            }
            (wanted, there) => self.say(format!("column {name} is {there}, expected {wanted}")),
        }
    }

    fn index(&mut self, name: &str, expected: &Index, found: &Index) {
        let on = |index: &Index| format!("{}({})", written(&index.table), index.target);
        if (&expected.table, &expected.target) != (&found.table, &found.target) {
            self.say(format!("index {name} is on {}, expected {}", on(found), on(expected)));
        } else if expected.kind == IndexKind::Custom && found.kind == IndexKind::Plain {
            self.say(format!("index {name} is a plain one, expected one of a class"));
        }
    }

    fn view(&mut self, name: &str, expected: &View, found: &View) {
        if expected.base != found.base {
            let (base, wanted) = (written(&found.base), written(&expected.base));
            self.say(format!("materialized view {name} is of {base}, expected {wanted}"));
        }
        let (key, wanted) = (key(found), key(expected));
        if key != wanted {
            self.say(format!("materialized view {name} has the key {key}, expected {wanted}"));
        }
        let (columns, wanted) = (selected(found), selected(expected));
        if columns != wanted {
            self.say(format!("materialized view {name} has the columns {columns}, expected {wanted}"));
        }
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| written(name)).collect::<Vec<_>>().join(", ")
}

/// `((a, b), c DESC)`
fn key(view: &View) -> String {
    let mut parts = vec![format!("({})", list(&view.partition))];
    parts.extend(view.clustering.iter().map(|(name, order)| match order {
        Order::Ascending => written(name),
        Order::Descending => format!("{} DESC", written(name)),
    }));
    format!("({})", parts.join(", "))
}

fn selected(view: &View) -> String {
    match &view.selected {
        Selected::All => "*".to_owned(),
        Selected::Those(names) => list(&names.iter().cloned().collect::<Vec<_>>()),
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::PartitionKey(at) => write!(f, "number {} of the partition key", at + 1),
            Self::Clustering(at, order) => write!(f, "clustering column {}, {order}", at + 1),
            Self::Static => f.write_str("static"),
            Self::Regular => f.write_str("a regular column"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let arguments: Vec<String> = self.arguments.iter().map(ToString::to_string).collect();
        write!(f, "{}({})", written(&self.name), arguments.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::apply::tests::made;

    #[test]
    fn differences_are_named() {
        const USERS: &str = "CREATE TABLE users (id int, age int, seq int, PRIMARY KEY (id, seq));";
        const VIEW: &str = "CREATE MATERIALIZED VIEW v AS SELECT age FROM users PRIMARY KEY ((age, id), seq);";
        let users = |columns: &str| format!("CREATE TABLE users ({columns})");
        let cases = [
            (USERS, USERS.to_owned(), ""),
            (USERS, "CREATE TABLE other (id int PRIMARY KEY)".into(), "table users is missing"),
            (USERS, format!("{USERS} CREATE TABLE other (id int PRIMARY KEY); CREATE INDEX ON other (x)"), ""),
            (USERS, String::new(), "keyspace app is missing"),
            (USERS, users("id int, seq int, PRIMARY KEY (id, seq)"), "column users.age is missing"),
            (
                USERS,
                users("id int, age text, seq int, \"N\" int, PRIMARY KEY (id, seq)"),
                "column users.age has type text, expected int; column users.\"N\" is not in any migration",
            ),
            (
                USERS,
                users("id int, age int, seq int, PRIMARY KEY (id, seq)) WITH CLUSTERING ORDER BY (seq DESC"),
                "column users.seq is sorted descending, expected ascending",
            ),
            (
                USERS,
                users("id int, age int, seq int, PRIMARY KEY (seq, id)"),
                "column users.id is clustering column 1, ascending, expected number 1 of the partition key; \
                 column users.seq is number 1 of the partition key, expected clustering column 1, ascending",
            ),
            (
                USERS,
                users("id int, age int static, seq int, PRIMARY KEY (id, seq)"),
                "column users.age is static, expected a regular column",
            ),
            ("CREATE INDEX ON users (age)", "CREATE KEYSPACE app".into(), "index users_age_idx is missing"),
            ("CREATE INDEX i ON users (age)", "CREATE CUSTOM INDEX i ON users (age) USING 'sai'".into(), ""),
            (
                "CREATE INDEX i ON users (age)",
                "CREATE INDEX i ON users (keys(age))".into(),
                "index i is on users(keys(age)), expected users(age)",
            ),
            (
                "CREATE CUSTOM INDEX i ON users (age) USING 'sai'",
                "CREATE INDEX i ON users (age)".into(),
                "index i is a plain one, expected one of a class",
            ),
            (USERS, format!("{USERS} CREATE INDEX i ON users (age)"), "index i on users is not in any migration"),
            (VIEW, VIEW.to_owned(), ""),
            (VIEW, "CREATE KEYSPACE app".into(), "materialized view v is missing"),
            (
                VIEW,
                "CREATE MATERIALIZED VIEW v AS SELECT * FROM t PRIMARY KEY (age, id) WITH CLUSTERING ORDER BY (id DESC)"
                    .into(),
                "materialized view v is of t, expected users; \
                 materialized view v has the key ((age), id DESC), expected ((age, id), seq); \
                 materialized view v has the columns *, expected age, id, seq",
            ),
            ("CREATE TYPE u (a int)", "CREATE KEYSPACE app".into(), "type u is missing"),
            (
                "CREATE TYPE u (a int, b int)",
                "CREATE TYPE u (a text, c int)".into(),
                "field u.a has type text, expected int; field u.b is missing; field u.c is not in any migration",
            ),
            (
                "CREATE TYPE u (a int, b int)",
                "CREATE TYPE u (b int, a int)".into(),
                "type u has its fields in the order b, a, expected a, b",
            ),
            (
                "CREATE FUNCTION f (a int, b list<text>) R; CREATE AGGREGATE g (int) R",
                "CREATE FUNCTION f (a int) R".into(),
                "function f(int, list<text>) is missing; aggregate g(int) is missing",
            ),
            (
                "CREATE TABLE a.t (a int PRIMARY KEY); CREATE TABLE b.t (a int PRIMARY KEY); CREATE FUNCTION b.f () R",
                "CREATE TABLE b.t (b int PRIMARY KEY)".into(),
                "keyspace a is missing; column b.t.a is missing; column b.t.b is not in any migration; \
                 function b.f() is missing",
            ),
        ];
        for (expected, found, sentences) in cases {
            let differences = compare(&made(expected), &made(&found));
            let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
            assert_eq!(differences.join("; "), sentences, "{expected}\n{found}");
        }
    }
}
