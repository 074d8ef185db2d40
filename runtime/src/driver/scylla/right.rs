//! The right to migrate: a lease that is held by compare-and-set, and counted on each runner's own clock.
//!
//! Every write under it asserts `fence` and `owner`, so that a runner that was taken over writes nothing more. No
//! server asserts them for a schema change; so the right must last longer than a statement may take before that is
//! sent, and whoever takes over looks what became of it (`ask`).

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::backup::Note;
use crate::database_error::DatabaseError;
use crate::driver::heart::Pulse;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::{Client, Request, TIMEOUT};
use crate::driver::scylla::record::{self, Event, Set};
use crate::driver::scylla::table::Table;
use crate::driver::{Answer, Batch, TakeOver};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::Identity;
use crate::plan::Step;
use crate::report::{Action, Took};
use crate::runner::{self, Runner};

/// What the history says of the right, as the last read found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) fence: Option<i64>,
    pub(crate) owner: Option<String>,
    /// Of the last write but for signs of life: while it stands, the history is as it was read.
    pub(crate) write_id: Option<String>,
    pub(crate) beat: Option<i64>,
    pub(crate) last_event: Option<i64>,
    pub(crate) last_write_time: i64,
}

impl Seen {
    /// Asserts that nobody has the right, and that nothing has been written since.
    fn nobody(&self) -> String {
        let write_id = has("write_id", self.write_id.as_deref());
        format!("owner = null AND {} AND {write_id}", is("fence", self.fence))
    }
}

/// The right, while we have it.
pub(crate) struct Right<'c, 'a> {
    client: &'c Client<'a>,
    table: &'c Table,
    owner: String,
    fence: i64,
    lease: Duration,
    beat: AtomicI64,
    /// When the last write under it that was done was sent.
    sent: Mutex<Instant>,
    /// Of the last write but for signs of life, which the next one asserts: one that has stood in a queue, and comes
    /// after what was written since, changes nothing.
    write_id: Mutex<String>,
    is_given_back: AtomicBool,
}

/// Why the right was not had.
#[derive(Debug)]
pub(crate) enum Denied {
    /// Somebody else has it.
    Busy,
    /// The history is not what it was.
    Stale,
    /// Whether it was written is not known.
    Lost(DatabaseError),
    Broken(Error),
}

/// Why a write under the right was not done.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Somebody else has taken over.
    Right,
    /// The replicas did not answer while the lease lasted.
    Answer(DatabaseError),
    Error(Error),
}

/// Between tries.
const BETWEEN: Duration = Duration::from_millis(100);

/// `column = value`, or `column = null`.
fn is<T: std::fmt::Display>(column: &str, value: Option<T>) -> String {
    value.map_or_else(|| format!("{column} = null"), |value| format!("{column} = {value}"))
}

fn has(column: &str, value: Option<&str>) -> String {
    format!("{column} = {}", record::text(value))
}

/// Whether a conditional write was done: the first column, on all servers.
fn was_applied(rows: &[Vec<Option<String>>]) -> bool {
    rows.first()
        .and_then(|row| row.first())
        .and_then(Option::as_deref)
        .is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// What a conditional write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    NotDone,
    /// The same, and somebody has the right.
    Held,
}

/// Writes under a condition, and asserts by `token` whether a write was done whose answer was lost.
async fn write(
    (client, table): (&Client<'_>, &Table),
    text: &str,
    token: &str,
    deadline: Instant,
) -> Result<Outcome, Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let fault = match client.send(Request::new(text)).await {
            Ok(rows) if was_applied(&rows) => return Ok(Outcome::Done),
            Ok(_) => None,
            Err(fault @ (Fault::Refused(_) | Fault::Error(_))) => return Err(fault),
            Err(fault) => Some(fault),
        };
        // The read settles what is under way: it is done by now, or never. What was not done may also be a second try
        // of what was.
        match client.send(Request::serial(record::right(table))).await {
            Ok(rows) => {
                let mut row = rows.into_iter().next().unwrap_or_default().into_iter().skip(1);
                let (owner, found) = (row.next().flatten(), row.next().flatten());
                match fault {
                    _ if found.as_deref() == Some(token) => return Ok(Outcome::Done),
                    None if owner.is_some() => return Ok(Outcome::Held),
                    None => return Ok(Outcome::NotDone),
                    Some(fault) if Instant::now() >= deadline => return Err(fault),
                    Some(_) => {}
                }
            }
            Err(fault) if Instant::now() >= deadline => return Err(fault),
            Err(_) => {}
        }
        // Conditional writes that meet hinder each other: not all at once again, and ever less often.
        let random = u64::from(Uuid::new_v4().as_bytes()[0]);
        tokio::time::sleep(BETWEEN * tries.min(5) + Duration::from_millis(random)).await;
    }
}

/// Takes the right for the first step of a batch, if nobody has it and nothing has happened since the history was read.
pub(crate) async fn acquire<'c, 'a>(
    (client, table): (&'c Client<'a>, &'c Table),
    seen: &Seen,
    batch: &Batch<'_>,
    step: &Step<'_>,
) -> Result<Right<'c, 'a>, Denied> {
    let (owner, fence, lease) = (Uuid::new_v4().to_string(), seen.fence.unwrap_or(0) + 1, batch.settings.lease);
    let identity = batch.identity;
    let set = Set::default()
        .number("fence", fence)
        .text("owner", &*owner)
        .text("write_id", &*owner)
        .number("beat", 0)
        .number("lease_ms", lease.as_millis() as i64)
        .text("held_by", &*identity.by)
        .number("process", i64::from(identity.process))
        .text("held_application", &*identity.application)
        .now("held_since")
        .and(work(step, step.skip));
    let condition = seen.nobody();
    let sent = Instant::now();
    let text = record::guarded(table, set, &condition, &[record::first_row(table)]);
    // Before the answer: whoever is dropped while waiting for it may have the right.
    let right = Right {
        client,
        table,
        owner,
        fence,
        lease,
        beat: AtomicI64::new(0),
        sent: Mutex::new(sent),
        write_id: Mutex::default(),
        is_given_back: AtomicBool::new(false),
    };
    let denied = match write((client, table), &text, &right.owner, sent + lease).await {
        Ok(Outcome::Done) => {
            right.note_write_id(right.owner.clone());
            return Ok(right);
        }
        // Others are in the way for all of that time: the next look tells of whom, or that nobody answers.
        Err(Fault::Later(_) | Fault::Unknown(_)) => {
            right.release().await;
            return Err(Denied::Busy);
        }
        Ok(Outcome::Held) => Denied::Busy,
        Ok(Outcome::NotDone) => Denied::Stale,
        Err(fault) => Denied::Broken(fault.into_error(table)),
    };
    right.is_given_back.store(true, Ordering::Relaxed);
    Err(denied)
}

/// What is being done, for those who wait.
fn work(step: &Step<'_>, done: usize) -> Set {
    Set::default()
        .text("work_version", &*step.key)
        .text("work_direction", if step.action == Action::RollBack { "down" } else { "up" })
        .number("work_statement", done as i64 + 1)
        .number("work_statements", step.statement_count() as i64)
}

impl Right<'_, '_> {
    fn condition(&self) -> String {
        format!("fence = {} AND {}", self.fence, has("owner", Some(&self.owner)))
    }

    /// What is left of the lease, by our clock: it began when the last write was sent that others have seen.
    pub(crate) fn left(&self) -> Duration {
        let sent = *self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        self.lease.saturating_sub(sent.elapsed())
    }

    /// How long it lasts from one sign of life to the next.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    fn note(&self, sent: Instant) {
        let mut last = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        *last = sent.max(*last);
    }

    fn note_write_id(&self, write_id: String) {
        *self.write_id.lock().unwrap_or_else(PoisonError::into_inner) = write_id;
    }

    /// Asserts that the right is ours, and that the last write was the last one.
    fn condition_of_write(&self) -> String {
        let write_id = self.write_id.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{} AND {}", self.condition(), has("write_id", Some(&**write_id)))
    }

    fn next_beat(&self) -> i64 {
        self.beat.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Writes the progress of a step, with rows that belong to it, while the right is ours; that is a sign of life.
    pub(crate) async fn write(&self, step: &Step<'_>, done: usize, set: Set, rows: &[String]) -> Result<(), Lost> {
        let token = Uuid::new_v4().to_string();
        let set = set.and(work(step, done)).text("write_id", &*token).number("beat", self.next_beat());
        let sent = Instant::now();
        let text = record::guarded(self.table, set, &self.condition_of_write(), rows);
        match write((self.client, self.table), &text, &token, sent + self.left()).await {
            Ok(Outcome::Done) => {
                self.note(sent);
                self.note_write_id(token);
                Ok(())
            }
            Ok(Outcome::NotDone | Outcome::Held) => Err(Lost::Right),
            Err(Fault::Later(cause) | Fault::Unknown(cause)) => Err(Lost::Answer(cause)),
            Err(fault) => Err(Lost::Error(fault.into_error(self.table))),
        }
    }

    /// Gives the right back; what cannot be given back ends by itself.
    pub(crate) async fn release(&self) {
        let deadline = Instant::now() + self.left().min(TIMEOUT);
        let given_back = give_back(self.client, &self.giving_back(), deadline).await;
        self.is_given_back.store(true, Ordering::Relaxed);
        if let Err(fault) = given_back {
            let why = fault.cause().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(why, lease = %Took(self.lease), "the right to migrate could not be given back; it ends with its lease");
        }
    }

    /// Whether somebody else has taken over, as far as the replicas answer: the fence is another one then.
    pub(crate) async fn is_taken_over(&self) -> bool {
        let rows = self.client.send(Request::serial(record::right(self.table))).await.unwrap_or_default();
        let fence = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        fence.is_some_and(|fence| fence != self.fence.to_string())
    }

    fn giving_back(&self) -> String {
        record::guarded(self.table, Set::default().text("owner", None), &self.condition(), &[])
    }

    /// The error of a write that was not done.
    pub(crate) async fn lost(&self, lost: Lost, label: &str, since: i64) -> Error {
        match lost {
            Lost::Right => runner::taken_over(label, &self.taken_over_by(since).await),
            Lost::Answer(cause) => {
                let message =
                    format!("the progress of {label} could not be written: the replicas of the history did not answer");
                let help = "look at the cluster (`nodetool status`), and run it again: it looks what became of its last \
                            statement, and goes on";
                Error::new(ErrorKind::Connection, message).source(cause).help(help)
            }
            Lost::Error(error) => error,
        }
    }

    async fn taken_over_by(&self, since: i64) -> String {
        let rows = self.client.send(Request::serial(record::takeovers(self.table, since))).await.unwrap_or_default();
        let is_takeover = |row: &&Vec<Option<String>>| row.first().and_then(Option::as_deref) == Some("taken_over");
        let by = rows.iter().rev().find(is_takeover).and_then(|row| row.get(1).cloned().flatten());
        by.unwrap_or_else(|| "another runner".to_owned())
    }
}

impl Drop for Right<'_, '_> {
    /// A run that is dropped gives the right back beside whatever comes next, if its session can be shared for that; else
    /// it ends with its lease.
    fn drop(&mut self) {
        let (Some(client), Ok(runtime)) = (self.client.to_shared(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if !self.is_given_back.load(Ordering::Relaxed) {
            let (text, deadline) = (self.giving_back(), Instant::now() + self.left().min(TIMEOUT));
            runtime.spawn(async move { give_back(&client, &text, deadline).await });
        }
    }
}

/// Gives the right back, again where no answer says that this was done: a second time changes nothing.
async fn give_back(client: &Client<'_>, text: &str, deadline: Instant) -> Result<(), Fault> {
    loop {
        match client.send(Request::new(text)).await {
            Err(Fault::Later(_) | Fault::Unknown(_)) if Instant::now() < deadline => tokio::time::sleep(BETWEEN).await,
            answer => return answer.map(drop),
        }
    }
}

/// Signs of life beside the work.
pub(crate) struct Signs<'r, 'c, 'a>(pub(crate) &'r Right<'c, 'a>);

impl Pulse for Signs<'_, '_, '_> {
    fn beat(&mut self) -> Answer<'_, Result<bool>> {
        Box::pin(async move {
            let right = self.0;
            let text =
                record::guarded(right.table, Set::default().number("beat", right.next_beat()), &right.condition(), &[]);
            let sent = Instant::now();
            let rows = right.client.send(Request::new(text)).await.map_err(|fault| fault.into_error(right.table))?;
            let is_ours = was_applied(&rows);
            if is_ours {
                right.note(sent);
            }
            Ok(is_ours)
        })
    }

    fn reset(&mut self) {}
}

/// Takes the right from a runner that has given no sign of life for its lease, for nobody: it is then had as ever.
pub(crate) async fn take_over(
    (client, table): (&Client<'_>, &Table),
    seen: &Seen,
    runner: &Runner,
    identity: &Identity,
) -> Result<TakeOver> {
    let Some(owner) = &seen.owner else { return Ok(TakeOver::Gone) };
    let (token, number) = (Uuid::new_v4().to_string(), seen.last_event.unwrap_or(0) + 1);
    let set = Set::default()
        .number("fence", seen.fence.unwrap_or(0) + 1)
        .text("owner", None)
        .text("write_id", &*token)
        .number("last_event", number);
    let condition = format!(
        "{} AND {} AND {} AND {}",
        is("fence", seen.fence),
        has("owner", Some(owner)),
        is("beat", seen.beat),
        has("write_id", seen.write_id.as_deref())
    );
    let key = runner.work.as_ref().map_or("", |work| &*work.key);
    let detail = format!("from {runner}");
    let event = Event { number, what: "taken_over", key, detail: Some(&detail), took: None };
    let text = record::guarded(table, set, &condition, &[record::event(table, identity, event)]);
    match write((client, table), &text, &token, Instant::now() + BETWEEN * 50).await {
        Ok(Outcome::Done) => Ok(TakeOver::Done),
        // Of several who do so at once some hear nothing in time: the next look tells.
        Ok(_) | Err(Fault::Later(_) | Fault::Unknown(_)) => Ok(TakeOver::Gone),
        Err(fault) => Err(fault.into_error(table)),
    }
}

/// Writes rows, the static columns that belong to them, and the event of it, unless somebody has the right or anything has
/// happened since the history was read.
pub(crate) async fn settle(
    (client, table): (&Client<'_>, &Table),
    seen: &Seen,
    identity: &Identity,
    (what, key, why): (&str, &str, &str),
    (statics, mut rows): (Set, Vec<String>),
) -> Result<(), Denied> {
    let (token, number) = (Uuid::new_v4().to_string(), seen.last_event.unwrap_or(0) + 1);
    let condition = seen.nobody();
    let statics = statics.text("write_id", &*token).number("last_event", number);
    rows.push(record::event(table, identity, Event { number, what, key, detail: Some(why), took: None }));
    let text = record::guarded(table, statics, &condition, &rows);
    match write((client, table), &text, &token, Instant::now() + BETWEEN * 50).await {
        Ok(Outcome::Done) => Ok(()),
        Ok(_) => Err(Denied::Stale),
        Err(Fault::Later(cause) | Fault::Unknown(cause)) => Err(Denied::Lost(cause)),
        Err(fault) => Err(Denied::Broken(fault.into_error(table))),
    }
}

/// Records a backup, unless somebody has the right or anything has happened since the history was read.
pub(crate) async fn record_backup(
    (client, table): (&Client<'_>, &Table),
    seen: &Seen,
    note: &Note<'_>,
) -> Result<(), Denied> {
    let (token, number) = (Uuid::new_v4().to_string(), seen.last_event.unwrap_or(0) + 1);
    let statics = Set::default().text("write_id", &*token).number("last_event", number);
    let event = Event { number, what: Note::WHAT, key: note.key, detail: Some(&note.detail), took: Some(note.took) };
    let text = record::guarded(table, statics, &seen.nobody(), &[record::event(table, note.identity, event)]);
    match write((client, table), &text, &token, Instant::now() + BETWEEN * 50).await {
        Ok(Outcome::Done) => Ok(()),
        Ok(_) | Err(Fault::Later(_) | Fault::Unknown(_)) => Err(Denied::Stale),
        Err(fault) => Err(Denied::Broken(fault.into_error(table))),
    }
}
