//! One of several processes that start together: brings a database to a version of a set, and prints the report.
//!
//! `starter <url> [<directory> [up | down <version> [<lock timeout, ms>]]]`: the demonstration set, or the one in a
//! directory; up to its end, or back to a version, which stays. It says `ready`, and begins when its standard input
//! ends, so that all of them begin at one moment. SIGTERM drops the run.
//! `STARTER_BACKUP_COMMAND` and its kind are its settings, `STARTER_LEASE_MS` is its lease; on a cluster `STARTER_SETTLE_MS` is the time for which it looks again at a statement
//! whose runner died, and `STARTER_AGREEMENT_MS` the one that nodes have to agree.

use std::env;
use std::io::{Read, stdin};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use whimbrel::{Cluster, Migrations, Migrator, Report, Rollback, Settings, Version, embed_migrations};

static DEMONSTRATION: Migrations = embed_migrations!("../migrations");

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let url =
        arguments.next().ok_or("usage: starter <url> [<directory> [up | down <version> [<lock timeout, ms>]]]")?;
    let loaded = arguments.next().map(Migrations::from_directory).transpose()?;
    let way = match arguments.next().as_deref() {
        None | Some("up") => Way::Up,
        Some("down") => Way::Down(arguments.next().ok_or("down to which version?")?.parse()?),
        Some(other) => return Err(format!("`{other}` is neither up nor down").into()),
    };
    let mut terminated = signal(SignalKind::terminate())?;
    println!("ready");
    stdin().read_to_string(&mut String::new())?;
    let mut migrator = Migrator::connect(loaded.as_ref().unwrap_or(&DEMONSTRATION), &url)?;
    migrator = migrator.settings(Settings::default().with_env("STARTER")?);
    if let Some(lease) = time("STARTER_LEASE_MS")? {
        migrator = migrator.lease(lease);
    }
    let mut cluster = Cluster::default();
    if let Some(settle) = time("STARTER_SETTLE_MS")? {
        cluster = cluster.settle_time(settle);
    }
    if let Some(agreement) = time("STARTER_AGREEMENT_MS")? {
        cluster = cluster.agreement_timeout(agreement);
    }
    migrator = migrator.cluster(cluster);
    if let Some(time) = arguments.next() {
        migrator = migrator.lock_timeout(Duration::from_millis(time.parse()?));
    }
    tokio::select! {
        report = way.run(&mut migrator) => println!("{}", report?),
        _ = terminated.recv() => return Err("terminated".into()),
    }
    Ok(())
}

/// A time from the environment, in milliseconds.
fn time(name: &str) -> Outcome<Option<Duration>> {
    Ok(env::var(name).ok().map(|ms| ms.parse().map(Duration::from_millis)).transpose()?)
}

enum Way {
    Up,
    Down(Version),
}

impl Way {
    async fn run(self, migrator: &mut Migrator<'_>) -> whimbrel::Result<Report> {
        match self {
            Self::Up => migrator.up().await,
            Self::Down(version) => migrator.down(Rollback::To(version)).await,
        }
    }
}
