//! The report of a run that is at work.

use std::time::Instant;

use crate::driver::Done;
use crate::history::History;
use crate::log;
use crate::plan::{Plan, Step};
use crate::progress::Progress;
use crate::report::{Action, Failed, Outcome, Report, StepReport};
use crate::stopper::Observer;

impl Report {
    /// Takes over what a first look, or a repeated one, found.
    pub(crate) fn begin(&mut self, history: &History, plan: &Plan<'_>) {
        if self.steps.is_empty() {
            self.previous = history.current().cloned();
        }
        self.steps.retain(|step| step.outcome == Outcome::Done);
        self.steps.extend(plan.steps.iter().map(|step| line(step, Outcome::NotRun, Done::default())));
        self.applied = history.completed().count();
        self.versions = history.completed().map(|entry| entry.version.clone()).collect();
        self.current = history.current().cloned();
    }

    /// Enters a step of the plan that is done.
    pub(crate) fn step_done(&mut self, plan: &Plan<'_>, index: usize, done: Done, observer: &Observer<'_>) {
        let (step, place) = (&plan.steps[index], self.steps.len() - plan.steps.len() + index);
        log::step_done(step, done);
        self.steps[place] = line(step, Outcome::Done, done);
        match step.action {
            Action::RollBack => self.versions.remove(&step.version),
            _ => self.versions.insert(step.version.clone()),
        };
        self.applied = self.versions.len();
        self.current = self.versions.last().cloned();
        let all_done = self.steps.iter().filter(|step| step.outcome == Outcome::Done).count();
        observer.tell(&Progress::StepDone { step: &self.steps[place], done: all_done, of: self.steps.len() });
    }

    pub(crate) fn step_stopped(&mut self, rest: &[Step<'_>], done: usize) {
        let at = self.steps.len() - rest.len();
        tracing::info!(version = %rest[0].version, name = rest[0].name, "stopped as asked");
        self.steps[at].outcome = Outcome::Stopped { done, statements: rest[0].statement_count() };
    }

    pub(crate) fn step_failed(&mut self, rest: &[Step<'_>], failed: Failed) {
        log::step_failed(&rest[0], &failed);
        let at = self.steps.len() - rest.len();
        self.steps[at].outcome = Outcome::Failed(Box::new(failed));
    }

    /// Notes how long all of it took.
    pub(crate) fn took(&mut self, started: Instant) {
        self.duration = started.elapsed();
    }
}

fn line(step: &Step<'_>, outcome: Outcome, done: Done) -> StepReport {
    StepReport {
        version: step.version.clone(),
        name: step.name.clone(),
        task: step.task.clone(),
        action: step.action,
        outcome,
        statements: done.statements,
        rows: done.rows,
        duration: done.duration,
    }
}
