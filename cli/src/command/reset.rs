//! `reset`: development only; drops what the history knows.

use whimbrel::ResetConfirmation;

use crate::answer::Answer;
use crate::arguments::Asking;
use crate::confirm::confirm;
use crate::context::Context;
use crate::failure::Failure;

pub(crate) async fn reset(context: &Context<'_>, database: Option<String>, asking: &Asking) -> Result<Answer, Failure> {
    let target = context.target()?;
    let mut migrator = target.migrator()?;
    let drops = migrator.plan_reset().await?;
    if !drops.is_empty() {
        confirm(&drops.join("\n"), &format!("Drop all of this on {}?", target.url), asking, context.form)?;
    }
    let confirmation = database.map_or(ResetConfirmation::None, ResetConfirmation::NameOfDatabase);
    let reset = migrator.reset(confirmation).await?;
    Ok(Answer::new(reset.to_string(), &reset))
}
