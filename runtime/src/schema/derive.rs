//! The schema that applied scripts make.

use std::fmt;

use whimbrel_core::words::words;
use whimbrel_core::{Dialect, Script, Version};

use super::effect::Effect;
use super::model::Schema;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) schema: Schema,
    /// Statements that were not understood, or alter what no script has made: nothing that they name is in the schema.
    pub(crate) unchecked: Vec<Unchecked>,
}

/// A statement whose effect is not known; as a sentence, where it stands and how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unchecked {
    pub(crate) version: Version,
    /// Counted from 1.
    pub(crate) statement: usize,
    pub(crate) words: String,
}

/// So many words of a statement show which one it is.
const SHOWN: usize = 6;

/// What the scripts of applied migrations, in their order, make of nothing; names without a keyspace are of that one.
pub(crate) fn derive<'a>(scripts: impl IntoIterator<Item = (&'a Version, &'a Script)>, keyspace: &str) -> Derived {
    let mut derived = Derived::default();
    for (version, script) in scripts {
        for (index, statement) in script.statements().enumerate() {
            let text = script.text_of(&statement);
            let is_known = match Effect::of(text, keyspace) {
                Effect::Schema(change) => derived.schema.apply(&change).is_some(),
                Effect::Rows { .. } | Effect::Query => true,
                Effect::Unknown => false,
            };
            if !is_known {
                let words = words(text, Dialect::Cql);
                derived.schema.forget(&words);
                let words = words[..words.len().min(SHOWN)].join(" ");
                derived.unchecked.push(Unchecked { version: version.clone(), statement: index + 1, words });
            }
        }
    }
    derived
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "statement {} of migration {} is not checked: {} …", self.statement, self.version, self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::apply::tests::made;
    use whimbrel_core::Direction;
    use whimbrel_core::read::read_stored;

    #[test]
    fn scripts_make_a_schema() {
        let read = |text: &str| read_stored(Direction::Up, Dialect::Cql, "0001_a.cql", text.to_owned()).unwrap();
        let scripts = [
            ("1", read("CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users (id) VALUES (1);")),
            (
                "2",
                read("ALTER TABLE users ADD email text;\nCREATE TABLE old (id int PRIMARY KEY);\nSELECT * FROM users;"),
            ),
            ("3", read("CREATE TABLE copy LIKE old WITH INDEXES AND comment = 'x'; ALTER TABLE strange ADD a int")),
        ];
        let scripts: Vec<(Version, Script)> =
            scripts.into_iter().map(|(version, script)| (version.parse().unwrap(), script)).collect();
        let derived = derive(scripts.iter().map(|(version, script)| (version, script)), "app");
        assert_eq!(derived.schema, made("CREATE TABLE users (id int PRIMARY KEY, email text)"));
        let unchecked: Vec<String> = derived.unchecked.iter().map(ToString::to_string).collect();
        let expected = [
            "statement 1 of migration 3 is not checked: CREATE TABLE copy LIKE old WITH …",
            "statement 2 of migration 3 is not checked: ALTER TABLE strange ADD a int …",
        ];
        assert_eq!(unchecked, expected);
    }
}
