//! What a node says of the schema: `system_schema` is its own, and is asked of the node that the changes go through.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::future::{try_join_all, try_join4};
use scylla::cluster::Node;
use whimbrel_core::{Digest, Script, Version};

use crate::catalogue::model::Catalogue;
use crate::cluster::Cluster;
use crate::driver::Compared;
use crate::driver::scylla::answer::{Fault, Rows};
use crate::driver::scylla::client::{Client, Request};
use crate::driver::scylla::link::DDL_TIMEOUT;
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::record;
use crate::schema::catalogue::catalogue;
use crate::schema::compare::compare as differences;
use crate::schema::derive::derive;
use crate::schema::effect::Effect;
use crate::schema::model::Schema;
use crate::schema::name::written;
use crate::schema::rows;

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

/// The keyspaces that a statement may change something in.
pub(crate) fn keyspaces(effect: &Effect, keyspace: &str) -> Vec<String> {
    let mut keyspaces: Vec<String> = effect.objects().into_iter().map(|name| name.keyspace).collect();
    if keyspaces.is_empty() {
        keyspaces.push(keyspace.to_owned());
    }
    keyspaces.sort();
    keyspaces.dedup();
    keyspaces
}

/// A digest of all that a node knows of some keyspaces; equal ones mean that no schema change was made in between.
pub(crate) async fn digest(client: &Client<'_>, node: &Arc<Node>, keyspaces: &[String]) -> Result<String, Fault> {
    let asked = keyspaces.iter().flat_map(|keyspace| TABLES.map(|table| (keyspace, table)));
    let answers = try_join_all(asked.map(|(keyspace, table)| async move {
        let keyspace = record::text(&**keyspace);
        let select = format!("SELECT * FROM system_schema.{table} WHERE keyspace_name = {keyspace}");
        match client.send(Request::own(select, node)).await {
            // ScyllaDB has none.
            Err(fault) if fault.is_invalid() && table == "triggers" => Ok(Rows::new()),
            answer => answer,
        }
    }));
    let mut text = String::new();
    for rows in answers.await? {
        let _ = writeln!(text, "{rows:?}");
    }
    Ok(Digest::of(&[text.as_bytes()]).to_string())
}

/// What a node knows of some keyspaces.
pub(crate) async fn found(client: &Client<'_>, node: &Arc<Node>, keyspaces: &[String]) -> Result<Schema, Fault> {
    let found = try_join_all(keyspaces.iter().map(|keyspace| of_keyspace(client, node, keyspace)));
    found.await.map(Schema::found)
}

async fn of_keyspace(client: &Client<'_>, node: &Arc<Node>, keyspace: &str) -> Result<rows::Rows, Fault> {
    let name = record::text(keyspace);
    let of = |select: &str| Request::own(format!("{select}{name}"), node);
    let (keyspaces, tables, columns, indexes) = try_join4(
        client.read(of(rows::KEYSPACES)),
        client.read(of(rows::TABLES)),
        client.read(of(rows::COLUMNS)),
        client.read(of(rows::INDEXES)),
    )
    .await?;
    let (views, types, functions, aggregates) = try_join4(
        client.read(of(rows::VIEWS)),
        client.read(of(rows::TYPES)),
        client.read(of(rows::FUNCTIONS)),
        client.read(of(rows::AGGREGATES)),
    )
    .await?;
    Ok(rows::Rows { keyspaces, tables, columns, indexes, views, types, functions, aggregates })
}

/// What there is in the keyspace of the session.
pub(crate) async fn of_session(client: &Client<'_>) -> Result<Catalogue, Fault> {
    let at = Coordinator::near(client).await?;
    let name = client.keyspace();
    let schema = found(client, &at.node, std::slice::from_ref(&name)).await?;
    Ok(schema.keyspaces.get(&name).map(catalogue).unwrap_or_default())
}

/// Drops everything in the keyspace of the session, which was empty before; what others are made of comes last.
pub(crate) async fn empty(client: &Client<'_>, cluster: &Cluster) -> Result<(), Fault> {
    let at = Coordinator::near(client).await?;
    let own = client.keyspace();
    let schema = found(client, &at.node, std::slice::from_ref(&own)).await?;
    let Some(keyspace) = schema.keyspaces.get(&own) else { return Ok(()) };
    let mut drops: Vec<(&str, String)> = Vec::new();
    drops.extend(keyspace.views.keys().map(|view| ("MATERIALIZED VIEW", written(view))));
    drops.extend(keyspace.tables.keys().map(|table| ("TABLE", written(table))));
    drops.extend(keyspace.aggregates.iter().map(|it| ("AGGREGATE", it.to_string())));
    drops.extend(keyspace.functions.iter().map(|it| ("FUNCTION", it.to_string())));
    let mut types: Vec<String> = keyspace.types.keys().map(|it| written(it)).collect();
    let qualified = |name: &str| format!("{}.{name}", written(&own));
    for (sort, name) in drops {
        let drop = format!("DROP {sort} IF EXISTS {}", qualified(&name));
        agree(client, &at, cluster, Need::Additive).await.map_err(Fault::Error)?;
        client.send(Request::new(drop).to(&at.node).within(DDL_TIMEOUT)).await?;
    }
    // A type that another one is made of can only go after that.
    while !types.is_empty() {
        let mut left = Vec::new();
        let mut refused = None;
        for name in &types {
            agree(client, &at, cluster, Need::Additive).await.map_err(Fault::Error)?;
            let drop = format!("DROP TYPE IF EXISTS {}", qualified(name));
            if let Err(fault) = client.send(Request::new(drop).to(&at.node).within(DDL_TIMEOUT)).await {
                left.push(name.clone());
                refused = Some(fault);
            }
        }
        match refused {
            Some(fault) if left.len() == types.len() => return Err(fault),
            _ => types = left,
        }
    }
    agree(client, &at, cluster, Need::Additive).await.map_err(Fault::Error)
}

/// How the schema that a node knows differs from what scripts make.
pub(crate) async fn compare(client: &Client<'_>, scripts: &[(Version, Cow<'_, Script>)]) -> Result<Compared, Fault> {
    let derived = derive(scripts.iter().map(|(version, script)| (version, &**script)), &client.keyspace());
    let keyspaces: Vec<String> = derived.schema.keyspaces.keys().cloned().collect();
    let at = Coordinator::near(client).await?;
    let found = found(client, &at.node, &keyspaces).await?;
    Ok(Compared {
        is_understood: true,
        differences: differences(&derived.schema, &found).iter().map(ToString::to_string).collect(),
        unchecked: derived.unchecked.iter().map(ToString::to_string).collect(),
    })
}
