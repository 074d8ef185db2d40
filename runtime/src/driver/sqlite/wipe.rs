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
use crate::reset::{Reset, Whereabouts, Wipe, remove};
use crate::table_name::Tables;

pub(crate) async fn whereabouts(link: &mut Link<'_>, tables: &Tables) -> Result<Whereabouts> {
    let (file, owner) = link.file().await.map_err(|fault| fault.into_error(tables))?;
    let name = file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let database = name.unwrap_or_else(|| ":memory:".to_owned());
    Ok(Whereabouts { database, far: None, file: file.filter(|_| owner == Owner::We) })
}

pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, wipe: Wipe<'_>) -> Result<Reset, Stop> {
    let wiped = match switch_foreign_keys_off(link).await {
        Ok(()) => in_a_transaction(link, tables, wipe).await,
        Err(fault) => Err(fault),
    };
    link.restore().await;
    let reset = wiped.map_err(|fault| fault.before_step(tables))?.ok_or(Stop::Stale)?;
    let Some(file) = &wipe.place.file else { return Ok(reset) };
    link.release().await;
    remove_files(file).map_err(Stop::Broken)?;
    Ok(Reset { dropped: vec![remove(file)], left: Vec::new() })
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
    let ours = [&tables.history, &tables.events].map(|table| format!("DROP TABLE IF EXISTS {table}"));
    for sql in wipe.drops.iter().chain(&ours) {
        match begun.send(sql.clone(), NONE).await {
            Ok(_) => reset.dropped.push(sql.clone()),
            Err(fault) => reset.left.push(format!("`{sql}` failed: {}", fault.into_cause())),
        }
    }
    begun.commit(&mut Patience::last()).await?;
    Ok(Some(reset))
}

fn remove_files(file: &Path) -> Result<()> {
    for ending in ["-wal", "-shm", ""] {
        let path = PathBuf::from(format!("{}{ending}", file.display()));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let message = format!("{} cannot be removed; what was in it is dropped", path.display());
                return Err(Error::new(ErrorKind::Refused, message).source(error).help("remove it by hand"));
            }
            _ => {}
        }
    }
    Ok(())
}
