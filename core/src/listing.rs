//! What lies in a directory; and the same for files that something else has read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::{Mutex, PoisonError};

use crate::set::{Recorded, set};
use crate::{Migrations, Problem, Problems};

/// What lies in a directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Relative paths with `/` between their parts.
    pub(crate) paths: BTreeSet<String>,
    /// What could not be listed, by relative path; as wrong as a misnamed file, unless it is ignored.
    pub(crate) faults: Vec<(String, Problem)>,
}

impl Migrations {
    /// Loads and checks the migrations of files that something else has read, such as `include_dir` or `rust-embed`.
    ///
    /// Paths are relative to the directory of the migrations; `whimbrel.toml` and `whimbrel.sum` count as they do on
    /// disk.
    ///
    /// ```
    /// use whimbrel_core::Migrations;
    /// # fn main() -> Result<(), whimbrel_core::Problems> {
    /// let nothing: [(&str, &[u8]); 1] = [("whimbrel.toml", b"empty = \"allow\"")];
    /// assert!(Migrations::from_files(nothing)?.is_empty());
    ///
    /// let down_only: [(&str, &[u8]); 1] = [("0001_init.down.sql", b"drop table users;")];
    /// let problems = Migrations::from_files(down_only).unwrap_err();
    /// assert!(problems.iter().any(|problem| problem.code() == "no-up"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the files, at once.
    pub fn from_files<P: AsRef<Path>, B: Into<Cow<'static, [u8]>>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Result<Self, Problems> {
        let mut listing = Listing::default();
        let mut contents = BTreeMap::new();
        for (path, bytes) in files {
            match relative(path.as_ref()) {
                Ok(path) => {
                    if !listing.paths.insert(path.clone()) {
                        let problem = Problem::new("file-name", format!("`{path}` is given twice"));
                        listing.faults.push((path.clone(), problem.help("give each path once")));
                    }
                    contents.insert(path, bytes.into());
                }
                Err(problem) => listing.faults.push((path.as_ref().to_string_lossy().into_owned(), problem)),
            }
        }
        let contents = Mutex::new(contents);
        let open = |path: &str| {
            let bytes = contents.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
            bytes.ok_or_else(|| Problem::new("unreadable", format!("`{path}` was read before")))
        };
        set(listing, &open, "", None, Recorded::Check).map(|loaded| loaded.migrations)
    }
}

/// The path with `/` between its parts.
fn relative(path: &Path) -> Result<String, Problem> {
    let shown = path.display();
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| not_utf8(path))?),
            Component::CurDir => {}
            _ => {
                let problem = Problem::new("file-name", format!("`{shown}` leads out of the directory"));
                return Err(problem.help("give paths relative to the directory of the migrations"));
            }
        }
    }
    checked(parts.join("/"))
}

/// A path that a message and a list with one path a line can hold.
pub(crate) fn checked(path: String) -> Result<String, Problem> {
    if path.chars().any(char::is_control) {
        let message = format!("the name of `{}` has a control character", path.escape_debug());
        return Err(Problem::new("file-name", message).help("rename it with letters, digits, `_`, `-` and `.`"));
    }
    Ok(path)
}

/// A name that is no text.
pub(crate) fn not_utf8(path: &Path) -> Problem {
    let message = format!("the name of `{}` is not UTF-8", path.display());
    Problem::new("file-name", message).help("rename it with letters, digits, `_`, `-` and `.`")
}
