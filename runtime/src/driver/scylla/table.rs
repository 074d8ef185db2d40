//! The table of the history: the only name of ours that ever stands in our CQL.

use uuid::Uuid;
use whimbrel_core::Digest;

use crate::error::{Error, ErrorKind, Result};
use crate::table_name::TableName;

/// One table, with one partition: what is written together is one conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) keyspace: String,
    pub(crate) name: String,
    /// Quoted and qualified.
    pub(crate) quoted: String,
    /// For messages.
    pub(crate) shown: String,
    /// The table's id, the same whoever creates it: two nodes that create one table at once would otherwise make two,
    /// of which one takes the rows of the other with it (tried on Cassandra 5.0.8).
    pub(crate) id: Uuid,
}

impl Table {
    /// In the keyspace that is named, or in the session's.
    pub(crate) fn new(name: &TableName, keyspace: Option<&str>) -> Result<Self> {
        let tables = name.tables(keyspace.unwrap_or_default(), '"');
        if tables.schema.is_empty() {
            let help = "name it in the URL: `scylla://user:password@host:9042/keyspace`, or with \
                        `--history-table`, or `.history_table(\"keyspace.table\")` in the program; scripts name theirs as they like";
            return Err(Error::new(ErrorKind::Refused, "no keyspace is chosen; nothing was run").help(help));
        }
        let name = tables.shown.rsplit('.').next().unwrap_or_default().to_owned();
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // Manual, Data Definition: names are made of these, and short of 49 everywhere.
        if let Some(part) = [&tables.schema, &name].into_iter().find(|part| !is_word(part) || part.len() > 48) {
            let message = format!("`{part}` cannot name a keyspace or table; nothing was run");
            let help = "take letters, digits and `_`, 48 at most";
            return Err(Error::new(ErrorKind::Refused, message).help(help));
        }
        let digest = Digest::of(&[b"whimbrel table", tables.history.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.0[..16]);
        Ok(Self {
            // Version 8: made by a rule of one's own (RFC 9562, 5.8).
            id: uuid::Builder::from_custom_bytes(id).into_uuid(),
            keyspace: tables.schema,
            quoted: tables.history,
            shown: tables.shown,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_creates_the_table_gives_it_the_same_id() {
        let table = |name: &str, keyspace: &str| Table::new(&TableName::parse(name).unwrap(), Some(keyspace)).unwrap();
        assert_eq!(table("whimbrel_history", "shop"), table("whimbrel_history", "shop"));
        assert_eq!(table("shop.whimbrel_history", "other").id, table("whimbrel_history", "shop").id);
        assert_ne!(table("whimbrel_history", "shop").id, table("whimbrel_history", "other").id);
        assert_eq!(table("whimbrel_history", "Shop").quoted, r#""Shop"."whimbrel_history""#);
    }

    #[test]
    fn what_no_server_takes_is_refused() {
        for (name, keyspace) in [("a", None), ("a-b.c", None), ("a", Some("a b")), (&*"x".repeat(49), Some("a"))] {
            assert!(Table::new(&TableName::parse(name).unwrap(), keyspace).is_err(), "{name} {keyspace:?}");
        }
    }
}
