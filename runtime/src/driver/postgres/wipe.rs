//! Back to an empty database, under the lock.

use crate::driver::Stop;
use crate::driver::completed::{ALL, NONE};
use crate::driver::postgres::answer::Fault;
use crate::driver::postgres::link::Link;
use crate::error::Result;
use crate::reset::{HISTORY_STAYS, Reset, Whereabouts, Wipe, is_this_machine};
use crate::table_name::Tables;

/// By the options that a connection is made from, or else by what the server says of the caller's.
pub(crate) async fn whereabouts(link: &mut Link<'_>, tables: &Tables) -> Result<Whereabouts> {
    let sql = "SELECT current_database()::text, host(inet_client_addr())".to_owned();
    let answer = link.send(sql, ALL).await.map_err(|fault| fault.into_error(tables))?;
    let mut row = answer.rows.into_iter().next().unwrap_or_default().into_iter();
    let (database, client) = (row.next().flatten().unwrap_or_default(), row.next().flatten());
    let host = match link.options() {
        Some(options) if options.get_socket().is_some() => None,
        Some(options) => Some(options.get_host().to_owned()),
        None => client,
    };
    Ok(Whereabouts { database, far: host.filter(|host| !is_this_machine(host)), path: None, file: None })
}

pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, wipe: Wipe<'_>) -> Result<Reset, Stop> {
    let take = format!(
        "SELECT 1/(pg_try_advisory_lock({}))::int;\nSELECT 1/((SELECT coalesce(max(id), 0) FROM {}) = {})::int",
        tables.key, tables.events, wipe.history.last_event
    );
    let give_back = format!("SELECT pg_advisory_unlock({})", tables.key);
    link.set_leftovers(Some(give_back.clone()));
    let mut reset = Reset::default();
    let mut taken = link.send(take, NONE).await.map(drop);
    if taken.is_ok() {
        let ours = [&tables.lock, &tables.history, &tables.events].map(|it| format!("DROP TABLE IF EXISTS {it}"));
        taken = async {
            if drops(link, wipe.drops, &mut reset).await? == Dropped::All {
                drops(link, &ours, &mut reset).await?;
            } else {
                reset.left.push(HISTORY_STAYS.to_owned());
            }
            Ok(())
        }
        .await;
    }
    let _ = link.send(format!("RESET lock_timeout;\n{give_back}"), NONE).await;
    link.set_leftovers(None);
    match taken {
        Ok(()) => Ok(reset),
        Err(fault) if fault.says("22012") => Err(Stop::Busy),
        Err(fault) => Err(Stop::Broken(fault.into_error(tables).details(reset.so_far()))),
    }
}

/// Whether the history, which knows of it, is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    All,
    NotAll,
}

async fn drops(link: &mut Link<'_>, all: &[String], reset: &mut Reset) -> Result<Dropped, Fault> {
    let mut dropped = Dropped::All;
    for sql in all {
        match link.send(format!("SET lock_timeout = 5000;\n{sql}"), NONE).await {
            Ok(_) => reset.dropped.push(sql.clone()),
            Err(Fault::Database { error, .. }) => {
                // A schema that holds what others have made stays for good: no second reset finds it empty.
                let holds_others = sql.starts_with("DROP SCHEMA") && error.cause.code.as_deref() == Some("2BP01");
                if !holds_others {
                    dropped = Dropped::NotAll;
                }
                reset.left.push(format!("`{sql}` failed: {}", error.cause));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(dropped)
}
