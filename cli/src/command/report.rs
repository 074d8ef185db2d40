//! `report`: all there is to know, in the form that is wanted.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::answer::Answer;
use crate::arguments::ReportForm;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::{Facts, html, summary};

pub(crate) async fn report(
    context: &Context<'_>,
    form: ReportForm,
    output: Option<PathBuf>,
) -> Result<Answer, Failure> {
    let target = context.target()?;
    let facts = Facts::gather(&target).await?;
    let told = match form {
        ReportForm::Json => serde_json::to_string_pretty(&json!({ "format": 1, "command": "report", "result": facts }))
            .unwrap_or_default(),
        ReportForm::Summary => summary(&facts),
        ReportForm::Html => html(&facts),
    };
    let told = context.program.spoken(&told);
    let Some(path) = output else { return Ok(Answer::new(told, facts)) };
    let shown = path.display();
    fs::write(&path, told).map_err(|error| {
        Failure::new(Exit::Failed, format!("`{shown}` cannot be written: {error}"))
            .help("name a file in a folder that exists, and that this process may write")
    })?;
    Ok(Answer::new(shown.to_string(), json!({ "path": shown.to_string() })))
}
