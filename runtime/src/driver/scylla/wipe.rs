//! Back to an empty keyspace.

use crate::cluster::Cluster;
use crate::driver::Stop;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::{Client, Request};
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::record::Set;
use crate::driver::scylla::right::{Denied, Seen, settle};
use crate::driver::scylla::table::Table;
use crate::reset::{Reset, Whereabouts, Wipe};

/// A cluster is local when all its nodes are.
pub(crate) fn whereabouts(client: &Client<'_>, table: &Table) -> Whereabouts {
    let state = client.session().get_cluster_state();
    let far = state.get_nodes_info().iter().map(|node| node.address.ip()).find(|address| !address.is_loopback());
    Whereabouts { database: table.keyspace.clone(), far: far.map(|address| address.to_string()), file: None }
}

pub(crate) async fn run(
    (client, table): (&Client<'_>, &Table),
    seen: &Seen,
    cluster: &Cluster,
    wipe: Wipe<'_>,
) -> Result<Reset, Stop> {
    // Nobody has the right, and nothing has happened: a runner that comes now finds another history than it planned for.
    let why = format!("all that the history knows is dropped, as {} says", wipe.identity.by);
    match settle((client, table), seen, wipe.identity, ("reset", "", &why), (Set::default(), Vec::new())).await {
        Ok(()) => {}
        Err(Denied::Broken(error)) => return Err(Stop::Broken(error)),
        Err(_) => return Err(Stop::Stale),
    }
    let at = Coordinator::near(client).await.map_err(|fault| Stop::Broken(fault.into_error(table)))?;
    let mut reset = Reset::default();
    let ours = [format!("DROP TABLE IF EXISTS {}", table.quoted)];
    for cql in wipe.drops.iter().chain(&ours) {
        agree(client, &at, cluster, Need::Everyone).await.map_err(Stop::Broken)?;
        match client.send(Request::new(cql.as_str()).to(&at.node)).await {
            Ok(_) => reset.dropped.push(cql.clone()),
            Err(Fault::Error(error)) => return Err(Stop::Broken(error)),
            Err(fault) => {
                let cause = fault.cause().map(ToString::to_string).unwrap_or_default();
                reset.left.push(format!("`{cql}` failed: {cause}"));
            }
        }
    }
    agree(client, &at, cluster, Need::Everyone).await.map_err(Stop::Broken)?;
    Ok(reset)
}
