//! What a user sets.

use std::time::Duration;

use crate::backup::Backup;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::migrator::Migrator;
use crate::scratch::ScratchDatabase;
use crate::settings::{AllowDowngrade, AutoMigrate, Missing, Newer, OutOfOrder, Settings, ValidateSchema};

impl Migrator<'_> {
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
    /// [`up_to`](Self::up_to) read only, wait for nobody, and end with
    /// [`ErrorKind::Pending`](crate::ErrorKind::Pending) unless nothing is pending.
    pub fn auto_migrate(mut self, auto_migrate: AutoMigrate) -> Self {
        self.settings = self.settings.auto_migrate(auto_migrate);
        self
    }

    /// Whether [`up`](Self::up) and [`up_to`](Self::up_to) validate at their end, as [`validate`](Self::validate) does,
    /// so that a difference is [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); they do not by default. Up to date
    /// then costs the request for the history with its scripts and one for each verify script, instead of the fast path
    /// alone.
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
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused): the text cannot be the name of a table.
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
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked). The one who waits decides by its own lease, so that all
    /// instances should have the same; and it takes over only within its [`lock_timeout`](Self::lock_timeout), which
    /// should be the longer one.
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
}
