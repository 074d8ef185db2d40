//! The nodes of the cluster, and whether all of them have the same schema.
//!
//! The driver's own wait leaves out nodes that it has no connection to, so that a node that stands still is agreed with
//! after a minute (tried). On Cassandra up to 5.0 a schema change that only such a node has acknowledged comes back with
//! it, and takes with it what others have done in the meantime. So here every node that is known must answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use scylla::cluster::Node;

use crate::cluster::{Cluster, SilentNodes};
use crate::driver::Agreement;
use crate::driver::scylla::answer::{Fault, Rows};
use crate::driver::scylla::client::{Client, Request};
use crate::driver::scylla::server::Server;
use crate::error::{Error, ErrorKind, Result};
use crate::report::Took;

/// The node that all schema changes of a run go through.
#[derive(Debug, Clone)]
pub(crate) struct Coordinator {
    pub(crate) node: Arc<Node>,
    pub(crate) host_id: String,
    pub(crate) server: Server,
}

/// What a statement may do past a node that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Everyone,
    /// It only adds something.
    Additive,
}

/// A node that is known: to the driver, or to the node that was asked.
#[derive(Debug, Clone)]
struct Known {
    host_id: String,
    address: String,
    /// `None` when the driver does not know it yet.
    node: Option<Arc<Node>>,
}

/// What one look has found.
#[derive(Debug, Default)]
struct Look {
    /// The version of the schema, and who has it.
    versions: BTreeMap<String, Vec<String>>,
    silent: Vec<(String, String)>,
}

const VERSION: &str = "SELECT schema_version FROM system.local WHERE key='local'";
const PEERS: &str = "SELECT host_id, rpc_address FROM system.peers";
const LOCAL: &str = "SELECT host_id, release_version FROM system.local WHERE key='local'";
/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many nodes are tried for the first that answers.
const TRIES: usize = 4;
const BETWEEN: Duration = Duration::from_millis(25);
/// Between looks at a cluster of which a node is silent.
const LONGER: Duration = Duration::from_millis(500);

impl Coordinator {
    /// Whichever node is near and answers.
    pub(crate) async fn near(client: &Client<'_>) -> Result<Self, Fault> {
        let mut tries = 1;
        let answer = loop {
            match client.send(Request::new(LOCAL).within(PATIENCE)).await {
                // The next try goes to another node.
                Err(Fault::Later(_) | Fault::Unknown(_)) if tries < TRIES => tries += 1,
                answer => break answer?,
            }
        };
        let mut row = answer.into_iter().next().unwrap_or_default().into_iter();
        let (host_id, release) = (row.next().flatten().unwrap_or_default(), row.next().flatten().unwrap_or_default());
        let missing = || {
            let message = format!("the driver does not know the node {host_id}, which it has asked; nothing was run");
            let error = Error::new(ErrorKind::Connection, message).help("run it again");
            Fault::Error(error)
        };
        let node = find(client, &host_id).ok_or_else(missing)?;
        let server = server_of(client, &node, &release).await;
        Ok(Self { node, host_id, server })
    }

    /// That very node.
    pub(crate) async fn of_host(client: &Client<'_>, host_id: &str) -> Option<Self> {
        let node = find(client, host_id)?;
        let answer = client.send(Request::own(LOCAL, &node).within(PATIENCE)).await.ok()?;
        let release = answer.into_iter().next()?.into_iter().nth(1)??;
        let server = server_of(client, &node, &release).await;
        Some(Self { node, host_id: host_id.to_owned(), server })
    }
}

fn find(client: &Client<'_>, host_id: &str) -> Option<Arc<Node>> {
    let state = client.session().get_cluster_state();
    state.get_nodes_info().iter().find(|node| node.host_id.to_string() == host_id).cloned()
}

async fn server_of(client: &Client<'_>, node: &Arc<Node>, release: &str) -> Server {
    if node.sharder().is_none() {
        return Server::cassandra(release);
    }
    let answer = client.send(Request::own("SELECT version FROM system.versions WHERE key='local'", node)).await;
    Server::scylla(&answer.ok().and_then(first).unwrap_or_default())
}

/// The first value of the first row.
fn first(rows: Rows) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()?
}

/// Waits until all nodes have one schema.
///
/// One look at which all answer is enough: what any of them has acknowledged is in its version, and what none has, is none
/// of ours.
///
/// # Errors
/// A node does not answer, or they do not agree in time.
pub(crate) async fn agree(client: &Client<'_>, at: &Coordinator, settings: &Cluster, need: Need) -> Result<()> {
    let started = Instant::now();
    let mut told = false;
    loop {
        let look = look(client, at, settings).await;
        let coordinator_is_silent = look.silent.iter().any(|(host_id, _)| *host_id == at.host_id);
        let may_pass =
            at.server.has_schema_log() || need == Need::Additive && settings.silent_nodes == SilentNodes::PassAdditive;
        if look.versions.len() == 1 && (look.silent.is_empty() || may_pass && !coordinator_is_silent) {
            if !look.silent.is_empty() {
                tracing::warn!(nodes = shown(&look.silent), "went on past nodes that do not answer");
            }
            return Ok(());
        }
        if started.elapsed() >= settings.agreement_timeout {
            return Err(look.into_error(settings));
        }
        if !told && started.elapsed() > LONGER {
            told = true;
            tracing::info!(
                silent = shown(&look.silent),
                versions = look.versions.len(),
                "waiting until all nodes have one schema"
            );
        }
        tokio::time::sleep(if look.silent.is_empty() { BETWEEN } else { LONGER }).await;
    }
}

/// Whether all nodes have one schema now.
pub(crate) async fn agreement(client: &Client<'_>, settings: &Cluster) -> Agreement {
    let Ok(at) = Coordinator::near(client).await else { return Agreement::Silent };
    let look = look(client, &at, settings).await;
    match look.versions.len() {
        0 => Agreement::Silent,
        1 if look.silent.is_empty() => Agreement::One,
        1 => Agreement::Nodes(shown(&look.silent)),
        versions => Agreement::Versions(versions),
    }
}

fn shown(nodes: &[(String, String)]) -> String {
    nodes.iter().map(|(_, address)| address.as_str()).collect::<Vec<_>>().join(", ")
}

async fn look(client: &Client<'_>, at: &Coordinator, settings: &Cluster) -> Look {
    let Some(known) = known(client, at, settings).await else {
        let silent = vec![(at.host_id.clone(), at.node.address.to_string())];
        return Look { silent, ..Look::default() };
    };
    let asked = known.iter().map(|known| async move {
        let node = known.node.as_ref()?;
        let patience = PATIENCE.min(settings.agreement_timeout.max(BETWEEN));
        let answer = client.send(Request::own(VERSION, node).within(patience)).await;
        first(answer.ok()?)
    });
    let mut look = Look::default();
    for (known, version) in known.iter().zip(join_all(asked).await) {
        match version {
            Some(version) => look.versions.entry(version).or_default().push(known.address.clone()),
            None => look.silent.push((known.host_id.clone(), known.address.clone())),
        }
    }
    look
}

/// Those that the driver knows, and those that the coordinator knows besides; none that is gone for good. `None` when
/// the coordinator does not say whom it knows.
async fn known(client: &Client<'_>, at: &Coordinator, settings: &Cluster) -> Option<Vec<Known>> {
    let state = client.session().get_cluster_state();
    let mut known: Vec<Known> = state
        .get_nodes_info()
        .iter()
        .map(|node| Known {
            host_id: node.host_id.to_string(),
            address: node.address.to_string(),
            node: Some(Arc::clone(node)),
        })
        .collect();
    let mut is_new = false;
    for row in client.send(Request::own(PEERS, &at.node).within(PATIENCE)).await.ok()? {
        let mut row = row.into_iter();
        let (Some(host_id), address) = (row.next().flatten(), row.next().flatten()) else { continue };
        if !known.iter().any(|known| known.host_id == host_id) {
            is_new = true;
            known.push(Known { address: address.unwrap_or_else(|| host_id.clone()), host_id, node: None });
        }
    }
    if is_new {
        // It is asked at the next look.
        let _ = tokio::time::timeout(PATIENCE, client.session().refresh_metadata()).await;
    }
    known.retain(|known| !settings.decommissioned.contains(&known.host_id));
    Some(known)
}

impl Look {
    fn into_error(self, settings: &Cluster) -> Error {
        let waited = Took(settings.agreement_timeout);
        if let [(host_id, address), rest @ ..] = &self.silent[..] {
            let others = if rest.is_empty() { String::new() } else { format!(" (nor do {})", shown(rest)) };
            let message = format!(
                "the node {address} (host id {host_id}) has not answered for {waited}{others}; nothing more was run, \
                 since a schema change that only it knows could come back with it"
            );
            let help = format!(
                "start it, and run it again; if it is gone for good, remove it from the cluster (`nodetool removenode \
                 {host_id}`) or say so with `--decommissioned {host_id}`, in a program `.decommissioned(\"{host_id}\")`"
            );
            return Error::new(ErrorKind::Connection, message).help(help);
        }
        let versions: Vec<String> =
            self.versions.iter().map(|(version, nodes)| format!("  {version}  {}", nodes.join(", "))).collect();
        Error::new(
            ErrorKind::Connection,
            format!("the nodes do not agree on the schema after {waited}; nothing more was run"),
        )
        .details(versions.join("\n"))
        .help("look what keeps them apart (`nodetool describecluster`, the network between them), and run it again")
    }
}
