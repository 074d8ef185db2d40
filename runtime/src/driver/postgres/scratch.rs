//! A database beside the one that is migrated, with the same encoding and the same rules of sorting.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::backoff::Backoff;
use crate::driver::Answer;
use crate::driver::completed::{ALL, NONE, Row};
use crate::driver::postgres::Postgres;
use crate::driver::postgres::answer::{self, Fault};
use crate::driver::postgres::link::{Link, open};
use crate::error::{Error, ErrorKind, Result};
use crate::literal::literal;
use crate::scratch::{Made, Scratch, name, told};
use crate::table_name::Tables;
use whimbrel_core::Dialect;

/// How the database sorts, and the role that asks; then the databases of earlier runs.
const ASK: &str = "SELECT pg_encoding_to_char(encoding), datcollate, datctype, current_user, \
                   to_jsonb(d)->>'datlocprovider', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale') \
                   FROM pg_database d WHERE datname = current_database();
                   SELECT datname FROM pg_database WHERE datname LIKE 'whimbrel\\_scratch\\_%'";

/// `None` where a connection was passed in, which does not tell where it leads.
pub(crate) async fn create(link: &mut Link<'_>, tables: &Tables) -> Result<Option<Scratch>, String> {
    let Some(options) = link.options() else { return Ok(None) };
    let told = |fault: Fault| in_one_line(fault, tables);
    let mut rows = link.send(ASK.to_owned(), ALL).await.map_err(told)?.rows.into_iter();
    let own = rows.next().unwrap_or_default();
    let leftovers = rows.flatten().flatten().filter(|name| name::is_left_over(name));
    let leftovers = leftovers.map(|name| format!("database {name}, which a run that died has left")).collect();
    let name = name::random();
    // Made before it is asked for: what becomes of an answer that is lost, nobody knows.
    let made = made(&name, options.clone(), tables);
    if let Err(fault) = link.send(creation(&name, &own), NONE).await {
        if matches!(fault, Fault::Database { .. }) {
            made.forget();
        }
        return Err(if fault.says("42501") {
            let role = own.get(3).cloned().flatten().unwrap_or_default();
            format!("role {role} may not create a database; name one with `--scratch-url` or grant CREATEDB")
        } else {
            told(fault)
        });
    }
    let link = Link::of_options(options.database(&name));
    let driver = Postgres::new(link).map_err(|error| error.to_string())?;
    Ok(Some(Scratch { driver: Box::new(driver), made: Some(made), leftovers }))
}

/// From the template that holds nothing of this server's own, so that any encoding will do.
fn creation(name: &str, own: &Row) -> String {
    let column = |at: usize| own.get(at).cloned().flatten();
    let text = |at: usize| literal(Dialect::Postgres, &*column(at).unwrap_or_default());
    let provider = match column(4).as_deref() {
        Some("i") => format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", text(5)),
        Some("b") => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", text(5)),
        _ => String::new(),
    };
    let (encoding, collate, ctype) = (text(0), text(1), text(2));
    format!(
        "CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}{provider}"
    )
}

fn made(name: &str, options: PgConnectOptions, tables: &Tables) -> Made {
    let (database, tables) = (name.to_owned(), tables.clone());
    let run = move || -> Answer<'static, Result<()>> { Box::pin(drop_database(database, options, tables)) };
    Made::new(format!("the scratch database {name}"), run)
}

async fn drop_database(name: String, options: PgConnectOptions, tables: Tables) -> Result<()> {
    let broken = |fault: Fault| match fault {
        Fault::Database { error, .. } => Error::new(ErrorKind::Connection, error.cause.to_string()),
        fault => fault.into_error(&tables),
    };
    let mut connection = open(options).await.map_err(broken)?;
    // A cancelled run may have left a session there, which ends by itself only when its statement does.
    let its = format!("datname = {}", literal(Dialect::Postgres, &*name));
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {its}");
    let mut backoff = Backoff::new(PATIENCE);
    loop {
        answer::send(&mut connection, end.clone(), NONE).await.map_err(broken)?;
        // A session that was ended is still there for a moment (55006, object in use).
        match answer::send(&mut connection, format!("DROP DATABASE IF EXISTS \"{name}\""), NONE).await {
            Err(fault) if fault.says("55006") && backoff.sleep().await => {}
            dropped => return dropped.map(drop).map_err(broken),
        }
    }
}

/// How long sessions that were ended may stay.
const PATIENCE: Duration = Duration::from_secs(10);

/// A fault in one line.
fn in_one_line(fault: Fault, tables: &Tables) -> String {
    match fault {
        Fault::Database { error, .. } => error.cause.to_string(),
        fault => told(&fault.into_error(tables)),
    }
}
