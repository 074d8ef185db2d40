//! One step outside a transaction: statement by statement, its progress recorded with each.
//!
//! The lock is the session's, on the connection that executes: it lives as long as the server's own work does, also
//! when we are dead by then.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::database_error::DatabaseError;
use crate::doubt::{concurrent_index, goes_with_progress};
use crate::driver::completed::{ALL, Completed, NONE};
use crate::driver::heart::Heart;
use crate::driver::postgres::answer::{Fault, setup_error};
use crate::driver::postgres::batch::word_length;
use crate::driver::postgres::heart::Pulse;
use crate::driver::postgres::holders::{self, Waits, holders};
use crate::driver::postgres::link::Link;
use crate::driver::postgres::record;
use crate::driver::postgres::request::{self, TONGUE};
use crate::driver::postgres::right::{self, Backend};
use crate::driver::{Batch, Done, Ended, Failure, Part, Stop, rows_of};
use crate::error::{Error, ErrorKind};
use crate::literal::literal;
use crate::plan::Step;
use crate::progress::Progress;
use crate::runner;
use crate::settings::whole_millis;
use crate::table_name::Tables;
use whimbrel_core::{Dialect, Kind, Script, Statement};

/// Runs the first step of the batch.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let Some(step) = batch.steps.first() else { return Ended::default() };
    let give_back = right::give_back(tables);
    let unlock = format!("{};\n{give_back}", cleanup(link));
    link.set_leftovers(Some(unlock.clone()));
    let backend = match right::take(link, tables, &batch, step).await {
        Ok(backend) => backend,
        Err(stop) => {
            link.set_leftovers(None);
            return Ended::stopped(Vec::new(), stop);
        }
    };
    let heart = Heart::new(batch.settings.lease);
    let pulse = Pulse::new(link, tables, backend, batch.settings.lease);
    let held = held(link, Held { tables, batch: &batch, step, backend, heart: &heart });
    let mut ended = heart.beside(pulse, held).await.unwrap_or_else(|| Ended::stopped(Vec::new(), lost()));
    match &ended.stop {
        // With the connection the lock is gone: perhaps somebody has ended our session.
        Some(Stop::Broken(error)) if error.kind() == ErrorKind::Connection => {
            if let Some(by) = taken_over_by(link, tables, &batch, step).await {
                ended.stop = Some(Stop::Broken(runner::taken_over(&step.label(), &by)));
            }
        }
        // A broken connection has no lock any more; a caller's setting that cannot be set back does not keep it.
        _ => {
            if link.send(unlock, NONE).await.is_err() {
                link.roll_back().await;
                let _ = link.send(give_back, NONE).await;
            }
        }
    }
    link.set_leftovers(None);
    ended
}

/// Our session is gone, and the connection that we wait on does not say so.
fn lost() -> Stop {
    let help = "run it again: what the server completed is recorded, what it did not is rolled back";
    Stop::Broken(Error::new(ErrorKind::Connection, "the session at the database is gone").help(help))
}

/// How long the end of a run may ask what became of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who has ended our session, on a new connection; a caller's does not tell where it leads.
async fn taken_over_by(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Option<String> {
    if link.is_callers() {
        return None;
    }
    link.drop_own();
    let key = literal(Dialect::Postgres, &*step.key);
    let sql = format!(
        "SELECT applied_by FROM {} WHERE what = 'taken_over' AND version = {key} AND id > {} ORDER BY id DESC LIMIT 1",
        tables.events, batch.history.last_event
    );
    let answer = tokio::time::timeout(PATIENCE, link.send(sql, ALL)).await.ok()?.ok()?;
    answer.rows.into_iter().flatten().flatten().next()
}

fn hint(step: &Step<'_>, failure: &Failure) -> Option<String> {
    let waited = failure.cause.code() == Some("55P03");
    let raise = waited
        .then_some("raise `-- whimbrel:wait` or `-- whimbrel:lock-timeout`, or end the session that holds the table");
    let drop = leaves_an_index(step, failure)
        .then_some("it leaves an invalid index behind, which the next run drops before it builds it anew");
    let hints: Vec<&str> = raise.into_iter().chain(drop).collect();
    (!hints.is_empty()).then(|| hints.join("; "))
}

fn leaves_an_index(step: &Step<'_>, failure: &Failure) -> bool {
    let (Part::Statement(index), Some(script)) = (failure.part, step.script.as_deref()) else { return false };
    let Some(statement) = script.statement(index) else { return false };
    let text = script.text_of(&statement).to_ascii_uppercase();
    // What is wrong with its words is found before it begins.
    let begun = !failure.cause.code().is_some_and(|code| code.starts_with("42"));
    begun && text.starts_with("CREATE") && text.contains("INDEX") && text.contains("CONCURRENTLY")
}

/// A step for which we hold the right.
#[derive(Clone, Copy)]
struct Held<'h, 'b> {
    tables: &'h Tables,
    batch: &'h Batch<'b>,
    step: &'h Step<'b>,
    backend: Backend,
    heart: &'h Heart,
}

async fn held(link: &mut Link<'_>, held: Held<'_, '_>) -> Ended {
    let mut ended = run_held(link, held).await;
    if let Some(Stop::Failed(failure)) = &mut ended.stop {
        failure.cause.hint = failure.cause.hint.take().or_else(|| hint(held.step, failure));
    }
    // While we hold the lock: nobody may find the entry running, and no runner.
    record::failure(link, held.tables, held.batch, &ended).await;
    ended
}

async fn run_held(link: &mut Link<'_>, held: Held<'_, '_>) -> Ended {
    let started = Instant::now();
    let Held { tables, batch, step, .. } = held;
    if let Err(stop) = prepare(link, tables, batch, step).await {
        return Ended::stopped(Vec::new(), stop);
    }
    let mut done = Done::default();
    let ran = match step.script.as_deref() {
        Some(script) => Run { link, tables, batch, step, script, held }.statements(&mut done).await,
        None => Ok(()),
    };
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

/// Bounds the session's waits, and only then writes the intent: a server that refuses a bound leaves nothing running.
async fn prepare(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    loop {
        let limits = request::limits(link, batch, step);
        let set: Vec<String> = limits.iter().map(|(name, value)| format!("SET {name} = '{value}'")).collect();
        match link.send(set.join(";\n"), NONE).await {
            Ok(_) => break,
            Err(fault) if fault.says("22023") && link.server_looks_for_clients() => link.note_blindness(),
            Err(fault) => return Err(Stop::Broken(fault.into_error(tables))),
        }
    }
    begin(link, tables, batch, step).await
}

/// Writes the intent; the event's number asserts that the plan is not stale.
async fn begin(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> Result<(), Stop> {
    let mut sql = String::from("BEGIN;\n");
    let event = batch.history.last_event;
    sql.push_str(&request::enter(tables, batch, step, event));
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, ("started", None));
    sql.push_str(&format!(";\n{insert} SELECT {values}, {}, NULL;\nCOMMIT;", event + 1));
    let Err(fault) = link.send(sql, NONE).await else { return Ok(()) };
    link.roll_back().await;
    Err(match fault {
        Fault::Database { error, .. } => match error.code() {
            Some("22012" | "23505" | "40001" | "42P01") => Stop::Stale,
            Some("55P03" | "40P01") => Stop::Contended(error.cause),
            _ => Stop::Broken(setup_error(error.cause, tables)),
        },
        broken => Stop::Broken(broken.into_error(tables)),
    })
}

/// The script may have made its session read-only, and goes on with that.
const BEGIN: &str = "BEGIN READ WRITE;\n";

/// What a statement is sent between, and how many stay when it fails.
struct Around<'s> {
    before: &'s str,
    after: &'s str,
    kept: usize,
}

/// A step at work.
struct Run<'r, 'l, 'b> {
    link: &'r mut Link<'l>,
    tables: &'r Tables,
    batch: &'r Batch<'b>,
    step: &'r Step<'b>,
    script: &'r Script,
    held: Held<'r, 'b>,
}

impl Run<'_, '_, '_> {
    async fn statements(mut self, done: &mut Done) -> Result<(), Stop> {
        let short = self.script.options().lock_timeout.unwrap_or(self.batch.settings.statement_lock_timeout);
        // A script that bounds its waits itself is left to it.
        let is_ours = self.script.options().lock_timeout.is_none() && !self.script.text().contains("lock_timeout");
        let mut waits = short;
        // The first statement of the script's own transaction that is open.
        let mut opened = None;
        for (index, statement) in self.script.statements().enumerate() {
            // What is done is not repeated, but what it has set on its session is gone.
            if index < self.step.skip && statement.kind != Kind::Session {
                continue;
            }
            if opened.is_none() && self.batch.observer.stops_before(self.step, index, Dialect::Postgres) {
                return Err(self.stopped_before(index));
            }
            self.batch.observer.statement(self.step, index);
            // What cannot run in a transaction, such as a concurrent index build, waits for others without being in
            // their way, and leaves something invalid when it gives up.
            let is_patient = is_ours && statement.needs_no_transaction(Dialect::Postgres);
            let limit = if is_patient { short.max(self.batch.patience) } else { short };
            if limit != waits {
                waits = limit;
                let sql = format!("SET lock_timeout = {}", whole_millis(limit));
                self.link.send(sql, NONE).await.map_err(|fault| Stop::Broken(fault.into_error(self.tables)))?;
            }
            let kept = opened.unwrap_or(index).max(self.step.skip);
            let together = opened.is_none() && goes_with_progress(self.script, &statement, Dialect::Postgres);
            if together && index >= self.step.skip {
                match self.with_progress(index, &statement).await {
                    // An extension's, of which nobody else knows; it has refused before it began.
                    Err(Stop::Failed(failure)) if statement.kind == Kind::Ddl && failure.refuses_transactions() => {}
                    ran => {
                        done.add_rows(rows_of(self.step, index, ran?));
                        done.statements += 1;
                        continue;
                    }
                }
            }
            self.drop_invalid(index, &statement, kept).await?;
            let answer = self.statement(index, &statement, kept).await?;
            if index < self.step.skip {
                continue;
            }
            match statement.kind {
                Kind::Begin => opened = Some(index),
                Kind::Commit | Kind::Rollback => opened = None,
                _ => {}
            }
            done.statements += 1;
            let changed = answer.statements.iter().map(|statement| statement.changed).sum();
            done.add_rows(rows_of(self.step, index, changed));
            // Behind `BEGIN` and what sets its modes nothing of ours may stand before the first query.
            if opened.is_none() || !matches!(statement.kind, Kind::Begin | Kind::Session) {
                self.note(index + 1, opened).await?;
            }
        }
        verify(self.link, self.tables, self.step).await
    }

    /// Sends a statement and its progress as one transaction: whoever is killed there leaves both or neither. The rows
    /// that it changed.
    async fn with_progress(&mut self, index: usize, statement: &Statement) -> Result<u64, Stop> {
        let begun = self.batch.history.last_event + 1;
        let update = TONGUE.progress(self.tables, self.step, begun, index + 1);
        // Where no row changes nothing may be committed.
        let moved = right::moves(self.tables, self.held.backend, index + 2);
        let noted = format!("WITH moved AS ({moved}), noted AS ({update} RETURNING 1) SELECT 1 / count(*) FROM noted");
        // Constraints that are put off must not be checked while our row of the lock waits for the COMMIT.
        let after = format!(";\nSET CONSTRAINTS ALL IMMEDIATE;\n{};\n{noted};\nCOMMIT", self.as_who_we_are());
        let answer = self.send(index, statement, Around { before: BEGIN, after: &after, kept: index }).await?;
        self.held.heart.note();
        Ok(answer.statements.get(1).map_or(0, |statement| statement.changed))
    }

    /// Drops the invalid index that a build of the same one has left behind: a failed one, or one that was cut off.
    async fn drop_invalid(&mut self, index: usize, statement: &Statement, kept: usize) -> Result<(), Stop> {
        let Some((name, table)) = concurrent_index(self.script.text_of(statement)) else { return Ok(()) };
        let invalid = format!("{} AND NOT i.indisvalid", request::index(&name, &table));
        let broken = |fault: Fault| Stop::Broken(fault.into_error(self.tables));
        let found = self.link.send(invalid, ALL).await.map_err(broken)?;
        let Some(name) = found.rows.into_iter().flatten().flatten().next() else { return Ok(()) };
        match self.link.send(format!("DROP INDEX CONCURRENTLY {name}"), NONE).await {
            Ok(_) => Ok(()),
            Err(Fault::Database { error, .. }) => {
                let (part, range) = (Part::Statement(index), Some(statement.range()));
                Err(Stop::Failed(Box::new(Failure { part, range, cause: error.cause, kept })))
            }
            Err(fault) => Err(broken(fault)),
        }
    }

    /// Sends a statement alone.
    async fn statement(&mut self, index: usize, statement: &Statement, kept: usize) -> Result<Completed, Stop> {
        self.send(index, statement, Around { before: "", after: "", kept }).await
    }

    /// Sends a statement; again while the tables that it needs are held, where it would leave nothing behind.
    async fn send(&mut self, index: usize, statement: &Statement, around: Around<'_>) -> Result<Completed, Stop> {
        let Around { before, after, kept } = around;
        let text = self.script.text_of(statement);
        // `CALL` and `DO` may have committed some of their work.
        let is_whole = matches!(statement.kind, Kind::Ddl | Kind::Dml | Kind::Query);
        let repeats = is_whole && kept == index && !statement.needs_no_transaction(Dialect::Postgres);
        let mut backoff = Backoff::new(self.batch.patience);
        let wait = self.script.options().lock_timeout.unwrap_or(self.batch.settings.statement_lock_timeout);
        loop {
            let waits = Waits { sql: format!("{before}{text}{after}"), keep: NONE, wait, key: self.tables.key };
            let started = Instant::now();
            let (answer, seen) = holders::send(self.link, waits).await;
            let (mut error, completed) = match answer {
                Ok(answer) => return Ok(answer),
                Err(Fault::Database { error, before }) => (error, before.statements.len()),
                Err(fault) => return Err(Stop::Broken(fault.into_error(self.tables))),
            };
            self.link.roll_back().await;
            if error.code() == Some("55P03") {
                if repeats && backoff.slept().is_zero() {
                    let what = "the tables that a statement needs";
                    self.batch.observer.tell(&Progress::Waiting { what, at_most: backoff.left() });
                }
                let slept = match repeats {
                    true => match self.batch.observer.unless_stopped(backoff.sleep()).await {
                        Some(slept) => slept,
                        None => return Err(self.stopped_before(index)),
                    },
                    false => false,
                };
                let duration_ms = started.elapsed().as_millis() as u64;
                tracing::debug!(duration_ms, statement = index + 1, "waited for the tables that a statement needs");
                if slept {
                    continue;
                }
                error.cause.detail = holders(self.link, seen, text).await;
            }
            // The first one behind it, and the last, which is our COMMIT, speak for its deferred constraints.
            let is_ours = completed > 2 && completed <= after.matches(";\n").count();
            if is_ours && error.code() == Some("22012") {
                error.cause = DatabaseError::entry_gone();
            }
            let position = error.position.and_then(|position| position.checked_sub(before.len()));
            let (part, range) = if is_ours {
                (Part::Leave, None)
            } else {
                (Part::Statement(index), Some(point(statement, self.script, position)))
            };
            return Err(Stop::Failed(Box::new(Failure { part, range, cause: error.cause, kept })));
        }
    }

    fn stopped_before(&self, index: usize) -> Stop {
        Stop::Failed(Box::new(Failure::stopped_before(index, index, self.step)))
    }

    /// Makes the session who we are for the rest of the transaction: the script may have set another role.
    fn as_who_we_are(&self) -> String {
        let local = self.link.identity().iter().map(|sql| sql.replacen("SET", "SET LOCAL", 1));
        local.collect::<Vec<_>>().join(";\n")
    }

    /// Notes the statements that are done.
    ///
    /// A transaction of the script's own holds its progress too: it goes with it when it is rolled back. Our row of the
    /// lock stays out of it, since our signs of life would wait for its end.
    async fn note(&mut self, applied: usize, opened: Option<usize>) -> Result<(), Stop> {
        let begun = self.batch.history.last_event + 1;
        let update = TONGUE.progress(self.tables, self.step, begun, applied);
        let sql = match opened {
            Some(_) => update,
            None => {
                let moved = right::moves(self.tables, self.held.backend, applied + 1);
                format!("{BEGIN}{};\nWITH moved AS ({moved}) {update};\nCOMMIT", self.as_who_we_are())
            }
        };
        let kept = opened.unwrap_or(applied);
        match self.link.send(sql, NONE).await {
            Ok(answer) if answer.statements.iter().map(|it| it.changed).sum::<u64>() == 1 => {
                if opened.is_none() {
                    self.held.heart.note();
                }
                Ok(())
            }
            Ok(_) => {
                let cause = DatabaseError::entry_gone();
                Err(Stop::Failed(Box::new(Failure { part: Part::Leave, range: None, cause, kept })))
            }
            Err(fault) => Err(unrecorded(self.link, self.tables, fault, kept).await),
        }
    }
}

/// Our own writing failed: what is done is recorded as far as it goes.
async fn unrecorded(link: &mut Link<'_>, tables: &Tables, fault: Fault, kept: usize) -> Stop {
    let Fault::Database { error, .. } = fault else { return Stop::Broken(fault.into_error(tables)) };
    link.roll_back().await;
    Stop::Failed(Box::new(Failure { part: Part::Leave, range: None, cause: error.cause, kept }))
}

async fn verify(link: &mut Link<'_>, tables: &Tables, step: &Step<'_>) -> Result<(), Stop> {
    let Some((script, _)) = step.verify else { return Ok(()) };
    for (index, statement) in script.statements().enumerate() {
        let query = script.text_of(&statement);
        let (open, close) = request::MUST_FIND;
        let Err(fault) = link.send(format!("{open}{query}{close}"), NONE).await else { continue };
        let Fault::Database { error, .. } = fault else { return Err(Stop::Broken(fault.into_error(tables))) };
        let cause =
            if error.code() == Some(request::FOUND_NOTHING) { DatabaseError::found_nothing() } else { error.cause };
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
    let mut sql = request::begin_briefly(batch);
    for rechain in TONGUE.rechain(tables, step) {
        sql.push_str(&format!("{rechain};\n"));
    }
    sql.push_str(&request::leave(tables, batch, step, batch.history.last_event + 2));
    sql.push_str(";\nCOMMIT;");
    let Err(fault) = link.send(sql, NONE).await else { return Ok(()) };
    let kept = step.script.as_deref().map_or(0, Script::len);
    Err(unrecorded(link, tables, fault, kept).await)
}
