//! One of several processes that start together: brings a database to the version of a set, and prints the report.
//!
//! `starter <url> [<directory>]`: the demonstration set, or the one in a directory. It says `ready`, and begins when
//! its standard input ends, so that all of them begin at one moment. `STARTER_LEASE_MS` is its lease.

use std::env;
use std::io::{Read, stdin};
use std::time::Duration;

use whimbrel::{Migrations, Migrator, embed_migrations};

static DEMONSTRATION: Migrations = embed_migrations!("../migrations");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().ok_or("usage: starter <url> [<directory>]")?;
    let loaded = arguments.next().map(Migrations::from_directory).transpose()?;
    println!("ready");
    stdin().read_to_string(&mut String::new())?;
    let mut migrator = Migrator::connect(loaded.as_ref().unwrap_or(&DEMONSTRATION), &url)?;
    if let Ok(lease) = env::var("STARTER_LEASE_MS") {
        migrator = migrator.lease(Duration::from_millis(lease.parse()?));
    }
    let report = migrator.up().await?;
    println!("{report}");
    Ok(())
}
