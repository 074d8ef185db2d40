//! `tool-refinery <url> <10 or 1000>`: see the program `compare`.

use std::time::{Duration, Instant};

mod ten {
    refinery::embed_migrations!("../generated/refinery/10");
}
mod thousand {
    refinery::embed_migrations!("../generated/refinery/1000");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, count) = (std::env::args().nth(1).unwrap(), std::env::args().nth(2).unwrap());
    let runner = if count == "10" { ten::migrations::runner() } else { thousand::migrations::runner() };
    let took = if let Some(rest) = url.strip_prefix("sqlite://") {
        let mut connection = rusqlite::Connection::open(rest.split('?').next().unwrap())?;
        let started = Instant::now();
        runner.run(&mut connection)?;
        started.elapsed()
    } else if url.starts_with("mysql") {
        let mut pool = mysql_async::Pool::new(url.split('?').next().unwrap());
        drop(pool.get_conn().await?);
        let started = Instant::now();
        runner.run_async(&mut pool).await?;
        started.elapsed()
    } else {
        let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let started = Instant::now();
        runner.run_async(&mut client).await?;
        started.elapsed()
    };
    tell(took);
    Ok(())
}

include!("../../tell.rs");
