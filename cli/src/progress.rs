//! How far a run has come: a bar on a terminal, plain lines in a pipe.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use whimbrel::__private::Took;
use whimbrel::{Action, Progress, Step, StepReport};

use crate::answer::say;

/// Shows a run on stderr.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    Bar(ProgressBar),
    Lines,
}

/// So often the bar is drawn anew, so that a person sees that it lives.
const TICK: Duration = Duration::from_millis(100);

impl Shown {
    pub(crate) fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    pub(crate) fn tell(&self, progress: &Progress<'_>) {
        match self {
            Self::Bar(bar) => draw(bar, progress),
            Self::Lines => line(progress),
        }
    }

    /// Takes the bar away: what was done is told by the report.
    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress<'_>) {
    match progress {
        Progress::Planned { plan, .. } => {
            let Some(first) = plan.steps().first() else { return };
            bar.set_length(plan.steps().len() as u64);
            bar.set_message(label(first));
            bar.enable_steady_tick(TICK);
        }
        Progress::BackingUp { folder, .. } => bar.set_message(backing_up(*folder)),
        Progress::Statement { step, statement, of, .. } => {
            bar.set_message(format!("{}: statement {statement} of {of}", label(step)));
        }
        Progress::StepDone { step, done, of, .. } => {
            bar.set_length(*of as u64);
            bar.set_position(*done as u64);
            bar.set_message(format!("{} {}", step.version, step.name));
        }
        Progress::Waiting { what, at_most, .. } => {
            bar.enable_steady_tick(TICK);
            bar.set_message(format!("waiting for {what}, {} at most", Took(*at_most)));
        }
        _ => {}
    }
}

fn line(progress: &Progress<'_>) {
    match progress {
        Progress::BackingUp { folder, .. } => say(&backing_up(*folder)),
        Progress::Statement { step, statement, of, .. } => {
            say(&format!("{}: statement {statement} of {of}", label(step)))
        }
        Progress::StepDone { step, done, of, .. } => {
            let (past, took) = (past(step), Took(step.duration));
            say(&format!("{past} {} {} in {took} ({done} of {of})", step.version, step.name));
        }
        Progress::Waiting { what, at_most, .. } => say(&format!("waiting for {what}, {} at most", Took(*at_most))),
        _ => {}
    }
}

fn backing_up(folder: Option<&Path>) -> String {
    match folder {
        Some(folder) => format!("backing up to {}", folder.display()),
        None => "backing up".to_owned(),
    }
}

fn label(step: &Step<'_>) -> String {
    let back = if step.action() == Action::RollBack { "rolling back " } else { "" };
    format!("{back}{} {}", step.version(), step.name())
}

fn past(step: &StepReport) -> &'static str {
    match step.action {
        Action::RollBack => "rolled back",
        Action::Baseline => "recorded",
        _ => "applied",
    }
}
