//! How many copies a keyspace keeps.

use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::{Client, Request};
use crate::driver::scylla::table::Table;
use crate::literal::literal;
use whimbrel_core::Dialect;

/// The keyspaces of the history and of the session, of those that keep one copy in some datacenter.
pub(crate) async fn single_copies(client: &Client<'_>, table: &Table) -> Result<Vec<String>, Fault> {
    let mut keyspaces = vec![table.keyspace.clone(), client.keyspace()];
    keyspaces.retain(|keyspace| !keyspace.is_empty());
    keyspaces.dedup();
    let mut found = Vec::new();
    for keyspace in keyspaces {
        let name = literal(Dialect::Cql, &*keyspace);
        let select = format!("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = {name}");
        let rows = client.send(Request::new(select)).await?;
        let text = rows.into_iter().flatten().flatten().next().unwrap_or_default();
        if has_one_copy(&text) {
            found.push(keyspace);
        }
    }
    Ok(found)
}

/// Whether a value of `replication` has a factor of 1: all of its values are numbers but for the class.
fn has_one_copy(replication: &str) -> bool {
    let values = replication.trim_matches(['{', '}']).split(',').filter_map(|pair| pair.rsplit_once(':'));
    let mut factors =
        values.map(|(_, value)| value.trim().trim_matches(['\'', '"'])).filter(|value| value.parse::<u32>().is_ok());
    factors.any(|factor| factor == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_in_any_datacenter_counts() {
        for (text, expected) in [
            ("{class: org.apache.cassandra.locator.SimpleStrategy, replication_factor: 1}", true),
            ("{'class': 'NetworkTopologyStrategy', 'dc1': '3', 'dc2': '1'}", true),
            ("{class: org.apache.cassandra.locator.NetworkTopologyStrategy, dc1: 3}", false),
            ("{class: org.apache.cassandra.locator.SimpleStrategy, replication_factor: 11}", false),
            ("", false),
        ] {
            assert_eq!(has_one_copy(text), expected, "{text}");
        }
    }
}
