//! A backup before the first change: what a user chooses, and what came of it.

mod child;
mod file_name;
mod kept;
mod making;
mod program;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::report::Took;

#[cfg(feature = "_sqlite")]
pub(crate) use kept::no_room;
pub(crate) use making::{BackingUp, Next};
pub(crate) use source::{BackupRight, Means, Note, Program, Right, Source};

/// Whether, and how, a database is backed up before a run changes it.
///
/// It is made when something is pending, before the first step of an `up` or a `down`, and never for a baseline; up to
/// date makes none and costs what it did. Of many instances that start at once one makes it, and the others wait as for
/// any runner. Without a whole backup nothing is run
/// ([`ErrorKind::Backup`](crate::ErrorKind::Backup)). Where it lies is in the [`Report`](crate::Report) and in the
/// events.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let folder = std::env::temp_dir().join(format!("whimbrel-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let url = format!("sqlite://{}", folder.join("shop.db").display());
/// let mut migrator = Migrator::connect(&MIGRATIONS, &url)?
///     .backup_before_migration(Backup::to_folder(&folder));
/// let report = migrator.up().await?;
/// let backup = report.backup().expect("something was pending");
/// assert!(std::path::Path::new(&backup.place).is_file());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "give it to a migrator or to settings"]
pub struct Backup(Choice);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Choice {
    /// Nobody has said anything.
    #[default]
    Unsaid,
    Off,
    On(Wanted),
}

/// A backup that is wanted.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// By SQLite itself, or by the server's own program, which may be named.
    File { folder: PathBuf, program: Option<PathBuf> },
    /// By a command for the shell, which has to write a file where there is a folder for it.
    Command { text: String, password: Password, folder: Option<PathBuf> },
}

/// The text of a command is shown nowhere: it may hold a secret.
impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { folder, program } => {
                f.debug_struct("File").field("folder", folder).field("program", program).finish()
            }
            Self::Command { text: _, password, folder } => {
                f.debug_struct("Command").field("password", password).field("folder", folder).finish_non_exhaustive()
            }
        }
    }
}

impl Wanted {
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::File { folder, .. } => Some(folder),
            Self::Command { folder, .. } => folder.as_deref(),
        }
    }
}

/// Whether a command finds the password in its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Password {
    Withheld,
    Given,
}

impl Backup {
    /// None is made: the default.
    pub fn off() -> Self {
        Self(Choice::Off)
    }

    /// A file in this folder, which must be there: SQLite copies itself into it and the copy is checked; PostgreSQL is
    /// dumped by `pg_dump` (custom format), MariaDB and MySQL by `mariadb-dump` or `mysqldump`, which must be installed.
    ///
    /// Its name is `<database>-<UTC time>-before-<version>`, with `.sqlite`, `.dump` or `.sql` behind it; before a
    /// rollback it is `…-before-rollback-of-<version>`. Until it is complete and on the disk it ends in `.part`. Only
    /// the account of this process may read it. Nothing is ever deleted from the folder but a part that failed; the part
    /// that a killed process has left may be removed.
    ///
    /// What the programs are told of the password stands in their environment, or in a file that only this account may
    /// read and that is removed afterwards; never on their command line. A connection that was passed in does not tell
    /// where it leads: such a server is backed up through a pool or a URL, or by [`command`](Self::command).
    pub fn to_folder(folder: impl Into<PathBuf>) -> Self {
        Self(Choice::On(Wanted::File { folder: folder.into(), program: None }))
    }

    /// The program to dump a server with, instead of the one in `PATH` or where Debian keeps PostgreSQL's: its name or
    /// its path. Nothing changes for SQLite and for a [`command`](Self::command).
    ///
    /// ```
    /// # use whimbrel::Backup;
    /// let backup = Backup::to_folder("/backups").program("/usr/lib/postgresql/18/bin/pg_dump");
    /// ```
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        if let Choice::On(Wanted::File { program: named, .. }) = &mut self.0 {
            *named = Some(program.into());
        }
        self
    }

    /// The user's own command, run by `sh -c` (Windows: `cmd /C`); if it ends with anything but 0, nothing is run.
    ///
    /// For ScyllaDB and Cassandra there is only this, such as a `nodetool snapshot` on every node: a snapshot is one
    /// node's, and who makes it must see to all of them. There each process that finds something pending runs it.
    ///
    /// Its environment is this process's, and besides that
    ///
    /// | variable | holds |
    /// |---|---|
    /// | `WHIMBREL_DATABASE` | the database's name; of SQLite the file, of a cluster the keyspace |
    /// | `WHIMBREL_DIALECT` | `sqlite`, `postgres`, `mysql` or `cql` |
    /// | `WHIMBREL_VERSION` | the first version that is pending, or is to be rolled back first |
    /// | `WHIMBREL_HOST`, `WHIMBREL_PORT`, `WHIMBREL_SOCKET`, `WHIMBREL_USER` | where a server is, as far as that is known |
    /// | `WHIMBREL_PASSWORD` | the password, only after [`with_password`](Self::with_password) |
    /// | `WHIMBREL_BACKUP_FOLDER`, `WHIMBREL_BACKUP_FILE` | with [`in_folder`](Self::in_folder): the folder, and the file to write, which gets its name when the command has succeeded |
    ///
    /// Without a folder the last line that it prints is taken for the place of the backup. Its text is shown nowhere;
    /// what it says on standard error is, when it fails.
    ///
    /// ```
    /// # use whimbrel::Backup;
    /// let backup = Backup::command("aws rds create-db-snapshot --db-instance-identifier shop …");
    /// let backup = Backup::command("gzip < \"$WHIMBREL_DATABASE\" > \"$WHIMBREL_BACKUP_FILE\"").in_folder("/backups");
    /// ```
    pub fn command(command: impl Into<String>) -> Self {
        Self(Choice::On(Wanted::Command { text: command.into(), password: Password::Withheld, folder: None }))
    }

    /// The folder in which a [`command`](Self::command) has to write one file; an empty one, or none, is a failure.
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        if let Choice::On(Wanted::Command { folder: given, .. }) = &mut self.0 {
            *given = Some(folder.into());
        }
        self
    }

    /// Lets a [`command`](Self::command) find the database's password in `WHIMBREL_PASSWORD`.
    pub fn with_password(mut self) -> Self {
        if let Choice::On(Wanted::Command { password, .. }) = &mut self.0 {
            *password = Password::Given;
        }
        self
    }

    /// Whether one is made.
    ///
    /// ```
    /// # use whimbrel::Backup;
    /// assert!(!Backup::default().is_on());
    /// assert!(Backup::to_folder("/backups").is_on());
    /// ```
    pub fn is_on(&self) -> bool {
        self.wanted().is_some()
    }

    pub(crate) fn wanted(&self) -> Option<&Wanted> {
        match &self.0 {
            Choice::On(wanted) => Some(wanted),
            Choice::Unsaid | Choice::Off => None,
        }
    }

    /// With this command, in the folder that it has already; who has said *off* is obeyed.
    pub(crate) fn and_command(self, command: &str) -> Self {
        match self.0 {
            Choice::Off => self,
            Choice::On(Wanted::File { folder, .. } | Wanted::Command { folder: Some(folder), .. }) => {
                Self::command(command).in_folder(folder)
            }
            Choice::On(Wanted::Command { folder: None, .. }) | Choice::Unsaid => Self::command(command),
        }
    }
}

/// The backup that a run made.
///
/// It prints as `/backups/shop-20251120T140211Z-before-0007.dump (1.2 MB, 340 ms)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// Where it lies: the path of a file, or what a command said; empty where it said nothing.
    pub place: String,
    /// How large it is, where that is known.
    pub bytes: Option<u64>,
    /// How long it took.
    pub duration: Duration,
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.place {
            "" => f.write_str("a place that the command did not name")?,
            place => f.write_str(place)?,
        }
        match self.bytes {
            Some(bytes) => write!(f, " ({}, {})", Size(bytes), Took(self.duration)),
            None => write!(f, " ({})", Took(self.duration)),
        }
    }
}

/// A number of bytes as people say it: `812 B`, `1.2 MB`.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "kB", "MB", "GB", "TB"];
        let mut size = self.0 as f64;
        let mut unit = 0;
        while size >= 999.95 && unit + 1 < units.len() {
            size /= 1000.0;
            unit += 1;
        }
        if unit == 0 { write!(f, "{} B", self.0) } else { write!(f, "{size:.1} {}", units[unit]) }
    }
}

/// A path in a message, as the user wrote it.
fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_words() {
        let all = [0, 812, 999, 1_000, 1_234_567, 999_949, 999_951, 3_400_000_000, 7_100_000_000_000_000];
        let shown = all.map(|bytes| Size(bytes).to_string());
        assert_eq!(shown, ["0 B", "812 B", "999 B", "1.0 kB", "1.2 MB", "999.9 kB", "1.0 MB", "3.4 GB", "7100.0 TB"]);
    }

    #[test]
    fn a_backup_is_told_in_a_line() {
        let duration = Duration::from_millis(340);
        let mut backup = BackupReport { place: "/backups/a.dump".to_owned(), bytes: Some(1_200_000), duration };
        assert_eq!(backup.to_string(), "/backups/a.dump (1.2 MB, 340 ms)");
        (backup.place, backup.bytes) = (String::new(), None);
        assert_eq!(backup.to_string(), "a place that the command did not name (340 ms)");
    }

    #[test]
    fn the_text_of_a_command_is_not_shown() {
        let backup = Backup::command("PGPASSWORD=hunter2 pg_dump shop").in_folder("/backups").with_password();
        let shown = format!("{backup:?} {:?}", crate::Settings::default().backup_before_migration(backup.clone()));
        assert!(!shown.contains("hunter2") && shown.contains("/backups"), "{shown}");
    }

    #[test]
    fn off_is_obeyed_whatever_the_command() {
        assert!(!Backup::off().and_command("true").is_on());
        assert_eq!(Backup::default().and_command("true"), Backup::command("true"));
        assert_eq!(Backup::to_folder("/b").and_command("true"), Backup::command("true").in_folder("/b"));
    }
}
