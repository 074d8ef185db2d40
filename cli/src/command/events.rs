//! `events`: who did what when.

use std::time::Duration;

use serde_json::json;
use whimbrel::__private::Took;
use whimbrel::Event;

use crate::answer::Answer;
use crate::command::status::seconds;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{Cell, Table};

pub(crate) async fn events(context: &Context<'_>, limit: usize) -> Result<Answer, Failure> {
    let target = context.target_as_it_is()?;
    let events = target.migrator()?.events(Some(limit)).await?;
    let screen = if events.is_empty() { "nothing has happened".to_owned() } else { table(&events).written() };
    Ok(Answer::new(screen, json!({ "events": events })))
}

fn table(events: &[Event]) -> Table {
    let mut table = Table::headed(["event", "when", "what", "version", "took", "by", "application", "detail"]);
    for event in events {
        let took = event.duration_ms.map(|ms| Took(Duration::from_millis(ms.max(0) as u64)).to_string());
        table.line([
            Cell::number(event.id.to_string()),
            seconds(&event.at).into(),
            event.what.replace('_', " ").into(),
            event.version.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            Cell::number(took.unwrap_or_default()),
            (&*event.applied_by).into(),
            (&*event.application).into(),
            event.detail.as_deref().unwrap_or_default().replace('\n', " ").into(),
        ]);
    }
    table
}
