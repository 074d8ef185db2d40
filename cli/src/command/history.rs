//! `history`: what is applied, in the order of application.

use std::time::Duration;

use serde_json::json;
use whimbrel::__private::Took;

use crate::answer::Answer;
use crate::command::status::seconds;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{Cell, Table};

pub(crate) async fn history(context: &Context<'_>) -> Result<Answer, Failure> {
    let target = context.target_as_it_is()?;
    let entries = target.migrator()?.history().await?;
    let mut table =
        Table::headed(["rank", "version", "task", "name", "state", "kind", "when", "took", "by", "application"]);
    for entry in &entries {
        let took = entry.duration_ms.map(|ms| Took(Duration::from_millis(ms.max(0) as u64)).to_string());
        table.line([
            Cell::number(entry.rank.to_string()),
            entry.version.to_string().into(),
            entry.task.as_deref().unwrap_or_default().into(),
            (&*entry.name).into(),
            entry.state.to_string().into(),
            (&*entry.kind).into(),
            seconds(&entry.started_at).into(),
            Cell::number(took.unwrap_or_default()),
            (&*entry.applied_by).into(),
            (&*entry.application).into(),
        ]);
    }
    let screen = if table.is_empty() { "nothing has been applied".to_owned() } else { table.written() };
    Ok(Answer::new(screen, json!({ "entries": entries })))
}
