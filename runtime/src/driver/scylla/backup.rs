//! A backup by the user's own command: a snapshot is each node's own, and no client can ask for it.

use std::time::Duration;

use crate::backup::{BackupRight, Means, Note, Right, Source};
use crate::driver::scylla::link::Link;
use crate::driver::scylla::right::{self, Denied, Seen};
use crate::error::Result;

/// There is no session that ends with its process: each process that finds something pending runs the command.
struct Everybody;

impl BackupRight for Everybody {}

pub(crate) fn right() -> Right {
    Right::Granted(Box::new(Everybody))
}

pub(crate) async fn source(link: &mut Link<'_>, _: Duration) -> Result<Source> {
    let (_, table) = link.meet().await?;
    let means = Means::None(
        "ScyllaDB and Cassandra are backed up node by node, which no client can do; nothing was run",
        "make the backup with `Backup::command`, such as `nodetool snapshot` on every node",
    );
    let place = vec![("DATABASE", table.keyspace.clone())];
    Ok(Source { name: table.keyspace.clone(), bytes: None, place, password: None, means })
}

/// In a table that is there already; who has been faster has changed what a backup would be told of.
pub(crate) async fn record(link: &mut Link<'_>, seen: &Seen, note: &Note<'_>) -> Result<()> {
    if !note.is_present {
        return Ok(());
    }
    let (client, table) = link.meet().await?;
    match right::record_backup((client, table), seen, note).await {
        Ok(()) => Ok(()),
        Err(Denied::Broken(error)) => Err(error),
        Err(_) => {
            tracing::warn!("somebody else was faster: no event tells of the backup");
            Ok(())
        }
    }
}
