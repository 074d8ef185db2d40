//! Real migration directories, where this machine has them.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::skipped;

/// One of the directories; `None`, with a line that says so, where it is absent.
///
/// They lie in `WHIMBREL_CORPORA`, or in `shared/corpora` beside the workspace.
pub fn directory(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let path = env::var_os("WHIMBREL_CORPORA").map_or_else(beside, PathBuf::from).join(name);
    if !path.is_dir() {
        skipped(&format!("what reads the migrations of {name}; set WHIMBREL_CORPORA to the directory that holds them"));
        return None;
    }
    Some(path)
}

/// All scripts below a directory, sorted by their paths; without byte order marks.
///
/// # Panics
/// When one cannot be read.
pub fn scripts(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut entries: Vec<_> =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            found.push((path, text.trim_start_matches('\u{feff}').to_owned()));
        }
    }
    found
}
