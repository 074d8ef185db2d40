//! A backup by SQLite itself, and the right to make one: a lock on a file beside the database's.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::backup::{BackupRight, Means, Note, Right, Source, no_room};
use crate::driver::completed::{ALL, NONE};
use crate::driver::sqlite::TONGUE;
use crate::driver::sqlite::answer::{self, Fault};
use crate::driver::sqlite::link::Link;
use crate::driver::sqlite::patience::Patience;
use crate::error::{Error, ErrorKind, Result};
use crate::literal::literal;
use crate::table_name::Tables;
use whimbrel_core::Dialect;

/// The operating system gives the lock back when the process ends. The file stays: whoever removed it would let two in,
/// one by the old file and one by a new one.
struct Locked {
    _file: File,
}

impl BackupRight for Locked {}

/// A database in memory is this process's own.
struct Alone;

impl BackupRight for Alone {}

pub(crate) async fn right(link: &mut Link<'_>, tables: &Tables) -> Result<Right> {
    let Some(mut path) = database_file(link, tables).await? else { return Ok(Right::Granted(Box::new(Alone))) };
    path.as_mut_os_string().push("-backup-lock");
    let unlockable = |error: std::io::Error| {
        let message = format!("`{}` cannot be locked for the backup; nothing was run", path.display());
        let help = "let this account write to the folder of the database, then run it again";
        Error::new(ErrorKind::Backup, message).source(error).help(help)
    };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(unlockable)?;
    match file.try_lock() {
        Ok(()) => Ok(Right::Granted(Box::new(Locked { _file: file }))),
        Err(TryLockError::WouldBlock) => Ok(Right::Busy(format!("another process, which holds `{}`", path.display()))),
        Err(TryLockError::Error(error)) => Err(unlockable(error)),
    }
}

pub(crate) async fn source(link: &mut Link<'_>, tables: &Tables) -> Result<Source> {
    let path = database_file(link, tables).await?;
    let answer = link.read("PRAGMA page_count;\nPRAGMA page_size".to_owned()).await;
    let sizes = answer.map_err(|fault| fault.into_error(tables))?.rows.into_iter().flatten().flatten();
    let bytes = sizes.filter_map(|size| size.parse::<u64>().ok()).product();
    let stem = path.as_deref().and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    let place = path.map(|path| ("DATABASE", path.display().to_string())).into_iter().collect();
    let name = stem.unwrap_or_else(|| "memory".to_owned());
    Ok(Source { name, bytes: Some(bytes), place, password: None, means: Means::Copy })
}

/// Copies all of it into an empty file, in one read transaction, and reads the copy through.
pub(crate) async fn copy_to(
    (link, tables): (&mut Link<'_>, &Tables),
    (folder, path): (&Path, &Path),
    patience: Duration,
) -> Result<()> {
    let Some(text) = path.to_str() else {
        let message = format!("SQLite takes no path like `{}`, which is not UTF-8; nothing was run", folder.display());
        return Err(Error::new(ErrorKind::Backup, message).help("name another folder for the backup"));
    };
    let before = link.read("PRAGMA page_count;\nPRAGMA page_size".to_owned()).await.ok();
    let bytes = before.map(|sizes| {
        sizes.rows.into_iter().flatten().flatten().filter_map(|size| size.parse::<u64>().ok()).product::<u64>()
    });
    let copy = format!("VACUUM INTO {}", literal(Dialect::Sqlite, text));
    if let Err(fault) = link.send_within(&mut Patience::lasting(patience), copy, NONE).await {
        return Err(uncopied(fault, tables, folder, (path, bytes)));
    }
    let said = check(path).await.map_err(|fault| fault.into_error(tables))?;
    if said == ["ok"] {
        return Ok(());
    }
    let message = "the backup is damaged, and so is perhaps the database; nothing was run";
    let help = "look at the database with `PRAGMA integrity_check`, and mend it first";
    let lines: Vec<String> = said.iter().take(5).map(|line| format!("  {line}")).collect();
    Err(Error::new(ErrorKind::Backup, message).details(lines.join("\n")).help(help))
}

fn uncopied(fault: Fault, tables: &Tables, folder: &Path, (path, bytes): (&Path, Option<u64>)) -> Error {
    if !fault.is_database() {
        return fault.into_error(tables);
    }
    // A full disk, or one that fails; what says so holds no path.
    let cause = fault.into_cause();
    if cause.is_disk() {
        let written = std::fs::metadata(path).map_or(0, |file| file.len());
        return no_room(folder, written, bytes).source(cause);
    }
    let message = format!("the database cannot be copied to `{}`; nothing was run", folder.display());
    Error::new(ErrorKind::Backup, message).source(cause).help("mend that, and run it again")
}

/// What `PRAGMA integrity_check` says, on a connection that leaves no file beside it.
async fn check(path: &Path) -> Result<Vec<String>, Fault> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let mut connection = options.disable_statement_logging().connect().await?;
    let answer = answer::send(&mut connection, "PRAGMA integrity_check".to_owned(), ALL).await?;
    // It is gone in any case.
    let _ = connection.close().await;
    Ok(answer.rows.into_iter().flatten().flatten().collect())
}

/// The file of the database; none in memory.
async fn database_file(link: &mut Link<'_>, tables: &Tables) -> Result<Option<PathBuf>> {
    let listed = link.read("PRAGMA database_list".to_owned()).await.map_err(|fault| fault.into_error(tables))?;
    // Its columns are a number, a name, and the file.
    let main = listed.rows.into_iter().find(|row| row.get(1).is_some_and(|name| name.as_deref() == Some("main")));
    Ok(main.and_then(|row| row.into_iter().nth(2)?).filter(|file| !file.is_empty()).map(PathBuf::from))
}

/// Writes the event; whoever writes at that moment is waited for.
pub(crate) async fn record(link: &mut Link<'_>, tables: &Tables, note: &Note<'_>) -> Result<(), Fault> {
    let mut transaction = link.begin().await?;
    transaction.send(TONGUE.backed_up(tables, note), NONE).await?;
    transaction.commit(&mut Patience::last()).await
}
