//! Steps, one after the other, while we hold the right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use whimbrel_core::{Script, Version};

use crate::chain::Chain;
use crate::database_error::DatabaseError;
use crate::driver::heart::Heart;
use crate::driver::scylla::client::Client;
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::record::{self, Event, Mark, Set};
use crate::driver::scylla::right::{self, Denied, Right, Seen, Signs};
use crate::driver::scylla::statement::Run;
use crate::driver::scylla::table::Table;
use crate::driver::scylla::{creation, query};
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop};
use crate::error::{Error, ErrorKind};
use crate::history::{History, State};
use crate::plan::Step;
use crate::report::Action;

/// What the driver knows when a batch begins.
pub(crate) struct Known<'k, 'a> {
    pub(crate) client: &'k Client<'a>,
    pub(crate) table: &'k Table,
    pub(crate) cluster: &'k crate::cluster::Cluster,
    pub(crate) seen: &'k Seen,
    /// Of the entries that are neither completed nor rolled back.
    pub(crate) marks: &'k BTreeMap<String, Mark>,
}

/// Runs the steps of a batch, while we hold the right.
pub(crate) async fn run(known: Known<'_, '_>, batch: Batch<'_>) -> Ended {
    let stopped = |stop| Ended::stopped(Vec::new(), stop);
    let Some(first) = batch.steps.first() else { return Ended::default() };
    let (client, table) = (known.client, known.table);
    if known.seen.owner.is_some() {
        // Those who wait do not compete with whoever writes.
        return stopped(Stop::Busy);
    }
    let coordinator = match Coordinator::near(client).await {
        Ok(coordinator) => coordinator,
        Err(fault) => return stopped(Stop::Broken(fault.into_error(table))),
    };
    if !batch.history.present
        && let Err(error) = creation::create(client, table, &coordinator, known.cluster).await
    {
        return stopped(Stop::Broken(error));
    }
    let right = match right::acquire((client, table), known.seen, &batch, first).await {
        Ok(right) => right,
        Err(Denied::Busy) => return stopped(Stop::Busy),
        Err(Denied::Stale) => return stopped(Stop::Stale),
        Err(Denied::Lost(cause)) => return stopped(Stop::Lost(cause)),
        Err(Denied::Broken(error)) => return stopped(Stop::Broken(error)),
    };
    let mut done = Vec::new();
    let mut all = Steps {
        right: &right,
        coordinator: &coordinator,
        known: &known,
        batch: &batch,
        tally: Tally::of(batch.history),
        mark: Mark::default(),
        last_event: known.seen.last_event.unwrap_or(0),
        last_write_time: known.seen.last_write_time,
    };
    let work = all.run(&mut done);
    let held = Heart::new(batch.settings.lease).beside(Some(Signs(&right)), work).await;
    let label = || batch.steps.get(done.len()).map_or_else(String::new, Step::label);
    let lost = async || Stop::Broken(right.lost(right::Lost::Right, &label(), batch.history.last_event).await);
    let stop = match held {
        None => Some(lost().await),
        // Of a runner that stood still, what it hears of its statement no longer counts.
        Some(Some(_)) if right.left().is_zero() && right.is_taken_over().await => Some(lost().await),
        Some(stop) => stop,
    };
    right.release().await;
    Ended { done, stop }
}

/// How many chains go into the batch of a step, the highest first: it must stay below the 50 kB that a server takes
/// (`batch_size_fail_threshold`). The fast path asks for none of them here but for the head's, which is counted anew.
const MOST_RECHAINED: usize = 100;

/// What the fast path asks: which migration is the last one, its chain, and how many there are.
pub(crate) struct Tally {
    completed: Chain,
    unfinished: BTreeSet<Version>,
}

impl Tally {
    pub(crate) fn of(history: &History) -> Self {
        let is_unfinished = |state| !matches!(state, State::Completed | State::RolledBack);
        let unfinished = history.entries.iter().filter(|entry| is_unfinished(entry.state));
        Self {
            completed: Chain::of(history.completed()),
            unfinished: unfinished.map(|entry| entry.version.clone()).collect(),
        }
    }

    pub(crate) fn set(&self) -> Set {
        let (key, chain) =
            self.completed.iter().next_back().map(|(version, chain)| (version.canonical(), chain.to_string())).unzip();
        Set::default()
            .text("head", key.as_deref())
            .text("head_chain", chain.as_deref())
            .number("completed", self.completed.iter().len() as i64)
            .number("unfinished", self.unfinished.len() as i64)
    }

    fn begin(&mut self, step: &Step<'_>) {
        self.completed.take_away(&step.version);
        self.unfinished.insert(step.version.clone());
    }

    /// It is as it was before the step began.
    fn go_on(&mut self, history: &History, step: &Step<'_>) {
        self.unfinished.remove(&step.version);
        // A rollback that stood half-way left it unfinished, and is taken back now.
        if let Some(entry) = history.get(&step.version) {
            self.completed.complete(&entry.version, entry.checksum);
        }
    }

    fn end(&mut self, step: &Step<'_>) {
        self.unfinished.remove(&step.version);
        if let Some(record) = &step.record {
            self.completed.complete(&step.version, record.checksum);
        }
    }
}

/// The steps at work.
pub(crate) struct Steps<'s, 'k, 'a, 'b> {
    pub(crate) right: &'s Right<'k, 'a>,
    pub(crate) coordinator: &'s Coordinator,
    pub(crate) known: &'s Known<'k, 'a>,
    pub(crate) batch: &'s Batch<'b>,
    tally: Tally,
    /// Of the statement at work.
    mark: Mark,
    last_event: i64,
    pub(crate) last_write_time: i64,
}

impl<'b> Steps<'_, '_, '_, 'b> {
    /// Why it went no further, if something stopped it.
    async fn run(&mut self, done: &mut Vec<Done>) -> Option<Stop> {
        for step in self.batch.steps {
            if self.batch.observer.is_stopped() {
                break;
            }
            match self.step(step).await {
                Ok(one) => {
                    done.push(one);
                    (self.batch.tell)(one);
                }
                Err(Stop::Failed(failure)) => {
                    self.record_failure(step, &failure).await;
                    return Some(Stop::Failed(failure));
                }
                Err(stop) => return Some(stop),
            }
        }
        None
    }

    pub(crate) async fn agree(&self, need: Need) -> Result<(), Error> {
        agree(self.known.client, self.coordinator, self.known.cluster, need).await
    }

    async fn step(&mut self, step: &Step<'b>) -> Result<Done, Stop> {
        let started = Instant::now();
        if step.action == Action::Baseline {
            self.baseline(step).await?;
            return Ok(Done { statements: 0, rows: None, duration: started.elapsed() });
        }
        self.check_size(step)?;
        self.check_limit(step)?;
        let mut statements = 0;
        match step.script.as_deref() {
            Some(script) => {
                let run = Run { steps: self, step, script };
                statements = run.statements().await?;
            }
            None => self.enter(step, Mark::default()).await?,
        }
        self.verify(step).await?;
        let duration = started.elapsed();
        self.leave(step, duration).await?;
        Ok(Done { statements, rows: None, duration })
    }

    /// Writes the entry of a step that begins, with what is known of its first statement.
    pub(crate) async fn enter(&mut self, step: &Step<'b>, mark: Mark) -> Result<(), Stop> {
        self.tally.begin(step);
        self.note(&mark);
        let set = record::begin(step, self.batch.identity).and(mark.set());
        self.write(step, step.skip, set, Some(("started", None, None))).await
    }

    /// Writes how many statements are done, with what is known of the next one.
    pub(crate) async fn progress(&mut self, step: &Step<'b>, done: usize, mark: Mark) -> Result<(), Stop> {
        self.note(&mark);
        let set = Set::default().number(record::progress_column(step), done as i64).and(mark.set());
        self.write(step, done, set, None).await
    }

    fn note(&mut self, mark: &Mark) {
        self.last_write_time = mark.write_time.unwrap_or(0).max(self.last_write_time);
        self.mark.clone_from(mark);
    }

    async fn leave(&mut self, step: &Step<'b>, took: Duration) -> Result<(), Stop> {
        self.tally.end(step);
        let what = if step.action == Action::RollBack { "rolled_back" } else { "applied" };
        let set = record::leave(step, took, self.applied_before(step));
        self.write(step, step.statement_count(), set, Some((what, None, Some(took)))).await
    }

    /// Writes an entry that nothing runs for.
    async fn baseline(&mut self, step: &Step<'b>) -> Result<(), Stop> {
        self.tally.begin(step);
        self.tally.end(step);
        let set = record::begin(step, self.batch.identity).and(record::leave(step, Duration::ZERO, 0));
        self.write(step, 0, set, Some(("baselined", None, None))).await
    }

    async fn record_failure(&mut self, step: &Step<'b>, failure: &Failure) {
        let cause = failure.cause.to_string();
        let applied = self.applied_before(step);
        if step.action == Action::RollBack && failure.took_nothing_back(step, whimbrel_core::Dialect::Cql) {
            self.tally.go_on(self.batch.history, step);
        }
        // What may have been written is written with the same time when it is sent again.
        let mark = if matches!(failure.part, Part::Half(_)) { self.mark.clone() } else { Mark::default() };
        let set = record::fail(step, failure, applied, mark);
        if let Err(Stop::Broken(error)) =
            self.write(step, failure.kept, set, Some((failure.event(), Some(&cause), None))).await
        {
            tracing::warn!(error = %error, "the failure could not be recorded in the history");
        }
    }

    /// Records that a step stopped between two statements: nothing of it is in doubt. What cannot be recorded is settled
    /// by the next run.
    pub(crate) async fn pause(&mut self, step: &Step<'b>, done: usize, why: &str) {
        let set = Set::default().text("state", "failed").text("error", why).and(Mark::default().set());
        let set = set.number(record::progress_column(step), done as i64);
        let _ = self.write(step, done, set, Some(("failed", Some(why), None))).await;
    }

    /// How many statements of its up script the entry of a step said to be applied.
    fn applied_before(&self, step: &Step<'_>) -> usize {
        self.batch.history.get(&step.version).map_or(0, |entry| entry.applied)
    }

    async fn write(
        &mut self,
        step: &Step<'b>,
        done: usize,
        set: Set,
        event: Option<(&str, Option<&str>, Option<Duration>)>,
    ) -> Result<(), Stop> {
        let table = self.known.table;
        let mut rows = vec![record::entry(table, &step.key, set)];
        let mut statics = self.tally.set().number("last_write_time", self.last_write_time);
        if let Some((what, detail, took)) = event {
            self.last_event += 1;
            let event = Event { number: self.last_event, what, key: &step.key, detail, took };
            rows.push(record::event(table, self.batch.identity, event));
            statics = statics.number("last_event", self.last_event);
            // It arrives or goes with this write.
            let ends = took.is_some() || step.action == Action::Baseline;
            let rechained = step.rechain.iter().rev().take(if ends { MOST_RECHAINED } else { 0 });
            rows.extend(
                rechained
                    .map(|(key, chain)| record::entry(table, key, Set::default().text("chain", &*chain.to_string()))),
            );
        }
        match self.right.write(step, done, statics, &rows).await {
            Ok(()) => Ok(()),
            Err(lost) => Err(Stop::Broken(self.right.lost(lost, &step.label(), self.batch.history.last_event).await)),
        }
    }

    async fn verify(&self, step: &Step<'b>) -> Result<(), Stop> {
        let Some((script, _)) = step.verify else { return Ok(()) };
        let kept = step.script.as_deref().map_or(0, Script::len);
        match query::unverified(self.known.client, script, self.batch.settings).await {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(Stop::Failed(Box::new(Failure { kept, ..failure }))),
            Err(fault) => Err(Stop::Broken(fault.into_error(self.known.table))),
        }
    }

    /// The right must outlast a statement that has been sent.
    fn check_limit(&self, step: &Step<'_>) -> Result<(), Stop> {
        let (limit, lease) = (self.limit(step), self.right.lease());
        // No sign of life lasts as long as the whole lease: it takes its time to get there.
        if limit < lease * 9 / 10 {
            return Ok(());
        }
        let took = crate::report::Took;
        let message = format!(
            "a statement of {} may take {}, and the right to migrate lasts {} without a sign of life; nothing of it was run",
            step.label(),
            took(limit),
            took(lease)
        );
        let help = "give the runner more time with `.lease(…)`, or the statement less with `.statement_timeout(…)` or \
                    `-- whimbrel:timeout`";
        Err(Stop::Broken(Error::new(ErrorKind::Refused, message).help(help)))
    }

    /// How long a statement may take.
    pub(crate) fn limit(&self, step: &Step<'_>) -> Duration {
        let own = step.script.as_deref().and_then(|script| script.options().timeout);
        own.or(self.batch.settings.statement_timeout).unwrap_or(self.right.lease() / 2)
    }

    /// A server closes the connection, or refuses the write of the history, when it is too large.
    fn check_size(&self, step: &Step<'_>) -> Result<(), Stop> {
        let (up, down) = step.record.as_ref().map_or((0, step.down.as_ref().map_or(0, String::len)), |record| {
            (record.up.len(), record.down.as_deref().map_or(0, str::len))
        });
        if up + down < LARGEST {
            return Ok(());
        }
        let message = format!(
            "the scripts of {} have {} bytes, the history takes {LARGEST}; nothing of it was run",
            step.label(),
            up + down
        );
        Err(Stop::Broken(Error::new(ErrorKind::Refused, message).help("split the migration")))
    }
}

/// Half of the 16 MiB that a commit log of Cassandra takes at once (`max_mutation_size`), less what stands around.
const LARGEST: usize = 7 << 20;

/// A failure of a statement that the server refuses, or that another way is known not to have run.
pub(crate) fn refused(script: &Script, part: Part, cause: DatabaseError) -> Failure {
    let (Part::Statement(index) | Part::Half(index)) = part else {
        return Failure { part, range: None, cause, kept: 0 };
    };
    let range = script.statement(index).map(|statement| {
        let range = statement.range();
        let place = query::place(script.text_of(&statement), cause.message());
        place.map_or(range.clone(), |at| range.start + at.start..range.start + at.end)
    });
    Failure { part, range, cause, kept: index }
}

/// The error of a run whose right ends before its statement could be sent.
pub(crate) fn too_late(step: &Step<'_>) -> Stop {
    let message = format!("no sign of life of {} reached the cluster in time; nothing more was run", step.label());
    Stop::Broken(
        Error::new(ErrorKind::Connection, message).help("look at the cluster (`nodetool status`), and run it again"),
    )
}
