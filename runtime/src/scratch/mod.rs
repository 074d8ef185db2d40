//! A database that is made, used and gone: what a set of scripts makes is found out by running them there.

mod drift;
pub(crate) mod made;
pub(crate) mod name;
mod reach;
mod rebuild;

use std::fmt;

use crate::driver::Driver;

pub(crate) use drift::{Unbuilt, drift};
pub(crate) use made::Made;
pub(crate) use rebuild::told;

/// Where the schema that the migrations make is built, so that the database's own can be compared with it.
///
/// SQLite needs none: it is built in memory.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool).scratch_database(ScratchDatabase::Create);
/// migrator.up().await?;
/// sqlx::query("ALTER TABLE users ADD COLUMN nickname TEXT").execute(&pool).await?;
/// sqlx::query("DROP VIEW unread_messages").execute(&pool).await?;
///
/// let validation = migrator.validate().await?;
/// assert_eq!(validation.differences, ["view unread_messages is missing"]);
/// assert_eq!(validation.unmanaged, ["column users.nickname"]);
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ScratchDatabase {
    /// In a database, or a keyspace, of random name beside the one that is validated, where the role may create one; it
    /// is dropped afterwards. Its name begins with `whimbrel_scratch_`.
    #[default]
    Create,
    /// In the database of this URL, which must be empty, and is emptied afterwards.
    Url(String),
    /// Nowhere: the schema is not compared.
    Never,
}

/// A URL may hold a password.
impl fmt::Debug for ScratchDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "Create",
            Self::Url(_) => "Url(…)",
            Self::Never => "Never",
        })
    }
}

/// A scratch database that is there, empty.
pub(crate) struct Scratch {
    /// Dropped before the database is, since fields are dropped in their order.
    pub(crate) driver: Box<dyn Driver>,
    /// `None` where it goes by itself: SQLite's in memory.
    pub(crate) made: Option<Made>,
    /// Databases of earlier runs that died.
    pub(crate) leftovers: Vec<String>,
}

impl Scratch {
    /// Ends it where its connection leads elsewhere, as one through a pooler may, before anything is run there.
    pub(crate) async fn sure(mut self) -> Result<Self, String> {
        // What goes by itself is of this process alone.
        let Some(made) = &self.made else { return Ok(self) };
        let name = made.name.rsplit(' ').next().unwrap_or_default().to_owned();
        match leads_to(&mut *self.driver, &name).await {
            Ok(()) => Ok(self),
            Err(why) => {
                let stays = self.dispose().await.map(|stays| format!("; {stays}"));
                Err(why + &stays.unwrap_or_default())
            }
        }
    }

    /// Ends it; what cannot be dropped is told.
    pub(crate) async fn dispose(self) -> Option<String> {
        let Self { mut driver, made, .. } = self;
        driver.release().await;
        drop(driver);
        made?.end().await
    }
}

/// Asks the server whether the driver's connection is one to its database of that name.
pub(crate) async fn leads_to(driver: &mut dyn Driver, name: &str) -> Result<(), String> {
    match driver.whereabouts().await.map_err(|error| told(&error))?.database {
        found if found == name => Ok(()),
        found => Err(format!("a connection to the scratch database {name} leads to {found}; nothing was run there")),
    }
}
