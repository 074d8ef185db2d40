//! One step outside a transaction: statement by statement, its progress recorded after each.
//!
//! SQLite has no lock that outlives a transaction; the entry that says *running* keeps others away.

use std::time::Instant;

use whimbrel_core::{Kind, Script};

use crate::driver::completed::{ALL, NONE, Row};
use crate::driver::entry::Standing;
use crate::driver::sqlite::answer::{Fault, found_nothing};
use crate::driver::sqlite::batch::{blame, leave};
use crate::driver::sqlite::foreign_keys::{FOREIGN_KEY_CHECK, switch_foreign_keys_off, violated};
use crate::driver::sqlite::link::Link;
use crate::driver::sqlite::{TONGUE, pragma};
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop, kept_before, rows_of};
use crate::plan::Step;
use crate::report::Action;
use crate::table_name::Tables;

/// Runs the first step of the batch.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let Some(step) = batch.steps.first() else { return Ended::default() };
    let started = Instant::now();
    if let Err(stop) = begin(link, tables, &batch, step).await {
        return Ended::stopped(Vec::new(), stop);
    }
    let mut done = Done::default();
    let ran = match prepare(link, tables, &batch, step).await {
        Ok(before) => checked(link, tables, &batch, step, (&mut done, before)).await,
        Err(stop) => Err(stop),
    };
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

fn broken(tables: &Tables) -> impl Fn(Fault) -> Stop {
    |fault| if fault.is_busy() { Stop::Busy } else { Stop::Broken(fault.into_error(tables)) }
}

/// Writes the intent, when nothing has happened since the plan was made.
async fn begin(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let event = batch.history.last_event;
    let mut sql = Vec::new();
    if !batch.history.present {
        sql.extend(TONGUE.create(tables));
    }
    sql.push(match &step.record {
        Some(record) => TONGUE.enter(tables, step, batch.identity, &record.rank.to_string(), Standing::running(step)),
        None => TONGUE.begin_rollback(tables, step),
    });
    let (insert, values) = TONGUE.event(tables, step, batch.identity, ("started", None));
    sql.push(format!("{insert} VALUES ({values}, {}, NULL)", event + 1));
    let mut begun = link.begin().await.map_err(broken(tables))?;
    let seen = begun.send(TONGUE.last_event(tables), ALL).await;
    let seen = seen.ok().and_then(|answer| answer.rows.into_iter().flatten().flatten().next()?.parse::<i64>().ok());
    if seen != batch.history.present.then_some(event) {
        begun.roll_back().await;
        return Err(Stop::Stale);
    }
    begun.send(sql.join(";\n"), NONE).await.map_err(broken(tables))?;
    begun.commit().await.map_err(broken(tables))
}

/// Keys that are violated before the script, where it wants them unchecked.
type Violations = Option<Vec<Row>>;

/// Sets the connection up, and remembers what must be set back.
async fn prepare(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<Violations, Stop> {
    link.set_patience(batch.patience).await.map_err(broken(tables))?;
    let Some(script) = step.script.as_deref() else { return Ok(None) };
    for name in pragma::named(script) {
        let answer = link.send(format!("PRAGMA {name}"), ALL).await;
        let value = answer.map_err(broken(tables))?.rows.into_iter().flatten().flatten().next();
        link.remember(value.map(|value| format!("PRAGMA {name} = {value}")));
    }
    if script.statements().any(|statement| statement.kind == Kind::Begin) {
        // For a run that is cancelled inside a transaction of the script's own.
        link.remember(["ROLLBACK".to_owned()]);
    }
    if !script.options().foreign_keys_off {
        return Ok(None);
    }
    let before = link.send(FOREIGN_KEY_CHECK.to_owned(), ALL).await.map_err(broken(tables))?;
    switch_foreign_keys_off(link).await.map_err(broken(tables))?;
    Ok(Some(before.rows))
}

/// The statements, and no key violated that was not before.
async fn checked(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    (done, before): (&mut Done, Violations),
) -> Result<(), Stop> {
    statements(link, tables, batch, step, done).await?;
    let Some(before) = before else { return Ok(()) };
    let after = link.send(FOREIGN_KEY_CHECK.to_owned(), ALL).await.map_err(broken(tables))?;
    let Some(new) = after.rows.into_iter().find(|violation| !before.contains(violation)) else { return Ok(()) };
    let kept = step.script.as_deref().map_or(0, Script::len);
    Err(Stop::Failed(Box::new(Failure { part: Part::Constraints, range: None, cause: violated(&new), kept })))
}

async fn statements(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    done: &mut Done,
) -> Result<(), Stop> {
    let Some(script) = step.script.as_deref() else { return Ok(()) };
    let timeout = script.options().timeout.or(batch.settings.statement_timeout);
    for (index, statement) in script.statements().enumerate() {
        // What is done is not repeated, but what it has set on its connection is gone.
        if index < step.skip && statement.kind != Kind::Session {
            continue;
        }
        link.deadline().set(timeout.map(|timeout| Instant::now() + timeout));
        let sent = link.send(script.text_of(&statement).to_owned(), NONE).await;
        link.deadline().set(None);
        match sent {
            Ok(answer) => {
                let changed = answer.statements.iter().map(|statement| statement.changed).sum();
                done.rows += rows_of(step, index, changed);
            }
            Err(fault) if fault.is_database() => {
                // The script may have begun a transaction of its own.
                drop(link.send("ROLLBACK".to_owned(), NONE).await);
                let kept = kept_before(script, index);
                return Err(match blame(fault, script, index, &statement, timeout) {
                    Stop::Failed(failure) => Stop::Failed(Box::new(Failure { kept, ..*failure })),
                    // Our patience is spent: it goes on with this statement another time.
                    Stop::Contended(cause) => {
                        let (part, range) = (Part::Statement(index), Some(statement.range()));
                        Stop::Failed(Box::new(Failure { part, range, cause, kept }))
                    }
                    stop => stop,
                });
            }
            Err(fault) => return Err(Stop::Broken(fault.into_error(tables))),
        }
        if index < step.skip {
            continue;
        }
        done.statements += 1;
        if step.action == Action::Apply {
            let progress =
                writable(link, tables, script, TONGUE.progress(tables, step, batch.history.last_event + 1, index + 1))
                    .await?;
            let Err(fault) = link.send(progress, NONE).await else { continue };
            drop(link.send("ROLLBACK".to_owned(), NONE).await);
            return Err(unrecorded(tables, fault, kept_before(script, index + 1)));
        }
    }
    verify(link, tables, step).await
}

/// A script that says `PRAGMA query_only` would have its progress refused.
async fn writable(link: &mut Link<'_>, tables: &Tables, script: &Script, sql: String) -> Result<String, Stop> {
    if !pragma::named(script).contains(&"query_only") {
        return Ok(sql);
    }
    let answer = link.send("PRAGMA query_only".to_owned(), ALL).await;
    let value = answer.map_err(broken(tables))?.rows.into_iter().flatten().flatten().next().unwrap_or_default();
    Ok(format!("PRAGMA query_only = 0;\n{sql};\nPRAGMA query_only = {value}"))
}

async fn verify(link: &mut Link<'_>, tables: &Tables, step: &Step<'_>) -> Result<(), Stop> {
    let Some((script, _)) = step.verify else { return Ok(()) };
    for (index, statement) in script.statements().enumerate() {
        let cause = match link.send(script.text_of(&statement).to_owned(), NONE).await {
            Ok(answer) if answer.statements.iter().any(|statement| statement.returned > 0) => continue,
            Ok(_) => found_nothing(),
            Err(fault) if fault.is_database() => fault.into_cause(),
            Err(fault) => return Err(Stop::Broken(fault.into_error(tables))),
        };
        let kept = step.script.as_deref().map_or(0, Script::len);
        let failure = Failure { part: Part::Verify(index), range: Some(statement.range()), cause, kept };
        return Err(Stop::Failed(Box::new(failure)));
    }
    Ok(())
}

async fn end(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let kept = step.script.as_deref().map_or(0, Script::len);
    let unrecorded = |fault| unrecorded(tables, fault, kept);
    let mut begun = link.begin_patiently(batch.patience).await.map_err(unrecorded)?;
    let last = begun.send(TONGUE.last_event(tables), ALL).await.map_err(unrecorded)?;
    // Nothing keeps others from events of their own, such as a failure of theirs.
    let last = last.rows.into_iter().flatten().flatten().next().and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
    leave(&mut begun, tables, batch, step, last + 1).await?;
    begun.commit().await.map_err(unrecorded)
}

/// Our own writing failed: what is done is recorded as far as it goes.
fn unrecorded(tables: &Tables, fault: Fault, kept: usize) -> Stop {
    if fault.is_database() {
        let cause = fault.into_cause();
        return Stop::Failed(Box::new(Failure { part: Part::Leave, range: None, cause, kept }));
    }
    Stop::Broken(fault.into_error(tables))
}
