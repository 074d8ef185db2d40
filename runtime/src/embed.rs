//! The facade of the macro.

/// Embeds the migrations of a directory, read and checked while the crate compiles.
///
/// ```
/// use whimbrel::{Migrations, embed_migrations};
///
/// static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// assert!(!MIGRATIONS.is_empty());
/// ```
///
/// The path is relative to the folder of the crate's `Cargo.toml`; without one, it is `migrations`. A dialect may
/// follow: `embed_migrations!("migrations", dialect = "postgres")` says what a plain `.sql` is written in. The value is
/// constant: it can stand in a `static`, a `const` or a function. Everything that is wrong with the files is a compile
/// error, all of it at once.
///
/// An edited, removed or renamed file rebuilds the crate. An *added* one does so when `whimbrel.sum` is kept, or with
/// this line in the `main` of a `build.rs`:
///
/// ```
/// println!("cargo::rerun-if-changed=migrations");
/// ```
#[macro_export]
macro_rules! embed_migrations {
    ($($argument:tt)*) => { $crate::__private::embed!($crate; $($argument)*) };
}
