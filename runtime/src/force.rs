//! What a person says of the history as a whole, and of one migration in it: the API.

use whimbrel_core::Version;

use crate::backoff::Backoff;
use crate::driver::{Answer, Detail, Rewriting, Stop};
use crate::engine::{Engine, read};
use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::migrator::{Migrator, bounded, opened};
use crate::plan::{self, Facts, Goal};
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

    /// What [`force`](Self::force) would write; no sentence where the history says so already. Reads only.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// for sentence in migrator.plan_force(&"5".parse()?).await?.sentences() {
    ///     println!("{sentence}");
    /// }
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// What [`force`](Self::force) would refuse.
    pub async fn plan_force(&mut self, version: &Version) -> Result<Proposal> {
        self.boxed_propose(Word::Force(version.clone())).await
    }

    /// What [`resolve`](Self::resolve) would write; reads only.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// let proposal = migrator.plan_resolve(&"13".parse()?, Resolve::RolledBack).await?;
    /// assert!(proposal.sentences()[0].ends_with("state completed → rolled_back"));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// What [`resolve`](Self::resolve) would refuse.
    pub async fn plan_resolve(&mut self, version: &Version, resolve: Resolve) -> Result<Proposal> {
        self.boxed_propose(Word::Resolve(version.clone(), resolve)).await
    }

    /// Writes what was shown to a person and confirmed: exactly that, or nothing where anything has happened since.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// let proposal = migrator.plan_force(&"5".parse()?).await?;
    /// println!("{}", proposal.sentences().join("\n"));
    /// // Whoever reads that thinks a while, and agrees.
    /// migrator.write(&proposal).await?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked): somebody is at work, or was faster; and what
    /// [`force`](Self::force) and [`resolve`](Self::resolve) would refuse.
    pub async fn write(&mut self, proposal: &Proposal) -> Result<()> {
        self.boxed_write(proposal).await
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

    fn boxed_propose(&mut self, word: Word) -> Answer<'_, Result<Proposal>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set, driver: &mut **driver, settings, identity };
            let result = bounded((settings.timeout, dialect), engine.propose(word)).await;
            driver.release().await;
            result
        })
    }

    fn boxed_write<'r>(&'r mut self, proposal: &'r Proposal) -> Answer<'r, Result<()>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set, driver: &mut **driver, settings, identity };
            let result = bounded((settings.timeout, dialect), engine.write(proposal)).await;
            driver.release().await;
            result
        })
    }
}

/// What a person's word would write, as it was shown: [`Migrator::plan_force`], [`Migrator::plan_resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    sentences: Vec<String>,
    word: Word,
    last_event: i64,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Force(Version),
    Resolve(Version, Resolve),
}

impl Proposal {
    /// What would be written, a sentence each.
    pub fn sentences(&self) -> &[String] {
        &self.sentences
    }
}

impl Engine<'_, '_> {
    pub(crate) fn facts<'f>(&'f self, history: &'f History) -> Facts<'f, 'f> {
        let (set, dialect, settings) = (self.set, self.driver.dialect(), self.settings);
        Facts { set, dialect, history, settings, application: &self.identity.application }
    }

    async fn propose(&mut self, word: Word) -> Result<Proposal> {
        let history = self.scripts().await?;
        let sentences = self.sentences(&history, &word)?;
        Ok(Proposal { sentences, word, last_event: history.last_event })
    }

    async fn write(&mut self, proposal: &Proposal) -> Result<()> {
        let history = self.scripts().await?;
        if history.last_event != proposal.last_event || self.sentences(&history, &proposal.word)? != proposal.sentences
        {
            let error = Error::new(ErrorKind::Locked, "somebody was faster; nothing was changed");
            return Err(error.help("look again: `migrate status`"));
        }
        match &proposal.word {
            Word::Force(version) => self.force_from(&history, version).await,
            Word::Resolve(version, resolve) => self.resolve_from(&history, version, *resolve).await,
        }
    }

    async fn scripts(&mut self) -> Result<History> {
        read(self.driver, Detail::Scripts, &mut Backoff::new(self.settings.lock_timeout)).await
    }

    fn sentences(&self, history: &History, word: &Word) -> Result<Vec<String>> {
        match word {
            Word::Force(version) => self.sentences_of_force(history, version),
            Word::Resolve(version, resolve) => self.sentences_of_resolve(history, version, *resolve),
        }
    }

    async fn force(&mut self, version: &Version) -> Result<()> {
        let history = self.scripts().await?;
        self.force_from(&history, version).await
    }

    async fn force_from(&mut self, history: &History, version: &Version) -> Result<()> {
        if !history.present {
            let observer = Observer::default();
            return self.run(Goal::Baseline(version.clone()), &mut Report::default(), &observer).await;
        }
        match rewrite::forced(self.facts(history), version, self.identity)? {
            Some(rewrite) => self.rewrite(history, &rewrite).await,
            None => Ok(()),
        }
    }

    fn sentences_of_force(&self, history: &History, version: &Version) -> Result<Vec<String>> {
        if history.present {
            let forced = rewrite::forced(self.facts(history), version, self.identity)?;
            return Ok(forced.map_or_else(Vec::new, |rewrite| rewrite.sentences()));
        }
        let plan = plan::plan(self.facts(history), &Goal::Baseline(version.clone()))?;
        let sentence = |step: &plan::Step<'_>| {
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
            Err(Stop::Lost(cause)) => Err(rewrite::unknown(cause)),
            Err(_) => Err(rewrite::at_work("at work, or was faster")),
        }
    }
}
