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
    let confirmation = database.map_or(ResetConfirmation::None, ResetConfirmation::NameOfDatabase);
    let checked = migrator.check_reset(confirmation).await?;
    if !checked.drops().is_empty() {
        confirm(&checked.drops().join("\n"), &format!("Drop all of this on {}?", target.url), asking, context.form)?;
    }
    let reset = migrator.reset_checked(checked).await?;
    Ok(Answer::new(reset.to_string(), &reset))
}
