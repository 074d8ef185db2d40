//! How a cluster of ScyllaDB or Cassandra is treated.

use std::time::Duration;

/// How a cluster of ScyllaDB or Cassandra is treated; other databases know nothing of it.
///
/// ```
/// use whimbrel::{Cluster, SilentNodes};
///
/// let cluster = Cluster::default()
///     .create_keyspace("{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}")
///     .silent_nodes(SilentNodes::PassAdditive);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "settings do nothing until a migrator has them"]
pub struct Cluster {
    pub(crate) replication: Option<String>,
    pub(crate) level: SerialLevel,
    pub(crate) silent_nodes: SilentNodes,
    pub(crate) decommissioned: Vec<String>,
    pub(crate) agreement_timeout: Duration,
    pub(crate) settle_time: Duration,
}

/// Which replicas agree on who may migrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SerialLevel {
    /// Those of all datacenters (`SERIAL`, and `QUORUM` for what is read and written).
    #[default]
    Global,
    /// Those of the datacenter that the session prefers (`LOCAL_SERIAL`, `LOCAL_QUORUM`): only where no other
    /// datacenter ever migrates this keyspace, or two may do so at once.
    Local,
}

/// What to do about a node that does not answer, on servers where each node keeps the schema by itself (Cassandra up
/// to 5.0).
///
/// ScyllaDB since 6.0 and Cassandra 6 order schema changes in a log; there a silent node is only reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SilentNodes {
    /// Stop before the next schema change: what that node has acknowledged, and nobody else has seen, may win later.
    #[default]
    Refuse,
    /// Go on with statements that only add something; never with `DROP`, `TRUNCATE` or `ALTER … DROP`, and never past
    /// a node that was at work at a statement whose end nobody knows.
    PassAdditive,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            replication: None,
            level: SerialLevel::default(),
            silent_nodes: SilentNodes::default(),
            decommissioned: Vec::new(),
            agreement_timeout: Duration::from_secs(120),
            settle_time: Duration::from_secs(12),
        }
    }
}

impl Cluster {
    /// Creates the keyspace if it is missing, with this replication: a map as CQL writes it.
    pub fn create_keyspace(mut self, replication: impl Into<String>) -> Self {
        self.replication = Some(replication.into());
        self
    }

    /// Which replicas agree on who may migrate; all datacenters' by default.
    pub fn serial_level(mut self, level: SerialLevel) -> Self {
        self.level = level;
        self
    }

    /// What to do about a node that does not answer; a refusal by default.
    pub fn silent_nodes(mut self, policy: SilentNodes) -> Self {
        self.silent_nodes = policy;
        self
    }

    /// Does not wait for the node with this host id, which never comes back: only if that is so, or data may be lost.
    pub fn decommissioned(mut self, host_id: impl Into<String>) -> Self {
        self.decommissioned.push(host_id.into().to_ascii_lowercase());
        self
    }

    /// How long the nodes may take to agree on the schema; 120 seconds by default, since a node asks for what it has
    /// missed after 60 (`cassandra.migration_delay_ms`).
    pub fn agreement_timeout(mut self, time: Duration) -> Self {
        self.agreement_timeout = time;
        self
    }

    /// How long to look again at a statement whose runner died, since the server may still have it in a queue; 12
    /// seconds by default, after which Cassandra drops what it has not begun (`native_transport_timeout`).
    ///
    /// Where schema changes wait in a log, it is at least as long as they may: 65 seconds on ScyllaDB since 6.0, 125 on
    /// Cassandra 6.
    pub fn settle_time(mut self, time: Duration) -> Self {
        self.settle_time = time;
        self
    }
}
