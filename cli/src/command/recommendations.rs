//! `recommendations`: what could be better, and what makes it so.

use serde_json::json;

use crate::answer::Answer;
use crate::context::Context;
use crate::failure::Failure;

pub(crate) async fn recommendations(context: &Context<'_>) -> Result<Answer, Failure> {
    let target = context.target()?;
    let recommendations = target.migrator()?.recommendations().await?;
    Ok(Answer::new(recommendations.to_string(), json!({ "recommendations": recommendations })))
}
