//! What the rules decide by.

use std::path::Path;

use whimbrel_core::{Dialect, Direction, Migrations, Script};

use crate::doubt::fit;
use crate::driver::{Circumstances, Sizes};
use crate::history::{History, State};
use crate::locks::{Lock, Rows, locks, words};
use crate::settings::Settings;

pub(crate) struct Facts<'f> {
    pub(crate) set: &'f Migrations,
    pub(crate) dialect: Dialect,
    pub(crate) history: &'f History,
    pub(crate) settings: &'f Settings,
    pub(crate) pending: Vec<Pending>,
    pub(crate) sizes: Sizes,
    pub(crate) found: Circumstances,
    pub(crate) sum_file: SumFile,
    pub(crate) backup: Backup,
}

/// A statement that is pending.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// `0008 index_status`.
    pub(crate) label: String,
    /// `migrations/0008_index_status.sql:3`.
    pub(crate) place: String,
    pub(crate) text: String,
    /// The table that it is about, unless a pending one creates it.
    pub(crate) table: Option<String>,
    pub(crate) locks: Vec<Lock>,
}

/// Whether the sums are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SumFile {
    There,
    Missing,
    /// The files are not on this machine.
    Unknown,
}

/// Whether a backup is made before a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backup {
    Made,
    /// Somebody has decided so.
    Off,
    /// Nobody has said anything.
    Unsaid,
}

impl Backup {
    pub(crate) fn of(settings: &Settings) -> Self {
        match &settings.backup {
            backup if backup.is_on() => Self::Made,
            backup if *backup == crate::backup::Backup::default() => Self::Unsaid,
            _ => Self::Off,
        }
    }
}

impl SumFile {
    pub(crate) fn of(set: &Migrations) -> Self {
        let built = set.__source().map(|source| source.directory);
        let directory = Path::new(built.unwrap_or(set.directory()));
        let script = set.iter().flat_map(|migration| migration.scripts()).next();
        // Another directory of that name is none of ours.
        if !script.is_some_and(|script| directory.join(script.path()).is_file()) {
            return Self::Unknown;
        }
        if directory.join("whimbrel.sum").is_file() { Self::There } else { Self::Missing }
    }
}

/// The statements that the next run would send, in order.
pub(crate) fn pending(set: &Migrations, dialect: Dialect, history: &History) -> Vec<Pending> {
    let mut created: Vec<String> = Vec::new();
    let mut all = Vec::new();
    let is_done = |migration: &&whimbrel_core::Migration| {
        history.get(migration.version()).is_some_and(|entry| entry.state == State::Completed)
    };
    for migration in set.iter().filter(|migration| !is_done(migration)) {
        let Some(script) = migration.script(Direction::Up, dialect) else { continue };
        let label = format!("{} {}", migration.version(), migration.name());
        for (text, place) in statements(set, script) {
            let is_new = |table: &str| created.iter().any(|known| words::same(known, table));
            let mut locks = locks(&text, dialect);
            locks.retain(|lock| !lock.table.as_deref().is_some_and(is_new));
            let table = table(&text, dialect).filter(|table| !is_new(table));
            created.extend(words::created(&text, dialect));
            all.push(Pending { label: label.clone(), place, text, table, locks });
        }
    }
    all
}

fn statements(set: &Migrations, script: &Script) -> Vec<(String, String)> {
    let path = set.path_of(script);
    let place = |range| {
        let place = script.place(&path, range);
        place.line().map_or_else(|| place.path().to_owned(), |line| format!("{}:{line}", place.path()))
    };
    script.statements().map(|it| (script.text_of(&it).to_owned(), place(it.range()))).collect()
}

/// The table that a statement is about.
pub(crate) fn table(text: &str, dialect: Dialect) -> Option<String> {
    const SHAPES: [&str; 14] = [
        "alter ?online ?ignore table ?if ?exists ?only *",
        "drop table ?if ?exists *",
        "truncate ?table ?only *",
        "update ?only *",
        "delete from ?only *",
        "insert ?or ?ignore|replace ?into *",
        "create ?or ?replace ?unique|fulltext|spatial index ?concurrently if not exists * on ?only *",
        "create ?unique index ?concurrently on ?only *",
        "create ?or ?replace ?unique|fulltext|spatial index ?concurrently * on ?only *",
        "drop index ?if ?exists * on *",
        "comment on table *",
        "analyze ?verbose ?table *",
        "lock ?table|tables *",
        "vacuum ?full *",
    ];
    let words = words::of(text, dialect);
    SHAPES.iter().find_map(|shape| fit(&words, shape)?.0.into_iter().next_back())
}

/// All tables that the pending statements are about, each once.
pub(crate) fn tables(pending: &[Pending]) -> Vec<String> {
    let named = |it: &Pending| {
        it.table.iter().chain(it.locks.iter().filter_map(|lock| lock.table.as_ref())).cloned().collect::<Vec<_>>()
    };
    let mut tables: Vec<String> = pending.iter().flat_map(named).collect();
    tables.sort();
    tables.dedup();
    tables
}

impl Facts<'_> {
    /// How many rows a table has, where that is known.
    pub(crate) fn rows(&self, table: Option<&str>) -> Option<u64> {
        self.sizes.get(table?).copied()
    }

    /// The pending statements about tables with at least so many rows, each with its table and what to call that.
    pub(crate) fn about_tables_of(&self, rows: u64) -> impl Iterator<Item = (&Pending, String)> {
        self.pending.iter().filter_map(move |it| {
            let table = it.table.as_deref()?;
            let found = self.rows(Some(table)).filter(|found| *found >= rows)?;
            Some((it, format!("{table} ({})", Rows(found))))
        })
    }
}

impl Pending {
    pub(crate) fn words(&self, dialect: Dialect) -> Vec<&str> {
        words::of(&self.text, dialect)
    }
}
