//! `version`: where the database is, in one line.

use serde_json::json;

use crate::answer::Answer;
use crate::context::Context;
use crate::failure::Failure;

pub(crate) async fn version(context: &Context<'_>) -> Result<Answer, Failure> {
    let target = context.target_as_it_is()?;
    let status = target.migrator()?.status().await?;
    let Some(current) = &status.current else {
        return Ok(Answer::new("nothing is applied", json!({ "version": null, "name": null })));
    };
    let name = status.migrations.iter().find(|migration| migration.version == *current).map(|it| &*it.name);
    let screen = format!("{current} {}", name.unwrap_or_default());
    Ok(Answer::new(screen, json!({ "version": current.as_written(), "name": name })))
}
