//! What a run may do, and how long it may take.

use std::ffi::OsString;
use std::time::Duration;

use crate::backup::Backup;
use crate::environment;
use crate::error::Result;
use crate::scratch::ScratchDatabase;
use crate::table_name::TableName;

/// What to do when a pending migration is older than the last applied one.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut migrator = Migrator::new(&MIGRATIONS, &pool)
///     .out_of_order(OutOfOrder::Allow)
///     .missing(Missing::Refuse)
///     .newer(Newer::AllowIfExpanding);
/// migrator.up().await?;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutOfOrder {
    /// Refuse, and name them all.
    #[default]
    Refuse,
    /// Apply them.
    Allow,
}

/// What to do when the database is at a version that this binary does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Newer {
    /// Refuse.
    #[default]
    Refuse,
    /// Go on when all that this binary does not know was of phase *expand*.
    AllowIfExpanding,
    /// Go on.
    Allow,
}

/// What to do when an applied migration, older than the last one of this binary, is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// Refuse, and name them all.
    #[default]
    Refuse,
    /// Go on.
    Allow,
}

/// Whether a process may apply what is pending, or only look.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let mut service = Migrator::new(&MIGRATIONS, &pool).auto_migrate(AutoMigrate::Off);
/// let error = service.up().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Pending);
///
/// let mut job = Migrator::new(&MIGRATIONS, &pool);
/// job.up().await?;
/// assert!(service.up().await?.is_up_to_date());
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoMigrate {
    /// Apply it.
    #[default]
    On,
    /// Apply nothing: what is pending is an error ([`ErrorKind::Pending`](crate::ErrorKind::Pending)), up to date is
    /// success. What is asked for by name, such as a rollback or a baseline, is done all the same.
    Off,
}

/// What a binary does that is older than its database.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// // The release before this one is deployed again: it takes back what it does not know.
/// let settings = Settings::default().allow_downgrade(AllowDowngrade::RollBack);
/// ensure_ready(&MIGRATIONS, &pool, &settings).await?;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllowDowngrade {
    /// What [`Newer`] says: refuse, by default.
    #[default]
    Refuse,
    /// Roll the database back to this binary's last version, with the down scripts that the history has stored: all of it,
    /// or, where one of them has no way back or a baseline is in the way, nothing.
    RollBack,
}

/// Whether a migrator validates when nothing is pending any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValidateSchema {
    /// Whoever wants to know calls [`Migrator::validate`](crate::Migrator::validate).
    #[default]
    Off,
    /// As [`Migrator::validate`](crate::Migrator::validate) does, also when all was up to date; what is wrong is an error
    /// ([`ErrorKind::Invalid`](crate::ErrorKind::Invalid)). It costs a request for the history with its scripts, and
    /// one for each verify script. The schema is compared on SQLite, and elsewhere where
    /// [`Migrator::scratch_database`](crate::Migrator::scratch_database) has said where that may be done: a start of
    /// ten instances would create ten databases.
    On,
}

/// What a [`Migrator`](crate::Migrator) of any database can be told, as a value: from the environment, or for several
/// migrators.
///
/// Each setter means what the migrator's setter of the same name does.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # use std::time::Duration;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// // Ten minutes for all of it, unless `SHOP_MIGRATION_TIMEOUT` says otherwise.
/// let settings = Settings::default().timeout(Duration::from_secs(600)).with_env("SHOP")?;
/// println!("{}", Migrator::new(&MIGRATIONS, &pool).settings(settings).up().await?);
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "settings do nothing until a migrator has them"]
pub struct Settings {
    pub(crate) out_of_order: OutOfOrder,
    pub(crate) newer: Newer,
    pub(crate) missing: Missing,
    /// Who says that this process may not migrate, as messages name it.
    pub(crate) forbidden_by: Option<String>,
    pub(crate) validate_schema: ValidateSchema,
    pub(crate) allow_downgrade: AllowDowngrade,
    /// `None` where nobody has said anything.
    pub(crate) scratch: Option<ScratchDatabase>,
    pub(crate) history_table: TableName,
    /// How long to wait for another runner, or for a table that a statement needs.
    pub(crate) lock_timeout: Duration,
    /// How long a runner may give no sign of life before another one takes over.
    pub(crate) lease: Duration,
    /// How long one statement may wait for a lock before it is tried again.
    pub(crate) statement_lock_timeout: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    /// How long a look at the health may take.
    pub(crate) health_timeout: Duration,
    pub(crate) backup: Backup,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            out_of_order: OutOfOrder::default(),
            newer: Newer::default(),
            missing: Missing::default(),
            forbidden_by: None,
            validate_schema: ValidateSchema::default(),
            allow_downgrade: AllowDowngrade::default(),
            scratch: None,
            history_table: TableName::default(),
            lock_timeout: Duration::from_secs(300),
            lease: Duration::from_secs(30),
            statement_lock_timeout: Duration::from_secs(2),
            statement_timeout: None,
            timeout: None,
            health_timeout: crate::health::PATIENCE,
            backup: Backup::default(),
        }
    }
}

impl Settings {
    /// What the environment says, and the defaults for the rest: `from_env("SHOP")` reads `SHOP_AUTO_MIGRATE` and its
    /// kind.
    ///
    /// | variable | takes | default |
    /// |---|---|---|
    /// | `…_AUTO_MIGRATE` | `true`, `false` (`1`, `0`, `yes`, `no`, `on`, `off`) | `true` |
    /// | `…_VALIDATE_SCHEMA` | the same | `false` |
    /// | `…_ALLOW_DOWNGRADE` | the same | `false` |
    /// | `…_SCRATCH_URL` | `create`, `never`, or the URL of an empty database | `create` |
    /// | `…_MIGRATION_TIMEOUT` | a time: `30s`, `5m`, `1500ms`, `1h`; a number alone is seconds | none |
    /// | `…_LOCK_TIMEOUT` | a time | `5m` |
    /// | `…_LEASE` | a time | `30s` |
    /// | `…_STATEMENT_TIMEOUT` | a time | none |
    /// | `…_STATEMENT_LOCK_TIMEOUT` | a time | `2s` |
    /// | `…_HISTORY_TABLE` | `table` or `schema.table` | `whimbrel_history` |
    /// | `…_BACKUP_BEFORE_MIGRATION` | a folder ([`Backup::to_folder`]), or `off` | `off` |
    /// | `…_BACKUP_COMMAND` | a command for the shell ([`Backup::command`]), in that folder if one is given | none |
    /// | `…_OUT_OF_ORDER`, `…_MISSING` | `refuse`, `allow` | `refuse` |
    /// | `…_NEWER` | `refuse`, `allow-if-expanding`, `allow` | `refuse` |
    ///
    /// An empty variable is as good as none. Other variables of the prefix are the application's own, unless they look
    /// like one of these misspelled.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused): everything that is wrong with the variables, at once.
    pub fn from_env(prefix: &str) -> Result<Self> {
        Self::default().with_env(prefix)
    }

    /// The same over settings of the program's own: what the environment says wins.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn with_env(self, prefix: &str) -> Result<Self> {
        self.with_variables(prefix, std::env::vars_os())
    }

    /// The same from other pairs of name and value than the process's environment.
    ///
    /// ```
    /// # use whimbrel::{Settings, ErrorKind};
    /// let error = Settings::default().with_variables("SHOP", [("SHOP_LEASE", "a while")]).unwrap_err();
    /// assert_eq!(error.to_string(), "`SHOP_LEASE` cannot be `a while`");
    /// ```
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn with_variables<N, V>(self, prefix: &str, variables: impl IntoIterator<Item = (N, V)>) -> Result<Self>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        environment::read(
            self,
            prefix,
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        )
    }

    /// See [`Migrator::auto_migrate`](crate::Migrator::auto_migrate).
    pub fn auto_migrate(mut self, auto_migrate: AutoMigrate) -> Self {
        self.forbidden_by = match auto_migrate {
            AutoMigrate::On => None,
            AutoMigrate::Off => Some("AutoMigrate::Off".to_owned()),
        };
        self
    }

    /// See [`Migrator::validate_schema`](crate::Migrator::validate_schema).
    pub fn validate_schema(mut self, validate: ValidateSchema) -> Self {
        self.validate_schema = validate;
        self
    }

    /// See [`Migrator::allow_downgrade`](crate::Migrator::allow_downgrade).
    pub fn allow_downgrade(mut self, allow: AllowDowngrade) -> Self {
        self.allow_downgrade = allow;
        self
    }

    /// See [`Migrator::scratch_database`](crate::Migrator::scratch_database).
    pub fn scratch_database(mut self, scratch: ScratchDatabase) -> Self {
        self.scratch = Some(scratch);
        self
    }

    /// See [`Migrator::history_table`](crate::Migrator::history_table).
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused): the text cannot be the name of a table.
    pub fn history_table(mut self, name: &str) -> Result<Self> {
        self.history_table = TableName::parse(name)?;
        Ok(self)
    }

    /// See [`Migrator::lock_timeout`](crate::Migrator::lock_timeout).
    pub fn lock_timeout(mut self, time: Duration) -> Self {
        self.lock_timeout = time;
        self
    }

    /// See [`Migrator::lease`](crate::Migrator::lease).
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time;
        self
    }

    /// See [`Migrator::statement_lock_timeout`](crate::Migrator::statement_lock_timeout).
    pub fn statement_lock_timeout(mut self, time: Duration) -> Self {
        self.statement_lock_timeout = time;
        self
    }

    /// See [`Migrator::statement_timeout`](crate::Migrator::statement_timeout).
    pub fn statement_timeout(mut self, time: Duration) -> Self {
        self.statement_timeout = Some(time);
        self
    }

    /// See [`Migrator::timeout`](crate::Migrator::timeout).
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// See [`Migrator::health_timeout`](crate::Migrator::health_timeout).
    pub fn health_timeout(mut self, time: Duration) -> Self {
        self.health_timeout = time;
        self
    }

    /// See [`Migrator::backup_before_migration`](crate::Migrator::backup_before_migration).
    pub fn backup_before_migration(mut self, backup: Backup) -> Self {
        self.backup = backup;
        self
    }

    /// See [`Migrator::out_of_order`](crate::Migrator::out_of_order).
    pub fn out_of_order(mut self, policy: OutOfOrder) -> Self {
        self.out_of_order = policy;
        self
    }

    /// See [`Migrator::newer`](crate::Migrator::newer).
    pub fn newer(mut self, policy: Newer) -> Self {
        self.newer = policy;
        self
    }

    /// See [`Migrator::missing`](crate::Migrator::missing).
    pub fn missing(mut self, policy: Missing) -> Self {
        self.missing = policy;
        self
    }
}

/// Milliseconds as databases take them: at least one, and at most what 31 bits hold, which is 24 days.
#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
pub(crate) fn whole_millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}
