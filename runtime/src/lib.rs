//! Database migrations, embedded.

mod database;
mod migrator;
mod settings;
mod target;

mod error;
mod report;
mod status;

mod backoff;
mod engine;
mod plan;
mod refusal;
mod stale;

mod driver;
mod history;
mod identity;
mod literal;
mod table_name;

mod embed;

#[doc(hidden)]
pub mod __private;

pub use database::Database;
pub use error::{DatabaseError, Error, ErrorKind, Result};
pub use history::{Entry, State};
pub use migrator::{Migrator, migrate};
pub use plan::{Mode, Plan, Step};
pub use report::{Action, Failed, Outcome, Report, StepReport};
pub use settings::{Missing, Newer, OutOfOrder};
pub use status::{MigrationStatus, Standing, Status, Validation};
pub use target::{Rollback, Target};

pub use whimbrel_core::{
    Dialect, Digest, Direction, Kind, Migration, Migrations, Place, Problem, Problems, Script, Statement, Version,
};

/// The version of sqlx that pools and connections must come from.
#[cfg(any(feature = "_sqlite", feature = "postgres"))]
pub use sqlx;
