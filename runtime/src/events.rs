//! Who did what when: the rows that are only ever added.

use whimbrel_core::{Migrations, Version};

use crate::backoff::Backoff;
use crate::driver::Answer;
use crate::engine;
use crate::error::{Error, ErrorKind, Result};
use crate::migrator::{Migrator, bounded, opened};

/// One thing that happened to the history.
///
/// Times are the database's, in UTC: `2025-03-01 12:00:04.128Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its number: they count from 1, and whoever comes next takes the next one.
    pub id: i64,
    /// When it happened.
    pub at: String,
    /// What happened; newer releases may know more:
    ///
    /// | | |
    /// |---|---|
    /// | `started` | a step outside a transaction began, or went on |
    /// | `applied`, `rolled_back`, `baselined` | a migration was, all of it |
    /// | `failed` | a statement failed; [`detail`](Self::detail) says why |
    /// | `stopped` | a run ended between two statements, since it was asked to; the next one goes on |
    /// | `backed_up` | the database was, before the first change; [`detail`](Self::detail) says where to |
    /// | `resolved` | a person, or the catalogue, said what became of a statement, or of a migration |
    /// | `forced` | a person said which version the database has |
    /// | `taken_over` | a runner without a sign of life lost the right to migrate |
    pub what: String,
    /// The migration; prints as its file wrote it, where this binary knows it.
    pub version: Option<Version>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Who did it: `user@host`.
    pub applied_by: String,
    /// What did it: `shop 2.3.0`.
    pub application: String,
    /// Why, or from whom.
    pub detail: Option<String>,
}

/// The columns that every driver selects, in the order in which [`Event::from_row`] takes them, all as text.
pub(crate) const COLUMNS: [&str; 8] =
    ["id", "at", "what", "version", "duration_ms", "applied_by", "application", "detail"];

impl Event {
    /// Reads a row whose columns are [`COLUMNS`] as text.
    pub(crate) fn from_row(row: Vec<Option<String>>) -> Option<Self> {
        let mut columns = row.into_iter();
        let mut next = || columns.next().flatten();
        Some(Self {
            id: next()?.parse().ok()?,
            at: next()?,
            what: next()?,
            version: next().and_then(|key| key.parse().ok()),
            duration_ms: next().and_then(|text| text.parse().ok()),
            applied_by: next()?,
            application: next()?,
            detail: next(),
        })
    }

    /// Reads all rows, the last one first, as the drivers select them.
    pub(crate) fn from_rows(rows: Vec<Vec<Option<String>>>, table: &str) -> Result<Vec<Self>> {
        let events: Option<Vec<Self>> = rows.into_iter().rev().map(Self::from_row).collect();
        events.ok_or_else(|| {
            let message = format!("the events beside {table} hold what is none of ours");
            Error::new(ErrorKind::History, message)
                .help("name another history with `--history-table`, or `.history_table(\"table\")` in the program")
        })
    }

    /// The key in the table is canonical; people know the version as its file writes it.
    fn with_written_version(mut self, set: &Migrations) -> Self {
        let known = self.version.as_ref().and_then(|version| set.get(version));
        self.version = known.map(|migration| migration.version().clone()).or(self.version);
        self
    }
}

impl Migrator<'_> {
    /// What happened to the history, oldest first: all of it, or so many of the last events; none on a fresh database.
    /// Reads only, by one request.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// for event in migrator.events(Some(3)).await? {
    ///     assert_eq!(event.what, "applied");
    ///     println!("{} {} {:?} by {}", event.at, event.what, event.version, event.applied_by);
    /// }
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn events(&mut self, limit: Option<usize>) -> Result<Vec<Event>> {
        self.boxed_events(limit).await
    }

    fn boxed_events(&mut self, limit: Option<usize>) -> Answer<'_, Result<Vec<Event>>> {
        Box::pin(async move {
            let (set, settings) = (self.migrations, &self.settings);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut backoff = Backoff::new(settings.lock_timeout);
            let events = bounded((settings.timeout, dialect), engine::events(&mut **driver, limit, &mut backoff)).await;
            driver.release().await;
            Ok(events?.into_iter().map(|event| event.with_written_version(set)).collect())
        })
    }
}
