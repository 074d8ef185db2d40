//! `up`: applies what is pending.

use whimbrel::Report;

use crate::answer::Answer;
use crate::arguments::Up;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt;
use crate::named;

pub(crate) async fn up(context: &Context<'_>, up: &Up) -> Result<Answer, Failure> {
    let target = context.target()?;
    let wanted = named::target(&target.migrations, up)?;
    let mut migrator = target.migrator()?;
    let report = interrupt::guarded(migrator.up_to(wanted)).await?;
    Ok(told(&report))
}

/// A report as an answer.
pub(crate) fn told(report: &Report) -> Answer {
    Answer::new(report.to_string(), report)
}
