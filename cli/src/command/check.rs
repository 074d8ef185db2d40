//! `check`: what the compiler says of a directory, without compiling.

use std::path::PathBuf;

use serde_json::json;
use whimbrel::__private::count;

use crate::answer::{Answer, say};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::loaded;

pub(crate) fn check(context: &Context<'_>, at: Option<PathBuf>) -> Result<Answer, Failure> {
    let directory = context.directory(at);
    let loaded = loaded(&context.options, &directory)?;
    for warning in &loaded.warnings {
        say(&format!("warning: {warning}\n"));
    }
    let wrong = match loaded.warnings.len() {
        0 => "nothing wrong".to_owned(),
        warnings => count(warnings, "warning"),
    };
    let migrations = loaded.migrations.len();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let value = json!({ "directory": directory, "migrations": migrations, "warnings": warnings });
    Ok(Answer::new(format!("{directory}: {}, {wrong}", count(migrations, "migration")), value))
}
