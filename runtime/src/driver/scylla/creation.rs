//! The table of the history, created by whoever comes first.

use futures_util::future::join_all;

use crate::cluster::Cluster;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::{Client, Request};
use crate::driver::scylla::link::DDL_TIMEOUT;
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::record;
use crate::driver::scylla::table::Table;
use crate::error::{Error, ErrorKind, Result};

/// How often a node that is busy with another schema change is asked again.
const TRIES: usize = 10;

/// Creates it with the same id as everybody else would, and looks that all nodes have that one.
pub(crate) async fn create(client: &Client<'_>, table: &Table, at: &Coordinator, cluster: &Cluster) -> Result<()> {
    agree(client, at, cluster, Need::Additive).await?;
    let mut tries = 1;
    loop {
        match client.send(Request::new(record::create(table)).to(&at.node).within(DDL_TIMEOUT)).await {
            Ok(_) => break,
            // The look below tells.
            Err(Fault::Unknown(cause)) => {
                tracing::warn!(cause = %cause, "the answer to the creation of the history is lost; looking");
                break;
            }
            Err(Fault::Later(_)) if tries < TRIES => tries += 1,
            Err(fault) => return Err(fault.into_error(table)),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    agree(client, at, cluster, Need::Additive).await?;
    check_id(client, table).await
}

/// `IF NOT EXISTS` takes a table of another id for ours, and says nothing.
async fn check_id(client: &Client<'_>, table: &Table) -> Result<()> {
    let state = client.session().get_cluster_state();
    let select = record::id(table);
    let asked = state.get_nodes_info().iter().map(|node| client.send(Request::own(select.clone(), node)));
    for answer in join_all(asked).await {
        // Nodes that are silent have been told of, or passed by, before.
        let Ok(rows) = answer else { continue };
        let found = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        if found.as_deref() == Some(&*table.id.to_string()) {
            continue;
        }
        let (message, help) = match found {
            Some(id) => (
                format!(
                    "the table {} is not a history of ours: its id is {id}, and ours would be {}",
                    table.shown, table.id
                ),
                "name another one with `--history-table`, or `.history_table(\"keyspace.table\")` in the program",
            ),
            None => (format!("the table {} could not be created", table.shown), "run it again"),
        };
        return Err(Error::new(ErrorKind::History, message).help(help));
    }
    Ok(())
}
