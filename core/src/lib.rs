//! What whimbrel knows before it meets a database: names, statements, checksums, checks.
//!
//! Data flows one way, one module for each arrow:
//!
//! ```text
//! files ─load─▶ sources ─layout─▶ names ─split▸directive▸checksum─▶ scripts
//!       ─check─▶ Migrations (sorted, unique, complete)   │ or ALL problems at once
//! ```
//!
//! No async, no sockets; only [`load`] opens files. Users meet this crate through `whimbrel`.

#![warn(missing_docs)]

mod config;
pub mod dialect;
pub mod digest;
mod facts;
mod glob;
mod layout;
mod lex;
pub mod load;
pub mod migrations;
pub mod nearest;
pub mod packed;
pub mod problem;
pub mod read;
pub mod script;
mod set;
mod settings;
mod shape;
mod sources;
pub mod split;
pub mod sum;
mod text;
mod variants;
pub mod version;
mod versions;

pub use dialect::Dialect;
pub use digest::Digest;
pub use migrations::{Migration, Migrations};
pub use problem::{Place, Problem, Problems};
pub use script::{Direction, Kind, Script, Statement};
pub use version::Version;
