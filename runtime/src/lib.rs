//! Database migrations, embedded.

mod embed;

#[doc(hidden)]
pub mod __private;

pub use whimbrel_core::{
    Dialect, Digest, Direction, Kind, Migration, Migrations, Place, Problem, Problems, Script, Statement, Version,
};
