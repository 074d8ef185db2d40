//! What a node says of the schema: `system_schema` is its own, and is asked of the node that the changes go through.

use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::future::try_join_all;
use scylla::cluster::Node;
use whimbrel_core::Digest;

use crate::driver::scylla::answer::{Fault, Rows};
use crate::driver::scylla::client::{Client, Request};
use crate::driver::scylla::record;

/// The tables that tell of a keyspace.
const TABLES: [&str; 10] = [
    "keyspaces",
    "tables",
    "columns",
    "dropped_columns",
    "indexes",
    "views",
    "types",
    "functions",
    "aggregates",
    "triggers",
];

/// A digest of all that a node knows of some keyspaces; equal ones mean that no schema change was made in between.
pub(crate) async fn digest(client: &Client<'_>, node: &Arc<Node>, keyspaces: &[String]) -> Result<String, Fault> {
    let asked = keyspaces.iter().flat_map(|keyspace| TABLES.map(|table| (keyspace, table)));
    let answers = try_join_all(asked.map(|(keyspace, table)| async move {
        let keyspace = record::text(&**keyspace);
        let select = format!("SELECT * FROM system_schema.{table} WHERE keyspace_name = {keyspace}");
        match client.send(Request::own(select, node)).await {
            // ScyllaDB has no triggers.
            Err(fault) if fault.is_invalid() => Ok(Rows::new()),
            answer => answer,
        }
    }));
    let mut text = String::new();
    for rows in answers.await? {
        let _ = writeln!(text, "{rows:?}");
    }
    Ok(Digest::of(&[text.as_bytes()]).to_string())
}
