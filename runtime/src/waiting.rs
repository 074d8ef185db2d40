//! What there is to wait for: another runner, the tables that a statement needs, a server.

use std::borrow::Cow;
use std::time::Duration;

use whimbrel_core::Direction;

use crate::backoff::Backoff;
use crate::database_error::DatabaseError;
use crate::driver::{Part, Stop};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Passing, Result};
use crate::history::{Entry, Holder};
use crate::log;
use crate::plan::Step;
use crate::progress::Progress;
use crate::report::{Report, Took};
use crate::settings::Settings;
use crate::settle::in_doubt;
use crate::stopper::{Observer, stopped};

/// Something to wait for.
pub(crate) struct Waiting {
    pub(crate) what: Cow<'static, str>,
    /// The error when the patience is spent, where it is not simply that.
    pub(crate) otherwise: Option<Error>,
    /// The patience, from the last progress on.
    pub(crate) budget: Duration,
    /// How long a statement has waited for a lock until it gave up.
    pub(crate) tried: Duration,
}

impl Waiting {
    fn for_others(what: Cow<'static, str>, budget: Duration) -> Self {
        Self { what, otherwise: None, budget, tried: Duration::ZERO }
    }

    /// Another one who backs up and runs: its backup may take longer than other things.
    pub(crate) fn for_a_backup(who: String, budget: Duration) -> Self {
        let message = format!("waited {} for {who}, which backs up and migrates; nothing was run", Took(budget));
        let help =
            "see what it is doing; if it hangs, end it; else wait longer with `.lock_timeout(…)`; then run it again";
        let otherwise = Some(Error::new(ErrorKind::Locked, message).help(help));
        Self { otherwise, ..Self::for_others(who.into(), budget) }
    }
}

impl Engine<'_, '_> {
    /// Whoever is at an entry is waited for as long as its script lets them wait.
    pub(crate) fn waiting_for(&self, entry: &Entry, holder: &Holder) -> Waiting {
        let script = self.set.get(&entry.version).and_then(|migration| {
            let direction = if entry.undone.is_some() { Direction::Down } else { Direction::Up };
            migration.script(direction, self.driver.dialect())
        });
        let wait = script.and_then(|script| script.options().wait).unwrap_or_default();
        let otherwise = (*holder == Holder::Unknown).then(|| in_doubt(entry, holder));
        Waiting { otherwise, ..Waiting::for_others(another_runner(holder), wait.max(self.settings.lock_timeout)) }
    }

    /// What there is to wait for, or why it cannot go on; `rest` is what the plan has left.
    pub(crate) fn waiting_after(
        &self,
        (rest, holder): (&[Step<'_>], &Holder),
        stop: Stop,
        report: &mut Report,
    ) -> Result<Waiting> {
        // Who is at work may have to wait as long as we.
        let others = longest(rest, self.settings).max(self.settings.lock_timeout);
        match stop {
            Stop::Busy => Ok(Waiting::for_others(another_runner(holder), others)),
            Stop::Stale => Ok(Waiting::for_others("another runner, which was faster".into(), others)),
            Stop::Contended(cause) => {
                let budget = longest(&rest[..1], self.settings);
                let tried = tried(&rest[0], &cause, self.settings);
                let otherwise = Some(contended(rest, cause));
                Ok(Waiting { what: "the tables that a statement needs".into(), otherwise, budget, tried })
            }
            Stop::Lost(cause) => {
                let what = "the answer to a statement, which is lost";
                let message = format!("the servers do not answer to a statement of {}", rest[0].label());
                let help =
                    "look at the cluster; then run it again: it finds out what became of the statement, and goes on";
                let otherwise = Some(Error::new(ErrorKind::Connection, message).source(cause).help(help));
                Ok(Waiting { what: what.into(), otherwise, budget: self.settings.lock_timeout, tried: Duration::ZERO })
            }
            Stop::Broken(error) => Err(error),
            Stop::Failed(failure) if failure.part == Part::Stopped => {
                report.step_stopped(rest, failure.kept);
                Err(stopped(report, None))
            }
            Stop::Failed(failure) => Err(self.failed(rest, *failure, report)),
        }
    }
}

/// Another runner, by name where it has one.
fn another_runner(holder: &Holder) -> Cow<'static, str> {
    match holder {
        Holder::Session(runner) => format!("another runner: {runner}").into(),
        Holder::Unknown | Holder::Nobody => "another runner".into(),
    }
}

/// The longest time that a step of these may wait for what others hold.
pub(crate) fn longest(steps: &[Step<'_>], settings: &Settings) -> Duration {
    steps.iter().map(|step| step.patience(settings)).max().unwrap_or(settings.lock_timeout)
}

/// How long a statement has waited for a lock, if it gave up because of that.
fn tried(step: &Step<'_>, cause: &DatabaseError, settings: &Settings) -> Duration {
    let own = step.script.as_deref().and_then(|script| script.options().lock_timeout);
    match cause.code() {
        Some("55P03") => own.unwrap_or(settings.statement_lock_timeout),
        _ => Duration::ZERO,
    }
}

fn contended(rest: &[Step<'_>], cause: DatabaseError) -> Error {
    let step = rest.first().map_or_else(String::new, Step::label);
    let holders = cause.detail().unwrap_or_default().lines().map(|line| format!("  {line}"));
    Error::new(ErrorKind::Locked, format!("{step} did not get the tables that it needs"))
        .details(holders.collect::<Vec<_>>().join("\n"))
        .source(cause)
        .help("end the session that holds them, or wait longer with `-- whimbrel:wait 30m`; then run it again")
}

/// How long somebody who starts a program, and has the wrong port, may be kept from reading it.
const SOON: Duration = Duration::from_secs(2);

/// What there is to wait for, so that an error does not come again.
pub(crate) fn awaited(error: &Error, slept: Duration) -> Option<&'static str> {
    match error.passing() {
        _ if error.kind() == ErrorKind::Locked => Some("another writer"),
        Passing::Later => Some("the server"),
        Passing::Soon if slept < SOON => Some("the server"),
        _ => None,
    }
}

/// Sleeps, within the budget; says once for whom, and each time how long, with the time for which a statement has `tried`.
/// `None` when the run is asked to stop.
pub(crate) async fn pause(backoff: &mut Backoff, what: &str, tried: Duration, observer: &Observer<'_>) -> Option<bool> {
    if backoff.slept().is_zero() {
        log::waiting(what, backoff.left());
        observer.tell(&Progress::Waiting { what, at_most: backoff.left() });
    }
    let before = backoff.slept();
    backoff.add(tried);
    let slept = observer.unless_stopped(backoff.sleep()).await?;
    log::waited(what, backoff.slept() - before);
    Some(slept)
}
