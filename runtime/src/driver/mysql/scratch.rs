//! A database beside the one that is migrated, with the same characters and the same rules of sorting.

use sqlx::mysql::MySqlConnectOptions;

use crate::driver::Answer;
use crate::driver::completed::{ALL, NONE};
use crate::driver::mysql::Mysql;
use crate::driver::mysql::answer::{self, Fault};
use crate::driver::mysql::link::{Link, open};
use crate::error::{Error, ErrorKind, Result};
use crate::scratch::{Made, Scratch, name, told};
use crate::table_name::Tables;

/// How the database sorts, and the user that asks; then the databases of earlier runs.
const ASK: &str = "SELECT @@character_set_database, @@collation_database, CURRENT_USER();
                   SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'whimbrel\\_scratch\\_%'";

/// `None` where a connection was passed in, which does not tell where it leads.
pub(crate) async fn create(link: &mut Link<'_>, tables: &Tables) -> Result<Option<Scratch>, String> {
    let Some(options) = link.options() else { return Ok(None) };
    let mut rows = link.send(ASK.to_owned(), ALL).await.map_err(|fault| in_one_line(fault, tables))?.rows.into_iter();
    let own = rows.next().unwrap_or_default();
    let column = |at: usize| own.get(at).cloned().flatten().unwrap_or_default();
    let leftovers = rows.flatten().flatten().filter(|name| name::is_left_over(name));
    let leftovers = leftovers.map(|name| format!("database {name}, which a run that died has left")).collect();
    let name = name::random();
    let creation = format!("CREATE DATABASE `{name}` CHARACTER SET {} COLLATE {}", column(0), column(1));
    // Made before it is asked for: what becomes of an answer that is lost, nobody knows.
    let made = made(&name, options.clone(), tables.clone());
    if let Err(fault) = link.send(creation, NONE).await {
        if matches!(fault, Fault::Database { .. }) {
            made.forget();
        }
        return Err(if fault.says("1044") || fault.says("1227") {
            format!(
                "user {} may not create a database; name one with `--scratch-url` or GRANT ALL ON \
                 `whimbrel\\_scratch\\_%`.* to it",
                column(2)
            )
        } else {
            in_one_line(fault, tables)
        });
    }
    let driver = Mysql::new(Link::of_options(options.database(&name))).map_err(|error| error.to_string())?;
    Ok(Some(Scratch { driver: Box::new(driver), made: Some(made), leftovers }))
}

fn made(name: &str, options: MySqlConnectOptions, tables: Tables) -> Made {
    let database = name.to_owned();
    let run = move || -> Answer<'static, Result<()>> { Box::pin(drop_database(database, options, tables)) };
    Made::new(format!("the scratch database {name}"), run)
}

async fn drop_database(name: String, options: MySqlConnectOptions, tables: Tables) -> Result<()> {
    let broken = |fault: Fault| match fault {
        Fault::Database { cause, .. } => Error::new(ErrorKind::Connection, cause.to_string()),
        fault => fault.into_error(&tables),
    };
    let mut connection = open(options).await.map_err(broken)?;
    // A cancelled run may have left a session there; the server would wait for what it holds.
    let others = format!("SELECT id FROM information_schema.processlist WHERE db = '{name}'");
    for id in answer::send(&mut connection, others, ALL).await.map_err(broken)?.rows.into_iter().flatten().flatten() {
        // It may have ended by itself.
        let _ = answer::send(&mut connection, format!("KILL CONNECTION {id}"), NONE).await;
    }
    answer::send(&mut connection, format!("DROP DATABASE IF EXISTS `{name}`"), NONE).await.map(drop).map_err(broken)
}

/// A fault in one line.
fn in_one_line(fault: Fault, tables: &Tables) -> String {
    match fault {
        Fault::Database { cause, .. } => cause.to_string(),
        fault => told(&fault.into_error(tables)),
    }
}
