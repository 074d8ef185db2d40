//! The API.

use std::time::{Duration, Instant};

use tracing::Instrument as _;
use whimbrel_core::{Dialect, Migrations, Version};

use crate::backoff::Backoff;
use crate::backup::Backup;
use crate::cluster::Cluster;
use crate::database::{self, Database};
use crate::driver::{Answer, Detail, Driver};
use crate::engine::{self, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, History};
use crate::identity::Identity;
use crate::log;
use crate::plan::{Goal, Plan};
use crate::report::{Report, Took};
use crate::scratch::ScratchDatabase;
use crate::settings::{AllowDowngrade, AutoMigrate, Missing, Newer, OutOfOrder, Settings, ValidateSchema};
use crate::stale::refuse_stale;
use crate::status::Status;
use crate::stopper::Observer;
use crate::target::{Resolve, Rollback, Target};
use crate::validation::{Occasion, Validation, check_valid, validate};

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
/// Anything of [`ErrorKind`]; [`Error::report`] tells what was done before.
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
    /// [`ErrorKind::Refused`]: the URL cannot be read, or its database is no feature of this build. The URL is not
    /// echoed. Whether the database can be reached shows in the first method.
    pub fn connect(migrations: &'a Migrations, url: &str) -> Result<Self> {
        let driver = database::open(url)?;
        let (settings, identity) = (Settings::default(), Identity::new(migrations));
        Ok(Self { migrations, driver: Ok(driver), settings, identity, observer: Observer::default() })
    }

    /// All settings at once, instead of those that it has; a setter that comes later wins.
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// // SHOP_AUTO_MIGRATE, SHOP_MIGRATION_TIMEOUT, SHOP_VALIDATE_SCHEMA, …
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool).settings(Settings::from_env("SHOP")?);
    /// println!("{}", migrator.up().await?);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    pub fn settings(mut self, settings: Settings) -> Self {
        if let Ok(driver) = &mut self.driver {
            driver.use_history_table(settings.history_table.clone());
        }
        self.settings = settings;
        self
    }

    /// Whether this process may apply what is pending; it may by default. Where it may not, [`up`](Self::up) and
    /// [`up_to`](Self::up_to) read only, wait for nobody, and end with [`ErrorKind::Pending`] unless nothing is pending.
    pub fn auto_migrate(mut self, auto_migrate: AutoMigrate) -> Self {
        self.settings = self.settings.auto_migrate(auto_migrate);
        self
    }

    /// Whether [`up`](Self::up) and [`up_to`](Self::up_to) validate at their end, as [`validate`](Self::validate) does,
    /// so that a difference is [`ErrorKind::Invalid`]; they do not by default. Up to date then costs the request for the
    /// history with its scripts and one for each verify script, instead of the fast path alone.
    pub fn validate_schema(mut self, validate: ValidateSchema) -> Self {
        self.settings = self.settings.validate_schema(validate);
        self
    }

    /// Whether [`up`](Self::up) first rolls back what a newer binary has applied, with the down scripts that it has stored;
    /// it refuses by default. It is one plan: where one of them has no way back, nothing is run.
    pub fn allow_downgrade(mut self, allow: AllowDowngrade) -> Self {
        self.settings = self.settings.allow_downgrade(allow);
        self
    }

    /// Where [`validate`](Self::validate) builds the schema that the migrations make, to compare the database's own with
    /// it: by default in a database of random name that it creates and drops, where it may; SQLite's is in memory.
    /// Runs with [`ValidateSchema::On`] compare the schema only where this was said, and on SQLite.
    pub fn scratch_database(mut self, scratch: ScratchDatabase) -> Self {
        self.settings = self.settings.scratch_database(scratch);
        self
    }

    /// The same in the database of this URL, which must be empty, and is emptied afterwards.
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// let scratch = std::env::var("SCRATCH_URL")?;
    /// let mut migrator = Migrator::connect(&MIGRATIONS, "postgres://app@db.internal/shop")?.scratch_url(scratch);
    /// println!("{}", migrator.validate().await?);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    pub fn scratch_url(self, url: impl Into<String>) -> Self {
        self.scratch_database(ScratchDatabase::Url(url.into()))
    }

    /// Keeps the history in this table, `table` or `schema.table`, instead of `whimbrel_history` in PostgreSQL's schema
    /// `public`; the events stand beside it (`app.schema_history`, `app.schema_events`), and who is at a step outside a
    /// transaction (`app.schema_lock`).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool).history_table("schema_history")?;
    /// migrator.up().await?;
    /// let entries = sqlx::query("SELECT version FROM schema_history").fetch_all(&pool).await?;
    /// assert_eq!(entries.len(), MIGRATIONS.len());
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Refused`]: the text cannot be the name of a table.
    pub fn history_table(mut self, name: &str) -> Result<Self> {
        let settings = std::mem::take(&mut self.settings);
        Ok(self.settings(settings.history_table(name)?))
    }

    /// How long to wait for another runner, for tables that other sessions hold, or for a PostgreSQL server that
    /// is starting or has no connection left; five minutes by default. For the tables that a script needs its own
    /// `-- whimbrel:wait` wins, and another runner at work on it is waited for as long.
    pub fn lock_timeout(mut self, time: Duration) -> Self {
        self.settings.lock_timeout = time;
        self
    }

    /// How long a runner at a step outside a transaction may give no sign of life before another one, which waits for
    /// it, ends its session and goes on in its place; 30 seconds by default (PostgreSQL, MySQL and MariaDB).
    ///
    /// While a statement runs, a sign is given every third of this time, from a second connection that is opened for
    /// it. A program whose runtime is blocked for longer, that is paused, or that gets no second connection is taken
    /// over: the database rolls back its statement and takes no other from it, and its run ends with
    /// [`ErrorKind::Locked`]. The one who waits decides by its own lease, so that all instances should have the same;
    /// and it takes over only within its [`lock_timeout`](Self::lock_timeout), which should be the longer one.
    ///
    /// On a connection that was passed in there is no second one: such a runner is waited for, and nobody takes over.
    pub fn lease(mut self, time: Duration) -> Self {
        self.settings.lease = time;
        self
    }

    /// How long a statement may wait for a lock before its step is rolled back and tried again, within
    /// [`lock_timeout`](Self::lock_timeout); two seconds by default (PostgreSQL; MySQL, in whole seconds). Meanwhile others queue behind it.
    pub fn statement_lock_timeout(mut self, time: Duration) -> Self {
        self.settings.statement_lock_timeout = time;
        self
    }

    /// How long one statement may take; without limit by default. `-- whimbrel:timeout` of a script wins.
    pub fn statement_timeout(mut self, time: Duration) -> Self {
        self.settings.statement_timeout = Some(time);
        self
    }

    /// How long all of a call may take; without limit by default.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.settings.timeout = Some(time);
        self
    }

    /// Whether the database is backed up before [`up`](Self::up), [`up_to`](Self::up_to) and [`down`](Self::down) change
    /// it, and how; it is not by default.
    pub fn backup_before_migration(mut self, backup: Backup) -> Self {
        self.settings.backup = backup;
        self
    }

    /// What to do when a pending migration is older than the last applied one; refuse by default.
    pub fn out_of_order(mut self, policy: OutOfOrder) -> Self {
        self.settings.out_of_order = policy;
        self
    }

    /// What to do when the database is at a version that this binary does not know; refuse by default.
    pub fn newer(mut self, policy: Newer) -> Self {
        self.settings.newer = policy;
        self
    }

    /// What to do when an applied migration is missing in this binary; refuse by default.
    pub fn missing(mut self, policy: Missing) -> Self {
        self.settings.missing = policy;
        self
    }

    /// How a cluster of ScyllaDB or Cassandra is treated; other databases know nothing of it.
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        if let Ok(driver) = &mut self.driver {
            driver.use_cluster(cluster);
        }
        self
    }

    /// The name and version that the history records as having migrated, such as `shop 2.3.0`; by default the package
    /// that embeds the set, or the name of the executable.
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.identity.application = name.into();
        self
    }

    /// Applies everything that is pending.
    ///
    /// # Errors
    /// Anything of [`ErrorKind`]; [`Error::report`] tells what was done before.
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
    /// As [`up`](Self::up); [`ErrorKind::Refused`] when no migration has the target's version.
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
    /// [`ErrorKind::NoWayBack`] when one of them cannot be rolled back: then none is. Else as [`up`](Self::up).
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
    /// [`ErrorKind::Refused`] when the database has a history already, or no migration has the version.
    pub async fn baseline(&mut self, version: &Version) -> Result<Report> {
        self.run(Goal::Baseline(version.clone())).await
    }

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
            let is_open =
                matches!(migration.standing, crate::status::Standing::Pending | crate::status::Standing::Failed);
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
    /// one that they make in a [scratch database](ScratchDatabase); changes nothing.
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

    /// Settles the statement at which a run outside a transaction was interrupted, where only a person can tell
    /// ([`ErrorKind::InDoubt`]); statements are counted from 1.
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
    /// [`ErrorKind::Refused`]: the migration does not stand at that statement. [`ErrorKind::Locked`]: somebody is at it.
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

/// Ends what takes longer than it may.
pub(crate) async fn bounded<T>(
    (limit, dialect): (Option<Duration>, Dialect),
    all: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(limit) = limit else { return all.await };
    tokio::time::timeout(limit, all).await.unwrap_or_else(|_| Err(took_too_long(limit, dialect)))
}

fn took_too_long(limit: Duration, dialect: Dialect) -> Error {
    let help = match dialect {
        // Nothing takes a request back that a node of a cluster has received.
        Dialect::Cql => {
            "run it again: what is applied stays, and it finds out what became of the statement that was under way, \
             which the cluster may still carry out"
        }
        _ => {
            "run it again: what is applied stays, and the request that was under way completes or rolls back by itself"
        }
    };
    Error::new(ErrorKind::Timeout, format!("the run took longer than {}", Took(limit))).help(help)
}

/// The driver, when it could be made and the set is written for it.
pub(crate) fn opened<'d, 'a>(
    driver: &'d mut Result<Box<dyn Driver + 'a>, Option<Error>>,
    set: &Migrations,
) -> Result<&'d mut Box<dyn Driver + 'a>> {
    match driver {
        Ok(driver) => {
            let dialect = driver.dialect();
            if set.supports(dialect) {
                return Ok(driver);
            }
            let written: Vec<&str> = set.dialects().map(whimbrel_core::Dialect::name).collect();
            let message = format!("the migrations are written for {}, not for {dialect}", written.join(" and "));
            Err(Error::new(ErrorKind::Refused, message)
                .help(format!("migrate another database, or add `{}` variants of all migrations", variant(dialect))))
        }
        Err(error) => Err(error.take().unwrap_or_else(|| {
            Error::new(ErrorKind::Refused, "this migrator could not be made").help("make a new one")
        })),
    }
}

/// How the names of a dialect's own scripts end.
fn variant(dialect: whimbrel_core::Dialect) -> String {
    match dialect {
        whimbrel_core::Dialect::Cql => ".cql".to_owned(),
        dialect => format!(".{dialect}.sql"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_takes_nothing_back_by_itself() {
        let help = |dialect| took_too_long(Duration::from_secs(1), dialect).help_text().unwrap_or_default().to_owned();
        assert!(help(Dialect::Postgres).contains("rolls back"));
        assert!(!help(Dialect::Cql).contains("rolls back"));
    }
}
