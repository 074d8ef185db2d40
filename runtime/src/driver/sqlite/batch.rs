//! Transactional steps: all in one transaction while nothing goes wrong, else one transaction for each.
//!
//! Savepoints cannot stand for the steps' own transactions: `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` and a full disk
//! drop the whole transaction, and a deferred key that is violated shows only at COMMIT, naming nobody. So on any
//! error everything is rolled back and the steps run again one by one; nothing is sent after an error.

use std::time::{Duration, Instant};

use whimbrel_core::Script;

use crate::driver::completed::{ALL, NONE, Row};
use crate::driver::entry::Standing;
use crate::driver::sqlite::answer::{Fault, found_nothing, point};
use crate::driver::sqlite::foreign_keys::{COUNT_VIOLATIONS, Violations, switch_foreign_keys_off};
use crate::driver::sqlite::link::{Begun, Link};
use crate::driver::sqlite::{TONGUE, pragma};
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop, rows_of};
use crate::error::{DatabaseError, ErrorKind};
use crate::plan::{Mode, Step, drops_border};
use crate::report::Action;
use crate::table_name::Tables;

/// Runs the steps of a batch.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    if let [first, ..] = batch.steps
        && first.mode == Mode::ForeignKeysOff
    {
        let first = Batch { steps: &batch.steps[..1], ..batch };
        return without_foreign_keys(link, tables, first).await;
    }
    if batch.steps.len() > 1 && !batch.steps.iter().any(defers_keys) {
        match one_transaction(link, tables, batch, 0).await {
            Ok(done) => return Ended { done, stop: None },
            Err(Stop::Failed(_)) => {}
            Err(stop) => return Ended::stopped(Vec::new(), stop),
        }
    }
    let mut done = Vec::new();
    for index in 0..batch.steps.len() {
        let single = Batch { steps: &batch.steps[index..=index], ..batch };
        match one_transaction(link, tables, single, index).await {
            Ok(one) => done.extend(one),
            Err(stop) => return Ended::stopped(done, stop),
        }
    }
    Ended { done, stop: None }
}

/// Whether a later step could repair a key that this one leaves violated, so that together they would pass.
fn defers_keys(step: &Step<'_>) -> bool {
    let text = step.script.as_deref().map_or("", Script::text).as_bytes();
    let holds = |word: &[u8]| text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    holds(b"deferrable") || holds(b"defer_foreign_keys")
}

async fn without_foreign_keys(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let ended = match switch_foreign_keys_off(link).await {
        Ok(()) => one_transaction(link, tables, batch, 0).await,
        Err(fault) => Err(Stop::Broken(fault.into_error(tables))),
    };
    link.restore().await;
    match ended {
        Ok(done) => Ended { done, stop: None },
        Err(stop) => Ended::stopped(Vec::new(), stop),
    }
}

/// Runs steps in one transaction; `before` steps of the plan have run before them.
async fn one_transaction(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: Batch<'_>,
    before: usize,
) -> Result<Vec<Done>, Stop> {
    let named = batch.steps.iter().filter_map(|step| step.script.as_deref()).flat_map(pragma::named);
    let pragmas = captured(link, tables, named.collect()).await?;
    // What outlives a rollback must not reach the next user either.
    link.remember(pragmas.iter().cloned());
    let result = transaction(link, tables, batch, before, &pragmas).await;
    if !pragmas.is_empty() {
        link.restore().await;
    }
    result
}

/// The SQL that gives PRAGMAs the values back that they have now.
async fn captured(link: &mut Link<'_>, tables: &Tables, names: Vec<&'static str>) -> Result<Vec<String>, Stop> {
    let mut restore = Vec::new();
    for name in names {
        let answer = link.send(format!("PRAGMA {name}"), ALL).await;
        let answer = answer.map_err(|fault| Stop::Broken(fault.into_error(tables)))?;
        if let Some(value) = answer.rows.into_iter().flatten().flatten().next() {
            restore.push(format!("PRAGMA {name} = {value}"));
        }
    }
    Ok(restore)
}

async fn transaction(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: Batch<'_>,
    before: usize,
    pragmas: &[String],
) -> Result<Vec<Done>, Stop> {
    let mut begun = link.begin().await.map_err(|fault| stop(tables, fault))?;
    match steps(&mut begun, tables, batch, before, pragmas).await {
        Ok(done) => match begun.commit().await {
            Ok(()) => Ok(done),
            Err(fault) if fault.is_busy() => Err(Stop::Contended(fault.into_cause())),
            Err(fault) if fault.is_database() => Err(failed(Part::Commit, None, fault.into_cause())),
            Err(fault) => Err(Stop::Broken(fault.into_error(tables))),
        },
        Err(stop) => {
            begun.roll_back().await;
            Err(stop)
        }
    }
}

fn stop(tables: &Tables, fault: Fault) -> Stop {
    if fault.is_busy() { Stop::Busy } else { Stop::Broken(fault.into_error(tables)) }
}

fn failed(part: Part, range: Option<std::ops::Range<usize>>, cause: DatabaseError) -> Stop {
    Stop::Failed(Box::new(Failure { part, range, cause, kept: 0 }))
}

async fn steps(
    begun: &mut Begun<'_>,
    tables: &Tables,
    batch: Batch<'_>,
    before: usize,
    pragmas: &[String],
) -> Result<Vec<Done>, Stop> {
    let broken = |fault: Fault| stop(tables, fault);
    let patience = format!("PRAGMA busy_timeout = {}", batch.patience.as_millis().max(1));
    begun.send(patience, NONE).await.map_err(broken)?;
    let created = batch.history.present || before > 0;
    assert_unchanged(begun, tables, &batch, created, batch.history.last_event + before as i64).await?;
    if !created {
        begun.send(TONGUE.create(tables).join(";\n"), NONE).await.map_err(broken)?;
    }
    let mut done = Vec::new();
    for (index, step) in batch.steps.iter().enumerate() {
        let event = batch.history.last_event + (before + index) as i64 + 1;
        done.push(one_step(begun, tables, &batch, step, (event, pragmas)).await?);
    }
    Ok(done)
}

/// Nobody can write while we hold the transaction, so what is true now stays true.
async fn assert_unchanged(
    begun: &mut Begun<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    created: bool,
    event: i64,
) -> Result<(), Stop> {
    let sql = TONGUE.last_event(tables);
    let answer = begun.send(sql, ALL).await;
    let seen = match answer {
        Ok(answer) => answer.rows.into_iter().flatten().flatten().next().and_then(|id| id.parse::<i64>().ok()),
        Err(fault) if fault.is_missing_table() => None,
        Err(fault) => return Err(stop(tables, fault)),
    };
    let expected = created.then_some(event);
    if seen != expected {
        return Err(Stop::Stale);
    }
    // A table made with a deferrable key lets one step violate what the next one mends.
    let deferrable = "SELECT 1 FROM main.sqlite_master WHERE sql LIKE '%DEFERRABLE%' LIMIT 1";
    if batch.steps.len() > 1 {
        let answer = begun.send(deferrable.to_owned(), NONE).await.map_err(|fault| stop(tables, fault))?;
        if answer.statements.iter().any(|statement| statement.returned > 0) {
            let cause = DatabaseError { message: "deferrable keys".to_owned(), code: None, detail: None, hint: None };
            return Err(failed(Part::Constraints, None, cause));
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
    let broken = |fault: Fault| stop(tables, fault);
    let violations = match step.mode {
        Mode::ForeignKeysOff => Violations::counted(count_violations(begun, tables).await?),
        _ => Violations::default(),
    };
    let enter = match &step.record {
        Some(record) => TONGUE.enter(tables, step, batch.identity, &record.rank.to_string(), Standing::running(step)),
        None => TONGUE.begin_rollback(tables, step),
    };
    begun.send(enter, NONE).await.map_err(broken)?;
    let mut done = Done::default();
    let options = step.script.as_deref().map(Script::options).unwrap_or_default();
    let timeout = options.timeout.or(batch.settings.statement_timeout);
    run_script(begun, tables, step, timeout, &mut done).await?;
    if let Some((verify, _)) = step.verify {
        run_verify(begun, tables, verify).await?;
    }
    if step.mode == Mode::ForeignKeysOff {
        let after = count_violations(begun, tables).await?;
        if let Some(cause) = violations.grown(after) {
            return Err(failed(Part::Constraints, None, cause));
        }
    }
    if !pragmas.is_empty() {
        // Before we write again: `query_only` would refuse it.
        begun.send(pragmas.join(";\n"), NONE).await.map_err(broken)?;
    }
    leave(begun, tables, batch, step, event).await?;
    done.duration = started.elapsed();
    Ok(done)
}

/// Completes the entry and adds the event.
pub(crate) async fn leave(
    begun: &mut Begun<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    event: i64,
) -> Result<(), Stop> {
    let what = match step.action {
        Action::Apply => "applied",
        Action::RollBack => "rolled_back",
        Action::Baseline => "baselined",
    };
    let (insert, values) = TONGUE.event(tables, step, batch.identity, (what, None));
    let duration = format!("(SELECT duration_ms FROM {} WHERE version = '{}')", tables.history, step.key);
    let mut sql = vec![TONGUE.leave(tables, step), format!("{insert} VALUES ({values}, {event}, {duration})")];
    sql.extend(TONGUE.rechain(tables, step));
    let answer = begun.send(sql.join(";\n"), NONE).await.map_err(|fault| stop(tables, fault))?;
    if answer.statements.first().is_some_and(|left| left.changed == 1) {
        return Ok(());
    }
    let message = format!("the script of {} took its own entry out of {}", step.label(), tables.shown);
    let error = crate::error::Error::new(ErrorKind::History, message);
    Err(Stop::Broken(error.help("do not touch the history in a migration")))
}

/// Bytes of SQL that go to SQLite at once: it copies what is left of a text for each statement of it.
const PIECE: usize = 16 * 1024;

/// Sends the statements of a script, some at a time; each alone where one may not take too long.
pub(crate) async fn run_script(
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
        begun.deadline().set(timeout.map(|timeout| Instant::now() + timeout));
        let sent = begun.send(sql, NONE).await;
        begun.deadline().set(None);
        let completed = match &sent {
            Ok(answer) => answer,
            Err(fault) => &fault.before,
        };
        done.statements += completed.statements.len();
        for ((index, _), statement) in rest.iter().zip(&completed.statements) {
            done.rows += rows_of(step, *index, statement.changed);
        }
        let culprit = rest.get(completed.statements.len()).map(|(index, statement)| (*index, *statement));
        if let Err(fault) = sent {
            let (Some((index, statement)), true) = (culprit, fault.is_database()) else {
                return Err(stop(tables, fault));
            };
            return Err(blame(fault, script, index, &statement, timeout));
        }
        rest = &rest[count..];
    }
    Ok(())
}

/// What a statement's error means.
pub(crate) fn blame(
    fault: Fault,
    script: &Script,
    index: usize,
    statement: &whimbrel_core::Statement,
    timeout: Option<Duration>,
) -> Stop {
    if fault.is_busy() {
        return Stop::Contended(fault.into_cause());
    }
    let interrupted = fault.code() == Some(9);
    let mut cause = fault.into_cause();
    if let (true, Some(timeout)) = (interrupted, timeout) {
        cause.message = format!("it took longer than {}", crate::report::Took(timeout));
    }
    let range = point(&cause.message, script.text_of(statement), statement.range().start);
    failed(Part::Statement(index), Some(range), cause)
}

async fn run_verify(begun: &mut Begun<'_>, tables: &Tables, script: &Script) -> Result<(), Stop> {
    for (index, statement) in script.statements().enumerate() {
        let text = script.text_of(&statement);
        let cause = match begun.send(text.to_owned(), NONE).await {
            Ok(answer) if answer.statements.iter().any(|statement| statement.returned > 0) => continue,
            Ok(_) => found_nothing(),
            Err(fault) if fault.is_busy() => return Err(Stop::Contended(fault.into_cause())),
            Err(fault) if fault.is_database() => fault.into_cause(),
            Err(fault) => return Err(stop(tables, fault)),
        };
        let range = point(&cause.message, text, statement.range().start);
        return Err(failed(Part::Verify(index), Some(range), cause));
    }
    Ok(())
}

async fn count_violations(begun: &mut Begun<'_>, tables: &Tables) -> Result<Vec<Row>, Stop> {
    let answer = begun.send(COUNT_VIOLATIONS.to_owned(), ALL).await;
    answer.map(|answer| answer.rows).map_err(|fault| stop(tables, fault))
}
