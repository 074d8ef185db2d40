//! The API.

mod bounded;
mod opened;
mod questions;
mod setters;

use std::time::Instant;

use tracing::Instrument as _;
use whimbrel_core::{Migrations, Version};

use crate::database::{self, Database};
use crate::driver::{Answer, Driver};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::log;
use crate::plan::Goal;
use crate::report::Report;
use crate::settings::{Settings, ValidateSchema};
use crate::stale::refuse_stale;
use crate::stopper::Observer;
use crate::target::{Resolve, Rollback, Target};
use crate::validation::{Occasion, check_valid, validate};

pub(crate) use bounded::bounded;
pub(crate) use opened::opened;
pub(crate) use questions::read;

/// Applies everything that is pending: the 95 % case, for the start of a service.
///
/// Any number of instances may call it at once: one applies, the others wait and find nothing to do. Up to date costs
/// one round trip.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use whimbrel::{Migrations, embed_migrations};
///
/// static MIGRATIONS: Migrations = embed_migrations!("../migrations");
///
/// let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let report = whimbrel::migrate(&MIGRATIONS, &pool).await?;
/// println!("{report}");
/// # assert_eq!(report.applied(), MIGRATIONS.len());
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
///
/// # Errors
/// Anything of [`ErrorKind`](crate::ErrorKind); [`Error::report`] tells what was done before.
pub async fn migrate<'a>(migrations: &'a Migrations, database: impl Database<'a>) -> Result<Report> {
    Migrator::new(migrations, database).up().await
}

/// Brings one database to where a set of migrations wants it, and tells where it stands.
///
/// Settings are orthogonal, each with one default. A migrator holds a connection only while one of its methods runs.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool)
///     .application("shop 2.3.0")
///     .lock_timeout(std::time::Duration::from_secs(30));
/// let report = migrator.up().await?;
/// assert_eq!(report.applied(), MIGRATIONS.len());
/// assert!(migrator.up().await?.is_up_to_date());
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[must_use = "a migrator does nothing until one of its methods is awaited"]
pub struct Migrator<'a> {
    pub(crate) migrations: &'a Migrations,
    /// An error at the start is kept for the first method that can return it.
    pub(crate) driver: Result<Box<dyn Driver + 'a>, Option<Error>>,
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
    pub(crate) observer: Observer<'a>,
}

impl<'a> Migrator<'a> {
    /// A migrator for a pool (`&SqlitePool`, `&PgPool`, `&MySqlPool`), or for a `&mut` connection outside a transaction.
    ///
    /// With a pool it asks whether all is up to date on an idle connection, and does all else on one of its own, made from the pool's options but without
    /// a log of its statements: `after_connect` does not run on it. Only on a SQLite database in memory, and on a
    /// caller's connection, statements are logged as that connection's options say.
    ///
    /// A future that is dropped leaves nothing behind on a pool, nor on a SQLite connection. On a PostgreSQL or
    /// MySQL connection that was passed in it may leave a statement at work, an aborted transaction, or the lock: close it.
    /// A MySQL server goes on with the statement whatever becomes of its client; the next run waits for that.
    pub fn new(migrations: &'a Migrations, database: impl Database<'a>) -> Self {
        Self {
            migrations,
            driver: database.into_driver().map(|ready| ready.0).map_err(Some),
            settings: Settings::default(),
            identity: Identity::new(migrations),
            observer: Observer::default(),
        }
    }

    /// A migrator for a URL, such as `postgres://user:password@host/database` or `sqlite://app.db` (whose file is
    /// created unless the URL gives a `mode`).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::connect(&MIGRATIONS, "sqlite::memory:")?;
    /// println!("{}", migrator.up().await?);
    ///
    /// let error = Migrator::connect(&MIGRATIONS, "oracle://scott:tiger@host/shop").err().unwrap();
    /// assert_eq!(error.kind(), ErrorKind::Refused);
    /// assert!(!error.to_string().contains("tiger"));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused): the URL cannot be read, or its database is no feature of this
    /// build. The URL is not echoed. Whether the database can be reached shows in the first method.
    pub fn connect(migrations: &'a Migrations, url: &str) -> Result<Self> {
        let driver = database::open(url)?;
        let (settings, identity) = (Settings::default(), Identity::new(migrations));
        Ok(Self { migrations, driver: Ok(driver), settings, identity, observer: Observer::default() })
    }

    /// Applies everything that is pending.
    ///
    /// # Errors
    /// Anything of [`ErrorKind`](crate::ErrorKind); [`Error::report`] tells what was done before.
    pub async fn up(&mut self) -> Result<Report> {
        self.run(Goal::Up(Target::Latest)).await
    }

    /// Applies what is pending, as far as the target says.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up_to(Target::Version("3".parse()?)).await?;
    /// let report = migrator.up_to(Target::Steps(1)).await?;
    /// assert_eq!(report.current().unwrap().to_string(), "0004");
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`up`](Self::up); [`ErrorKind::Refused`](crate::ErrorKind::Refused) when no migration has the target's
    /// version.
    pub async fn up_to(&mut self, target: Target) -> Result<Report> {
        self.run(Goal::Up(target)).await
    }

    /// Rolls back: by steps, to a version, by name, or a whole task.
    ///
    /// The script is this binary's, or the one that the history has stored when this binary does not know the
    /// migration.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// migrator.down(Rollback::Steps(1)).await?;
    /// migrator.down(Rollback::To("3".parse()?)).await?;
    /// let report = migrator.down(Rollback::All).await?;
    /// assert_eq!(report.applied(), 0);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoWayBack`](crate::ErrorKind::NoWayBack) when one of them cannot be rolled back: then none is. Else
    /// as [`up`](Self::up).
    pub async fn down(&mut self, rollback: Rollback) -> Result<Report> {
        self.run(Goal::Down(rollback)).await
    }

    /// Records the migrations up to a version as applied, running nothing: an existing database starts here.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// // The tables of the first five migrations are there already; whimbrel has never been.
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.baseline(&"5".parse()?).await?;
    /// assert_eq!(migrator.pending().await?[0].to_string(), "0006");
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) when the database has a history already, or no migration has
    /// the version.
    pub async fn baseline(&mut self, version: &Version) -> Result<Report> {
        self.run(Goal::Baseline(version.clone())).await
    }

    /// Settles the statement at which a run outside a transaction was interrupted, where only a person can tell
    /// ([`ErrorKind::InDoubt`](crate::ErrorKind::InDoubt)); statements are counted from 1.
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.resolve(&"3".parse()?, Resolve::Done(2)).await?;
    /// migrator.up().await?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused): the migration does not stand at that statement.
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked): somebody is at it.
    pub async fn resolve(&mut self, version: &Version, resolve: Resolve) -> Result<()> {
        self.boxed_resolve(version, resolve).await
    }

    fn boxed_resolve<'r>(&'r mut self, version: &'r Version, resolve: Resolve) -> Answer<'r, Result<()>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let mut engine = Engine { set, driver: &mut **driver, settings, identity };
            let result = bounded((settings.timeout, dialect), engine.resolve(version, resolve)).await;
            driver.release().await;
            result
        })
    }

    fn run(&mut self, goal: Goal) -> Answer<'_, Result<Report>> {
        Box::pin(async move {
            refuse_stale(self.migrations)?;
            let started = Instant::now();
            let mut report = Report::default();
            let (migrations, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let observer = &self.observer;
            let driver = opened(&mut self.driver, migrations)?;
            let (dialect, applies) = (driver.dialect(), matches!(goal, Goal::Up(_)));
            let span = log::run_span(&goal, dialect, identity, driver.history_table());
            let mut engine = Engine { set: migrations, driver: &mut **driver, settings, identity };
            let all = async {
                engine.run(goal, &mut report, observer).await?;
                match settings.validate_schema {
                    ValidateSchema::On if applies => check_valid(&validate(&mut engine, Occasion::Run).await?),
                    _ => Ok(()),
                }
            };
            let result = bounded((settings.timeout, dialect), all).instrument(span.clone()).await;
            driver.release().await;
            report.took(started);
            span.in_scope(|| log::run_ended(&report, result.as_ref().err()));
            crate::metrics::run(migrations, dialect, &report, result.as_ref().err());
            match result {
                Ok(()) => Ok(report),
                // Without a plan there is nothing to tell.
                Err(error) if report.steps().is_empty() => Err(error),
                Err(error) => Err(error.with_report(report)),
            }
        })
    }
}
