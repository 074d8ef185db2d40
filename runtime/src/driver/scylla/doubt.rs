//! What became of a schema change whose answer nobody has: asked of the node that it was sent to, when all agree.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::doubt::Answer;
use crate::driver::scylla::catalogue;
use crate::driver::scylla::client::Client;
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::record::Mark;
use crate::driver::scylla::table::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::report::Took;
use crate::schema::effect::Effect;

/// How often the schema is looked at until two looks find the same.
const LOOKS: usize = 4;

/// Whether a statement took effect.
pub(crate) async fn ask(
    (client, table): (&Client<'_>, &Table),
    cluster: &Cluster,
    mark: &Mark,
    text: &str,
) -> Result<Answer> {
    let (Some(host_id), Some(before)) = (&mark.coordinator, &mark.schema_before) else { return Ok(Answer::Unknown) };
    let effect = Effect::of(text, &client.keyspace());
    let keyspaces = catalogue::keyspaces(&effect, &client.keyspace());
    let at = coordinator(client, cluster, host_id).await?;
    agree(client, &at, cluster, Need::Everyone).await?;
    let mut seen = None;
    for _ in 0..LOOKS {
        let digest = catalogue::digest(client, &at.node, &keyspaces).await.map_err(|fault| fault.into_error(table))?;
        if seen.as_ref() == Some(&digest) {
            break;
        }
        seen = Some(digest);
        // It may still stand in a queue of that node.
        tokio::time::sleep(cluster.settle_time.max(at.server.longest_schema_change())).await;
        agree(client, &at, cluster, Need::Everyone).await?;
    }
    if seen.as_ref() == Some(before) {
        return Ok(Answer::No);
    }
    // Something has changed: this, or what somebody else has done.
    let found = catalogue::found(client, &at.node, &keyspaces).await.map_err(|fault| fault.into_error(table))?;
    Ok(match effect.took_effect(&found) {
        Some(true) => Answer::Yes,
        Some(false) => Answer::No,
        None => Answer::Unknown,
    })
}

/// Whether a schema change that the server refuses has been done since the schema was noted: a runner that was taken over
/// may have sent it, and it came late.
pub(crate) async fn came_before(
    client: &Client<'_>,
    (at, cluster): (&Coordinator, &Cluster),
    mark: &Mark,
    effect: &Effect,
) -> bool {
    let Some(before) = &mark.schema_before else { return false };
    let keyspaces = catalogue::keyspaces(effect, &client.keyspace());
    let is_changed = catalogue::digest(client, &at.node, &keyspaces).await.is_ok_and(|digest| digest != *before);
    if !is_changed || agree(client, at, cluster, Need::Everyone).await.is_err() {
        return false;
    }
    let found = catalogue::found(client, &at.node, &keyspaces).await;
    found.is_ok_and(|found| effect.took_effect(&found) == Some(true))
}

/// The node that a statement was sent to, which alone knows what became of it; any other one if it is gone for good.
pub(crate) async fn coordinator(client: &Client<'_>, cluster: &Cluster, host_id: &str) -> Result<Coordinator> {
    let started = std::time::Instant::now();
    if cluster.decommissioned.iter().any(|gone| gone == host_id) {
        return Coordinator::near(client).await.map_err(|_| silent(host_id, Duration::ZERO));
    }
    loop {
        if let Some(coordinator) = Coordinator::of_host(client, host_id).await {
            return Ok(coordinator);
        }
        if started.elapsed() >= cluster.agreement_timeout {
            return Err(silent(host_id, cluster.agreement_timeout));
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), client.session().refresh_metadata()).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn silent(host_id: &str, waited: Duration) -> Error {
    let message = format!(
        "the node with the host id {host_id}, through which a statement was sent whose end nobody knows, has not answered \
         for {}; nothing was run",
        Took(waited)
    );
    let help = format!(
        "start that node, and run it again; only if it never comes back, say so with `.decommissioned(\"{host_id}\")`, or \
         `decommissioned={host_id}` in the URL"
    );
    Error::new(ErrorKind::Connection, message).help(help)
}
