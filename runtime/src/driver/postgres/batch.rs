//! Transactional steps: chunks of them, each one request, and what the completions and errors mean.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::database_error::DatabaseError;
use crate::driver::completed::{Completed, NONE};
use crate::driver::postgres::answer::{Fault, ServerError, setup_error};
use crate::driver::postgres::holders::{self, Seen, Waits, holders};
use crate::driver::postgres::link::Link;
use crate::driver::postgres::request::{self, Chunk};
use crate::driver::request::Mark;
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop, rows_of};
use crate::error::{Error, ErrorKind};
use crate::table_name::Tables;

/// Runs the steps of a batch, as few requests as hold them.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    link.set_leftovers(Some("ROLLBACK".to_owned()));
    let ended = chunks(link, tables, batch).await;
    link.set_leftovers(None);
    ended
}

async fn chunks(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let mut done: Vec<Done> = Vec::new();
    let mut bound = Bound { steps: batch.steps.len(), failure: None };
    let mut pace = Pace::of(&batch);
    while done.len() < batch.steps.len() && !batch.observer.is_stopped() {
        if let Some((culprit, failure)) = bound.failure.take() {
            if culprit == done.len() {
                return Ended::stopped(done, Stop::Failed(failure));
            }
            bound.failure = Some((culprit, failure));
        }
        let first = done.len();
        let last = bound.last(first).min(batch.steps.len()).min(first.saturating_add(pace.0));
        let part = Batch { steps: &batch.steps[..last], ..batch };
        let event = batch.history.last_event + first as i64;
        let chunk = request::chunk(link, tables, &part, first, event);
        let started = Instant::now();
        let is_leave = |index: usize| chunk.request.marks.get(index).is_some_and(|mark| mark.part == Part::Leave);
        let (sql, wait) = (chunk.request.sql.clone(), shortest_wait(&batch, &chunk));
        let (answer, seen) = holders::send(link, Waits { sql, keep: &is_leave, wait, key: tables.key }).await;
        match answer {
            Ok(answer) => match all_done(&batch, &chunk, &answer, started) {
                Ok(steps) => {
                    pace.note(started.elapsed());
                    steps.iter().for_each(|step| (batch.tell)(*step));
                    done.extend(steps);
                }
                Err(error) => return Ended::stopped(done, Stop::Broken(error)),
            },
            Err(fault) => {
                let steps = steps_done(&batch, &chunk, fault.answer(), started);
                steps.iter().for_each(|step| (batch.tell)(*step));
                done.extend(steps);
                let stop = stopped(link, tables, &chunk, fault, seen).await;
                match stop {
                    Next::Stop(stop) => return Ended::stopped(done, stop),
                    Next::Retry(new) => bound = new,
                }
            }
        }
    }
    Ended { done, stop: None }
}

/// How many steps go out at once: a run that may be asked to stop does so between two requests, and must not be kept from
/// it for long.
struct Pace(usize);

impl Pace {
    const FIRST: usize = 8;
    /// What a request may take, so that the next one may hold more.
    const MOMENT: Duration = Duration::from_millis(250);

    fn of(batch: &Batch<'_>) -> Self {
        Self(if batch.observer.stopper.is_some() { Self::FIRST } else { usize::MAX })
    }

    fn note(&mut self, took: Duration) {
        self.0 = match self.0 {
            usize::MAX => usize::MAX,
            steps if took < Self::MOMENT => steps.saturating_mul(4).min(usize::MAX - 1),
            _ => 1,
        };
    }
}

/// How far the next request may go, once the server refused to parse one.
struct Bound {
    /// The most steps of one request.
    steps: usize,
    /// The step that holds what cannot be parsed, and its error: it is reported once those before it are done.
    failure: Option<(usize, Box<Failure>)>,
}

impl Bound {
    fn last(&self, first: usize) -> usize {
        let culprit = self.failure.as_ref().map_or(usize::MAX, |(culprit, _)| *culprit);
        first.saturating_add(self.steps).min(culprit)
    }
}

enum Next {
    Stop(Stop),
    Retry(Bound),
}

/// All steps of a chunk, when it is complete: the number of completions is asserted.
fn all_done(batch: &Batch<'_>, chunk: &Chunk, answer: &Completed, started: Instant) -> Result<Vec<Done>, Error> {
    if answer.statements.len() == chunk.request.marks.len() {
        return Ok(steps_done(batch, chunk, answer, started));
    }
    let message = format!(
        "the server completed {} statements of {}, and said nothing else",
        answer.statements.len(),
        chunk.request.marks.len()
    );
    let help = "something between here and the server does not speak PostgreSQL's protocol: connect without it";
    Err(Error::new(ErrorKind::History, message).help(help))
}

/// The steps whose `COMMIT` is completed, with what they changed and how long the server says that they took.
fn steps_done(batch: &Batch<'_>, chunk: &Chunk, answer: &Completed, started: Instant) -> Vec<Done> {
    let mut done = Vec::new();
    let mut current = Done::default();
    for (mark, statement) in chunk.request.marks.iter().zip(&answer.statements) {
        match mark.part {
            Part::Statement(index) => {
                current.statements += 1;
                current.add_rows(rows_of(&batch.steps[mark.step], index, statement.changed));
            }
            Part::Commit => done.push(std::mem::take(&mut current)),
            _ => {}
        }
    }
    // The only rows that are kept are the durations which each `Leave` returns.
    let mut durations = answer.rows.iter().map(|row| row.first()?.as_ref()?.parse().ok().map(Duration::from_millis));
    for step in &mut done {
        step.duration = durations.next().flatten().unwrap_or_else(|| started.elapsed());
    }
    done
}

async fn stopped(link: &mut Link<'_>, tables: &Tables, chunk: &Chunk, fault: Fault, seen: Seen) -> Next {
    let completed = fault.answer().statements.len();
    let mut error = match fault {
        Fault::Database { error, .. } => error,
        broken => return Next::Stop(Stop::Broken(broken.into_error(tables))),
    };
    end(link, chunk, completed).await;
    if completed == 0 && !refused_at_begin(&error) {
        return nothing_ran(chunk, error);
    }
    let Some(mark) = chunk.request.marks.get(completed) else {
        return Next::Stop(Stop::Broken(setup_error(error.cause, tables)));
    };
    if error.code() == Some("55P03") {
        error.cause.detail = holders(link, seen, &chunk.request.sql[mark.range.clone()]).await;
    }
    // `client_connection_check_interval` is refused where the server's system cannot look (manual, 20.3.2).
    if mark.part == Part::Open && error.code() == Some("22023") && link.server_looks_for_clients() {
        link.note_blindness();
        return Next::Retry(Bound { steps: usize::MAX, failure: None });
    }
    Next::Stop(meaning(tables, chunk, mark, error))
}

/// The shortest time after which a statement of the chunk gives up a lock.
fn shortest_wait(batch: &Batch<'_>, chunk: &Chunk) -> Duration {
    let own = batch.steps[chunk.steps.clone()].iter().filter_map(|step| step.script.as_deref()?.options().lock_timeout);
    own.fold(batch.settings.statement_lock_timeout, Duration::min)
}

/// Ends the transaction that failed. The commits before it in the chunk may still be on their way to the disk: one
/// that waits, and writes something, takes them along.
async fn end(link: &mut Link<'_>, chunk: &Chunk, completed: usize) {
    let committed = chunk.request.marks[..completed.min(chunk.request.marks.len())].iter();
    if committed.rev().all(|mark| mark.part != Part::Commit) {
        return link.roll_back().await;
    }
    let flush = "ROLLBACK;\nBEGIN;\nSELECT pg_logical_emit_message(true, 'whimbrel', 'flush');\nCOMMIT";
    if link.send(flush.to_owned(), NONE).await.is_err() {
        // Without it a crash of the server within its next 600 ms could forget them, and they would run again.
        tracing::warn!("the last commits could not be forced to the disk");
        link.roll_back().await;
    }
}

/// The first statement is our `BEGIN`: what the server refuses there is no syntax error of a script.
fn refused_at_begin(error: &ServerError) -> bool {
    error.position.is_none() && !error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("42"))
}

/// The server parses a whole request before it runs any of it, so one unreadable script stops all. Those before it
/// go out again without it; where the server does not say where, one by one until it shows.
fn nothing_ran(chunk: &Chunk, error: ServerError) -> Next {
    let byte = error.position.and_then(|position| chunk.request.byte_of(position));
    let mark = byte.and_then(|byte| chunk.request.mark_at(byte));
    let (culprit, failure) = match mark {
        Some(mark) => (mark.step, failure(chunk, mark, error)),
        None if chunk.steps.len() > 1 => return Next::Retry(Bound { steps: 1, failure: None }),
        None => {
            let failure = Failure { part: Part::Statement(0), range: None, cause: error.cause, kept: 0 };
            (chunk.steps.start, failure)
        }
    };
    Next::Retry(Bound { steps: usize::MAX, failure: Some((culprit, Box::new(failure))) })
}

/// What an error in a part of a step means.
fn meaning(tables: &Tables, chunk: &Chunk, mark: &Mark, error: ServerError) -> Stop {
    let code = error.code().unwrap_or_default();
    match (mark.part, code) {
        // A wait for a table that was too long, a deadlock, a serialization failure: the step is rolled back.
        (_, "55P03" | "40P01" | "40001") => Stop::Contended(error.cause),
        (Part::Open, "22012") => Stop::Busy,
        (Part::Create, "42P07" | "23505") => Stop::Stale,
        (Part::Enter, "22012" | "23505" | "42P01") | (Part::Leave, "23505") => Stop::Stale,
        (Part::Open | Part::Create | Part::Enter, _) => Stop::Broken(setup_error(error.cause, tables)),
        _ => Stop::Failed(Box::new(failure(chunk, mark, error))),
    }
}

fn failure(chunk: &Chunk, mark: &Mark, error: ServerError) -> Failure {
    let verified = matches!(mark.part, Part::Verify(_)) && error.code() == Some(request::FOUND_NOTHING);
    let range = range(chunk, mark, &error);
    let cause = match mark.part {
        _ if verified => DatabaseError::found_nothing(),
        Part::Leave => shut_out(error.cause),
        _ => explained(error.cause),
    };
    Failure { part: mark.part, range, cause, kept: 0 }
}

/// Where in the script: the server's position, else the statement's first byte.
fn range(chunk: &Chunk, mark: &Mark, error: &ServerError) -> Option<Range<usize>> {
    let origin = mark.origin?;
    let byte = error.position.and_then(|position| chunk.request.byte_of(position));
    match byte.and_then(|byte| mark.in_script(byte)) {
        Some(at) => Some(at..at + word_length(&chunk.request.sql[byte.unwrap_or(0)..])),
        None => Some(origin.script..origin.script + (mark.range.end - origin.request)),
    }
}

/// The length of the word, or quoted name, that the server points at.
pub(crate) fn word_length(text: &str) -> usize {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.find('"')).map(|end| end + 2);
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    quoted.unwrap_or_else(|| text.find(|c| !is_word(c)).unwrap_or(text.len())).max(1)
}

/// Before the script ran, our entry could be written.
fn shut_out(mut cause: DatabaseError) -> DatabaseError {
    if matches!(cause.code(), Some("22012" | "42P01")) {
        return DatabaseError::entry_gone();
    }
    cause.hint = Some("do not touch the history, its rights, or the transaction's mode in a migration".to_owned());
    cause
}

/// Some refusals have a way out that the server does not know.
fn explained(mut cause: DatabaseError) -> DatabaseError {
    if matches!(cause.code(), Some("25001" | "2D000")) && cause.hint.is_none() {
        let hint = "put `-- whimbrel:no-transaction` at the top of a script that holds only this statement";
        cause.hint = Some(hint.to_owned());
    }
    cause
}
