//! `tool-diesel <url> <10 or 1000>`: see the program `compare`.

use std::time::{Duration, Instant};

use diesel::{Connection, MysqlConnection, PgConnection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const TEN: EmbeddedMigrations = embed_migrations!("../generated/folders/10");
const THOUSAND: EmbeddedMigrations = embed_migrations!("../generated/folders/1000");

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (url, count) = (std::env::args().nth(1).unwrap(), std::env::args().nth(2).unwrap());
    let set = if count == "10" { TEN } else { THOUSAND };
    let took = if let Some(rest) = url.strip_prefix("sqlite://") {
        let mut connection = SqliteConnection::establish(rest.split('?').next().unwrap())?;
        let started = Instant::now();
        connection.run_pending_migrations(set)?;
        started.elapsed()
    } else if url.starts_with("mysql") {
        let mut connection = MysqlConnection::establish(url.split('?').next().unwrap())?;
        let started = Instant::now();
        connection.run_pending_migrations(set)?;
        started.elapsed()
    } else {
        let mut connection = PgConnection::establish(&url)?;
        let started = Instant::now();
        connection.run_pending_migrations(set)?;
        started.elapsed()
    };
    tell(took);
    Ok(())
}

include!("../../tell.rs");
