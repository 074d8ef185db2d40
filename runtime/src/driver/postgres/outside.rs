//! One step outside a transaction: statement by statement, its progress recorded after each.
//!
//! The lock is the session's, on the connection that executes: it lives as long as the server's own work does, also
//! when we are dead by then.

use std::time::{Duration, Instant};

use crate::driver::completed::{ALL, NONE};
use crate::driver::entry::Standing;
use crate::driver::postgres::answer::{Fault, found_nothing, setup_error};
use crate::driver::postgres::batch::word_length;
use crate::driver::postgres::holders::holders;
use crate::driver::postgres::link::Link;
use crate::driver::postgres::record;
use crate::driver::postgres::request::{self, TONGUE};
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop, kept_before, rows_of};
use crate::plan::Step;
use crate::report::Action;
use crate::table_name::Tables;
use whimbrel_core::{Dialect, Kind, Script, Statement};

/// Runs the first step of the batch.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let Some(step) = batch.steps.first() else { return Ended::default() };
    if let Err(stop) = lock(link, tables).await {
        return Ended::stopped(Vec::new(), stop);
    }
    let unlock = format!("{};\nSELECT pg_advisory_unlock({})", cleanup(link), tables.key);
    link.set_leftovers(Some(unlock.clone()));
    let mut ended = locked(link, tables, &batch, step).await;
    if let Some(Stop::Failed(failure)) = &mut ended.stop {
        failure.cause.hint = failure.cause.hint.take().or_else(|| hint(step, failure));
    }
    // While we hold the lock: nobody may find the entry running, and no runner.
    record::failure(link, tables, &batch, &ended).await;
    // A broken connection has no lock any more.
    let _ = link.send(unlock, NONE).await;
    link.set_leftovers(None);
    ended
}

fn hint(step: &Step<'_>, failure: &Failure) -> Option<String> {
    if failure.cause.code() == Some("55P03") {
        return Some("raise `-- whimbrel:lock-timeout`, or end the session that holds the table".to_owned());
    }
    let Part::Statement(index) = failure.part else { return None };
    let script = step.script.as_deref()?;
    let text = script.text_of(&script.statement(index)?).to_ascii_uppercase();
    // What is wrong with its words is found before it begins.
    let begun = !failure.cause.code().is_some_and(|code| code.starts_with("42"));
    let builds = text.contains("CONCURRENTLY") && text.contains("INDEX") && text.starts_with("CREATE");
    (begun && builds).then(|| "it leaves an invalid index behind: drop that before you run it again".to_owned())
}

async fn lock(link: &mut Link<'_>, tables: &Tables) -> Result<(), Stop> {
    let sql = format!("SELECT pg_try_advisory_lock({})::text", tables.key);
    let answer = link.send(sql, ALL).await.map_err(|fault| Stop::Broken(fault.into_error(tables)))?;
    let taken = answer.rows.first().and_then(|row| row.first().cloned().flatten());
    if taken.as_deref() == Some("true") { Ok(()) } else { Err(Stop::Busy) }
}

async fn locked(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Ended {
    let started = Instant::now();
    if let Err(stop) = begin(link, tables, batch, step).await {
        return Ended::stopped(Vec::new(), stop);
    }
    let mut done = Done::default();
    let ran = statements(link, tables, batch, step, &mut done).await;
    // What a script has set must not hide the history from us, also when it failed.
    let cleaned = link.send(cleanup(link), NONE).await;
    let ran = match (ran, cleaned) {
        (Ok(()), Ok(_)) => end(link, tables, batch, step).await,
        (Ok(()), Err(fault)) => Err(Stop::Broken(fault.into_error(tables))),
        (Err(stop), _) => Err(stop),
    };
    done.duration = started.elapsed();
    match ran {
        Ok(()) => Ended { done: vec![done], stop: None },
        Err(stop) => Ended::stopped(Vec::new(), stop),
    }
}

/// Writes the intent; the event's number asserts that the plan is not stale.
async fn begin(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let mut sql = String::from("BEGIN;\n");
    if !batch.history.present {
        for create in TONGUE.create(tables) {
            sql.push_str(&format!("{create};\n"));
        }
    }
    let event = batch.history.last_event;
    let unchanged = format!("((SELECT coalesce(max(id), 0) FROM {}) = {event})::int", tables.events);
    match &step.record {
        Some(record) => {
            let rank = format!("{} / {unchanged}", record.rank);
            sql.push_str(&TONGUE.enter(tables, step, batch.identity, &rank, Standing::running(step)));
        }
        None => {
            let begun = TONGUE.begin_rollback(tables, step);
            sql.push_str(&format!(
                "WITH begun AS ({begun} RETURNING 1) SELECT 1 / (count(*) * {unchanged}) FROM begun"
            ));
        }
    }
    let (insert, values) = TONGUE.event(tables, step, batch.identity, ("started", None));
    sql.push_str(&format!(";\n{insert} SELECT {values}, {}, NULL;\nCOMMIT;", event + 1));
    let Err(fault) = link.send(sql, NONE).await else { return Ok(()) };
    link.roll_back().await;
    Err(match fault {
        Fault::Database { error, .. } => match error.code() {
            Some("22012" | "23505" | "42P07" | "40001" | "42P01") => Stop::Stale,
            _ => Stop::Broken(setup_error(error.cause, tables)),
        },
        broken => Stop::Broken(broken.into_error(tables)),
    })
}

async fn statements(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    done: &mut Done,
) -> Result<(), Stop> {
    let Some(script) = step.script.as_deref() else { return Ok(()) };
    let broken = |fault: Fault| Stop::Broken(fault.into_error(tables));
    let limits = request::limits(link, batch, step);
    let set: Vec<String> = limits.iter().map(|(name, value)| format!("SET {name} = '{value}'")).collect();
    link.send(set.join(";\n"), NONE).await.map_err(broken)?;
    let mut waits = script.options().lock_timeout.unwrap_or(batch.settings.statement_lock_timeout);
    for (index, statement) in script.statements().enumerate() {
        // What is done is not repeated, but what it has set on its session is gone.
        if index < step.skip && statement.kind != Kind::Session {
            continue;
        }
        let limit = lock_limit(batch, script, &statement);
        if limit != waits {
            waits = limit;
            link.send(format!("SET lock_timeout = {}", limit.as_millis().max(1)), NONE).await.map_err(broken)?;
        }
        let answer = link.send(script.text_of(&statement).to_owned(), NONE).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(Fault::Database { mut error, .. }) => {
                link.roll_back().await;
                if error.code() == Some("55P03") {
                    error.cause.detail = holders(link, script.text_of(&statement)).await;
                }
                let part = Part::Statement(index);
                let range = point(&statement, script, error.position);
                let kept = kept_before(script, index);
                return Err(Stop::Failed(Box::new(Failure { part, range: Some(range), cause: error.cause, kept })));
            }
            Err(fault) => return Err(broken(fault)),
        };
        if index < step.skip {
            continue;
        }
        done.statements += 1;
        let changed = answer.statements.iter().map(|statement| statement.changed).sum();
        done.rows += rows_of(step, index, changed);
        if step.action == Action::Apply {
            let sql = progress(link, script, index + 1, TONGUE.progress(tables, step, index + 1));
            let Err(fault) = link.send(sql, NONE).await else { continue };
            return Err(unrecorded(link, tables, fault, kept_before(script, index + 1)).await);
        }
    }
    verify(link, tables, step).await
}

/// How long a statement may wait for a lock. One that cannot run in a transaction, such as a concurrent index build,
/// waits for others without being in their way, and leaves something invalid when it gives up.
fn lock_limit(batch: &Batch<'_>, script: &Script, statement: &Statement) -> Duration {
    let short = script.options().lock_timeout.unwrap_or(batch.settings.statement_lock_timeout);
    let is_ours = script.options().lock_timeout.is_none() && !script.text().contains("lock_timeout");
    if is_ours && statement.needs_no_transaction(Dialect::Postgres) { short.max(batch.patience) } else { short }
}

/// Our own writing failed: what is done is recorded as far as it goes.
async fn unrecorded(link: &mut Link<'_>, tables: &Tables, fault: Fault, kept: usize) -> Stop {
    let Fault::Database { error, .. } = fault else { return Stop::Broken(fault.into_error(tables)) };
    link.roll_back().await;
    Stop::Failed(Box::new(Failure { part: Part::Leave, range: None, cause: error.cause, kept }))
}

/// Notes the statements that are done, as who we are: the script may have set another role, or made its session
/// read-only, and goes on with that.
///
/// A transaction of the script's own holds its progress too: it goes with it when it is rolled back.
fn progress(link: &Link<'_>, script: &Script, done: usize, update: String) -> String {
    if kept_before(script, done) < done {
        return update;
    }
    let ours = ["SET LOCAL SESSION AUTHORIZATION DEFAULT".to_owned(), "SET LOCAL ROLE NONE".to_owned()];
    let callers = link.restore().iter().filter_map(|sql| Some(format!("SET LOCAL {}", sql.strip_prefix("SET ")?)));
    let who: Vec<String> = ours.into_iter().chain(callers).collect();
    format!("BEGIN READ WRITE;\n{};\n{update};\nCOMMIT", who.join(";\n"))
}

async fn verify(link: &mut Link<'_>, tables: &Tables, step: &Step<'_>) -> Result<(), Stop> {
    let Some((script, _)) = step.verify else { return Ok(()) };
    for (index, statement) in script.statements().enumerate() {
        let query = script.text_of(&statement);
        let (open, close) = request::MUST_FIND;
        let Err(fault) = link.send(format!("{open}{query}{close}"), NONE).await else { continue };
        let Fault::Database { error, .. } = fault else { return Err(Stop::Broken(fault.into_error(tables))) };
        let cause = if error.code() == Some(request::FOUND_NOTHING) { found_nothing() } else { error.cause };
        let kept = step.script.as_deref().map_or(0, Script::len);
        let range = Some(statement.range());
        return Err(Stop::Failed(Box::new(Failure { part: Part::Verify(index), range, cause, kept })));
    }
    Ok(())
}

/// The position counts characters of the statement, which is the whole request here.
fn point(statement: &Statement, script: &Script, position: Option<usize>) -> std::ops::Range<usize> {
    let text = script.text_of(statement);
    let byte = position.and_then(|position| text.char_indices().nth(position.checked_sub(1)?));
    match byte {
        Some((byte, _)) => {
            let at = statement.range().start + byte;
            at..at + word_length(&text[byte..])
        }
        None => statement.range(),
    }
}

/// Takes back what the script set on its session, but for the lock.
fn cleanup(link: &Link<'_>) -> String {
    let mut sql = vec!["ROLLBACK", "SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE", "RESET ALL"];
    if !link.is_callers() {
        sql.extend(["CLOSE ALL", "DEALLOCATE ALL", "UNLISTEN *", "DISCARD TEMP"]);
    }
    sql.extend(link.restore().iter().map(String::as_str));
    sql.join(";\n")
}

async fn end(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let mut sql = String::from("BEGIN;\n");
    if let Some(rechain) = TONGUE.rechain(tables, step) {
        sql.push_str(&format!("{rechain};\n"));
    }
    sql.push_str(&request::leave(tables, batch, step, batch.history.last_event + 2));
    sql.push_str(";\nCOMMIT;");
    let Err(fault) = link.send(sql, NONE).await else { return Ok(()) };
    let kept = step.script.as_deref().map_or(0, Script::len);
    Err(unrecorded(link, tables, fault, kept).await)
}
