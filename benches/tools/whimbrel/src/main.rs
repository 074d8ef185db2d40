//! `tool-whimbrel <url> <10 or 1000>`: see the program `compare`.

use std::time::{Duration, Instant};

use sqlx::{MySqlPool, PgPool, SqlitePool};
use whimbrel::{Migrations, Migrator, embed_migrations};

static TEN: Migrations = embed_migrations!("../generated/files/10");
static THOUSAND: Migrations = embed_migrations!("../generated/files/1000");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, count) = (std::env::args().nth(1).unwrap(), std::env::args().nth(2).unwrap());
    let set = if count == "10" { &TEN } else { &THOUSAND };
    let took = match &*url {
        url if url.starts_with("sqlite") => {
            let pool = SqlitePool::connect(url).await?;
            let started = Instant::now();
            Migrator::new(set, &pool).up().await?;
            started.elapsed()
        }
        url if url.starts_with("mysql") => {
            let pool = MySqlPool::connect(url).await?;
            let started = Instant::now();
            Migrator::new(set, &pool).up().await?;
            started.elapsed()
        }
        url => {
            let pool = PgPool::connect(url).await?;
            let started = Instant::now();
            Migrator::new(set, &pool).up().await?;
            started.elapsed()
        }
    };
    tell(took);
    Ok(())
}

include!("../../tell.rs");
