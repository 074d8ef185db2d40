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

/// What a person has found of the statement at which a migration was interrupted; statements are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// It took effect: the next run goes on behind it.
    Done(usize),
    /// It did not: the next run goes on with it.
    Again(usize),
}
