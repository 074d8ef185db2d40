//! The names of our tables: the only names that ever stand in our SQL.

use crate::error::{Error, ErrorKind};
use whimbrel_core::Digest;

/// The history table and its companions, checked: no part is empty, overlong or holds a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName {
    schema: Option<String>,
    name: String,
}

/// PostgreSQL cuts names at 63 bytes (manual, 4.1.1); the companions' endings need room.
const LONGEST: usize = 63 - "_events".len();

impl Default for TableName {
    fn default() -> Self {
        Self { schema: None, name: Self::DEFAULT.to_owned() }
    }
}

impl TableName {
    pub(crate) const DEFAULT: &str = "whimbrel_history";

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::new(ErrorKind::Refused, format!("`{text}` cannot name the history table: {why}"))
                .help("give `table` or `schema.table`, such as `app.schema_history`")
        };
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        for part in schema.into_iter().chain([name]) {
            if part.is_empty() {
                return Err(refuse("a part of it is empty"));
            }
            if part.len() > LONGEST {
                return Err(refuse("a part of it is longer than 56 bytes"));
            }
            let forbidden = |character: &char| character.is_control() || matches!(character, '"' | '.' | '`');
            if let Some(character) = part.chars().find(forbidden) {
                return Err(refuse(&format!("no part of it may hold {character:?}")));
            }
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// The same name in the default schema: in a scratch database no other one is ours to write to.
    pub(crate) fn unqualified(&self) -> Self {
        Self { schema: None, name: self.name.clone() }
    }

    /// Pins the schema, or a role with a schema of its own would make a second history.
    pub(crate) fn tables(&self, default_schema: &str, quote: char) -> Tables {
        let schema = self.schema.as_deref().unwrap_or(default_schema);
        let stem = self.name.strip_suffix("_history").unwrap_or(&self.name);
        let qualified = |name: &str| format!("{quote}{schema}{quote}.{quote}{name}{quote}");
        let history = qualified(&self.name);
        let digest = Digest::of(&[b"whimbrel", history.as_bytes()]);
        let mut key = [0; 8];
        key.copy_from_slice(&digest.0[..8]);
        Tables {
            schema: schema.to_owned(),
            events: qualified(&format!("{stem}_events")),
            lock: qualified(&format!("{stem}_lock")),
            shown: format!("{schema}.{}", self.name),
            history,
            key: i64::from_be_bytes(key),
        }
    }
}

/// The tables, quoted and qualified, and the key of the lock that belongs to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Not quoted.
    pub(crate) schema: String,
    pub(crate) history: String,
    pub(crate) events: String,
    /// Who is at a step outside a transaction; made by the first one.
    pub(crate) lock: String,
    /// For messages.
    pub(crate) shown: String,
    pub(crate) key: i64,
}

impl Tables {
    /// Our tables as a catalogue shows them: with the schema, unless that is the default one.
    pub(crate) fn in_catalogue(&self, default_schema: &str) -> [String; 3] {
        [&self.history, &self.events, &self.lock].map(|quoted| {
            let mut parts = quoted.split(['"', '`']).skip(1).step_by(2);
            let (schema, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if schema == default_schema { name.to_owned() } else { format!("{schema}.{name}") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_qualified_and_quoted_and_the_events_stand_beside() {
        let tables = TableName::parse("app.schema_history").unwrap().tables("public", '"');
        assert_eq!(tables.history, r#""app"."schema_history""#);
        assert_eq!(tables.events, r#""app"."schema_events""#);
        assert_eq!(tables.lock, r#""app"."schema_lock""#);
        assert_eq!(tables.in_catalogue("public"), ["app.schema_history", "app.schema_events", "app.schema_lock"]);
        assert_eq!(tables.in_catalogue("app"), ["schema_history", "schema_events", "schema_lock"]);
        let tables = TableName::parse("Versions; drop table x").unwrap().tables("main", '"');
        assert_eq!(tables.history, r#""main"."Versions; drop table x""#);
        assert_eq!(tables.events, r#""main"."Versions; drop table x_events""#);
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        for text in ["", ".", "a.", ".b", "a.b.c", "a\"b", "a\0", &"x".repeat(57)] {
            assert!(TableName::parse(text).is_err(), "{text:?}");
        }
    }
}
