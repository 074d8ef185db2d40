//! What lies in a directory, as paths.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use crate::Problem;

/// What lies in a directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Relative paths with `/` between their parts.
    pub(crate) paths: BTreeSet<String>,
    /// What could not be listed, by relative path; as wrong as a misnamed file, unless it is ignored.
    pub(crate) faults: Vec<(String, Problem)>,
}

/// The path with `/` between its parts.
pub(crate) fn relative(path: &Path) -> Result<String, Problem> {
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
