//! `down`: rolls back, after it has shown what.

use crate::answer::Answer;
use crate::arguments::{Asking, Down};
use crate::command::plan::{self, Facts, Text};
use crate::command::up::run;
use crate::confirm::confirm;
use crate::context::Context;
use crate::failure::Failure;
use crate::named;

pub(crate) async fn down(context: &Context<'_>, down: &Down, asking: &Asking) -> Result<Answer, Failure> {
    let target = context.target()?;
    let rollback = named::rollback(&target.migrations, down)?;
    let mut migrator = target.migrator()?;
    let plan = migrator.plan_down(rollback.clone()).await?;
    if !plan.is_empty() {
        let dialect = target.url.dialect();
        let facts = Facts { dialect, sizes: plan::sizes(&mut migrator, &plan, dialect).await };
        let question = format!("Roll back on {}?", target.url);
        confirm(&plan::screen(&plan, Text::Beginning, &facts), &question, asking, context.form)?;
    }
    run(migrator, async |migrator| migrator.down(rollback).await).await
}
