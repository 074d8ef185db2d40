//! Where a database stands.

use std::collections::HashMap;
use std::fmt;

use whimbrel_core::{Migrations, Version};

use crate::history::{Entry, History, Holder, State};
use crate::report::Took;
use crate::runner::Runner;

/// Where a database stands beside this binary's set; printing it shows a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The highest applied version.
    pub current: Option<Version>,
    /// The oldest version that this binary takes over from.
    pub minimum_supported: Option<Version>,
    /// All migrations that the set or the history knows, lowest version first.
    pub migrations: Vec<MigrationStatus>,
    /// The history table.
    pub history_table: String,
    /// Who holds the right to migrate now, where somebody does; on SQLite nobody can tell.
    pub holder: Option<Runner>,
}

/// One migration, as the set and the history know it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The version; prints as its file wrote it.
    pub version: Version,
    /// The name.
    pub name: String,
    /// The task that it belongs to.
    pub task: Option<String>,
    /// How it stands.
    pub standing: Standing,
    /// Its entry in the history.
    pub entry: Option<Entry>,
}

/// How a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// Applied, as this binary has it.
    Applied,
    /// In this binary, not applied.
    Pending,
    /// Applied, and edited since.
    Changed,
    /// In the history, and not in this binary.
    Unknown,
    /// A statement of it failed.
    Failed,
    /// Its run was asked to stop between two of its statements; the next run goes on there.
    Stopped,
    /// A runner is at it, or was killed at it.
    Running,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Running => "running",
        })
    }
}

impl Status {
    pub(crate) fn new(set: &Migrations, dialect: whimbrel_core::Dialect, history: &History, table: &str) -> Self {
        let entries: HashMap<&Version, &Entry> = history.entries.iter().map(|entry| (&entry.version, entry)).collect();
        let known = set.iter().map(|migration| {
            let entry = entries.get(migration.version()).copied();
            let changed = |entry: &Entry| entry.checksum != migration.checksum(dialect);
            let standing = match entry.map(|entry| entry.state) {
                None | Some(State::RolledBack) => Standing::Pending,
                Some(State::Running) => Standing::Running,
                Some(State::Failed) if entry.is_some_and(Entry::is_stopped) => Standing::Stopped,
                Some(State::Failed) => Standing::Failed,
                Some(State::Completed) if entry.is_some_and(changed) => Standing::Changed,
                Some(State::Completed) => Standing::Applied,
            };
            MigrationStatus {
                version: migration.version().clone(),
                name: migration.name().to_owned(),
                task: migration.task().map(str::to_owned),
                standing,
                entry: entry.cloned(),
            }
        });
        let gone = |entry: &&Entry| set.get(&entry.version).is_none() && entry.state != State::RolledBack;
        let unknown = history.entries.iter().filter(gone).map(|entry| MigrationStatus {
            version: entry.version.clone(),
            name: entry.name.clone(),
            task: entry.task.clone(),
            standing: Standing::Unknown,
            entry: Some(entry.clone()),
        });
        let mut all: Vec<MigrationStatus> = known.chain(unknown).collect();
        all.sort_by(|a, b| a.version.cmp(&b.version));
        let holder = match &history.holder {
            Holder::Session(runner) => Some((**runner).clone()),
            Holder::Nobody | Holder::Unknown => None,
        };
        Self {
            current: history.current().cloned(),
            minimum_supported: set.minimum_supported().cloned(),
            migrations: all,
            history_table: table.to_owned(),
            holder,
        }
    }

    /// The migrations that stand like this.
    pub fn standing(&self, standing: Standing) -> impl Iterator<Item = &MigrationStatus> {
        self.migrations.iter().filter(move |migration| migration.standing == standing)
    }

    /// Whether everything of this binary is applied as it is, and nothing else is.
    pub fn is_up_to_date(&self) -> bool {
        self.migrations.iter().all(|migration| migration.standing == Standing::Applied)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |standing| self.standing(standing).count();
        match &self.current {
            Some(current) => write!(f, "at {current}: {} applied", count(Standing::Applied))?,
            None => f.write_str("nothing is applied")?,
        }
        let others = [
            Standing::Pending,
            Standing::Changed,
            Standing::Unknown,
            Standing::Failed,
            Standing::Stopped,
            Standing::Running,
        ];
        for standing in others {
            if count(standing) > 0 {
                write!(f, ", {} {standing}", count(standing))?;
            }
        }
        write!(f, " (history {})", self.history_table)?;
        if let (Some(current), Some(minimum)) = (&self.current, &self.minimum_supported)
            && current < minimum
        {
            write!(f, "\n  below {minimum}, the oldest that this binary supports")?;
        }
        if let Some(runner) = &self.holder {
            write!(f, "\n  held by {runner}")?;
        }
        let label = |it: &MigrationStatus| format!("{} {}", it.version, it.name);
        let width = self.migrations.iter().map(|it| label(it).chars().count()).max().unwrap_or(0);
        let tasks = self.migrations.iter().filter_map(|it| it.task.as_ref()).map(String::len).max().unwrap_or(0);
        for migration in &self.migrations {
            write!(f, "\n  {:width$}  ", label(migration))?;
            if tasks > 0 {
                write!(f, "{:tasks$}  ", migration.task.as_deref().unwrap_or(""))?;
            }
            write!(f, "{:8}", migration.standing)?;
            if let Some(entry) = migration.entry.as_ref().filter(|entry| entry.state != State::RolledBack) {
                let took = entry.duration_ms.map(|it| Took(std::time::Duration::from_millis(it.max(0) as u64)));
                let took = took.map_or_else(String::new, |took| took.to_string());
                write!(f, "  {}  {took:>7}  {}", entry.started_at, entry.applied_by)?;
                if let Some(undone) = entry.undone {
                    write!(f, ", {undone} of {} statements rolled back", entry.statements)?;
                }
            }
        }
        Ok(())
    }
}
