//! `sum`: the checksums that an edited or removed file is known by.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use whimbrel::__private::count;
use whimbrel_core::load::load_unrecorded;
use whimbrel_core::sum;

use crate::answer::Answer;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::source::wrong;

pub(crate) fn sum(context: &Context<'_>, at: Option<PathBuf>) -> Result<Answer, Failure> {
    let directory = context.directory(at);
    let (path, written) = write(&directory, context.options.dialect)?;
    let value = json!({ "path": path, "migrations": written });
    Ok(Answer::new(format!("{path}: {}", count(written, "migration")), value))
}

/// Writes the sum file of a directory; its path, and how many migrations stand in it.
pub(crate) fn write(directory: &str, dialect: Option<whimbrel::Dialect>) -> Result<(String, usize), Failure> {
    let loaded =
        load_unrecorded(Path::new(directory), directory, dialect).map_err(|problems| wrong(dialect, &problems))?;
    let path = Path::new(directory).join(sum::FILE);
    let shown = path.display().to_string();
    fs::write(&path, sum::write(&loaded.migrations))
        .map_err(|error| Failure::new(Exit::Failed, format!("`{shown}` cannot be written: {error}")))?;
    Ok((shown, loaded.migrations.len()))
}
