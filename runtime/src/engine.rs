//! What a run is made of: read, decide, act.

use std::time::Duration;

use tracing::Instrument as _;
use whimbrel_core::Migrations;

use crate::backoff::Backoff;
use crate::downgrade::{no_way_down, way_down};
use crate::driver::{Batch, Detail, Driver, Ended, Session};
use crate::error::{ErrorKind, Result};
use crate::events::Event;
use crate::history::{Head, History};
use crate::identity::Identity;
use crate::log;
use crate::plan::{self, Facts, Goal, Mode, Plan};
use crate::refusal;
use crate::report::Report;
use crate::run::Run;
use crate::settings::Settings;
use crate::stopper::{Observer, stopped};
use crate::target::Target;
use crate::waiting::{awaited, pause};

/// What a run works with.
pub(crate) struct Engine<'e, 'a> {
    pub(crate) set: &'a Migrations,
    pub(crate) driver: &'e mut (dyn Driver + 'a),
    pub(crate) settings: &'e Settings,
    pub(crate) identity: &'e Identity,
}

impl<'a> Engine<'_, 'a> {
    /// Runs until the goal is reached; the report tells what was done, also when this future is dropped or fails.
    pub(crate) async fn run(&mut self, goal: Goal, report: &mut Report, observer: &Observer<'_>) -> Result<()> {
        if self.is_up_to_date(&goal, report).await? {
            return Ok(());
        }
        if let (Goal::Up(_), Some(by)) = (&goal, &self.settings.forbidden_by) {
            return self.refuse_pending(by, &goal, report).await;
        }
        Run::new(self, goal, (report, observer)).reach_the_goal().await
    }

    /// Looks only: what is pending is an error, whoever may be at it.
    async fn refuse_pending(&mut self, by: &str, goal: &Goal, report: &mut Report) -> Result<()> {
        let history = read(self.driver, detail(goal), &mut Backoff::new(self.settings.lock_timeout)).await?;
        let plan = self.plan(&history, goal).await?;
        if !plan.is_empty() {
            return Err(refusal::may_not_apply(&plan, &history.holder, by));
        }
        report.begin(&history, &plan);
        Ok(())
    }

    /// Plans without acting.
    pub(crate) async fn decide(&mut self, goal: &Goal) -> Result<Plan<'a>> {
        let history = read(self.driver, detail(goal), &mut Backoff::new(self.settings.lock_timeout)).await?;
        if let Some(down) = way_down(self.facts(&history), goal, &Report::default())? {
            let mut backoff = Backoff::new(self.settings.lock_timeout);
            let history = read(self.driver, Detail::Scripts, &mut backoff).await?;
            let decided = self.plan(&history, &down).await;
            return decided.map_err(|error| no_way_down(self.facts(&history), error));
        }
        self.plan(&history, goal).await
    }

    /// The fast path: one request, no write.
    async fn is_up_to_date(&mut self, goal: &Goal, report: &mut Report) -> Result<bool> {
        let (Goal::Up(Target::Latest), Some(last)) = (goal, self.set.last()) else { return Ok(false) };
        let head = match self.driver.head(&last.version().canonical()).await {
            // The history is waited for.
            Err(error) if awaited(&error, Duration::ZERO).is_some() => return Ok(false),
            head => head?,
        };
        let Head::Present { completed, unfinished, chain } = head else { return Ok(false) };
        let same = chain.is_some_and(|chain| chain == self.set.head(self.driver.dialect()).to_string());
        let up_to_date = same && unfinished == 0 && completed == self.set.len() as u64;
        if up_to_date {
            report.previous = Some(last.version().clone());
            report.current = report.previous.clone();
            report.applied = self.set.len();
        }
        Ok(up_to_date)
    }

    /// Plans; a refusal that tells of scripts reads them first.
    pub(crate) async fn plan(&mut self, history: &History, goal: &Goal) -> Result<Plan<'a>> {
        let (set, dialect, settings) = (self.set, self.driver.dialect(), self.settings);
        let application = &self.identity.application;
        match plan::plan(Facts { set, dialect, history, settings, application }, goal) {
            Err(error)
                if matches!(error.kind(), ErrorKind::Changed | ErrorKind::Newer) && detail(goal) == Detail::Entries =>
            {
                let mut backoff = Backoff::new(settings.lock_timeout);
                let history = &read(self.driver, Detail::Scripts, &mut backoff).await?;
                plan::plan(Facts { set, dialect, history, settings, application }, goal)
            }
            decided => decided,
        }
    }

    /// Refuses all of a plan when a step of it needs a session, and what we have is no session of ours.
    pub(crate) async fn refuse_shared_session(&mut self, plan: &Plan<'_>) -> Result<()> {
        let Some(step) = plan.steps.iter().find(|step| step.mode == Mode::Outside) else { return Ok(()) };
        match self.driver.session().await? {
            Session::Ours => Ok(()),
            Session::Shared => Err(refusal::shared_session(&step.label())),
        }
    }

    /// Runs steps of one mode.
    pub(crate) async fn act(&mut self, batch: Batch<'_>) -> Ended {
        let Some(first) = batch.steps.first() else { return Ended::default() };
        let span = log::steps_span(first, batch.steps.len(), self.driver.dialect());
        let running = match first.mode {
            Mode::Outside => self.driver.outside(batch),
            _ => self.driver.transactional(batch),
        };
        running.instrument(span).await
    }
}

/// Reads the history; a writer that lets nobody read is waited for, and a server that is not ready.
pub(crate) async fn read(driver: &mut dyn Driver, detail: Detail, backoff: &mut Backoff) -> Result<History> {
    read_or_stop(driver, detail, backoff, &Observer::default()).await
}

/// The same, for a run that may be asked to stop meanwhile.
pub(crate) async fn read_or_stop(
    driver: &mut dyn Driver,
    detail: Detail,
    backoff: &mut Backoff,
    observer: &Observer<'_>,
) -> Result<History> {
    let before = backoff.slept();
    loop {
        match driver.history(detail).await {
            Err(error) => match awaited(&error, backoff.slept() - before) {
                Some(what) => match pause(backoff, what, Duration::ZERO, observer).await {
                    Some(true) => {}
                    Some(false) => return Err(error),
                    None => return Err(stopped(&Report::default(), Some(what))),
                },
                None => return Err(error),
            },
            answer => return answer,
        }
    }
}

/// Reads the events, as [`read`] reads the history.
pub(crate) async fn events(driver: &mut dyn Driver, limit: Option<usize>, backoff: &mut Backoff) -> Result<Vec<Event>> {
    let before = backoff.slept();
    loop {
        match driver.events(limit).await {
            Err(error) => match awaited(&error, backoff.slept() - before) {
                Some(what) if pause(backoff, what, Duration::ZERO, &Observer::default()).await == Some(true) => {}
                _ => return Err(error),
            },
            answer => return answer,
        }
    }
}

pub(crate) fn detail(goal: &Goal) -> Detail {
    if goal.is_down() { Detail::Scripts } else { Detail::Entries }
}
