//! Database migrations, embedded.

mod embed;

#[doc(hidden)]
pub mod __private;

pub use whimbrel_core::{Migration, Migrations};
