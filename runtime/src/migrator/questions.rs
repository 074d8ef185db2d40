//! What a user asks: nothing here changes a database.

use whimbrel_core::Version;

use crate::backoff::Backoff;
use crate::driver::{Answer, Detail, Driver};
use crate::engine::{self, Engine};
use crate::error::Result;
use crate::history::{Entry, History};
use crate::migrator::{Migrator, bounded, opened};
use crate::plan::{Goal, Plan};
use crate::settings::Settings;
use crate::status::{Standing, Status};
use crate::target::{Rollback, Target};
use crate::validation::{Occasion, Validation, validate};

impl<'a> Migrator<'a> {
    /// What [`up_to`](Self::up_to) would do; reads only.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// let plan = migrator.plan(Target::Steps(2)).await?;
    /// for step in plan.steps() {
    ///     println!("{} {}: {}", step.version(), step.name(), step.path());
    /// }
    /// assert_eq!(plan.steps().len(), 2);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// What [`up_to`](Self::up_to) would refuse.
    pub async fn plan(&mut self, target: Target) -> Result<Plan<'a>> {
        self.decide(Goal::Up(target)).await
    }

    /// What [`down`](Self::down) would do; reads only.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// println!("{}", migrator.plan_down(Rollback::Task("TASK-162".into())).await?);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// What [`down`](Self::down) would refuse.
    pub async fn plan_down(&mut self, rollback: Rollback) -> Result<Plan<'a>> {
        self.decide(Goal::Down(rollback)).await
    }

    /// Where the database stands; reads only, and refuses nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up_to(Target::Steps(3)).await?;
    /// let status = migrator.status().await?;
    /// println!("{status}");
    /// assert_eq!(status.standing(Standing::Applied).count(), 3);
    /// assert!(!status.is_up_to_date());
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// The database cannot be reached, or its history cannot be read.
    pub async fn status(&mut self) -> Result<Status> {
        self.boxed_status().await
    }

    /// What is pending, lowest version first; reads only, and refuses nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let pending = Migrator::new(&MIGRATIONS, &pool).pending().await?;
    /// assert_eq!(pending.len(), MIGRATIONS.len());
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn pending(&mut self) -> Result<Vec<Version>> {
        let status = self.boxed_status().await?;
        let pending = status.migrations.iter().filter(|migration| {
            let halfway_back = migration.entry.as_ref().is_some_and(|entry| entry.undone.is_some());
            let is_open = matches!(migration.standing, Standing::Pending | Standing::Failed | Standing::Stopped);
            is_open && !halfway_back
        });
        Ok(pending.map(|migration| migration.version.clone()).collect())
    }

    /// The entries of the history, in the order of application; none on a fresh database.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool).application("shop 2.3.0");
    /// migrator.up().await?;
    /// for entry in migrator.history().await? {
    ///     assert_eq!((entry.state, &*entry.application), (State::Completed, "shop 2.3.0"));
    /// }
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn history(&mut self) -> Result<Vec<Entry>> {
        self.boxed_history().await
    }

    /// Compares all applied migrations with this binary's, asks their verify scripts, and compares the schema with the
    /// one that they make in a [scratch database](crate::ScratchDatabase); changes nothing.
    ///
    /// The scratch database gets the scripts of what is applied, without any data but theirs. Where it cannot be had, or
    /// a script fails there or reaches out of its database (`CREATE ROLE`), [`Validation::unchecked`] says why. Rights,
    /// owners, comments, the order of columns and the names of constraints are not compared.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// let validation = migrator.validate().await?;
    /// assert!(validation.is_valid(), "{validation}");
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`status`](Self::status); what is wrong with the migrations is in the [`Validation`].
    pub async fn validate(&mut self) -> Result<Validation> {
        self.boxed_validate().await
    }

    fn decide(&mut self, goal: Goal) -> Answer<'_, Result<Plan<'a>>> {
        Box::pin(async move {
            let (migrations, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, migrations)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set: migrations, driver: &mut **driver, settings, identity };
            let decided = bounded((settings.timeout, dialect), engine.decide(&goal)).await;
            driver.release().await;
            decided
        })
    }

    fn boxed_status(&mut self) -> Answer<'_, Result<Status>> {
        Box::pin(async move {
            let driver = opened(&mut self.driver, self.migrations)?;
            let history = read(&mut **driver, Detail::Entries, &self.settings).await;
            driver.release().await;
            Ok(Status::new(self.migrations, driver.dialect(), &history?, driver.history_table()))
        })
    }

    fn boxed_history(&mut self) -> Answer<'_, Result<Vec<Entry>>> {
        Box::pin(async move {
            let driver = opened(&mut self.driver, self.migrations)?;
            let history = read(&mut **driver, Detail::Entries, &self.settings).await;
            driver.release().await;
            Ok(history?.entries)
        })
    }

    fn boxed_validate(&mut self) -> Answer<'_, Result<Validation>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set, driver: &mut **driver, settings, identity };
            let validation = bounded((settings.timeout, dialect), validate(&mut engine, Occasion::Asked)).await;
            driver.release().await;
            validation
        })
    }
}

/// The history, for who only looks.
pub(crate) async fn read(driver: &mut dyn Driver, detail: Detail, settings: &Settings) -> Result<History> {
    let mut backoff = Backoff::new(settings.lock_timeout);
    let dialect = driver.dialect();
    bounded((settings.timeout, dialect), engine::read(driver, detail, &mut backoff)).await
}
