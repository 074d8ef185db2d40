//! `up`: applies what is pending.

use whimbrel::{Migrator, Report, Result as Ran};

use crate::answer::Answer;
use crate::arguments::Up;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt;
use crate::named;
use crate::progress::Shown;

pub(crate) async fn up(context: &Context<'_>, up: &Up) -> Result<Answer, Failure> {
    let target = context.target()?;
    let wanted = named::target(&target.migrations, up)?;
    run(target.migrator()?, async |migrator| migrator.up_to(wanted).await).await
}

/// A run that a person sees going on, and can stop.
pub(crate) async fn run<'m>(
    migrator: Migrator<'m>,
    running: impl AsyncFnOnce(&mut Migrator<'m>) -> Ran<Report>,
) -> Result<Answer, Failure> {
    let shown = Shown::new();
    let mut migrator = migrator.on_progress({
        let shown = shown.clone();
        move |progress| shown.tell(progress)
    });
    let stopper = migrator.stopper();
    let report = interrupt::guarded(stopper, running(&mut migrator)).await;
    shown.end();
    Ok(told(&report?))
}

/// A report as an answer.
pub(crate) fn told(report: &Report) -> Answer {
    Answer::new(report.to_string(), report)
}
