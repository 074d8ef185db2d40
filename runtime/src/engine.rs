//! The run: read, decide, act, and again while others are in the way.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Instrument as _;
use whimbrel_core::{Dialect, Direction, Migrations};

use crate::backoff::Backoff;
use crate::backup::{BackingUp, Next};
use crate::database_error::DatabaseError;
use crate::downgrade::{no_way_down, way_down};
use crate::driver::{Batch, Detail, Done, Driver, Ended, Failure, Part, Session, Stop, TakeOver};
use crate::error::{Error, ErrorKind, Passing, Result};
use crate::events::Event;
use crate::history::{Entry, Head, History, Holder};
use crate::identity::Identity;
use crate::log;
use crate::plan::{self, Facts, Goal, Mode, Plan, Step};
use crate::progress::Progress;
use crate::refusal;
use crate::report::{Action, Failed, Outcome, Report, StepReport, Took};
use crate::runner::Watch;
use crate::settings::Settings;
use crate::settle::{Doubt, Settled, doubt_of, in_doubt};
use crate::stopper::{Observer, stopped};
use crate::target::Target;

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
        let mut backing_up = BackingUp::default();
        let result = self.run_backed_up(goal, (report, observer), &mut backing_up).await;
        report.backup = backing_up.made().cloned();
        backing_up.release().await;
        result
    }

    async fn run_backed_up(
        &mut self,
        goal: Goal,
        (report, observer): (&mut Report, &Observer<'_>),
        backing_up: &mut BackingUp,
    ) -> Result<()> {
        if self.is_up_to_date(&goal, report).await? {
            return Ok(());
        }
        if let (Goal::Up(_), Some(by)) = (&goal, &self.settings.forbidden_by) {
            return self.refuse_pending(by, &goal, report).await;
        }
        let mut goal = goal;
        let mut backoff = Backoff::new(self.settings.lock_timeout);
        let (mut doubt, mut in_the_way): (Option<Doubt>, Option<Doubt>) = (None, None);
        let mut watch = Watch::new(self.settings.lease);
        // How many steps a plan leaves to the next one; what comes after the rollback of what is newer.
        let (mut left, mut afterwards) = (None, None);
        loop {
            let history = read_or_stop(self.driver, detail(&goal), &mut backoff, observer).await?;
            report.waited = backoff.slept();
            report.taken_over.extend(self.take_over_from(&history.holder, &mut watch).await?);
            if let Some(entry) = history.running() {
                // The holder is read a moment before the entry: only what two looks have seen is so.
                let seen = doubt_of(entry);
                let before = doubt.replace(seen.clone());
                let is_anew = before.as_ref().is_some_and(|before| before.1 != seen.1);
                if is_anew && history.holder == Holder::Unknown {
                    // Somebody has taken it over, or is at the next one: whoever waited for a dead runner waits anew.
                    backoff.reset();
                }
                let waiting = self.waiting_for(entry, &history.holder);
                backoff.set_budget(waiting.budget);
                if is_left(&history.holder, &backoff) && before.as_ref() == Some(&seen) {
                    if self.settle(&seen).await? == Settled::Not {
                        // Of those who waited equally long, another was faster; who is in the way for longer than that
                        // settles nothing.
                        if in_the_way.replace(seen.clone()) != Some(seen) {
                            backoff.reset();
                        }
                        self.wait(&mut backoff, report, waiting, observer).await?;
                    }
                } else if before.is_none() && backoff.left().is_zero() {
                    // However short the patience, there is a second look.
                    tokio::time::sleep(SECOND_LOOK).await;
                } else {
                    self.wait(&mut backoff, report, waiting, observer).await?;
                }
                continue;
            }
            if doubt.take().is_some() && history.holder == Holder::Unknown {
                // What was waited for has ended; others who waited for it begin now as well.
                backoff.reset();
            }
            if let Some(down) = way_down(self.facts(&history), &goal, report)? {
                afterwards = Some(std::mem::replace(&mut goal, down));
                continue;
            }
            let plan = match self.plan(&history, &goal).await {
                Err(error) if afterwards.is_some() => return Err(no_way_down(self.facts(&history), error)),
                decided => decided?,
            };
            report.begin(&history, &plan);
            let Some(first) = plan.steps.first() else {
                let Some(next) = afterwards.take() else { return Ok(()) };
                goal = next;
                continue;
            };
            if observer.is_stopped() {
                return Err(stopped(report, None));
            }
            if left != Some(plan.steps.len()) {
                let statements = plan.steps.iter().map(|step| step.statements().count()).sum();
                observer.tell(&Progress::Planned { plan: &plan, statements });
            }
            self.refuse_shared_session(&plan).await?;
            // Nothing is changed before the backup is made: a run that is asked to stop need not make it.
            let Some(next) = observer.unless_stopped(backing_up.next(self, (&plan, &history), observer)).await else {
                return Err(stopped(report, None));
            };
            match next? {
                Next::Act => {}
                Next::LookAgain => {
                    report.backup = backing_up.made().cloned();
                    continue;
                }
                Next::WaitFor(who) => {
                    let waiting = for_a_backup(who, self.settings.lock_timeout);
                    self.wait(&mut backoff, report, waiting, observer).await?;
                    continue;
                }
            }
            // A repeated plan must not take two more steps.
            goal = Goal::Only(first.action, plan.steps.iter().map(|step| step.version.clone()).collect());
            let telling = Mutex::new((&mut *report, 0));
            let tell = |done: Done| {
                let mut telling = telling.lock().unwrap_or_else(PoisonError::into_inner);
                let (report, told) = &mut *telling;
                report.step_done(&plan, *told, done, observer);
                *told += 1;
            };
            let batch = leading(&plan, &history, self, &mut backoff, (&tell, observer));
            let ended = self.act(batch).await;
            if !ended.done.is_empty() {
                backoff.reset();
            }
            let (report, told) = telling.into_inner().unwrap_or_else(PoisonError::into_inner);
            for (index, done) in ended.done.iter().enumerate().skip(told) {
                report.step_done(&plan, index, *done, observer);
            }
            let rest = &plan.steps[ended.done.len()..];
            left = Some(rest.len());
            match ended.stop {
                Some(stop) => {
                    let waiting = self.stopped((rest, &history.holder), stop, report)?;
                    self.wait(&mut backoff, report, waiting, observer).await?;
                }
                None if rest.is_empty() && afterwards.is_none() => return Ok(()),
                None => {}
            }
        }
    }

    /// Ends the session of a holder who is silent; the right itself is then tried for as ever.
    async fn take_over_from(&mut self, holder: &Holder, watch: &mut Watch) -> Result<Option<String>> {
        let Holder::Session(runner) = holder else { return Ok(None) };
        if !watch.finds_silent(runner) {
            return Ok(None);
        }
        match self.driver.take_over(runner, self.settings.lease, self.identity).await? {
            TakeOver::Done => {
                log::took_over(runner);
                return Ok(Some(runner.to_string()));
            }
            TakeOver::Gone => {}
            TakeOver::Refused => {
                watch.give_up();
                log::may_not_take_over(runner);
            }
        }
        Ok(None)
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
    async fn plan(&mut self, history: &History, goal: &Goal) -> Result<Plan<'a>> {
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
    async fn refuse_shared_session(&mut self, plan: &Plan<'_>) -> Result<()> {
        let Some(step) = plan.steps.iter().find(|step| step.mode == Mode::Outside) else { return Ok(()) };
        match self.driver.session().await? {
            Session::Ours => Ok(()),
            Session::Shared => Err(refusal::shared_session(&step.label())),
        }
    }

    /// Waits, within the budget; what the error is when that is spent.
    async fn wait(
        &mut self,
        backoff: &mut Backoff,
        report: &mut Report,
        waiting: Waiting,
        observer: &Observer<'_>,
    ) -> Result<()> {
        backoff.set_budget(waiting.budget);
        let slept = pause(backoff, &waiting.what, waiting.tried, observer).await;
        report.waited = backoff.slept();
        let Some(slept) = slept else { return Err(stopped(report, Some(&waiting.what))) };
        if slept {
            return Ok(());
        }
        if let Some(error) = waiting.otherwise {
            return Err(error);
        }
        let holder = self.driver.history(Detail::Entries).await.map(|history| history.holder);
        let (who, help) = match holder {
            Ok(Holder::Session(runner)) => (runner.to_string(), runner.help(self.settings.lease)),
            _ => {
                let help =
                    "end what else writes to the database, or wait longer with `.lock_timeout(…)`; then run it again";
                (waiting.what.into_owned(), help.to_owned())
            }
        };
        let message = format!("waited {} for {who}; nothing more was run", Took(waiting.budget));
        Err(Error::new(ErrorKind::Locked, message).help(help))
    }

    async fn act(&mut self, batch: Batch<'_>) -> Ended {
        let Some(first) = batch.steps.first() else { return Ended::default() };
        let span = log::steps_span(first, batch.steps.len(), self.driver.dialect());
        let running = match first.mode {
            Mode::Outside => self.driver.outside(batch),
            _ => self.driver.transactional(batch),
        };
        running.instrument(span).await
    }

    /// What there is to wait for, or why it cannot go on; `rest` is what the plan has left.
    fn stopped(&self, (rest, holder): (&[Step<'_>], &Holder), stop: Stop, report: &mut Report) -> Result<Waiting> {
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

    /// Whoever is at an entry is waited for as long as its script lets them wait.
    fn waiting_for(&self, entry: &Entry, holder: &Holder) -> Waiting {
        let script = self.set.get(&entry.version).and_then(|migration| {
            let direction = if entry.undone.is_some() { Direction::Down } else { Direction::Up };
            migration.script(direction, self.driver.dialect())
        });
        let wait = script.and_then(|script| script.options().wait).unwrap_or_default();
        let otherwise = (*holder == Holder::Unknown).then(|| in_doubt(entry, holder));
        Waiting { otherwise, ..Waiting::for_others(another_runner(holder), wait.max(self.settings.lock_timeout)) }
    }

    /// The error of a failed step, and its line in the report.
    fn failed(&self, rest: &[Step<'_>], failure: Failure, report: &mut Report) -> Error {
        let step = &rest[0];
        let (script, path) = match (failure.part, step.verify.as_ref()) {
            (Part::Verify(_), Some((verify, path))) => (Some(*verify), path.as_str()),
            _ => (step.script.as_deref(), step.path.as_str()),
        };
        let place = match (script, &failure.range) {
            (Some(script), Some(range)) => Some(script.place(path, range.clone())),
            _ => None,
        };
        let part = name_of(failure.part, step);
        let left = left_of(step, &failure, self.driver.dialect());
        report
            .step_failed(rest, Failed { part: part.clone(), left, cause: failure.cause.clone(), place: place.clone() });
        let at = place.as_ref().map_or_else(String::new, |place| match (place.line(), place.column()) {
            (Some(line), Some(column)) => format!(" ({}:{line}:{column})", place.path()),
            _ => String::new(),
        });
        let verb = if step.action == Action::RollBack { "rolling back " } else { "" };
        let message = format!("{verb}{} failed at {part}{at}", step.label());
        let kind = if failure.cause.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Failed };
        let help = help_of(step, &failure, (kind, self.driver.dialect()));
        Error::new(kind, message).source(failure.cause).at(place).help(help)
    }
}

/// Reads the history; a writer that lets nobody read is waited for, and a server that is not ready.
pub(crate) async fn read(driver: &mut dyn Driver, detail: Detail, backoff: &mut Backoff) -> Result<History> {
    read_or_stop(driver, detail, backoff, &Observer::default()).await
}

/// The same, for a run that may be asked to stop meanwhile.
async fn read_or_stop(
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

/// How long somebody who starts a program, and has the wrong port, may be kept from reading it.
const SOON: Duration = Duration::from_secs(2);

/// What there is to wait for, so that an error does not come again.
fn awaited(error: &Error, slept: Duration) -> Option<&'static str> {
    match error.passing() {
        _ if error.kind() == ErrorKind::Locked => Some("another writer"),
        Passing::Later => Some("the server"),
        Passing::Soon if slept < SOON => Some("the server"),
        _ => None,
    }
}

/// Sleeps, within the budget; says once for whom, and each time how long, with the time for which a statement has `tried`.
/// `None` when the run is asked to stop.
async fn pause(backoff: &mut Backoff, what: &str, tried: Duration, observer: &Observer<'_>) -> Option<bool> {
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

/// Something to wait for.
struct Waiting {
    what: Cow<'static, str>,
    /// The error when the patience is spent, where it is not simply that.
    otherwise: Option<Error>,
    /// The patience, from the last progress on.
    budget: Duration,
    /// How long a statement has waited for a lock until it gave up.
    tried: Duration,
}

impl Waiting {
    fn for_others(what: Cow<'static, str>, budget: Duration) -> Self {
        Self { what, otherwise: None, budget, tried: Duration::ZERO }
    }
}

/// Another one who backs up and runs: its backup may take longer than other things.
fn for_a_backup(who: String, budget: Duration) -> Waiting {
    let message = format!("waited {} for {who}, which backs up and migrates; nothing was run", Took(budget));
    let help = "see what it is doing; if it hangs, end it; else wait longer with `.lock_timeout(…)`; then run it again";
    let otherwise = Some(Error::new(ErrorKind::Locked, message).help(help));
    Waiting { otherwise, ..Waiting::for_others(who.into(), budget) }
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

/// Another runner, by name where it has one.
fn another_runner(holder: &Holder) -> Cow<'static, str> {
    match holder {
        Holder::Session(runner) => format!("another runner: {runner}").into(),
        Holder::Unknown | Holder::Nobody => "another runner".into(),
    }
}

fn detail(goal: &Goal) -> Detail {
    if goal.is_down() { Detail::Scripts } else { Detail::Entries }
}

/// The steps that go to the driver together: those up to the first of another mode.
fn leading<'b>(
    plan: &'b Plan<'_>,
    history: &'b History,
    engine: &Engine<'b, '_>,
    backoff: &mut Backoff,
    (tell, observer): (&'b (dyn Fn(Done) + Sync), &'b Observer<'b>),
) -> Batch<'b> {
    let mode = plan.steps[0].mode;
    let alike = plan.steps.iter().take_while(|step| step.mode == mode).count();
    let (steps, settings) = (&plan.steps[..alike], engine.settings);
    // Outside a transaction each step that is done is progress, and the next one waits anew.
    backoff.set_budget(longest(if mode == Mode::Transaction { steps } else { &steps[..1] }, settings));
    Batch { steps, history, settings, identity: engine.identity, patience: backoff.left(), tell, observer }
}

/// The longest time that a step of these may wait for what others hold.
fn longest(steps: &[Step<'_>], settings: &Settings) -> Duration {
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

fn name_of(part: Part, step: &Step<'_>) -> String {
    let of = |script: Option<&whimbrel_core::Script>| script.map_or(0, whimbrel_core::Script::len);
    match part {
        Part::Statement(index) | Part::Half(index) => {
            format!("statement {} of {}", index + 1, of(step.script.as_deref()))
        }
        Part::Verify(index) => format!("verify query {} of {}", index + 1, of(step.verify.as_ref().map(|it| it.0))),
        Part::Constraints | Part::Commit => "a constraint at the end".to_owned(),
        Part::Reset => "setting the session back".to_owned(),
        Part::Stopped => "a request to stop".to_owned(),
        Part::Open | Part::Create | Part::Enter | Part::Leave => "its entry in the history".to_owned(),
    }
}

fn help_of(step: &Step<'_>, failure: &Failure, (kind, dialect): (ErrorKind, Dialect)) -> &'static str {
    match (step.mode, failure.part) {
        _ if kind == ErrorKind::Timeout => "make it faster, or raise `-- whimbrel:timeout`, and run it again",
        _ if failure.cause.is_disk() => "make room on the disk, or mend it, and run it again",
        (Mode::Outside, Part::Verify(_)) => {
            "correct the data or the query, and run it again: it goes on with the query"
        }
        (Mode::Outside, _) if step.action == Action::RollBack && failure.took_nothing_back(step, dialect) => {
            "correct the down script and run it again: this migration is still applied"
        }
        (_, Part::Half(_)) => "look what of it took effect, correct it, and run it again: it goes on with it",
        (Mode::Outside, Part::Constraints) => {
            "mend the rows that `PRAGMA foreign_key_check` lists, and run it again: its statements are done"
        }
        (Mode::Outside, _) => "correct the statement and run it again: it goes on with it",
        _ if step.action == Action::RollBack => {
            "correct the down script and run it again: this migration is still applied"
        }
        _ => "correct the script and run it again: what is applied stays, nothing of this migration does",
    }
}

fn left_of(step: &Step<'_>, failure: &Failure, dialect: Dialect) -> String {
    let and_some = if matches!(failure.part, Part::Half(_)) { ", and perhaps some of it" } else { "" };
    match (step.mode, failure.kept) {
        (Mode::Outside, _) if step.action == Action::RollBack && failure.took_nothing_back(step, dialect) => {
            "still applied".to_owned()
        }
        (Mode::Transaction | Mode::ForeignKeysOff, _) if step.action == Action::RollBack => "still applied".to_owned(),
        (Mode::Outside, 0) => format!("nothing before it{and_some}"),
        (Mode::Outside, 1) => format!("the statement before it stays{and_some}"),
        (Mode::Outside, kept) => format!("the {kept} statements before it stay{and_some}"),
        _ => "rolled back".to_owned(),
    }
}

impl Report {
    /// Takes over what a first look, or a repeated one, found.
    fn begin(&mut self, history: &History, plan: &Plan<'_>) {
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
    fn step_done(&mut self, plan: &Plan<'_>, index: usize, done: Done, observer: &Observer<'_>) {
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

    fn step_stopped(&mut self, rest: &[Step<'_>], done: usize) {
        let at = self.steps.len() - rest.len();
        tracing::info!(version = %rest[0].version, name = rest[0].name, "stopped as asked");
        self.steps[at].outcome = Outcome::Stopped { done, statements: rest[0].statement_count() };
    }

    fn step_failed(&mut self, rest: &[Step<'_>], failed: Failed) {
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
