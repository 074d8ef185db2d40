//! `validate`: whether the database is what its migrations say.

use crate::answer::Answer;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) async fn validate(context: &Context<'_>) -> Result<Answer, Failure> {
    let target = context.target()?;
    let validation = target.migrator()?.validate().await?;
    let exit = if validation.is_valid() { Exit::Done } else { Exit::Invalid };
    Ok(Answer::new(validation.to_string(), &validation).exit(exit))
}
