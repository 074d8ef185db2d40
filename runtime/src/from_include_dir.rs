//! Sets out of a directory that the crate `include_dir` has embedded.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry};
use whimbrel_core::{Migrations, Problems};

/// Makes a set of a directory that [`include_dir!`](include_dir::include_dir) has embedded, checked when it is called
/// instead of when it is compiled.
///
/// ```
/// use whimbrel::include_dir::{Dir, include_dir};
///
/// static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");
///
/// let migrations = whimbrel::from_include_dir(&FILES)?;
/// assert_eq!(migrations, whimbrel::embed_migrations!("../migrations"));
/// # Ok::<(), whimbrel::Problems>(())
/// ```
///
/// # Errors
/// Everything that is wrong with the files, at once.
pub fn from_include_dir(directory: &Dir<'static>) -> Result<Migrations, Problems> {
    Migrations::from_files(files(directory, directory.path()))
}

/// The files below a directory, their paths relative to `top`.
fn files(directory: &Dir<'static>, top: &Path) -> Vec<(PathBuf, &'static [u8])> {
    let relative = |path: &Path| path.strip_prefix(top).unwrap_or(path).to_owned();
    let below = directory.entries().iter().flat_map(|entry| match entry {
        DirEntry::Dir(directory) => files(directory, top),
        DirEntry::File(file) => vec![(relative(file.path()), file.contents())],
    });
    below.collect()
}
