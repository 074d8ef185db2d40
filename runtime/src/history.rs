//! What the target database remembers.

use std::fmt;

use whimbrel_core::script::Phase;
use whimbrel_core::{Digest, Version};

use crate::runner::Runner;

/// How far a migration came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// A runner is at it, or was killed at it.
    Running,
    /// All of it is done.
    Completed,
    /// A statement failed.
    Failed,
    /// It was applied once and taken back.
    RolledBack,
}

impl State {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::Running, "running"),
        (Self::Completed, "completed"),
        (Self::Failed, "failed"),
        (Self::RolledBack, "rolled_back"),
    ];

    /// The name that the history stores.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(state, _)| state)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One row of the history table.
///
/// Times are the database's, in UTC: `2025-03-01 12:00:04.128Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The version; prints as its file wrote it.
    pub version: Version,
    /// The order of application, counted from 1.
    pub rank: i64,
    /// The migration's name.
    pub name: String,
    /// The task that it belongs to.
    pub task: Option<String>,
    /// `sql`, `cql` or `baseline`.
    pub kind: String,
    /// The up script's file.
    pub path: String,
    /// SHA-256 over the tokens of the scripts as they ran.
    pub checksum: Digest,
    /// How far it came.
    pub state: State,
    /// The number of statements of its up script.
    pub statements: usize,
    /// How many of them are done.
    pub applied: usize,
    /// While a rollback outside a transaction is under way, or has failed half-way: how many statements of the down
    /// script are done; [`statements`](Self::statements) counts that script's then.
    pub undone: Option<usize>,
    /// The zero-downtime phase that it declared.
    pub phase: Option<Phase>,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub completed_at: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Who ran it: `user@host`.
    pub applied_by: String,
    /// What ran it: `shop 2.3.0`.
    pub application: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The key as the table has it.
    pub(crate) key: String,
    pub(crate) chain: Option<String>,
    /// The up script as it ran, where the reader asked for it.
    pub(crate) up: Option<String>,
    /// The down script as it stood beside it then, where the reader asked for it.
    pub(crate) down: Option<String>,
}

/// How the sentence begins that stands as the error of an entry whose run was asked to stop.
pub(crate) const STOPPED: &str = "stopped as asked";

impl Entry {
    /// `0004 add_email`.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.version, self.name)
    }

    /// What is under way, or has failed: `0004 add_email`, or `the rollback of 0004 add_email`.
    pub(crate) fn work(&self) -> String {
        let of = if self.undone.is_some() { "the rollback of " } else { "" };
        format!("{of}{}", self.label())
    }

    /// Whether its run was asked to stop between two statements, which is none that failed.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state == State::Failed && self.error.as_deref().is_some_and(|why| why.starts_with(STOPPED))
    }

    /// What makes it go on where it stands.
    pub(crate) fn goes_on(&self) -> String {
        match self.undone {
            Some(_) => format!("`migrate down {}_{}` goes on", self.version, self.name),
            None => "`migrate up` goes on".to_owned(),
        }
    }

    /// The column that [`done`](Self::done) is read from.
    pub(crate) fn progress_column(&self) -> &'static str {
        if self.undone.is_some() { "undone" } else { "applied" }
    }

    /// How many statements are done of the script that is under way.
    pub(crate) fn done(&self) -> usize {
        self.undone.unwrap_or(self.applied)
    }
}

/// The columns that every driver selects, in the order in which [`Entry::from_row`] takes them, all as text.
pub(crate) const COLUMNS: [&str; 21] = [
    "version",
    "rank",
    "name",
    "task",
    "kind",
    "path",
    "checksum",
    "chain",
    "state",
    "statements",
    "applied",
    "undone",
    "phase",
    "started_at",
    "completed_at",
    "duration_ms",
    "applied_by",
    "application",
    "error",
    "up",
    "down",
];

impl Entry {
    /// Reads a row whose columns are [`COLUMNS`] as text.
    ///
    /// # Errors
    /// The name of the column whose value cannot be ours.
    pub(crate) fn from_row(row: Vec<Option<String>>) -> Result<Self, &'static str> {
        let mut columns = COLUMNS.into_iter().zip(row);
        let mut next = || columns.next().map_or(("", None), |(name, value)| (name, value));
        fn required(column: (&'static str, Option<String>)) -> Result<String, &'static str> {
            column.1.ok_or(column.0)
        }
        fn number<N: std::str::FromStr>(column: (&'static str, Option<String>)) -> Result<N, &'static str> {
            column.1.and_then(|text| text.parse().ok()).ok_or(column.0)
        }
        let key = required(next())?;
        let rank = number(next())?;
        let name = required(next())?;
        let task = next().1;
        let kind = required(next())?;
        let path = required(next())?;
        Ok(Self {
            version: version_as_written(&key, &path).ok_or("version")?,
            rank,
            name,
            task,
            kind,
            path,
            checksum: required(next()).and_then(|hex| Digest::from_hex(&hex).ok_or("checksum"))?,
            chain: next().1,
            state: required(next()).and_then(|name| State::from_name(&name).ok_or("state"))?,
            statements: number(next())?,
            applied: number(next())?,
            undone: next().1.and_then(|text| text.parse().ok()),
            phase: next().1.and_then(|name| Phase::NAMES.into_iter().find(|(_, known)| *known == name)).map(|it| it.0),
            started_at: required(next())?,
            completed_at: next().1,
            duration_ms: next().1.and_then(|text| text.parse().ok()),
            applied_by: required(next())?,
            application: required(next())?,
            error: next().1,
            up: next().1,
            down: next().1,
            key,
        })
    }
}

/// The table's key is canonical (`4`); people know the version as its file writes it (`0004`).
fn version_as_written(key: &str, path: &str) -> Option<Version> {
    let version: Version = key.parse().ok()?;
    let written = path.rsplit('/').find_map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(part.len());
        part[..end].trim_end_matches('.').parse::<Version>().ok().filter(|written| *written == version)
    });
    Some(written.unwrap_or(version))
}

/// All of it, as one read found it.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Whether the tables are there.
    pub(crate) present: bool,
    /// The highest number of an event: whoever changes the history takes the next one, so an equal number means that
    /// nothing has happened since.
    pub(crate) last_event: i64,
    /// In the order of application.
    pub(crate) entries: Vec<Entry>,
    /// Who holds the right to migrate, as far as the database tells.
    pub(crate) holder: Holder,
}

/// Who holds the right to migrate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The database cannot tell.
    #[default]
    Unknown,
    Nobody,
    Session(Box<Runner>),
}

impl History {
    pub(crate) fn completed(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.state == State::Completed)
    }

    /// What can be rolled back: what is applied, and before that what a rollback has left half-way.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Entry> {
        self.halfway_back().chain(self.completed().rev())
    }

    /// What a rollback outside a transaction has left half-way.
    pub(crate) fn halfway_back(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.undone.is_some())
    }

    pub(crate) fn get(&self, version: &Version) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.version == *version)
    }

    /// The place in the order of application that the next step gets; what was not applied to its end has none yet.
    pub(crate) fn next_rank(&self) -> i64 {
        let was_applied =
            |entry: &&Entry| matches!(entry.state, State::Completed | State::RolledBack) || entry.undone.is_some();
        self.entries.iter().filter(was_applied).map(|entry| entry.rank).max().unwrap_or(0) + 1
    }

    /// What somebody is at, or was when they died.
    pub(crate) fn running(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.state == State::Running)
    }

    /// The highest version that is applied.
    pub(crate) fn current(&self) -> Option<&Version> {
        self.completed().map(|entry| &entry.version).max()
    }
}

/// What the one request of the fast path reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// There is no history: a fresh database.
    Absent,
    Present {
        completed: u64,
        /// Neither completed nor rolled back.
        unfinished: u64,
        /// The chain in the entry of the version that was asked for.
        chain: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_shown_as_its_file_writes_it() {
        let shown = |key: &str, path: &str| version_as_written(key, path).unwrap().to_string();
        assert_eq!(shown("4", "migrations/0004_add_email.up.sql"), "0004");
        assert_eq!(shown("1", "migrations/2025-01-10/0001-TASK-123-create_up.sql"), "0001");
        assert_eq!(shown("1.1.0", "1.1.0_enhanced.up.sql"), "1.1.0");
        assert_eq!(shown("20220426153628", "m/2022-04-26-153628_codec/up.sql"), "20220426153628");
    }
}
