//! Back to an empty keyspace.

use uuid::Uuid;

use crate::cluster::Cluster;
use crate::driver::Stop;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::{Client, Request};
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::record::{self, Set};
use crate::driver::scylla::right::{Denied, Seen, settle};
use crate::driver::scylla::table::Table;
use crate::error::Result;
use crate::reset::{HISTORY_STAYS, Reset, Whereabouts, Wipe};
use crate::rewrite;

/// A cluster is local when all its nodes are.
pub(crate) fn whereabouts(client: &Client<'_>, table: &Table) -> Whereabouts {
    let state = client.session().get_cluster_state();
    let far = state.get_nodes_info().iter().map(|node| node.address.ip()).find(|address| !address.is_loopback());
    let far = far.map(|address| address.to_string());
    Whereabouts { database: table.keyspace.clone(), far, path: None, file: None }
}

pub(crate) async fn run(
    (client, table): (&Client<'_>, &Table),
    seen: &Seen,
    cluster: &Cluster,
    wipe: Wipe<'_>,
) -> Result<Reset, Stop> {
    // With the right goes the head, by which a starter would find itself up to date, and lose its tables then.
    let (owner, fence) = (Uuid::new_v4().to_string(), seen.fence.unwrap_or(0) + 1);
    let taken = Set::default()
        .number("fence", fence)
        .text("owner", &*owner)
        .number("beat", 0)
        .number("lease_ms", LEASE_MS)
        .text("held_by", &*wipe.identity.by)
        .number("process", i64::from(wipe.identity.process))
        .text("held_application", &*wipe.identity.application)
        .now("held_since")
        .text("head_chain", None);
    let why = format!("all that the history knows is dropped, as {} says", wipe.identity.by);
    match settle((client, table), seen, wipe.identity, ("reset", "", &why), (taken, Vec::new())).await {
        Ok(()) => {}
        Err(Denied::Broken(error)) => return Err(Stop::Broken(error)),
        Err(_) => return Err(Stop::Stale),
    }
    let ours = format!("fence = {fence} AND owner = {}", record::text(&*owner));
    let mut reset = Reset::default();
    let wiped = all((client, table), cluster, (wipe.drops, &ours), &mut reset).await;
    if wiped.is_err() || !reset.left.is_empty() {
        // What cannot be given back ends with its lease.
        let given_back = record::guarded(table, Set::default().text("owner", None), &ours, &[]);
        let _ = client.send(Request::new(given_back.as_str())).await;
    }
    wiped.map_err(|error| Stop::Broken(error.details(reset.so_far())))?;
    Ok(reset)
}

/// Longer than the nodes are given to agree on a schema change; each drop renews it.
const LEASE_MS: i64 = 120_000;

async fn all(
    (client, table): (&Client<'_>, &Table),
    cluster: &Cluster,
    (drops, ours): (&[String], &str),
    reset: &mut Reset,
) -> Result<()> {
    let at = Coordinator::near(client).await.map_err(|fault| fault.into_error(table))?;
    let mut beat = 0;
    let history = format!("DROP TABLE IF EXISTS {}", table.quoted);
    for cql in drops.iter().chain([&history]) {
        if *cql == history && !reset.left.is_empty() {
            reset.left.push(HISTORY_STAYS.to_owned());
            break;
        }
        agree(client, &at, cluster, Need::Everyone).await?;
        beat += 1;
        let renew = record::guarded(table, Set::default().number("beat", beat), ours, &[]);
        let rows = client.send(Request::new(renew.as_str())).await.map_err(|fault| fault.into_error(table))?;
        let is_ours = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
        if !is_ours.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Err(rewrite::at_work("at work, and has taken the right over"));
        }
        match client.send(Request::new(cql.as_str()).to(&at.node)).await {
            Ok(_) => reset.dropped.push(cql.clone()),
            Err(Fault::Error(error)) => return Err(error),
            Err(fault) => {
                let cause = fault.cause().map(ToString::to_string).unwrap_or_default();
                reset.left.push(format!("`{cql}` failed: {cause}"));
            }
        }
    }
    agree(client, &at, cluster, Need::Everyone).await
}
