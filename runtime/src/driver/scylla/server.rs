//! Which server it is, where that makes a difference.

use std::time::Duration;

/// ScyllaDB or Cassandra, and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    is_scylla: bool,
    /// Of the year 2024 and later the second is that year's release.
    version: (u32, u32),
}

impl Server {
    pub(crate) fn scylla(version: &str) -> Self {
        Self { is_scylla: true, version: numbers(version) }
    }

    pub(crate) fn cassandra(version: &str) -> Self {
        Self { is_scylla: false, version: numbers(version) }
    }

    /// Whether schema changes stand in a log that all nodes follow: of Raft on ScyllaDB since 6.0 (2024.2 of the
    /// enterprise), of the cluster metadata service on Cassandra since 6.0 (CEP-21).
    pub(crate) fn has_schema_log(self) -> bool {
        match (self.is_scylla, self.version.0) {
            (true, 2000..) => self.version >= (2024, 2),
            (_, major) => major >= 6,
        }
    }

    /// How long a schema change may wait in that log before it is done after all: `group0_raft_op_timeout_in_ms` of
    /// ScyllaDB, `cms_await_timeout` of Cassandra.
    pub(crate) fn longest_schema_change(self) -> Duration {
        match (self.has_schema_log(), self.is_scylla) {
            (false, _) => Duration::ZERO,
            (true, true) => Duration::from_secs(65),
            (true, false) => Duration::from_secs(125),
        }
    }

    /// Whether a keyspace is on tablets unless it says otherwise, and takes no conditional writes then: ScyllaDB from
    /// 6.0 until 2025.3.
    pub(crate) fn must_avoid_tablets(self) -> bool {
        self.is_scylla && self.has_schema_log() && self.version < (2025, 4)
    }
}

fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split(['.', '-', '~']).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_means() {
        let cases = [
            (Server::cassandra("4.1.7"), false, false),
            (Server::cassandra("5.0.8"), false, false),
            (Server::cassandra("6.0-alpha1"), true, false),
            (Server::scylla("5.4.9-0.20240703"), false, false),
            (Server::scylla("6.0.1"), true, true),
            (Server::scylla("2024.1.5"), false, false),
            (Server::scylla("2024.2.0~rc1"), true, true),
            (Server::scylla("2025.3.0"), true, true),
            (Server::scylla("2025.4.0"), true, false),
            (Server::scylla("2026.1.0"), true, false),
        ];
        for (server, has_schema_log, must_avoid_tablets) in cases {
            assert_eq!(server.has_schema_log(), has_schema_log, "{server:?}");
            assert_eq!(server.must_avoid_tablets(), must_avoid_tablets, "{server:?}");
        }
    }
}
