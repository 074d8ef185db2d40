//! Runs the applied part of a set in a scratch database.

use crate::backoff::Backoff;
use crate::driver::{Batch, Detail, Driver, Stop};
use crate::engine;
use crate::error::Error;
use crate::identity::Identity;
use crate::plan::{Mode, Step};
use crate::settings::Settings;
use crate::stopper::Observer;

/// Runs the steps, in their order; why not otherwise.
pub(crate) async fn rebuild(
    driver: &mut dyn Driver,
    steps: &[Step<'_>],
    (settings, identity): (&Settings, &Identity),
) -> Result<(), String> {
    let mut backoff = Backoff::new(settings.lock_timeout);
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let history = engine::read(driver, Detail::Entries, &mut backoff).await.map_err(|error| told(&error))?;
        let alike = rest.iter().take_while(|step| step.mode == first.mode).count();
        let (steps, patience) = (&rest[..alike], settings.lock_timeout);
        let observer = Observer::default();
        let batch =
            Batch { steps, history: &history, settings, identity, patience, tell: &|_| {}, observer: &observer };
        let ended = match first.mode {
            Mode::Outside => driver.outside(batch).await,
            _ => driver.transactional(batch).await,
        };
        rest = &rest[ended.done.len()..];
        let label = || rest.first().map_or_else(String::new, Step::label);
        match ended.stop {
            None => {}
            Some(Stop::Failed(failure)) => {
                return Err(format!("{} failed in the scratch database: {}", label(), failure.cause));
            }
            Some(Stop::Broken(error)) => return Err(told(&error)),
            Some(Stop::Busy | Stop::Stale | Stop::Contended(_) | Stop::Lost(_)) if backoff.sleep().await => {}
            Some(stop) => {
                let what = match stop {
                    Stop::Lost(cause) | Stop::Contended(cause) => cause.to_string(),
                    _ => "somebody else is at it".to_owned(),
                };
                return Err(format!("{} does not get on in the scratch database: {what}", label()));
            }
        }
    }
    Ok(())
}

/// An error in one line, with what the database says.
pub(crate) fn told(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let message = error.to_string();
    let message = message.replacen("; nothing was run", "", 1);
    format!("{message}{}", cause.unwrap_or_default())
}
