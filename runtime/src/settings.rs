//! What a run may do, and how long it may take.

use std::time::Duration;

/// What to do when a pending migration is older than the last applied one.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool)
///     .out_of_order(OutOfOrder::Allow)
///     .missing(Missing::Refuse)
///     .newer(Newer::AllowIfExpanding);
/// migrator.up().await?;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutOfOrder {
    /// Refuse, and name them all.
    #[default]
    Refuse,
    /// Apply them.
    Allow,
}

/// What to do when the database is at a version that this binary does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Newer {
    /// Refuse.
    #[default]
    Refuse,
    /// Go on when all that this binary does not know was of phase *expand*.
    AllowIfExpanding,
    /// Go on.
    Allow,
}

/// What to do when an applied migration, older than the last one of this binary, is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// Refuse, and name them all.
    #[default]
    Refuse,
    /// Go on.
    Allow,
}

/// Milliseconds as databases take them: at least one, and at most what 31 bits hold, which is 24 days.
#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
pub(crate) fn whole_millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}

/// All that a [`Migrator`](crate::Migrator) can be told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) out_of_order: OutOfOrder,
    pub(crate) newer: Newer,
    pub(crate) missing: Missing,
    /// How long to wait for another runner, or for a table that a statement needs.
    pub(crate) lock_timeout: Duration,
    /// How long a runner may give no sign of life before another one takes over.
    pub(crate) lease: Duration,
    /// How long one statement may wait for a lock before it is tried again.
    pub(crate) statement_lock_timeout: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            out_of_order: OutOfOrder::default(),
            newer: Newer::default(),
            missing: Missing::default(),
            lock_timeout: Duration::from_secs(300),
            lease: Duration::from_secs(30),
            statement_lock_timeout: Duration::from_secs(2),
            statement_timeout: None,
            timeout: None,
        }
    }
}
