//! A call that may not take longer than it was allowed.

use std::time::Duration;

use whimbrel_core::Dialect;

use crate::error::{Error, ErrorKind, Result};
use crate::report::Took;

/// Ends what takes longer than it may.
pub(crate) async fn bounded<T>(
    (limit, dialect): (Option<Duration>, Dialect),
    all: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(limit) = limit else { return all.await };
    tokio::time::timeout(limit, all).await.unwrap_or_else(|_| Err(took_too_long(limit, dialect)))
}

fn took_too_long(limit: Duration, dialect: Dialect) -> Error {
    let help = match dialect {
        // Nothing takes a request back that a node of a cluster has received.
        Dialect::Cql => {
            "run it again: what is applied stays, and it finds out what became of the statement that was under way, \
             which the cluster may still carry out"
        }
        _ => {
            "run it again: what is applied stays, and the request that was under way completes or rolls back by itself"
        }
    };
    Error::new(ErrorKind::Timeout, format!("the run took longer than {}", Took(limit))).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_takes_nothing_back_by_itself() {
        let help = |dialect| took_too_long(Duration::from_secs(1), dialect).help_text().unwrap_or_default().to_owned();
        assert!(help(Dialect::Postgres).contains("rolls back"));
        assert!(!help(Dialect::Cql).contains("rolls back"));
    }
}
