//! How far to go, in either direction.

use whimbrel_core::Version;

/// How far to migrate up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Target {
    /// Everything that is pending.
    #[default]
    Latest,
    /// Up to this version, itself included.
    Version(Version),
    /// So many of the pending ones, lowest first.
    Steps(usize),
}

/// What to roll back.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
/// migrator.up().await?;
/// let report = migrator.down(Rollback::Task("TASK-162".into())).await?;
/// assert!(report.steps().iter().all(|step| step.task.as_deref() == Some("TASK-162")));
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rollback {
    /// So many of the applied ones, last applied first.
    Steps(usize),
    /// Everything above this version, which stays.
    To(Version),
    /// One migration, by its name, its version, or both (`0004_add_email`).
    Name(String),
    /// All migrations of a task.
    Task(String),
    /// Everything.
    All,
}

/// What a person says of a migration, against what the history says; statements are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolve {
    /// The statement at which it was interrupted took effect: the next run goes on behind it.
    Done(usize),
    /// That statement did not: the next run goes on with it.
    Again(usize),
    /// It was edited after it was applied, and that is well: the history gets the scripts and the checksum of this binary.
    Accept,
    /// It is applied, though it is pending, failed or interrupted: nothing of it runs any more.
    Applied,
    /// It is rolled back, though it is applied, failed or interrupted: its down script does not run.
    RolledBack,
}
