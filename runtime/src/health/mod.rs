//! Whether all is well, for a probe and for whoever is on call.

mod ago;
mod judge;

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use whimbrel_core::{Dialect, Version};

use crate::backoff::Backoff;
use crate::driver::{Agreement, Answer, Detail, Driver};
use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::migrator::{Migrator, opened};
use crate::report::Took;
use judge::{Facts, judge};

pub(crate) use ago::{Ago, since};

/// Whether all is well with a database and its migrations, and what is not; it prints as a person on call reads it:
///
/// ```text
/// degraded
///   2 migrations are pending, 0007 to 0008; the last one was applied 3 days ago   `migrate up`
///   a runner on web-3 (pid 4711) has been silent for 4 minutes                    `migrate up` takes over
/// ```
///
/// Its sentences name hosts, accounts and processes, but no password and no text of a script: fit for whoever may see
/// the service's logs, and no more than [`level`](Self::level) for strangers.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
/// assert_eq!(migrator.health().await.level, Level::Degraded);
/// migrator.up().await?;
/// let health = migrator.health().await;
/// assert!(health.is_healthy(), "{health}");
/// assert_eq!(health.http_status(), 200);
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The worst level of all reasons.
    pub level: Level,
    /// What is not well, the worst first.
    pub reasons: Vec<Reason>,
    /// The highest applied version.
    pub version: Option<Version>,
    /// How many of this binary's migrations are applied as it has them.
    pub applied: usize,
    /// How many are pending.
    pub pending: usize,
    /// How many are applied that this binary does not know.
    pub unknown: usize,
    /// The names of the checks that could be made, in their order: `reachable`, `history`, `checksums`, `interrupted`,
    /// `runner`, `pending`, `unknown`, `agreement`.
    pub checked: Vec<&'static str>,
    /// How long it took to find out.
    pub took: Duration,
}

/// How well it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Level {
    /// Nothing is wrong.
    Healthy,
    /// It works, and somebody should look at it.
    Degraded,
    /// It does not work as it should until somebody has done something.
    Unhealthy,
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Reason {
    /// How bad it is.
    pub level: Level,
    /// What it is.
    pub sentence: String,
    /// What helps; commands of the command line stand in backquotes.
    pub command: Option<String>,
}

/// How long a look may take, unless told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

impl Health {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.level == Level::Healthy
    }

    /// What a probe over HTTP answers: 200, also when degraded, and 503 when unhealthy.
    pub fn http_status(&self) -> u16 {
        if self.level == Level::Unhealthy { 503 } else { 200 }
    }
}

impl Level {
    /// The name that programs know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.level)?;
        if let (true, Some(version)) = (self.reasons.is_empty(), &self.version) {
            return write!(f, ", at {version}");
        }
        let width = |reason: &Reason| reason.sentence.chars().count();
        // One that is much longer than the others does not push their commands off the screen.
        const WIDEST: usize = 80;
        let column = self.reasons.iter().map(width).filter(|width| *width <= WIDEST).max().unwrap_or(0);
        for reason in &self.reasons {
            match &reason.command {
                Some(command) => write!(f, "\n  {:column$}   {command}", reason.sentence)?,
                None => write!(f, "\n  {}", reason.sentence)?,
            }
        }
        Ok(())
    }
}

impl Migrator<'_> {
    /// Whether all is well: the database can be reached, its history read, nothing has failed or was interrupted, what is
    /// applied is what this binary has, whoever migrates gives signs of life, nothing is pending or unknown; of a
    /// cluster, that all nodes have one schema.
    ///
    /// It only reads, in one request or two (of a cluster, one for each node more), waits for nobody, and never fails: what
    /// cannot be reached is [unhealthy](Level::Unhealthy). After [`health_timeout`](Self::health_timeout) it has an
    /// answer in any case.
    pub async fn health(&mut self) -> Health {
        self.boxed_health().await
    }

    /// How long [`health`](Self::health) may take to find out; five seconds by default.
    pub fn health_timeout(mut self, time: Duration) -> Self {
        self.settings.health_timeout = time;
        self
    }

    fn boxed_health(&mut self) -> Answer<'_, Health> {
        Box::pin(async move {
            let (begun, limit) = (Instant::now(), self.settings.health_timeout);
            let driver = match opened(&mut self.driver, self.migrations) {
                Ok(driver) => driver,
                Err(error) => return Health::of_error(&error, begun, None),
            };
            let found = tokio::time::timeout(limit, look(&mut **driver, limit)).await;
            let dialect = driver.dialect();
            // An answer that is still due would be waited for.
            let _ = tokio::time::timeout(limit / 5, driver.release()).await;
            let (history, agreement) = match found {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => return Health::of_error(&error, begun, Some(dialect)),
                Err(_) => return Health::of_error(&late(limit), begun, Some(dialect)),
            };
            let facts = Facts {
                set: self.migrations,
                dialect,
                history: &history,
                settings: &self.settings,
                agreement: &agreement,
                absent: driver.absent(),
                now: SystemTime::now(),
            };
            let health = Health { took: begun.elapsed(), ..judge(facts) };
            crate::metrics::health(&health, &history, dialect);
            health
        })
    }
}

impl Health {
    /// Nothing could be read.
    fn of_error(error: &Error, begun: Instant, dialect: Option<Dialect>) -> Self {
        crate::metrics::unread(dialect);
        Self { took: begun.elapsed(), ..judge::unread(error) }
    }
}

async fn look(driver: &mut dyn Driver, limit: Duration) -> Result<(History, Agreement)> {
    let mut backoff = Backoff::new(limit / 2);
    let history = loop {
        match driver.history(Detail::Entries).await {
            // A writer that lets nobody read for a moment.
            Err(error) if error.kind() == ErrorKind::Locked && backoff.sleep().await => {}
            history => break history?,
        }
    };
    // A node that stands still is no reason to say nothing of the history.
    let agreement = tokio::time::timeout(limit / 2, driver.agreement()).await;
    Ok((history, agreement.unwrap_or(Agreement::Silent)))
}

fn late(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the database has not answered within {}", Took(limit)))
}
