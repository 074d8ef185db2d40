//! For an application's own tests: a database for each test, and a walk that tries every down script.
//!
//! With the feature `testing`, which belongs among the development dependencies:
//!
//! ```toml
//! [dev-dependencies]
//! whimbrel = { version = "*", features = ["testing"] }
//! ```
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> whimbrel::Result<()> {
//! use whimbrel::{Migrations, Migrator, embed_migrations, testing};
//!
//! static MIGRATIONS: Migrations = embed_migrations!("../migrations");
//!
//! // In a test: each down script undoes what its up script did.
//! let stairs = testing::stairway(&MIGRATIONS, "sqlite:").await?;
//! assert_eq!(stairs.to_string(), "13 migrations went up, down, and up again");
//!
//! // In another one: a migrated database of its own, which is gone at the end, also after a panic.
//! let database = testing::Scratch::create("sqlite:").await?;
//! Migrator::connect(&MIGRATIONS, database.url())?.up().await?;
//! # Ok(()) }
//! # #[cfg(not(feature = "sqlite"))] fn main() {}
//! ```

mod scratch;
mod stairway;

pub use scratch::Scratch;
pub use stairway::{Stairs, stairway};
