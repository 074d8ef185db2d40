//! Transactional steps: all in one transaction while nothing goes wrong, else one transaction for each.
//!
//! Savepoints cannot stand for the steps' own transactions: `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` and a full disk
//! drop the whole transaction, and a deferred key that is violated shows only at COMMIT, naming nobody. So on any
//! error everything is rolled back and the steps run again one by one; nothing is sent after an error.

use std::time::{Duration, Instant};

use whimbrel_core::Script;

use crate::database_error::DatabaseError;
use crate::driver::completed::{ALL, NONE, Row};
use crate::driver::sqlite::answer::Fault;
use crate::driver::sqlite::begun::Begun;
use crate::driver::sqlite::entry::{enter, has_left, leave};
use crate::driver::sqlite::foreign_keys::{COUNT_VIOLATIONS, Violations, switch_foreign_keys_off};
use crate::driver::sqlite::link::Link;
use crate::driver::sqlite::patience::Patience;
use crate::driver::sqlite::sent::Sent;
use crate::driver::sqlite::{TONGUE, pragma};
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop, rows_of};
use crate::plan::{Mode, Step, drops_border};
use crate::table_name::Tables;

/// Runs the steps of a batch.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let patience = &mut Patience::of(&batch);
    if let [first, ..] = batch.steps
        && first.mode == Mode::ForeignKeysOff
    {
        let first = Batch { steps: &batch.steps[..1], ..batch };
        return without_foreign_keys(link, tables, first, patience).await;
    }
    if batch.steps.len() > 1 && !batch.steps.iter().any(defers_keys) {
        match one_transaction(link, tables, Turn { batch, before: 0 }, patience).await {
            Ok(done) => return Ended { done, stop: None },
            Err(stop @ (Stop::Busy | Stop::Stale)) => return Ended::stopped(Vec::new(), stop),
            Err(Stop::Failed(_) | Stop::Contended(_) | Stop::Broken(_) | Stop::Lost(_)) => {}
        }
    }
    let mut done = Vec::new();
    for before in 0..batch.steps.len() {
        if batch.observer.is_stopped() {
            break;
        }
        let single = Batch { steps: &batch.steps[before..=before], ..batch };
        match one_transaction(link, tables, Turn { batch: single, before }, patience).await {
            Ok(one) => done.extend(one),
            Err(stop) => return Ended::stopped(done, stop),
        }
    }
    Ended { done, stop: None }
}

/// Steps that share a transaction.
#[derive(Clone, Copy)]
struct Turn<'a> {
    batch: Batch<'a>,
    /// The steps of the plan that have run before them.
    before: usize,
}

impl Turn<'_> {
    /// The number of the last event; none where our tables are yet to be created.
    fn last_event(&self) -> Option<i64> {
        let created = self.batch.history.present || self.before > 0;
        created.then(|| self.batch.history.last_event + self.before as i64)
    }
}

/// Whether a later step could repair a key that this one leaves violated, so that together they would pass.
fn defers_keys(step: &Step<'_>) -> bool {
    let text = step.script.as_deref().map_or("", Script::text).as_bytes();
    let holds = |word: &[u8]| text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    holds(b"deferrable") || holds(b"defer_foreign_keys")
}

async fn without_foreign_keys(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: Batch<'_>,
    patience: &mut Patience,
) -> Ended {
    let ended = match switch_foreign_keys_off(link).await {
        Ok(()) => one_transaction(link, tables, Turn { batch, before: 0 }, patience).await,
        Err(fault) => Err(fault.before_step(tables)),
    };
    link.restore().await;
    match ended {
        Ok(done) => Ended { done, stop: None },
        Err(stop) => Ended::stopped(Vec::new(), stop),
    }
}

async fn one_transaction(
    link: &mut Link<'_>,
    tables: &Tables,
    turn: Turn<'_>,
    patience: &mut Patience,
) -> Result<Vec<Done>, Stop> {
    let scripts = turn.batch.steps.iter().filter_map(|step| step.script.as_deref());
    let pragmas = captured(link, scripts.flat_map(pragma::named).collect()).await;
    let pragmas = pragmas.map_err(|fault| fault.before_step(tables))?;
    // What outlives a rollback must not reach the next user either.
    link.remember(pragmas.iter().cloned());
    let result = transaction(link, tables, turn, (&pragmas, patience)).await;
    if !pragmas.is_empty() {
        link.restore().await;
    }
    result
}

/// The SQL that gives PRAGMAs the values back that they have now.
pub(crate) async fn captured(link: &mut Link<'_>, names: Vec<&'static str>) -> Result<Vec<String>, Fault> {
    let mut restore = Vec::new();
    for name in names {
        let answer = link.read(format!("PRAGMA {name}")).await?;
        restore.extend(answer.into_value().map(|value| format!("PRAGMA {name} = {value}")));
    }
    Ok(restore)
}

async fn transaction(
    link: &mut Link<'_>,
    tables: &Tables,
    turn: Turn<'_>,
    (pragmas, patience): (&[String], &mut Patience),
) -> Result<Vec<Done>, Stop> {
    let mut begun = link.begin().await.map_err(|fault| fault.before_step(tables))?;
    match steps(&mut begun, tables, turn, pragmas).await {
        Ok(done) => match begun.commit(patience).await {
            Ok(()) => Ok(done),
            Err(fault) if fault.is_busy() => Err(Stop::Contended(fault.into_cause())),
            Err(fault) if fault.is_database() => Err(failed(Part::Commit, fault.into_cause())),
            Err(fault) => Err(Stop::Broken(fault.into_error(tables))),
        },
        Err(stop) => {
            begun.roll_back().await;
            Err(stop)
        }
    }
}

fn failed(part: Part, cause: DatabaseError) -> Stop {
    Stop::Failed(Box::new(Failure { part, range: None, cause, kept: 0 }))
}

async fn steps(begun: &mut Begun<'_>, tables: &Tables, turn: Turn<'_>, pragmas: &[String]) -> Result<Vec<Done>, Stop> {
    assert_unchanged(begun, tables, turn).await?;
    let mut event = match turn.last_event() {
        Some(event) => event,
        None => {
            let created = begun.send(TONGUE.create(tables).join(";\n"), NONE).await;
            created.map_err(|fault| fault.before_step(tables))?;
            0
        }
    };
    let mut done = Vec::new();
    for step in turn.batch.steps {
        // What is done so far is whole: it is committed.
        if turn.batch.observer.is_stopped() {
            break;
        }
        event += 1;
        done.push(one_step(begun, tables, &turn.batch, step, (event, pragmas)).await?);
    }
    Ok(done)
}

/// Nobody can write while we hold the transaction, so what is true now stays true.
async fn assert_unchanged(begun: &mut Begun<'_>, tables: &Tables, turn: Turn<'_>) -> Result<(), Stop> {
    let seen = match begun.send(TONGUE.last_event(tables), ALL).await {
        Ok(answer) => answer.into_value().and_then(|id| id.parse::<i64>().ok()),
        Err(fault) if fault.is_missing_table() => None,
        Err(fault) => return Err(fault.before_step(tables)),
    };
    if seen != turn.last_event() {
        return Err(Stop::Stale);
    }
    // A table made with a deferrable key lets one step violate what the next one mends.
    let deferrable = "SELECT 1 FROM main.sqlite_master WHERE sql LIKE '%DEFERRABLE%' LIMIT 1";
    if turn.batch.steps.len() > 1 {
        let answer = begun.send(deferrable.to_owned(), NONE).await.map_err(|fault| fault.before_step(tables))?;
        if answer.has_rows() {
            let cause = DatabaseError::new("deferrable keys");
            return Err(failed(Part::Constraints, cause));
        }
    }
    Ok(())
}

async fn one_step(
    begun: &mut Begun<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    (event, pragmas): (i64, &[String]),
) -> Result<Done, Stop> {
    let started = Instant::now();
    let ours = |part: Part| move |fault: Fault| fault.in_step(tables, part);
    let violations = match step.mode {
        Mode::ForeignKeysOff => Violations::counted(count_violations(begun, tables).await?),
        _ => Violations::default(),
    };
    begun.send(enter(tables, batch, step), NONE).await.map_err(ours(Part::Enter))?;
    let mut done = Done::default();
    let timeout = timeout(batch, step);
    run_script(begun, tables, step, timeout, &mut done).await?;
    if let Some((verify, _)) = step.verify {
        run_verify(begun, tables, verify, timeout).await?;
    }
    if step.mode == Mode::ForeignKeysOff {
        let after = count_violations(begun, tables).await?;
        if let Some(cause) = violations.grown(after) {
            return Err(failed(Part::Constraints, cause));
        }
    }
    if !pragmas.is_empty() {
        // Before we write again: `query_only` would refuse it.
        begun.send(pragmas.join(";\n"), NONE).await.map_err(ours(Part::Reset))?;
    }
    let answer = begun.send(leave(tables, batch, step, event), NONE).await.map_err(ours(Part::Leave))?;
    if !has_left(&answer) {
        return Err(failed(Part::Leave, DatabaseError::entry_gone()));
    }
    done.duration = started.elapsed();
    Ok(done)
}

/// How long each statement of a step, and each of its verify queries, may take.
pub(crate) fn timeout(batch: &Batch<'_>, step: &Step<'_>) -> Option<Duration> {
    let options = step.script.as_deref().map(Script::options).unwrap_or_default();
    options.timeout.or(batch.settings.statement_timeout)
}

/// Bytes of SQL that go to SQLite at once: it copies what is left of a text for each statement of it.
const PIECE: usize = 16 * 1024;

/// Sends the statements of a script, some at a time; each alone where one may not take too long.
async fn run_script(
    begun: &mut Begun<'_>,
    tables: &Tables,
    step: &Step<'_>,
    timeout: Option<Duration>,
    done: &mut Done,
) -> Result<(), Stop> {
    let Some(script) = step.script.as_deref() else { return Ok(()) };
    let all = script.statements().enumerate();
    let statements: Vec<_> = all.filter(|(_, statement)| !drops_border(script, statement.kind)).collect();
    let mut rest = &statements[..];
    while !rest.is_empty() {
        let mut sql = String::new();
        let most = if timeout.is_some() { 1 } else { rest.len() };
        let mut count = 0;
        while count < most && (count == 0 || sql.len() < PIECE) {
            sql.push_str(script.text_of(&rest[count].1));
            sql.push_str(";\n");
            count += 1;
        }
        let sent = begun.run(sql, timeout).await;
        let completed = match &sent {
            Ok(answer) => answer,
            Err(fault) => &fault.before,
        };
        done.statements += completed.statements.len();
        for ((index, _), statement) in rest.iter().zip(&completed.statements) {
            done.add_rows(rows_of(step, *index, statement.changed));
        }
        if let Err(fault) = sent {
            let (index, culprit) = &rest[fault.before.statements.len().min(count - 1)];
            return Err(Sent::new(Part::Statement(*index), script, culprit, timeout).stop(fault, tables));
        }
        rest = &rest[count..];
    }
    Ok(())
}

async fn run_verify(
    begun: &mut Begun<'_>,
    tables: &Tables,
    script: &Script,
    timeout: Option<Duration>,
) -> Result<(), Stop> {
    for (index, statement) in script.statements().enumerate() {
        let query = Sent::new(Part::Verify(index), script, &statement, timeout);
        let answer = begun.run(query.sql(), timeout).await.map_err(|fault| query.stop(fault, tables))?;
        if let Some(failure) = query.missing(&answer) {
            return Err(Stop::Failed(Box::new(failure)));
        }
    }
    Ok(())
}

async fn count_violations(begun: &mut Begun<'_>, tables: &Tables) -> Result<Vec<Row>, Stop> {
    let answer = begun.send(COUNT_VIOLATIONS.to_owned(), ALL).await;
    answer.map(|answer| answer.rows).map_err(|fault| fault.in_step(tables, Part::Constraints))
}
