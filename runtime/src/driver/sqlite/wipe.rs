//! Back to an empty database: the file is removed, or what is in it is dropped.

use std::path::{Path, PathBuf};

use crate::driver::Stop;
use crate::driver::completed::{ALL, NONE};
use crate::driver::sqlite::TONGUE;
use crate::driver::sqlite::answer::Fault;
use crate::driver::sqlite::foreign_keys::switch_foreign_keys_off;
use crate::driver::sqlite::link::{Link, Owner};
use crate::driver::sqlite::patience::Patience;
use crate::error::{Error, ErrorKind, Result};
use crate::reset::{HISTORY_STAYS, Reset, Whereabouts, Wipe, remove};
use crate::table_name::Tables;

pub(crate) async fn whereabouts(link: &mut Link<'_>, tables: &Tables) -> Result<Whereabouts> {
    let (file, owner) = link.file().await.map_err(|fault| fault.into_error(tables))?;
    let name = file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let database = name.unwrap_or_else(|| ":memory:".to_owned());
    Ok(Whereabouts { database, far: None, path: file.clone(), file: file.filter(|_| owner == Owner::We) })
}

pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, wipe: Wipe<'_>) -> Result<Reset, Stop> {
    let wiped = match switch_foreign_keys_off(link).await {
        Ok(()) => alone(link, tables, wipe).await,
        Err(fault) => Err(fault.before_step(tables)),
    };
    link.restore().await;
    let reset = wiped?;
    let Some(file) = &wipe.place.file else { return Ok(reset) };
    // Until it is closed, the connection keeps the lock that it has written under; Windows removes no open file.
    if cfg!(windows) {
        link.release().await;
    }
    let removed = remove_files(file, &reset);
    link.release().await;
    removed.map_err(Stop::Broken)?;
    Ok(Reset { dropped: vec![remove(file)], left: Vec::new() })
}

/// With the lock that keeps all others out, where the file is about to be removed.
async fn alone(link: &mut Link<'_>, tables: &Tables, wipe: Wipe<'_>) -> Result<Reset, Stop> {
    let fault = |fault: Fault| match fault.code().map(|code| code & 0xff) {
        Some(8) => Stop::Broken(takes_no_writes(fault)),
        Some(5 | 6) if wipe.place.file.is_some() => Stop::Broken(somebody_has_it_open(fault)),
        _ => fault.before_step(tables),
    };
    if wipe.place.file.is_some() {
        // In WAL the next writer has to be the only one who has the file open; the lock is kept until the connection is
        // closed, which is ours (https://sqlite.org/pragma.html#pragma_locking_mode).
        link.send("PRAGMA locking_mode = EXCLUSIVE".to_owned(), NONE).await.map_err(fault)?;
    }
    in_a_transaction(link, tables, wipe).await.map_err(fault)?.ok_or(Stop::Stale)
}

fn takes_no_writes(fault: Fault) -> Error {
    Error::new(ErrorKind::Refused, "the database takes no writes; nothing was dropped")
        .source(fault.into_cause())
        .help("give this process the right to write the file and its directory")
}

fn somebody_has_it_open(fault: Fault) -> Error {
    Error::new(ErrorKind::Locked, "somebody has it open; nothing was dropped")
        .source(fault.into_cause())
        .help("stop the application that works with the file, then run it again")
}

/// `None` when somebody was faster. Whoever comes after it finds no history, also where the file is about to be removed.
async fn in_a_transaction(link: &mut Link<'_>, tables: &Tables, wipe: Wipe<'_>) -> Result<Option<Reset>, Fault> {
    let mut reset = Reset::default();
    let mut begun = link.begin().await?;
    let seen = begun.send(TONGUE.last_event(tables), ALL).await?.into_value();
    if seen != Some(wipe.history.last_event.to_string()) {
        begun.roll_back().await;
        return Ok(None);
    }
    for sql in wipe.drops {
        match begun.send(sql.clone(), NONE).await {
            Ok(_) => reset.dropped.push(sql.clone()),
            // What it says of the statement; all else is about the whole database.
            Err(fault) if matches!(fault.code().map(|code| code & 0xff), Some(1 | 19)) => {
                reset.left.push(format!("`{sql}` failed: {}", fault.into_cause()));
            }
            Err(fault) => return Err(fault),
        }
    }
    // The history knows of what could not be dropped; a file takes all with it.
    if !reset.left.is_empty() && wipe.place.file.is_none() {
        reset.left.push(HISTORY_STAYS.to_owned());
    } else {
        for sql in [&tables.history, &tables.events].map(|table| format!("DROP TABLE IF EXISTS {table}")) {
            begun.send(sql.clone(), NONE).await?;
            reset.dropped.push(sql);
        }
    }
    begun.commit(&mut Patience::last()).await?;
    Ok(Some(reset))
}

fn remove_files(file: &Path, reset: &Reset) -> Result<()> {
    for ending in ["-backup-lock", "-wal", "-shm", ""] {
        let mut path = file.to_path_buf().into_os_string();
        path.push(ending);
        let path = PathBuf::from(path);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = if reset.left.is_empty() { "what migrations made in it" } else { "its history" };
                let message = format!("{} cannot be removed; {what} is dropped", path.display());
                return Err(Error::new(ErrorKind::Refused, message).source(error).help("remove it by hand"));
            }
            _ => {}
        }
    }
    Ok(())
}
