//! Back to an empty database, under the lock.

use crate::driver::Stop;
use crate::driver::completed::{ALL, NONE};
use crate::driver::mysql::answer::Fault;
use crate::driver::mysql::link::Link;
use crate::driver::mysql::request::TONGUE;
use crate::driver::mysql::step::{lock, unlock};
use crate::error::Result;
use crate::reset::{HISTORY_STAYS, Reset, Whereabouts, Wipe, is_this_machine};
use crate::table_name::Tables;

/// By the options that a connection is made from, or else by what the server says of the caller's.
pub(crate) async fn whereabouts(link: &mut Link<'_>, tables: &Tables) -> Result<Whereabouts> {
    let sql = "SELECT DATABASE(), SUBSTRING_INDEX(USER(), '@', -1)".to_owned();
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
    lock(link, tables, None).await?;
    let mut reset = Reset::default();
    let wiped = all(link, tables, wipe, &mut reset).await;
    unlock(link, tables).await;
    match wiped {
        Ok(Found::AsPlanned) => Ok(reset),
        Ok(Found::Changed) => Err(Stop::Stale),
        Err(fault) => Err(Stop::Broken(fault.into_error(tables).details(reset.so_far()))),
    }
}

/// Whether somebody was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    AsPlanned,
    Changed,
}

async fn all(link: &mut Link<'_>, tables: &Tables, wipe: Wipe<'_>, reset: &mut Reset) -> Result<Found, Fault> {
    let seen = link.send(TONGUE.last_event(tables), ALL).await?.into_value();
    if seen != Some(wipe.history.last_event.to_string()) {
        return Ok(Found::Changed);
    }
    link.send("SET SESSION foreign_key_checks = 0, lock_wait_timeout = 5".to_owned(), NONE).await?;
    drops(link, wipe.drops, reset).await?;
    // It knows of what could not be dropped.
    if !reset.left.is_empty() {
        reset.left.push(HISTORY_STAYS.to_owned());
        return Ok(Found::AsPlanned);
    }
    let ours = [&tables.lock, &tables.history, &tables.events].map(|table| format!("DROP TABLE IF EXISTS {table}"));
    drops(link, &ours, reset).await?;
    Ok(Found::AsPlanned)
}

async fn drops(link: &mut Link<'_>, all: &[String], reset: &mut Reset) -> Result<(), Fault> {
    for sql in all {
        match link.send(sql.clone(), NONE).await {
            Ok(_) => reset.dropped.push(sql.clone()),
            Err(Fault::Database { cause, .. }) => reset.left.push(format!("`{sql}` failed: {cause}")),
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}
