//! `resolve` and `force`: tells the history what a person has found.

use crate::answer::Answer;
use crate::arguments::{Asking, Found};
use crate::confirm::confirm;
use crate::context::Context;
use crate::failure::Failure;
use crate::named;
use serde_json::json;

pub(crate) async fn resolve(
    context: &Context<'_>,
    (version, found): (&str, &Found),
    asking: &Asking,
) -> Result<Answer, Failure> {
    let target = context.target_as_it_is()?;
    let version = named::version(&target.migrations, version)?;
    let found = found.resolve();
    let mut migrator = target.migrator()?;
    let proposal = migrator.plan_resolve(&version, found).await?;
    let lines = proposal.sentences();
    let will = lines.join("\n");
    confirm(&will, &format!("Write this on {}?", target.url), asking, context.form)?;
    migrator.write(&proposal).await?;
    Ok(Answer::new(
        format!("written:\n  {}", lines.join("\n  ")),
        json!({ "version": version.as_written(), "written": lines }),
    ))
}

pub(crate) async fn force(context: &Context<'_>, version: &str, asking: &Asking) -> Result<Answer, Failure> {
    let target = context.target()?;
    let version = named::migration(&target.migrations, version)?.version().clone();
    let mut migrator = target.migrator()?;
    let proposal = migrator.plan_force(&version).await?;
    let lines = proposal.sentences();
    let will = lines.join("\n");
    confirm(&will, &format!("Is the schema of {} exactly that of {version}?", target.url), asking, context.form)?;
    migrator.write(&proposal).await?;
    Ok(Answer::new(
        format!("written:\n  {}", lines.join("\n  ")),
        json!({ "version": version.as_written(), "written": lines }),
    ))
}
