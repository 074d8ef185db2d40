//! `baseline`: an existing database starts here.

use crate::answer::Answer;
use crate::arguments::Asking;
use crate::command::up::told;
use crate::confirm::confirm;
use crate::context::Context;
use crate::failure::Failure;
use crate::named;

pub(crate) async fn baseline(context: &Context<'_>, version: &str, asking: &Asking) -> Result<Answer, Failure> {
    let target = context.target()?;
    let version = named::migration(&target.migrations, version)?.version().clone();
    let mut migrator = target.migrator()?;
    let status = migrator.status().await?;
    let what = format!(
        "all up to {version} is recorded as applied in {} on {}; nothing is run",
        status.history_table, target.url
    );
    confirm(&what, "Is the database's schema what these migrations make?", asking, context.form)?;
    Ok(told(&migrator.baseline(&version).await?))
}
