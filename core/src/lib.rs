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

// From a directory to sources: which files there are, and what their names say.
mod config;
mod glob;
mod json;
mod layout;
mod listing;
pub mod load;
mod manifest;
pub mod names;
mod settings;
mod sources;
mod text;

// From a text to a script.
mod digests;
mod facts;
mod lex;
pub mod read;
mod shape;
pub mod split;
pub mod words;

// From scripts to a set.
pub mod packed;
mod set;
mod spread;
pub mod sum;
mod variants;
mod versions;

// The model.
pub mod dialect;
pub mod digest;
pub mod duration;
pub mod migrations;
pub mod nearest;
pub mod problem;
pub mod script;
pub mod version;

pub use dialect::Dialect;
pub use digest::Digest;
pub use migrations::{Migration, Migrations};
pub use problem::{Place, Problem, Problems, Warning};
pub use script::{Direction, Kind, Script, Statement};
pub use version::Version;
