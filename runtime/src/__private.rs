//! What the code that `embed_migrations!` emits speaks through, and what the command line shares; outside semver.

pub use whimbrel_core::migrations::Source;
pub use whimbrel_core::packed::Embedded;
pub use whimbrel_core::{Migrations, load::files_below};
pub use whimbrel_macros::embed;

pub use crate::__watch as watch;
pub use crate::report::{Took, count};

/// Names files in rustc's list of dependencies; here, because rustc expands it faster than a macro of ours could.
#[doc(hidden)]
#[macro_export]
macro_rules! __watch {
    ($($path:literal)*) => { const _: &::core::primitive::str = ::core::concat!($(::core::include_str!($path)),*); };
}
