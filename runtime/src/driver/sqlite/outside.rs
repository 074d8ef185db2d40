//! One step outside a transaction: statement by statement, its progress recorded with each.
//!
//! SQLite has no lock that outlives a transaction. The entry that says *running* keeps others from what is applied; who
//! begins such a step anew, because its runner seems to be dead, leaves an event that stops that runner.

use std::time::Instant;

use whimbrel_core::{Dialect, Kind, Script};

use crate::backoff::Backoff;
use crate::database_error::DatabaseError;
use crate::doubt::goes_with_progress;
use crate::driver::completed::{ALL, Completed, NONE};
use crate::driver::sqlite::answer::Fault;
use crate::driver::sqlite::batch::{captured, timeout};
use crate::driver::sqlite::entry::{enter, has_left, leave};
use crate::driver::sqlite::foreign_keys::{COUNT_VIOLATIONS, Violations, switch_foreign_keys_off};
use crate::driver::sqlite::link::Link;
use crate::driver::sqlite::patience::{Patience, STATEMENT_WAIT};
use crate::driver::sqlite::sent::Sent;
use crate::driver::sqlite::{TONGUE, pragma};
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop, rows_of};
use crate::error::{Error, ErrorKind};
use crate::plan::Step;
use crate::table_name::Tables;

/// Runs the first step of the batch.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let Some(step) = batch.steps.first() else { return Ended::default() };
    let started = Instant::now();
    let mut done = Done::default();
    let ran = act(link, tables, &batch, step, &mut done).await;
    link.restore().await;
    let ran = match ran {
        Ok(()) => end(link, tables, &batch, step).await,
        Err(stop) => Err(stop),
    };
    done.duration = started.elapsed();
    match ran {
        Ok(()) => Ended { done: vec![done], stop: None },
        Err(stop) => Ended::stopped(Vec::new(), stop),
    }
}

async fn act(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    done: &mut Done,
) -> Result<(), Stop> {
    let before = prepare(link, step).await.map_err(|fault| fault.before_step(tables))?;
    begin(link, tables, batch, step).await?;
    link.wait_for_step(STATEMENT_WAIT).await.map_err(|fault| stop(tables, fault, Part::Enter, step.skip))?;
    statements(link, tables, batch, step, done).await?;
    verify(link, tables, batch, step).await?;
    match before {
        Some(before) => check(link, tables, batch, step, before).await,
        None => Ok(()),
    }
}

/// What the fault of a statement of ours means once the intent is written: the step failed, and what is done stays.
fn stop(tables: &Tables, fault: Fault, part: Part, kept: usize) -> Stop {
    match fault.is_database() {
        true => failed(part, fault.into_cause(), kept),
        false => Stop::Broken(fault.into_error(tables)),
    }
}

fn failed(part: Part, cause: DatabaseError, kept: usize) -> Stop {
    Stop::Failed(Box::new(Failure { part, range: None, cause, kept }))
}

/// Writes the intent, when nothing has happened since the plan was made.
async fn begin(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let setup = |fault: Fault| fault.before_step(tables);
    let event = batch.history.last_event;
    let mut sql = Vec::new();
    if !batch.history.present {
        sql.extend(TONGUE.create(tables));
    }
    sql.push(enter(tables, batch, step));
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, ("started", None));
    sql.push(format!("{insert} VALUES ({values}, {}, NULL)", event + 1));
    let mut begun = link.begin().await.map_err(setup)?;
    let seen = begun.send(TONGUE.last_event(tables), ALL).await;
    let seen = seen.ok().and_then(|answer| answer.into_value()?.parse::<i64>().ok());
    if seen != batch.history.present.then_some(event) {
        begun.roll_back().await;
        return Err(Stop::Stale);
    }
    begun.send(sql.join(";\n"), NONE).await.map_err(setup)?;
    begun.commit(&mut Patience::of(batch)).await.map_err(setup)
}

/// Sets the connection up while nothing is in doubt, and remembers what must be set back; the keys that are violated
/// before the script, where it wants them unchecked.
async fn prepare(link: &mut Link<'_>, step: &Step<'_>) -> Result<Option<Violations>, Fault> {
    let Some(script) = step.script.as_deref() else { return Ok(None) };
    let pragmas = captured(link, pragma::named(script)).await?;
    // For a run that is cancelled inside a transaction, where a PRAGMA may do nothing.
    link.remember(["ROLLBACK".to_owned()]);
    link.remember(pragmas);
    if !script.options().foreign_keys_off {
        return Ok(None);
    }
    let before = match step.skip {
        0 => link.read(COUNT_VIOLATIONS.to_owned()).await?.rows,
        // What an earlier run has done may have violated some, and how many there were before it is not known.
        _ => Vec::new(),
    };
    switch_foreign_keys_off(link).await?;
    Ok(Some(Violations::counted(before)))
}

/// No key is violated that was not before.
async fn check(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    before: Violations,
) -> Result<(), Stop> {
    let (part, kept) = (Part::Constraints, all_of(step));
    let after = link.send_within(&mut Patience::of(batch), COUNT_VIOLATIONS.to_owned(), ALL).await;
    let after = after.map_err(|fault| stop(tables, fault, part, kept))?;
    match before.grown(after.rows) {
        Some(cause) => Err(failed(part, cause, kept)),
        None => Ok(()),
    }
}

/// The number of a step's statements: where it fails after the last, all of them stay.
fn all_of(step: &Step<'_>) -> usize {
    step.script.as_deref().map_or(0, Script::len)
}

async fn statements(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    done: &mut Done,
) -> Result<(), Stop> {
    let Some(script) = step.script.as_deref() else { return Ok(()) };
    let (timeout, pragmas) = (timeout(batch, step), pragma::named(script));
    // Whether a transaction of the script's own is open.
    let mut opened = false;
    for (index, statement) in script.statements().enumerate() {
        // What is done is not repeated, but what it has set on its connection is gone.
        if index < step.skip && statement.kind != Kind::Session {
            continue;
        }
        if !opened && batch.observer.stops_before(step, index, Dialect::Sqlite) {
            return Err(Stop::Failed(Box::new(Failure::stopped_before(index, index, step))));
        }
        batch.observer.statement(step, index);
        let sent = Sent::new(Part::Statement(index), script, &statement, timeout);
        match statement.kind {
            Kind::Begin => opened = true,
            Kind::Commit | Kind::Rollback => opened = false,
            _ => {}
        }
        let together = !opened && index >= step.skip && goes_with_progress(script, &statement, Dialect::Sqlite);
        if together {
            let begun = link.send_within(&mut Patience::of(batch), "BEGIN IMMEDIATE".to_owned(), NONE).await;
            begun.map_err(|fault| match fault.is_busy() && batch.observer.is_stopped() {
                true => Stop::Failed(Box::new(Failure::stopped_before(index, index, step))),
                false => sent.stop_outside(fault, tables, kept_before(step, script, index)),
            })?;
        }
        let answer = match link.run(&mut Patience::of(batch), sent.sql(), timeout).await {
            Ok(answer) => answer,
            Err(fault) => {
                roll_back(link).await;
                return Err(sent.stop_outside(fault, tables, kept_before(step, script, index)));
            }
        };
        if index < step.skip {
            continue;
        }
        done.statements += 1;
        done.add_rows(rows_of(step, index, answer.statements.iter().map(|statement| statement.changed).sum()));
        let progress = TONGUE.progress(tables, step, batch.history.last_event + 1, index + 1);
        match note(link, &pragmas, &mut Patience::of(batch), progress).await {
            Ok(noted) if has_left(&noted) && together => {
                let committed = link.send_within(&mut Patience::of(batch), "COMMIT".to_owned(), NONE).await;
                if let Err(fault) = committed {
                    roll_back(link).await;
                    return Err(sent.stop_outside(fault, tables, kept_before(step, script, index)));
                }
            }
            Ok(noted) if has_left(&noted) => {}
            Ok(_) => {
                roll_back(link).await;
                return Err(taken_over(tables, step));
            }
            Err(fault) => {
                roll_back(link).await;
                let kept = if together { index } else { index + 1 };
                return Err(stop(tables, fault, Part::Leave, kept_before(step, script, kept)));
            }
        }
    }
    Ok(())
}

/// The statements that stay when one of a script outside a transaction fails: those before it, but for a transaction
/// of the script's own that was open, and at least those that an earlier run has done.
fn kept_before(step: &Step<'_>, script: &Script, index: usize) -> usize {
    let before: Vec<Kind> = script.statements().take(index).map(|statement| statement.kind).collect();
    let is_border = |kind: &Kind| matches!(kind, Kind::Begin | Kind::Commit | Kind::Rollback);
    before.iter().rposition(is_border).filter(|&border| before[border] == Kind::Begin).unwrap_or(index).max(step.skip)
}

/// The script may have begun a transaction of its own.
async fn roll_back(link: &mut Link<'_>) {
    drop(link.send("ROLLBACK".to_owned(), NONE).await);
}

/// Somebody has begun it anew, or its script has touched its entry: whatever is written now would be wrong.
fn taken_over(tables: &Tables, step: &Step<'_>) -> Stop {
    let message = format!("{} was taken over by another runner, or took its own entry; this run stops", step.label());
    let help = format!("look at {} for who runs it now; do not touch the history in a migration", tables.events);
    Stop::Broken(Error::new(ErrorKind::History, message).help(help))
}

/// Notes the progress, which a script that says `PRAGMA query_only` would have refused.
async fn note(link: &mut Link<'_>, pragmas: &[&str], patience: &mut Patience, sql: String) -> Result<Completed, Fault> {
    if !pragmas.contains(&"query_only") {
        return link.send_within(patience, sql, NONE).await;
    }
    let value = link.send("PRAGMA query_only".to_owned(), ALL).await?.into_value().unwrap_or_default();
    link.send("PRAGMA query_only = 0".to_owned(), NONE).await?;
    let noted = link.send_within(patience, sql, NONE).await?;
    link.send(format!("PRAGMA query_only = {value}"), NONE).await.map(|_| noted)
}

async fn verify(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let Some((script, _)) = step.verify else { return Ok(()) };
    let (timeout, kept) = (timeout(batch, step), all_of(step));
    for (index, statement) in script.statements().enumerate() {
        let query = Sent::new(Part::Verify(index), script, &statement, timeout);
        let answer = link.run(&mut Patience::of(batch), query.sql(), timeout).await;
        let answer = answer.map_err(|fault| query.stop_outside(fault, tables, kept))?;
        if let Some(failure) = query.missing(&answer) {
            return Err(Stop::Failed(Box::new(Failure { kept, ..failure })));
        }
    }
    Ok(())
}

/// Completes the entry, also where others write meanwhile: nothing else is left to do.
async fn end(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let mut backoff = Backoff::new(batch.patience);
    loop {
        match complete(link, tables, batch, step).await {
            Ok(Some(())) => return Ok(()),
            Ok(None) => return Err(taken_over(tables, step)),
            Err(fault) if fault.is_busy() && backoff.sleep().await => {}
            Err(fault) => return Err(stop(tables, fault, Part::Leave, all_of(step))),
        }
    }
}

/// `None` when the step is not ours any more.
async fn complete(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
) -> Result<Option<()>, Fault> {
    let mut begun = link.begin().await?;
    // Nothing keeps others from events of their own, such as a failure of theirs.
    let last = begun.send(TONGUE.last_event(tables), ALL).await?.into_value();
    let last = last.and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
    let anew = begun.send(TONGUE.begun_anew(tables, step, batch.history.last_event + 1), NONE).await?;
    let left = begun.send(leave(tables, batch, step, last + 1), NONE).await?;
    if anew.has_rows() || !has_left(&left) {
        begun.roll_back().await;
        return Ok(None);
    }
    begun.commit(&mut Patience::once()).await?;
    Ok(Some(()))
}
