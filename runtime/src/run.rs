//! A run: look, decide, act, and again while others are in the way.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::backoff::Backoff;
use crate::backup::{BackingUp, Next};
use crate::downgrade::{no_way_down, way_down};
use crate::driver::{Batch, Detail, Done, Ended, TakeOver};
use crate::engine::{Engine, detail, read_or_stop};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, History, Holder};
use crate::log;
use crate::plan::{Goal, Mode, Plan};
use crate::progress::Progress;
use crate::report::{Report, Took};
use crate::runner::Watch;
use crate::settle::{Doubt, Settled, doubt_of};
use crate::stopper::{Observer, stopped};
use crate::waiting::{Waiting, longest, pause};

/// A run that is at work, and what it remembers from one look at the history to the next.
pub(crate) struct Run<'r, 'e, 'a> {
    engine: &'r mut Engine<'e, 'a>,
    report: &'r mut Report,
    observer: &'r Observer<'r>,
    goal: Goal,
    /// What comes after the rollback of what is newer.
    afterwards: Option<Goal>,
    /// How many steps a plan leaves to the next one.
    left: Option<usize>,
    backing_up: BackingUp,
    backoff: Backoff,
    watch: Watch,
    /// The entry that said *running* at the last look.
    doubt: Option<Doubt>,
    /// The entry that another one was about to settle when we were.
    in_the_way: Option<Doubt>,
}

/// What comes after a look, and what was done then.
enum Then {
    LookAgain,
    End,
}

impl<'r, 'e, 'a> Run<'r, 'e, 'a> {
    pub(crate) fn new(
        engine: &'r mut Engine<'e, 'a>,
        goal: Goal,
        (report, observer): (&'r mut Report, &'r Observer<'r>),
    ) -> Self {
        let (backoff, watch) = (Backoff::new(engine.settings.lock_timeout), Watch::new(engine.settings.lease));
        Self {
            engine,
            report,
            observer,
            goal,
            afterwards: None,
            left: None,
            backing_up: BackingUp::default(),
            backoff,
            watch,
            doubt: None,
            in_the_way: None,
        }
    }

    /// Runs until the goal is reached.
    pub(crate) async fn reach_the_goal(mut self) -> Result<()> {
        let result = loop {
            match self.turn().await {
                Ok(Then::LookAgain) => {}
                Ok(Then::End) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.report.backup = self.backing_up.made().cloned();
        self.backing_up.release().await;
        result
    }

    /// Looks, and does what there is to do.
    async fn turn(&mut self) -> Result<Then> {
        let history = self.look().await?;
        if let Some(entry) = history.running() {
            self.meet(entry, &history.holder).await?;
            return Ok(Then::LookAgain);
        }
        self.meet_nobody(&history.holder);
        if self.goes_down_first(&history)? {
            return Ok(Then::LookAgain);
        }
        let plan = self.plan(&history).await?;
        self.report.begin(&history, &plan);
        if plan.is_empty() {
            return Ok(self.after_the_goal());
        }
        if self.observer.is_stopped() {
            return Err(stopped(self.report, None));
        }
        self.announce(&plan);
        self.engine.refuse_shared_session(&plan).await?;
        match self.back_up(&plan, &history).await? {
            Next::Act => self.act(&plan, &history).await,
            Next::LookAgain => Ok(Then::LookAgain),
            Next::WaitFor(who) => {
                self.wait(Waiting::for_a_backup(who, self.engine.settings.lock_timeout)).await?;
                Ok(Then::LookAgain)
            }
        }
    }

    async fn look(&mut self) -> Result<History> {
        let detail = detail(&self.goal);
        let history = read_or_stop(self.engine.driver, detail, &mut self.backoff, self.observer).await?;
        self.report.waited = self.backoff.slept();
        self.take_over_from(&history.holder).await?;
        Ok(history)
    }

    /// Ends the session of a holder who is silent; the right itself is then tried for as ever.
    async fn take_over_from(&mut self, holder: &Holder) -> Result<()> {
        let Holder::Session(runner) = holder else { return Ok(()) };
        if !self.watch.finds_silent(runner) {
            return Ok(());
        }
        let (lease, identity) = (self.engine.settings.lease, self.engine.identity);
        match self.engine.driver.take_over(runner, lease, identity).await? {
            TakeOver::Done => {
                log::took_over(runner);
                self.report.taken_over.push(runner.to_string());
            }
            TakeOver::Gone => {}
            TakeOver::Refused => {
                self.watch.give_up();
                log::may_not_take_over(runner);
            }
        }
        Ok(())
    }

    /// What to do about an entry that says *running*: wait for whoever is at it, or settle it when nobody is.
    async fn meet(&mut self, entry: &Entry, holder: &Holder) -> Result<()> {
        // The holder is read a moment before the entry: only what two looks have seen is so.
        let seen = doubt_of(entry);
        let before = self.doubt.replace(seen.clone());
        let is_anew = before.as_ref().is_some_and(|before| before.1 != seen.1);
        if is_anew && *holder == Holder::Unknown {
            // Somebody has taken it over, or is at the next one: whoever waited for a dead runner waits anew.
            self.backoff.reset();
        }
        let waiting = self.engine.waiting_for(entry, holder);
        self.backoff.set_budget(waiting.budget);
        if is_left(holder, &self.backoff) && before.as_ref() == Some(&seen) {
            return self.settle(seen, waiting).await;
        }
        if before.is_none() && self.backoff.left().is_zero() {
            // However short the patience, there is a second look.
            tokio::time::sleep(SECOND_LOOK).await;
            return Ok(());
        }
        if self.pauses(&waiting).await? {
            return Ok(());
        }
        // The time was spent between that look at it and the pause: the next look settles.
        if *holder == Holder::Unknown && before.is_none_or(|before| before == seen) {
            tokio::time::sleep(SECOND_LOOK).await;
            return Ok(());
        }
        Err(self.in_vain(waiting).await)
    }

    async fn settle(&mut self, seen: Doubt, waiting: Waiting) -> Result<()> {
        if self.engine.settle(&seen).await? == Settled::Well {
            return Ok(());
        }
        // Of those who waited equally long, another was faster; who is in the way for longer than that settles nothing.
        if self.in_the_way.replace(seen.clone()) != Some(seen) {
            self.backoff.reset();
        }
        self.wait(waiting).await
    }

    /// No entry says *running*, or none does any more.
    fn meet_nobody(&mut self, holder: &Holder) {
        if self.doubt.take().is_some() && *holder == Holder::Unknown {
            // What was waited for has ended; others who waited for it begin now as well.
            self.backoff.reset();
        }
    }

    /// Whether what is newer has to be rolled back first: that is the goal from now on.
    fn goes_down_first(&mut self, history: &History) -> Result<bool> {
        let Some(down) = way_down(self.engine.facts(history), &self.goal, self.report)? else { return Ok(false) };
        self.afterwards = Some(std::mem::replace(&mut self.goal, down));
        Ok(true)
    }

    async fn plan(&mut self, history: &History) -> Result<Plan<'a>> {
        match self.engine.plan(history, &self.goal).await {
            Err(error) if self.afterwards.is_some() => Err(no_way_down(self.engine.facts(history), error)),
            decided => decided,
        }
    }

    /// What comes when nothing is left to do for the goal.
    fn after_the_goal(&mut self) -> Then {
        match self.afterwards.take() {
            Some(next) => {
                self.goal = next;
                Then::LookAgain
            }
            None => Then::End,
        }
    }

    /// Tells of a plan, unless it is what the last one left.
    fn announce(&self, plan: &Plan<'_>) {
        if self.left != Some(plan.steps.len()) {
            let statements = plan.steps.iter().map(|step| step.statements().count()).sum();
            self.observer.tell(&Progress::Planned { plan, statements });
        }
    }

    /// Sees to the backup. Nothing is changed before it is made: a run that is asked to stop need not make it.
    async fn back_up(&mut self, plan: &Plan<'_>, history: &History) -> Result<Next> {
        let backing_up = self.backing_up.next(self.engine, (plan, history), self.observer);
        let Some(next) = self.observer.unless_stopped(backing_up).await else {
            return Err(stopped(self.report, None));
        };
        self.report.backup = self.backing_up.made().cloned();
        next
    }

    /// Runs the plan as far as it goes, and waits for what stops it.
    async fn act(&mut self, plan: &Plan<'_>, history: &History) -> Result<Then> {
        // A repeated plan must not take two more steps.
        let versions = plan.steps.iter().map(|step| step.version.clone()).collect();
        self.goal = Goal::Only(plan.steps[0].action, versions);
        let ended = self.run_leading(plan, history).await;
        let rest = &plan.steps[ended.done.len()..];
        self.left = Some(rest.len());
        match ended.stop {
            Some(stop) => {
                let waiting = self.engine.waiting_after((rest, &history.holder), stop, self.report)?;
                self.wait(waiting).await?;
                Ok(Then::LookAgain)
            }
            None if rest.is_empty() && self.afterwards.is_none() => Ok(Then::End),
            None => Ok(Then::LookAgain),
        }
    }

    /// Runs the steps that go to the driver together: those up to the first of another mode. Each is in the report as
    /// soon as it is done.
    async fn run_leading(&mut self, plan: &Plan<'_>, history: &History) -> Ended {
        let mode = plan.steps[0].mode;
        let alike = plan.steps.iter().take_while(|step| step.mode == mode).count();
        let (steps, settings, observer) = (&plan.steps[..alike], self.engine.settings, self.observer);
        // Outside a transaction each step that is done is progress, and the next one waits anew.
        self.backoff.set_budget(longest(if mode == Mode::Transaction { steps } else { &steps[..1] }, settings));
        let telling = Mutex::new((&mut *self.report, 0));
        let tell = |done: Done| {
            let mut telling = telling.lock().unwrap_or_else(PoisonError::into_inner);
            let (report, told) = &mut *telling;
            report.step_done(plan, *told, done, observer);
            *told += 1;
        };
        let (identity, patience) = (self.engine.identity, self.backoff.left());
        let batch = Batch { steps, history, settings, identity, patience, tell: &tell, observer };
        let ended = self.engine.act(batch).await;
        if !ended.done.is_empty() {
            self.backoff.reset();
        }
        let (report, told) = telling.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (index, done) in ended.done.iter().enumerate().skip(told) {
            report.step_done(plan, index, *done, observer);
        }
        ended
    }

    /// Waits, within the budget.
    async fn wait(&mut self, waiting: Waiting) -> Result<()> {
        match self.pauses(&waiting).await? {
            true => Ok(()),
            false => Err(self.in_vain(waiting).await),
        }
    }

    /// Pauses; whether there was time left to.
    async fn pauses(&mut self, waiting: &Waiting) -> Result<bool> {
        self.backoff.set_budget(waiting.budget);
        let slept = pause(&mut self.backoff, &waiting.what, waiting.tried, self.observer).await;
        self.report.waited = self.backoff.slept();
        match slept {
            Some(slept) => Ok(slept),
            None => Err(stopped(self.report, Some(&waiting.what))),
        }
    }

    /// The error when the patience is spent.
    async fn in_vain(&mut self, waiting: Waiting) -> Error {
        if let Some(error) = waiting.otherwise {
            return error;
        }
        let holder = self.engine.driver.history(Detail::Entries).await.map(|history| history.holder);
        let (who, help) = match holder {
            Ok(Holder::Session(runner)) => (runner.to_string(), runner.help(self.engine.settings.lease)),
            _ => {
                let help =
                    "end what else writes to the database, or wait longer with `.lock_timeout(…)`; then run it again";
                (waiting.what.into_owned(), help.to_owned())
            }
        };
        let message = format!("waited {} for {who}; nothing more was run", Took(waiting.budget));
        Error::new(ErrorKind::Locked, message).help(help)
    }
}

/// The pause before the second look at an entry that says *running*.
const SECOND_LOOK: Duration = Duration::from_millis(20);

/// Whether nobody is at an entry that says *running*. Where the database cannot tell, nobody is when it has not moved
/// until the patience is spent; a runner that lives after all is stopped by its next statement.
fn is_left(holder: &Holder, backoff: &Backoff) -> bool {
    match holder {
        Holder::Nobody => true,
        Holder::Unknown => backoff.left().is_zero(),
        Holder::Session(_) => false,
    }
}
