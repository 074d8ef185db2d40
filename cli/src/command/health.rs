//! `health`: whether all is well, and which command helps where it is not.

use whimbrel::Level;

use crate::answer::Answer;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) async fn health(context: &Context<'_>) -> Result<Answer, Failure> {
    let target = context.target_as_it_is()?;
    let health = target.migrator()?.health().await;
    let exit = match health.level {
        Level::Unhealthy if !health.checked.contains(&"history") => Exit::Unreachable,
        Level::Unhealthy => Exit::Failed,
        _ => Exit::Done,
    };
    Ok(Answer::new(health.to_string(), &health).exit(exit))
}
