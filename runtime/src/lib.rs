//! Database migrations, embedded into a binary: checked by the compiler, safe to run from many instances at once.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use whimbrel::{Migrations, Migrator, Rollback, Target, embed_migrations};
//!
//! // Reads and checks the files while the crate compiles; the build fails on anything that is wrong with them.
//! static MIGRATIONS: Migrations = embed_migrations!("../migrations");
//!
//! let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
//! let report = whimbrel::migrate(&MIGRATIONS, &pool).await?;
//! println!("{report}");
//!
//! let mut migrator = Migrator::new(&MIGRATIONS, &pool);
//! println!("{}", migrator.status().await?);
//! let report = migrator.down(Rollback::Steps(1)).await?;
//! assert_eq!(report.steps().len(), 1);
//! # Ok(()) }
//! # #[cfg(not(feature = "sqlite"))] fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | gives |
//! |---|---|
//! | `sqlite` (default) | SQLite, compiled in |
//! | `sqlite-unbundled` | SQLite, the system's library; needs libclang to build, and `default-features = false` |
//! | `postgres` | PostgreSQL 12 and newer; tested on 15 |
//! | `mysql` | MySQL and MariaDB; tried on MariaDB 10.11 |
//! | `scylla` | ScyllaDB and Cassandra; tested on Cassandra 5.0 |
//! | `tls-rustls`, `tls-native-tls` | TLS to SQL databases, forwarded to sqlx; none is chosen for you |
//! | `scylla-tls` | `scylla`, and TLS by rustls: `tls=on` in the URL, with `tls_ca`, `tls_cert`, `tls_key`, `tls_name` |
//! | `serde` | what comes out as JSON: `serde::Serialize` for reports, statuses, plans, errors |
//! | `metrics` | counters, gauges and histograms through the crate metrics; docs/metrics.md lists them |
//! | `testing` | [`testing`](https://docs.rs/whimbrel/latest/whimbrel/testing/index.html): a scratch database for each test of an application, and the stairway |
//! | `include_dir` | [`from_include_dir`](https://docs.rs/whimbrel/latest/whimbrel/fn.from_include_dir.html) |
//!
//! It runs on tokio. sqlx is part of the API and re-exported; its major versions are ours.

// A build for one database uses only its part of what all drivers share.
#![cfg_attr(
    not(all(feature = "_sqlite", feature = "mysql", feature = "postgres", feature = "scylla")),
    allow(dead_code)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// What a user sees.
mod backup;
mod cluster;
mod database;
mod database_error;
mod embed;
mod environment;
mod force;
#[cfg(feature = "include_dir")]
mod from_include_dir;
mod migrator;
mod progress;
mod ready;
mod reset;
mod scratch;
mod settings;
mod stopper;
mod table_sizes;
mod target;
#[cfg(feature = "testing")]
pub mod testing;

// What comes out.
mod error;
mod events;
mod health;
mod locks;
#[cfg_attr(not(feature = "metrics"), path = "no_metrics.rs")]
mod metrics;
mod recommend;
mod report;
mod runner;
#[cfg(feature = "serde")]
mod serialize;
mod status;
mod validation;

// Read, decide, act.
mod backoff;
mod catalogue;
mod chain;
mod doubt;
mod downgrade;
mod engine;
mod failed;
mod log;
mod plan;
mod refusal;
mod rewrite;
mod run;
mod schema;
mod settle;
mod so_far;
mod stale;
mod waiting;

// What a database is told and asked.
mod driver;
mod history;
mod identity;
mod literal;
mod table_name;

#[doc(hidden)]
pub mod __private;

pub use backup::{Backup, BackupReport};
pub use cluster::{Cluster, SerialLevel, SilentNodes};
pub use database::Database;
pub use database_error::DatabaseError;
pub use error::{Error, ErrorKind, Result};
pub use events::Event;
pub use force::Proposal;
pub use health::{Health, Level, Reason};
pub use history::{Entry, State};
pub use locks::{Blocks, HowLong, Lock};
pub use migrator::{Migrator, migrate};
pub use plan::{Mode, Plan, Step};
pub use progress::Progress;
pub use ready::{Readiness, ensure_ready};
pub use recommend::{Recommendation, Recommendations};
pub use report::{Action, Failed, Outcome, Report, StepReport};
pub use reset::{CheckedReset, Reset, ResetConfirmation};
pub use runner::{Runner, Work};
pub use scratch::ScratchDatabase;
pub use settings::{AllowDowngrade, AutoMigrate, Missing, Newer, OutOfOrder, Settings, ValidateSchema};
pub use status::{MigrationStatus, Standing, Status};
pub use stopper::Stopper;
pub use target::{Resolve, Rollback, Target};
pub use validation::Validation;

pub use whimbrel_core::{
    Dialect, Digest, Direction, Kind, Migration, Migrations, Place, Problem, Problems, Script, Statement, Version,
};

#[cfg(feature = "include_dir")]
pub use from_include_dir::from_include_dir;
/// The crate whose directories [`from_include_dir`] takes.
#[cfg(feature = "include_dir")]
pub use include_dir;
/// The version of the driver that sessions must come from.
#[cfg(feature = "scylla")]
pub use scylla;
/// The version of sqlx that pools and connections must come from.
#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
pub use sqlx;
