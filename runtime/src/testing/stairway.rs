//! Up, down, and up again.

use std::fmt;

use whimbrel_core::{Direction, Migration, Migrations, Version};

use crate::catalogue::compare::compare;
use crate::catalogue::model::Catalogue;
use crate::driver::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::migrator::{Migrator, opened};
use crate::report::migrations;
use crate::target::{Rollback, Target};
use crate::testing::Scratch;

/// How far a [`stairway`] went: all the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stairs {
    /// How many migrations went up, down, and up again.
    pub walked: usize,
    /// Those that have no down script, and only went up.
    pub without_down: Vec<Version>,
}

impl fmt::Display for Stairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} went up, down, and up again", migrations(self.walked))?;
        match self.without_down.len() {
            0 => Ok(()),
            without => write!(f, "; {without} without a down script only up"),
        }
    }
}

/// Applies each migration to a [`Scratch`] database, rolls it back and applies it again, and compares the schema: after the
/// down script it is what it was before, and the second time the up script makes what it made the first time.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> whimbrel::Result<()> {
/// use whimbrel::{Migrations, testing};
///
/// let files = [
///     ("0001_users.up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);"),
///     ("0001_users.down.sql", "DROP TABLE users;"),
///     ("0002_add_email.up.sql", "ALTER TABLE users ADD COLUMN email TEXT;"),
///     ("0002_add_email.down.sql", "SELECT 'nothing';"),
/// ];
/// let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
/// let set = Migrations::from_files(files).unwrap();
/// let error = testing::stairway(&set, "sqlite:").await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the down script of 0002_add_email does not undo its up script: column users.email is still there"
/// );
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
///
/// # Errors
/// [`ErrorKind::Invalid`] for the first migration whose down script does not undo its up script. Else what
/// [`Scratch::create`], [`Migrator::up`] and [`Migrator::down`] return.
pub async fn stairway(set: &Migrations, url: &str) -> Result<Stairs> {
    let boxed: Answer<'_, Result<Stairs>> = Box::pin(walk(set, url));
    boxed.await
}

async fn walk(set: &Migrations, url: &str) -> Result<Stairs> {
    let scratch = Scratch::create(url).await?;
    let mut migrator = Migrator::connect(set, scratch.url())?;
    let dialect = opened(&mut migrator.driver, set)?.dialect();
    let mut stairs = Stairs { walked: 0, without_down: Vec::new() };
    let mut before = catalogue(&mut migrator).await?;
    for migration in set {
        let version = migration.version();
        migrator.up_to(Target::Version(version.clone())).await?;
        let made = catalogue(&mut migrator).await?;
        if migration.script(Direction::Down, dialect).is_none() {
            stairs.without_down.push(version.clone());
            before = made;
            continue;
        }
        migrator.down(Rollback::Steps(1)).await?;
        let left = catalogue(&mut migrator).await?;
        same(&before, &left, || format!("the down script of {} does not undo its up script", label(migration)))?;
        migrator.up_to(Target::Version(version.clone())).await?;
        let again = catalogue(&mut migrator).await?;
        same(&made, &again, || {
            format!("{} does not make the same after its down script as before it", label(migration))
        })?;
        stairs.walked += 1;
        before = again;
    }
    Ok(stairs)
}

fn label(migration: &Migration) -> String {
    format!("{}_{}", migration.version(), migration.name())
}

async fn catalogue(migrator: &mut Migrator<'_>) -> Result<Catalogue> {
    let driver = opened(&mut migrator.driver, migrator.migrations)?;
    let catalogue = driver.catalogue().await;
    driver.release().await;
    catalogue
}

/// What is there beyond what is expected is a difference as well.
fn same(expected: &Catalogue, found: &Catalogue, otherwise: impl FnOnce() -> String) -> Result<()> {
    let page = compare(expected, found);
    let beyond = page.unmanaged.into_iter().map(|it| format!("{it} is still there"));
    let differences: Vec<String> = page.differences.into_iter().chain(beyond).collect();
    if differences.is_empty() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Invalid, format!("{}: {}", otherwise(), differences.join(", ")));
    Err(error.help("let the down script take back all that the up script does; without a down script it is left out"))
}
