//! Steps, statement by statement: each with its progress in one request, and in one transaction where it changes rows.

use std::time::Instant;

use crate::backoff::Backoff;
use crate::database_error::DatabaseError;
use crate::driver::completed::{ALL, Completed, NONE};
use crate::driver::mysql::answer::{self, Fault, number, setup_error};
use crate::driver::mysql::link::Link;
use crate::driver::mysql::request::{self, TONGUE};
use crate::driver::{Batch, Done, Ended, Failure, Part, Resolution, Stop, rows_of};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Step;
use crate::table_name::Tables;
use whimbrel_core::{Kind, Script, Statement};

/// Runs the steps of a batch, while we hold the lock.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let unlock = format!("DO RELEASE_LOCK({})", request::lock_name(tables));
    link.set_leftovers(Some(format!("ROLLBACK;\nUNLOCK TABLES;\n{unlock}")));
    let mut ended = Ended::default();
    match lock(link, tables).await {
        Ok(()) => {
            ended = steps(link, tables, &batch).await;
            record(link, tables, &batch, &ended).await;
            // A broken connection has no lock any more.
            let _ = link.send(format!("{};\n{unlock}", cleanup(link)), NONE).await;
        }
        Err(stop) => ended.stop = Some(stop),
    }
    link.set_leftovers(None);
    ended
}

/// Settles an entry while we hold the lock.
pub(crate) async fn resolve(link: &mut Link<'_>, tables: &Tables, resolution: Resolution<'_>) -> Result<(), Stop> {
    lock(link, tables).await?;
    let answer = link.send(request::resolve(tables, &resolution), NONE).await;
    if answer.is_err() {
        link.roll_back().await;
    }
    let unlock = format!("{};\nDO RELEASE_LOCK({})", cleanup(link), request::lock_name(tables));
    // A broken connection has no lock any more.
    let _ = link.send(unlock, NONE).await;
    link.set_leftovers(None);
    match answer {
        Ok(answer) if answer.statements.get(2).is_some_and(|settled| settled.changed == 1) => Ok(()),
        Ok(_) => Err(Stop::Stale),
        Err(fault) if fault.says(request::DUPLICATE) => Err(Stop::Stale),
        Err(fault) => Err(Stop::Broken(fault.into_error(tables))),
    }
}

/// Takes the lock on the connection that executes, and keeps what the session has set.
async fn lock(link: &mut Link<'_>, tables: &Tables) -> Result<(), Stop> {
    let sql = format!("SELECT CAST(GET_LOCK({}, 0) AS CHAR);\n{}", request::lock_name(tables), request::SETTINGS);
    let answer = link.send(sql, ALL).await.map_err(|fault| Stop::Broken(fault.into_error(tables)))?;
    let (taken, settings) = answer.rows.split_first().unzip();
    match taken.and_then(|row| row.first()?.as_deref()) {
        Some("1") => {
            link.note_settings(settings.unwrap_or_default());
            let cleanup = cleanup(link);
            let unlock = request::lock_name(tables);
            link.set_leftovers(Some(format!("{cleanup};\nDO RELEASE_LOCK({unlock})")));
            Ok(())
        }
        Some(_) => Err(Stop::Busy),
        // Manual, GET_LOCK: an error such as a killed thread, or no memory.
        None => {
            let error = Error::new(ErrorKind::Locked, "the server refuses the lock of the migration; nothing was run");
            Err(Stop::Broken(error.help("look at the server's log, and run it again")))
        }
    }
}

/// Takes back what a script has set on its session.
fn cleanup(link: &Link<'_>) -> String {
    format!("ROLLBACK;\nUNLOCK TABLES;\n{}", link.restore)
}

async fn steps(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>) -> Ended {
    let mut done = Vec::new();
    let mut event = batch.history.last_event;
    for step in batch.steps {
        let run = Run { link, tables, batch, step, event };
        match run.whole().await {
            Ok(one) => done.push(one),
            Err(stop) => return Ended::stopped(done, stop),
        }
        event += 2;
    }
    Ended { done, stop: None }
}

/// Records the failure that ended a batch, if one did; without a record, the error is reported all the same.
async fn record(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, ended: &Ended) {
    let Some((step, failure)) = ended.failure(batch) else { return };
    let sql = format!("{};\n{}", cleanup(link), request::failure(tables, batch, step, failure));
    if let Err(fault) = link.send(sql, NONE).await {
        link.roll_back().await;
        tracing::warn!(error = %fault.into_error(tables), "the failure could not be recorded in the history");
    }
}

/// A step at work; `event` is the last one before it.
struct Run<'r, 'l, 'b> {
    link: &'r mut Link<'l>,
    tables: &'r Tables,
    batch: &'r Batch<'b>,
    step: &'r Step<'b>,
    event: i64,
}

impl Run<'_, '_, '_> {
    async fn whole(mut self) -> Result<Done, Stop> {
        let started = Instant::now();
        self.begin().await?;
        let mut done = Done::default();
        if let Some(script) = self.step.script.as_deref() {
            self.statements(script, &mut done).await?;
        }
        self.verify().await?;
        self.end().await?;
        done.duration = started.elapsed();
        Ok(done)
    }

    async fn begin(&mut self) -> Result<(), Stop> {
        let begin = request::begin(self.tables, self.batch, self.step, self.event);
        self.check_sizes(begin.len())?;
        let mut sql = self.limits();
        if !self.batch.history.present {
            // The events first: without a history they mean that nothing was begun. No transaction holds the two.
            for create in TONGUE.create(self.tables).into_iter().rev() {
                sql.push(create.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1));
            }
        }
        self.link.send(sql.join(";\n"), NONE).await.map_err(|fault| Stop::Broken(fault.into_error(self.tables)))?;
        let fault = match self.link.send(begin, NONE).await {
            // The rollback of an entry that is gone changes no row.
            Ok(answer) if answer.statements.get(2).is_some_and(|entered| entered.changed > 0) => return Ok(()),
            Ok(_) => return Err(Stop::Stale),
            Err(fault) => fault,
        };
        self.link.roll_back().await;
        Err(match fault {
            fault if fault.says(request::DUPLICATE) => Stop::Stale,
            fault => Stop::Broken(fault.into_error(self.tables)),
        })
    }

    /// The server closes the connection on a request that is too large, in the middle of the script.
    fn check_sizes(&self, begin: usize) -> Result<(), Stop> {
        let script = self.step.script.as_deref();
        let statements = script.into_iter().flat_map(Script::statements).map(|it| it.range().len() + AROUND);
        let (largest, limit) = (statements.fold(begin, usize::max), self.link.packet);
        if largest < limit {
            return Ok(());
        }
        let what = if largest == begin { "its entry in the history" } else { "a statement" };
        let message = format!(
            "{} needs a request of {largest} bytes for {what}, the server takes {limit} (max_allowed_packet); \
             nothing of it was run",
            self.step.label()
        );
        let help = format!("SET GLOBAL max_allowed_packet to more than {largest}, or split the script");
        Err(Stop::Broken(Error::new(ErrorKind::Refused, message).help(help)))
    }

    /// Pins how scripts are read, and bounds the session's waits.
    fn limits(&self) -> Vec<String> {
        let options = self.step.script.as_deref().map(Script::options).unwrap_or_default();
        let lock = options.lock_timeout.unwrap_or(self.batch.settings.statement_lock_timeout);
        let seconds = lock.as_secs_f64().ceil().clamp(1.0, 31_536_000.0);
        let mut set =
            format!("{}, lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}", request::PINNED);
        let timeout = options.timeout.or(self.batch.settings.statement_timeout);
        if let (true, Some(timeout)) = (self.link.has_statement_time, timeout) {
            set.push_str(&format!(", max_statement_time = {}", timeout.as_secs_f64()));
        }
        vec!["SET NAMES utf8mb4".to_owned(), format!("SET SESSION {set}")]
    }

    async fn statements(&mut self, script: &Script, done: &mut Done) -> Result<(), Stop> {
        // The first statement of the script's own transaction that is open.
        let mut opened = None;
        for (index, statement) in script.statements().enumerate() {
            // What is done is not repeated, but what it has set on its session is gone.
            if index < self.step.skip && statement.kind != Kind::Session {
                continue;
            }
            match statement.kind {
                Kind::Begin => opened = Some(index),
                // A change of the schema commits what is open.
                Kind::Commit | Kind::Rollback | Kind::Ddl => opened = None,
                _ => {}
            }
            let kept = opened.unwrap_or(index).max(self.step.skip);
            let answer = self.statement(script, index, &statement, kept).await?;
            if index < self.step.skip {
                continue;
            }
            done.statements += 1;
            done.rows += rows_of(self.step, index, changed(&answer, &statement));
        }
        Ok(())
    }

    /// Sends a statement with its progress; again while the tables that it needs are held.
    async fn statement(
        &mut self,
        script: &Script,
        index: usize,
        statement: &Statement,
        kept: usize,
    ) -> Result<Completed, Stop> {
        let repeats = kept == index;
        let mut backoff = Backoff::new(self.batch.patience);
        loop {
            let sql = self.request(script, index, statement, kept);
            let (mut cause, before) = match self.link.send(sql, NONE).await {
                Ok(answer) => return self.noted(answer, index, kept),
                Err(Fault::Database { cause, before }) => (cause, before),
                Err(fault) => return Err(Stop::Broken(fault.into_error(self.tables))),
            };
            self.link.roll_back().await;
            // A wait for a lock that was too long, a deadlock: nothing of it was done.
            let waited = matches!(number(&cause), "1205" | "1213");
            if waited && repeats && backoff.sleep().await {
                continue;
            }
            let lead = usize::from(statement.kind == Kind::Dml && repeats);
            if before.statements.len() > lead && matches!(statement.kind, Kind::Dml | Kind::Ddl) {
                return Err(failed(Part::Leave, None, cause, kept));
            }
            let range = statement.range();
            let place = answer::place(script.text_of(statement), cause.message());
            let place = place.map(|at| range.start + at.start..range.start + at.end).unwrap_or(range);
            cause.message = answer::sentence(cause.message());
            cause.hint = hint(&cause, statement);
            return Err(failed(Part::Statement(index), Some(place), cause, kept));
        }
    }

    /// A change of rows is one transaction with its progress; all else commits by itself, or is in the script's own.
    fn request(&self, script: &Script, index: usize, statement: &Statement, kept: usize) -> String {
        let text = script.text_of(statement);
        let note = if index >= self.step.skip {
            let progress = TONGUE.progress(self.tables, self.step, self.event + 1, index + 1);
            // A script may have locked tables, and ours is not among them.
            format!(";\nUNLOCK TABLES;\n{progress}")
        } else {
            String::new()
        };
        if statement.kind == Kind::Dml && kept == index {
            format!("START TRANSACTION READ WRITE;\n{text}{note};\nCOMMIT")
        } else {
            format!("{text}{note}")
        }
    }

    /// Whether the progress has found its entry: the last statement, but for our COMMIT.
    fn noted(&self, answer: Completed, index: usize, kept: usize) -> Result<Completed, Stop> {
        let notes = index >= self.step.skip;
        let last = answer.statements.iter().rev().take(2);
        if !notes || last.map(|statement| statement.changed).sum::<u64>() == 1 {
            return Ok(answer);
        }
        Err(failed(Part::Leave, None, DatabaseError::entry_gone(), kept))
    }

    async fn verify(&mut self) -> Result<(), Stop> {
        let Some((script, _)) = self.step.verify else { return Ok(()) };
        let kept = self.step.script.as_deref().map_or(0, Script::len);
        for (index, statement) in script.statements().enumerate() {
            let answer = self.link.send(script.text_of(&statement).to_owned(), NONE).await;
            match unverified(answer, script, index, &statement, self.tables) {
                Ok(None) => {}
                Ok(Some(failure)) => return Err(Stop::Failed(Box::new(Failure { kept, ..failure }))),
                Err(error) => return Err(Stop::Broken(error)),
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Stop> {
        let leave = request::leave(self.tables, self.batch, self.step, self.event + 2);
        let cleaned = cleanup(self.link);
        if let Err(fault) = self.link.send(cleaned, NONE).await {
            return Err(Stop::Broken(fault.into_error(self.tables)));
        }
        let kept = self.step.script.as_deref().map_or(0, Script::len);
        match self.link.send(leave, NONE).await {
            Ok(answer) if answer.statements.get(1).is_some_and(|left| left.changed == 1) => Ok(()),
            Ok(_) => Err(failed(Part::Leave, None, DatabaseError::entry_gone(), kept)),
            Err(Fault::Database { cause, .. }) => {
                self.link.roll_back().await;
                Err(Stop::Broken(setup_error(cause, self.tables)))
            }
            Err(fault) => Err(Stop::Broken(fault.into_error(self.tables))),
        }
    }
}

/// What our texts around a statement come to at most.
const AROUND: usize = 1024;

fn failed(part: Part, range: Option<std::ops::Range<usize>>, cause: DatabaseError, kept: usize) -> Stop {
    Stop::Failed(Box::new(Failure { part, range, cause, kept }))
}

/// The rows that a statement changed; with our own texts around it, its own completion is the second.
fn changed(answer: &Completed, statement: &Statement) -> u64 {
    let statements = &answer.statements;
    let own = if statement.kind == Kind::Dml && statements.len() == 5 { statements.get(1) } else { statements.first() };
    own.map_or(0, |statement| statement.changed)
}

/// A statement that failed may have acted: `DROP TABLE a, nope, c` drops two of them (tried).
fn hint(cause: &DatabaseError, statement: &Statement) -> Option<String> {
    let text = match number(cause) {
        "1205" => "raise `-- whimbrel:lock-timeout`, or end the session that holds the table",
        // What is wrong with its words, or its kind of column, is found before it begins.
        "1064" | "1054" | "4161" | "1146" | "1050" | "1060" => return None,
        _ if statement.kind == Kind::Ddl => "look what of it took effect: it is no transaction here",
        _ => return None,
    };
    Some(text.to_owned())
}

/// The failure of a verify query, if it failed or found nothing.
pub(crate) fn unverified(
    answer: Result<Completed, Fault>,
    script: &Script,
    index: usize,
    statement: &Statement,
    tables: &Tables,
) -> Result<Option<Failure>> {
    let range = statement.range();
    let (range, cause) = match answer {
        Ok(answer) if answer.has_rows() => return Ok(None),
        Ok(_) => (range, DatabaseError::found_nothing()),
        Err(Fault::Database { mut cause, .. }) => {
            let place = answer::place(script.text_of(statement), cause.message());
            cause.message = answer::sentence(cause.message());
            (place.map(|at| range.start + at.start..range.start + at.end).unwrap_or(range), cause)
        }
        Err(fault) => return Err(fault.into_error(tables)),
    };
    Ok(Some(Failure { part: Part::Verify(index), range: Some(range), cause, kept: 0 }))
}
