//! What a person says of the history as a whole, and of one migration in it: the API.

use whimbrel_core::Version;

use crate::backoff::Backoff;
use crate::driver::{Answer, Detail, Rewriting, Stop};
use crate::engine::{Engine, read};
use crate::error::{Error, Result};
use crate::history::History;
use crate::migrator::{Migrator, bounded, opened};
use crate::plan::{Facts, Goal};
use crate::report::{Action, Report};
use crate::rewrite::{self, Rewrite};
use crate::stopper::Observer;
use crate::target::Resolve;

impl Migrator<'_> {
    /// Says which version the database has, whatever the history says: all of the set up to it is recorded as applied, as
    /// a baseline where it was not, and all above it as not applied. Nothing is run. For those who know `force` of
    /// golang-migrate.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.force(&"5".parse()?).await?;
    /// assert_eq!(migrator.status().await?.current.unwrap().to_string(), "0005");
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused): no migration has the version.
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked): somebody is at work, or was faster.
    pub async fn force(&mut self, version: &Version) -> Result<()> {
        self.boxed_force(version).await
    }

    /// What [`force`](Self::force) would write, a sentence each; none where the history says so already. Reads only.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// for sentence in migrator.plan_force(&"5".parse()?).await? {
    ///     println!("{sentence}");
    /// }
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// What [`force`](Self::force) would refuse.
    pub async fn plan_force(&mut self, version: &Version) -> Result<Vec<String>> {
        self.boxed_plan_force(version).await
    }

    /// What [`resolve`](Self::resolve) would write, a sentence each; reads only.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// let sentences = migrator.plan_resolve(&"13".parse()?, Resolve::RolledBack).await?;
    /// assert!(sentences[0].ends_with("state completed → rolled_back"));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// What [`resolve`](Self::resolve) would refuse.
    pub async fn plan_resolve(&mut self, version: &Version, resolve: Resolve) -> Result<Vec<String>> {
        self.boxed_plan_resolve(version, resolve).await
    }

    fn boxed_force<'r>(&'r mut self, version: &'r Version) -> Answer<'r, Result<()>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set, driver: &mut **driver, settings, identity };
            let result = bounded((settings.timeout, dialect), engine.force(version)).await;
            driver.release().await;
            result
        })
    }

    fn boxed_plan_force<'r>(&'r mut self, version: &'r Version) -> Answer<'r, Result<Vec<String>>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set, driver: &mut **driver, settings, identity };
            let result = bounded((settings.timeout, dialect), engine.plan_force(version)).await;
            driver.release().await;
            result
        })
    }

    fn boxed_plan_resolve<'r>(&'r mut self, version: &'r Version, resolve: Resolve) -> Answer<'r, Result<Vec<String>>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set, driver: &mut **driver, settings, identity };
            let result = bounded((settings.timeout, dialect), engine.plan_resolve(version, resolve)).await;
            driver.release().await;
            result
        })
    }
}

impl Engine<'_, '_> {
    pub(crate) fn facts<'f>(&'f self, history: &'f History) -> Facts<'f, 'f> {
        let (set, dialect, settings) = (self.set, self.driver.dialect(), self.settings);
        Facts { set, dialect, history, settings, application: &self.identity.application }
    }

    async fn force(&mut self, version: &Version) -> Result<()> {
        let history = read(self.driver, Detail::Scripts, &mut Backoff::new(self.settings.lock_timeout)).await?;
        if !history.present {
            let observer = Observer::default();
            return self.run(Goal::Baseline(version.clone()), &mut Report::default(), &observer).await;
        }
        match rewrite::forced(self.facts(&history), version, self.identity)? {
            Some(rewrite) => self.rewrite(&history, &rewrite).await,
            None => Ok(()),
        }
    }

    async fn plan_force(&mut self, version: &Version) -> Result<Vec<String>> {
        let history = read(self.driver, Detail::Scripts, &mut Backoff::new(self.settings.lock_timeout)).await?;
        if history.present {
            let forced = rewrite::forced(self.facts(&history), version, self.identity)?;
            return Ok(forced.map_or_else(Vec::new, |rewrite| rewrite.sentences()));
        }
        let plan = self.decide(&Goal::Baseline(version.clone())).await?;
        let sentence = |step: &crate::plan::Step<'_>| {
            let label = format!("{} {}", step.version, step.name);
            format!("entry {label}: state none → completed, as a baseline; event `{}`", Action::Baseline.past())
        };
        Ok(plan.steps.iter().map(sentence).collect())
    }

    /// Writes a change of entries, unless anything has happened since the history was read.
    pub(crate) async fn rewrite(&mut self, history: &History, rewrite: &Rewrite) -> Result<()> {
        match self.driver.rewrite(Rewriting { rewrite, history, identity: self.identity }).await {
            Ok(()) => Ok(()),
            Err(Stop::Broken(error)) => Err(error),
            Err(_) => Err(faster()),
        }
    }
}

fn faster() -> Error {
    rewrite::at_work("at work, or was faster")
}
