//! `resolve` and `force`: tells the history what a person has found.

use serde_json::json;
use whimbrel::{Migrator, Proposal, Version};

use crate::answer::Answer;
use crate::arguments::{Asking, Found};
use crate::confirm::confirm;
use crate::context::Context;
use crate::failure::Failure;
use crate::named;

pub(crate) async fn resolve(
    context: &Context<'_>,
    (version, found): (&str, &Found),
    asking: &Asking,
) -> Result<Answer, Failure> {
    let target = context.target_as_it_is()?;
    let version = named::version(&target.migrations, version)?;
    let mut migrator = target.migrator()?;
    let proposal = migrator.plan_resolve(&version, found.resolve()).await?;
    let question = format!("Write this on {}?", target.url);
    write(&mut migrator, (&version, &proposal), |will| confirm(will, &question, asking, context.form)).await
}

pub(crate) async fn force(context: &Context<'_>, version: &str, asking: &Asking) -> Result<Answer, Failure> {
    let target = context.target()?;
    let version = named::migration(&target.migrations, version)?.version().clone();
    let mut migrator = target.migrator()?;
    let proposal = migrator.plan_force(&version).await?;
    let question = format!("Is the schema of {} exactly that of {version}?", target.url);
    write(&mut migrator, (&version, &proposal), |will| confirm(will, &question, asking, context.form)).await
}

/// Writes what was shown and confirmed, or nothing.
async fn write(
    migrator: &mut Migrator<'_>,
    (version, proposal): (&Version, &Proposal),
    confirmed: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<Answer, Failure> {
    let lines = proposal.sentences();
    let value = json!({ "version": version.as_written(), "written": lines });
    if lines.is_empty() {
        return Ok(Answer::new("nothing to write: the history says so already", value));
    }
    confirmed(&lines.join("\n"))?;
    migrator.write(proposal).await?;
    Ok(Answer::new(format!("written:\n  {}", lines.join("\n  ")), value))
}
