//! What a run logs, by the crate tracing: all of it in one place, since its fields are what people search for.
//!
//! docs/metrics.md has the list. Above `debug` nothing tells of a script but its version, its name and its file; no
//! text of a statement, and none of what a database says of one, which may quote a value.

use std::time::Duration;

use tracing::Span;

use whimbrel_core::Dialect;

use crate::driver::Done;
use crate::error::Error;
use crate::identity::Identity;
use crate::plan::{Goal, Mode, Step};
use crate::report::{Failed, Report, Took};
use crate::runner::Runner;

/// Around all of a run.
pub(crate) fn run_span(goal: &Goal, dialect: Dialect, identity: &Identity, table: &str) -> Span {
    let goal = match goal {
        Goal::Up(_) => "up",
        Goal::Down(_) => "down",
        Goal::Baseline(_) => "baseline",
        Goal::Only(..) => "rest",
    };
    tracing::info_span!(
        "whimbrel::run",
        goal,
        dialect = dialect.name(),
        history = table,
        by = identity.by,
        application = identity.application,
        process = identity.process
    )
}

/// Around the steps that go to the driver together.
pub(crate) fn steps_span(first: &Step<'_>, steps: usize, dialect: Dialect) -> Span {
    tracing::info_span!(
        "whimbrel",
        dialect = dialect.name(),
        action = first.action.past(),
        mode = mode(first),
        first = first.label(),
        steps
    )
}

pub(crate) fn step_done(step: &Step<'_>, done: Done) {
    tracing::info!(
        version = %step.version,
        name = step.name,
        task = step.task,
        action = step.action.past(),
        mode = mode(step),
        outcome = "done",
        statements = done.statements,
        rows = done.rows,
        duration_ms = ms(done.duration),
        "{}",
        step.action.past()
    );
}

pub(crate) fn step_failed(step: &Step<'_>, failed: &Failed) {
    let (line, column) = failed.place.as_ref().map_or((None, None), |place| (place.line(), place.column()));
    tracing::error!(
        version = %step.version,
        name = step.name,
        task = step.task,
        action = step.action.past(),
        mode = mode(step),
        outcome = "failed",
        part = failed.part,
        left = failed.left,
        code = failed.cause.code(),
        path = step.path,
        line,
        column,
        "failed"
    );
}

/// Where a run has ended; a look that finds nothing to do is of no interest to anybody.
pub(crate) fn run_ended(report: &Report, error: Option<&Error>) {
    let [previous, current] = [report.previous(), report.current()].map(|version| version.map(ToString::to_string));
    let (steps, duration_ms, waited_ms) = (report.steps().len(), ms(report.duration()), ms(report.waited()));
    match error {
        Some(error) => tracing::error!(
            outcome = "failed",
            kind = error.kind().name(),
            previous,
            current,
            steps,
            duration_ms,
            waited_ms,
            "the run has failed"
        ),
        None if report.is_up_to_date() => {
            tracing::debug!(outcome = "up to date", current, duration_ms, waited_ms, "up to date");
        }
        None => tracing::info!(outcome = "done", previous, current, steps, duration_ms, waited_ms, "the run is done"),
    }
}

pub(crate) fn waiting(what: &str, at_most: Duration) {
    tracing::info!(budget = %Took(at_most), budget_ms = ms(at_most), "waiting for {what}");
}

pub(crate) fn waited(what: &str, time: Duration) {
    tracing::debug!(duration_ms = ms(time), "waited for {what}");
}

pub(crate) fn took_over(runner: &Runner) {
    let (from, process, version) = whom(runner);
    tracing::warn!(from, process, version, "took over from {runner}: its session was ended");
}

pub(crate) fn may_not_take_over(runner: &Runner) {
    let (from, process, version) = whom(runner);
    tracing::warn!(from, process, version, "may not take over from {runner}: its session belongs to another role");
}

/// Who it is, in their own words: the account, the process and the version that they are at.
fn whom(runner: &Runner) -> (Option<&str>, Option<u32>, Option<String>) {
    let work = runner.work.as_ref();
    (work.map(|work| &*work.by), work.map(|work| work.process), work.map(|work| work.version.to_string()))
}

fn mode(step: &Step<'_>) -> &'static str {
    match step.mode {
        Mode::Transaction => "transaction",
        Mode::ForeignKeysOff => "foreign keys off",
        Mode::Outside => "outside",
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
