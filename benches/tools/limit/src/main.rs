//! `tool-limit <url> <file>`: the scripts alone, in one request where the database takes them so; without a file, one
//! query. See the program `compare`.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection, SqliteConnection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap();
    let text = std::env::args().nth(2).map(std::fs::read_to_string).transpose()?;
    let text = text.unwrap_or_else(|| "SELECT 1".to_owned());
    let took = match &*url {
        url if url.starts_with("sqlite") => {
            let mut connection = SqliteConnection::connect(url).await?;
            let started = Instant::now();
            // One by one: SQLite copies what is left of a text for each statement of it.
            for statement in text.split_inclusive(";\n") {
                sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
            }
            started.elapsed()
        }
        url if url.starts_with("mysql") => {
            let mut connection = MySqlConnection::connect(url).await?;
            let started = Instant::now();
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await?;
            started.elapsed()
        }
        url => {
            let mut connection = PgConnection::connect(url).await?;
            let started = Instant::now();
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await?;
            started.elapsed()
        }
    };
    tell(took);
    Ok(())
}

include!("../../tell.rs");
