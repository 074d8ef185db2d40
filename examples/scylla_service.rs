//! A storage service on ScyllaDB or Cassandra: it brings the cluster to its schema before it works, however many instances
//! of it start at once, pins a few blobs, and tells what a peer holds.
//!
//! ```text
//! cargo run -p whimbrel-examples --example scylla_service
//! SCYLLADB_AUTO_MIGRATE=false cargo run -p whimbrel-examples --example scylla_service
//! ```
//!
//! `SCYLLADB_NODE` defaults to `127.0.0.1:9042`, `SCYLLADB_KEYSPACE` to `storage`. What else it reads under that prefix
//! stands in the documentation of [`Settings::from_env`].

use std::env;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use uuid::Uuid;
use whimbrel::{Cluster, ErrorKind, Migrations, Migrator, Settings, embed_migrations};

static MIGRATIONS: Migrations = embed_migrations!("scylla-migrations");

/// What the keyspace is made with where there is none; three copies in each datacenter are what production wants.
const REPLICATION: &str = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = env::var("SCYLLADB_NODE").unwrap_or_else(|_| "127.0.0.1:9042".to_owned());
    let keyspace = env::var("SCYLLADB_KEYSPACE").unwrap_or_else(|_| "storage".to_owned());

    let mut migrator = Migrator::connect(&MIGRATIONS, &format!("scylla://{node}/{keyspace}"))?
        .cluster(Cluster::default().create_keyspace(REPLICATION))
        .settings(Settings::from_env("SCYLLADB")?);
    let report = loop {
        match migrator.up().await {
            // `SCYLLADB_AUTO_MIGRATE=false`: a job of the deployment migrates, and this one waits for it.
            Err(error) if error.kind() == ErrorKind::Pending => println!("{error}"),
            // A database that is newer than this binary is an error as well, and says which release to deploy.
            done => break done?,
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    println!("{report}");

    let session = SessionBuilder::new().known_node(&node).use_keyspace(&keyspace, false).build().await?;
    let storage = Storage { session };
    let (owner, peer) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for (digest, bytes) in [(b"first".as_slice(), 5), (b"second", 6), (b"third", 5)] {
        storage.pin(digest, owner, peer, bytes).await?;
    }
    let replicas = storage.setting("replicas").await?.ok_or("the migrations have set `replicas`")?;
    println!("\npeer {peer} should hold {} pins; each is to have {replicas} copies", storage.held_by(peer).await?);
    Ok(())
}

struct Storage {
    session: Session,
}

/// A peer's pins are spread over so many partitions.
const BUCKETS: u8 = 64;

impl Storage {
    /// Pins a blob on a peer; to pin it again changes nothing but the time.
    async fn pin(&self, digest: &[u8], owner: Uuid, peer: Uuid, bytes: i64) -> Result<(), Box<dyn std::error::Error>> {
        let bucket = bucket(digest);
        let pin = "INSERT INTO pins (digest, owner, bytes, replicas, priority, created_at) \
                   VALUES (?, ?, ?, 3, 5, toTimestamp(now()))";
        self.session.query_unpaged(pin, (digest, owner, bytes)).await?;
        let place =
            "INSERT INTO placements (digest, peer, state, changed_at) VALUES (?, ?, 'wanted', toTimestamp(now()))";
        self.session.query_unpaged(place, (digest, peer)).await?;
        let index = "INSERT INTO pins_by_peer (peer, bucket, digest, state) VALUES (?, ?, ?, 'wanted')";
        self.session.query_unpaged(index, (peer, bucket, digest)).await?;
        Ok(())
    }

    /// How many pins a peer should hold.
    async fn held_by(&self, peer: Uuid) -> Result<i64, Box<dyn std::error::Error>> {
        let mut held = 0;
        for bucket in 0..BUCKETS as i8 {
            let count = "SELECT count(*) FROM pins_by_peer WHERE peer = ? AND bucket = ?";
            let rows = self.session.query_unpaged(count, (peer, bucket)).await?.into_rows_result()?;
            held += rows.single_row::<(i64,)>()?.0;
        }
        Ok(held)
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, Box<dyn std::error::Error>> {
        let rows = self.session.query_unpaged("SELECT value FROM settings WHERE name = ?", (name,)).await?;
        Ok(rows.into_rows_result()?.maybe_first_row::<(String,)>()?.map(|row| row.0))
    }
}

fn bucket(digest: &[u8]) -> i8 {
    (digest.first().copied().unwrap_or(0) % BUCKETS) as i8
}
