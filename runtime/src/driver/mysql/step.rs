//! Steps, one after the other, while we hold the lock.

use std::time::{Duration, Instant};

use crate::database_error::DatabaseError;
use crate::driver::completed::{ALL, Completed, NONE};
use crate::driver::heart::Heart;
use crate::driver::mysql::answer::{self, Fault, setup_error};
use crate::driver::mysql::heart::Pulse;
use crate::driver::mysql::link::Link;
use crate::driver::mysql::request::{self, TONGUE};
use crate::driver::mysql::right;
use crate::driver::mysql::statement::Run;
use crate::driver::{Batch, Done, Ended, Failure, Part, Resolution, Rewriting, Stop};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Step;
use crate::report::Action;
use crate::runner;
use crate::table_name::Tables;
use whimbrel_core::{Kind, Script, Statement};

/// Runs the steps of a batch, while we hold the lock.
pub(crate) async fn run(link: &mut Link<'_>, tables: &Tables, batch: Batch<'_>) -> Ended {
    let claim = batch.steps.first().filter(|_| link.has_lock).map(|step| right::claim(link, tables, &batch, step));
    if let Err(stop) = lock(link, tables, claim).await {
        return Ended::stopped(Vec::new(), stop);
    }
    let pulse = Pulse::new(link, tables, batch.settings.lease);
    let mut done = Vec::new();
    let held = async {
        let stop = steps(link, tables, &batch, &mut done).await;
        let ended = Ended { done: done.clone(), stop };
        record(link, tables, &batch, &ended).await;
        ended
    };
    let held = Heart::new(batch.settings.lease).beside(pulse, held).await;
    let mut ended = held.unwrap_or_else(|| Ended::stopped(done, lost()));
    if matches!(&ended.stop, Some(Stop::Broken(error)) if error.kind() == ErrorKind::Connection) {
        // With the connection the lock is gone: perhaps somebody has ended our session.
        if let Some(by) = taken_over_by(link, tables, &batch).await {
            let label = batch.steps[ended.done.len()].label();
            ended.stop = Some(Stop::Broken(runner::taken_over(&label, &by)));
        }
        return ended;
    }
    unlock(link, tables).await;
    let ran = &batch.steps[..(ended.done.len() + 1).min(batch.steps.len())];
    if ran.iter().any(leaves_something) {
        link.renew().await;
    }
    ended
}

/// Our session is gone, and the connection that we wait on does not say so.
fn lost() -> Stop {
    let help = "run it again: the history tells what took effect";
    Stop::Broken(Error::new(ErrorKind::Connection, "the session at the database is gone").help(help))
}

/// How long the end of a run may ask what became of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who has ended our session, on a new connection; a caller's does not tell where it leads.
async fn taken_over_by(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>) -> Option<String> {
    link.options()?;
    link.renew().await;
    let sql = format!(
        "SELECT applied_by FROM {} WHERE what = 'taken_over' AND id > {} ORDER BY id DESC LIMIT 1",
        tables.events, batch.history.last_event
    );
    tokio::time::timeout(PATIENCE, link.send(sql, ALL)).await.ok()?.ok()?.into_value()
}

/// Settles an entry while we hold the lock.
pub(crate) async fn resolve(link: &mut Link<'_>, tables: &Tables, resolution: Resolution<'_>) -> Result<(), Stop> {
    lock(link, tables, None).await?;
    let answer = link.send(request::resolve(tables, &resolution), NONE).await;
    unlock(link, tables).await;
    match answer {
        Ok(_) => Ok(()),
        Err(fault) if fault.says(request::DUPLICATE) || fault.says(request::NOT_ONE_ROW) => Err(Stop::Stale),
        Err(fault) => Err(Stop::Broken(fault.into_error(tables))),
    }
}

/// Changes entries while we hold the lock: one request each, since a script is sent whole.
pub(crate) async fn rewrite(link: &mut Link<'_>, tables: &Tables, rewriting: Rewriting<'_>) -> Result<(), Stop> {
    lock(link, tables, None).await?;
    let (changes, event) = TONGUE.rewrite(tables, &rewriting);
    // The event first: where anything has happened since, nothing is written.
    let begin = ["START TRANSACTION READ WRITE".to_owned(), event];
    let mut answer = Ok(());
    for sql in begin.into_iter().chain(changes).chain(["COMMIT".to_owned()]) {
        answer = link.send(sql, NONE).await.map(drop);
        if answer.is_err() {
            link.roll_back().await;
            break;
        }
    }
    unlock(link, tables).await;
    match answer {
        Ok(()) => Ok(()),
        Err(fault) if fault.says(request::DUPLICATE) => Err(Stop::Stale),
        Err(fault) => Err(Stop::Broken(fault.into_error(tables))),
    }
}

/// Takes the lock on the connection that executes, and keeps what the session has set.
pub(crate) async fn lock(link: &mut Link<'_>, tables: &Tables, claim: Option<String>) -> Result<(), Stop> {
    let lock = request::lock_name(tables);
    link.set_leftovers(Some(format!("{};\nDO RELEASE_LOCK({lock})", request::CLEANUP)));
    let mut sql = format!(
        "SELECT CAST(GET_LOCK({lock}, 0) AS CHAR), CURRENT_ROLE(), CAST(CONNECTION_ID() AS CHAR);\n{}",
        request::VARIABLES
    );
    // In the same request: a runner that stands still after it has given a sign of life.
    if let Some(claim) = claim {
        sql.push_str(&format!(";\nSTART TRANSACTION READ WRITE;\n{claim};\nCOMMIT"));
    }
    let answer = link.send(sql, ALL).await;
    let answer = answer.map_err(|fault| Stop::Broken(fault.into_error(tables)))?;
    let (taken, variables) = answer.rows.split_first().unzip();
    let column = |index| taken.and_then(|row| row.get(index).cloned().flatten());
    let stop = match column(0).as_deref() {
        Some("1") => {
            link.note_session([column(1), column(2)], variables.unwrap_or_default());
            return Ok(());
        }
        Some(_) => Stop::Busy,
        // Manual, GET_LOCK: an error such as a killed thread, or no memory.
        None => {
            let error = Error::new(ErrorKind::Locked, "the server refuses the lock of the migration; nothing was run");
            Stop::Broken(error.help("look at the server's log, and run it again"))
        }
    };
    link.set_leftovers(None);
    Err(stop)
}

/// Removes our row, gives the session back, and then the lock, which no trouble with the row keeps: a broken connection
/// has none of them any more.
pub(crate) async fn unlock(link: &mut Link<'_>, tables: &Tables) {
    let _ = link.send(format!("{};\n{}", request::CLEANUP, right::remove(tables)), NONE).await;
    link.restore().await;
    let _ = link.send(format!("ROLLBACK;\nDO RELEASE_LOCK({})", request::lock_name(tables)), NONE).await;
    link.set_leftovers(None);
}

/// Whether a step may leave something on its session that cannot be taken back: variables, prepared statements,
/// temporary tables, locks by name, and whatever a call does.
fn leaves_something(step: &Step<'_>) -> bool {
    let verify = step.verify.as_ref().map(|(verify, _)| *verify);
    step.script.as_deref().into_iter().chain(verify).any(|script| {
        let text = script.text().to_ascii_lowercase();
        script.statements().any(|it| matches!(it.kind, Kind::Session | Kind::Other))
            || ["@", "temporary", "_lock"].iter().any(|word| text.contains(word))
    })
}

/// Why it went no further, if something stopped it.
async fn steps(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, done: &mut Vec<Done>) -> Option<Stop> {
    let mut event = batch.history.last_event;
    for (index, step) in batch.steps.iter().enumerate() {
        if batch.observer.is_stopped() {
            break;
        }
        let patience = if index == 0 { batch.patience } else { step.patience(batch.settings) };
        let work = Work { link, tables, batch: &Batch { patience, ..*batch }, step, event };
        match work.whole().await {
            Ok(one) => {
                done.push(one);
                (batch.tell)(one);
            }
            Err(stop) => return Some(stop),
        }
        event += if step.action == Action::Baseline { 1 } else { 2 };
        // What comes next gets a session of its own.
        if leaves_something(step) {
            break;
        }
    }
    None
}

/// Records the failure that ended a batch, if one did; without a record, the error is reported all the same.
async fn record(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, ended: &Ended) {
    let Some((step, failure)) = ended.failure(batch) else { return };
    let sql = format!("{};\n{}", request::CLEANUP, request::failure(tables, batch, step, failure));
    if let Err(fault) = link.send(sql, NONE).await {
        link.roll_back().await;
        tracing::warn!(error = %fault.into_error(tables), "the failure could not be recorded in the history");
    }
}

/// A step at work; `event` is the last one before it.
struct Work<'r, 'l, 'b> {
    link: &'r mut Link<'l>,
    tables: &'r Tables,
    batch: &'r Batch<'b>,
    step: &'r Step<'b>,
    event: i64,
}

impl Work<'_, '_, '_> {
    async fn whole(mut self) -> Result<Done, Stop> {
        let started = Instant::now();
        if self.step.action == Action::Baseline {
            self.baseline().await?;
            return Ok(Done { duration: started.elapsed(), ..Done::default() });
        }
        let (opening, closing) = (self.begin()?, self.end());
        let mut done = Done::default();
        let closing = match self.step.script.as_deref() {
            Some(script) => {
                // What is verified is not done yet.
                let (last, kept) = if self.step.verify.is_some() { (None, closing) } else { (closing, None) };
                let (link, tables, batch, step) = (&mut *self.link, self.tables, self.batch, self.step);
                let run = Run { link, tables, batch, step, script, begun: self.event + 1, opening, closing: last };
                run.statements(&mut done).await?.or(kept)
            }
            None => {
                enter(self.link, self.tables, opening).await?;
                closing
            }
        };
        self.verify().await?;
        if let Some(closing) = closing
            && let Err(fault) = self.link.send(closing, NONE).await
        {
            return Err(not_left(self.link, self.tables, self.step, fault).await);
        }
        done.duration = started.elapsed();
        Ok(done)
    }

    /// Writes an entry that nothing runs for: as one transaction.
    async fn baseline(&mut self) -> Result<(), Stop> {
        let baseline = request::baseline(self.tables, self.batch, self.step, self.event);
        self.check_sizes(baseline.len())?;
        let opening = self.opening(vec![baseline]);
        enter(self.link, self.tables, opening).await
    }

    /// Bounds the session's waits, and only then writes the intent: a server that refuses a bound leaves nothing
    /// running.
    fn begin(&self) -> Result<Vec<String>, Stop> {
        let claim = right::claim(self.link, self.tables, self.batch, self.step);
        let begin = request::begin(self.tables, self.batch, self.step, self.event, claim);
        self.check_sizes(begin.iter().map(String::len).sum())?;
        Ok(self.opening(begin))
    }

    fn opening(&self, entry: Vec<String>) -> Vec<String> {
        let mut sql = self.limits();
        if !self.batch.history.present {
            // The events first: without a history they mean that nothing was begun. No transaction holds the two.
            for create in TONGUE.create(self.tables).into_iter().rev() {
                sql.push(create.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1));
            }
        }
        if !self.link.has_lock {
            sql.push(TONGUE.create_lock(self.tables).replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1));
        }
        sql.extend(entry);
        sql
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
        let seconds = request::lock_seconds(lock);
        let mut set =
            format!("{}, lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}", request::PINNED);
        let timeout = options.timeout.or(self.batch.settings.statement_timeout);
        if let (true, Some(timeout)) = (self.link.has_statement_time, timeout) {
            set.push_str(&format!(", max_statement_time = {}", request::statement_seconds(timeout)));
        }
        vec!["SET NAMES utf8mb4".to_owned(), format!("SET SESSION {set}")]
    }

    async fn verify(&mut self) -> Result<(), Stop> {
        let Some((script, _)) = self.step.verify else { return Ok(()) };
        let kept = self.step.script.as_deref().map_or(0, Script::len);
        for (index, statement) in script.statements().enumerate() {
            // What a script without `autocommit` has not committed would be lost when the query fails.
            let commit = if index == 0 { "COMMIT;\n" } else { "" };
            let answer = self.link.send(format!("{commit}{}", script.text_of(&statement)), NONE).await;
            match unverified(answer, script, index, &statement, self.tables) {
                Ok(None) => {}
                Ok(Some(failure)) => return Err(Stop::Failed(Box::new(Failure { kept, ..failure }))),
                Err(error) => return Err(Stop::Broken(error)),
            }
        }
        Ok(())
    }

    /// Commits what a script without `autocommit` has not, and completes the entry.
    fn end(&self) -> Option<String> {
        let leave = request::leave(self.tables, self.batch, self.step, self.event + 2);
        Some(format!("COMMIT;\n{};\n{leave}", request::CLEANUP))
    }
}

/// Writes the entry of a step by itself.
pub(crate) async fn enter(link: &mut Link<'_>, tables: &Tables, opening: Vec<String>) -> Result<(), Stop> {
    match link.send(opening.join(";\n"), NONE).await {
        Ok(_) => Ok(()),
        Err(fault) => Err(not_entered(link, tables, fault).await),
    }
}

/// Why the entry of a step was not written.
pub(crate) async fn not_entered(link: &mut Link<'_>, tables: &Tables, fault: Fault) -> Stop {
    link.roll_back().await;
    let is_stale = fault.says(request::DUPLICATE) || fault.says(request::NOT_ONE_ROW);
    if is_stale { Stop::Stale } else { Stop::Broken(fault.into_error(tables)) }
}

/// Why the entry of a step was not completed, all of whose statements are done.
pub(crate) async fn not_left(link: &mut Link<'_>, tables: &Tables, step: &Step<'_>, fault: Fault) -> Stop {
    let is_gone = fault.says(request::NOT_ONE_ROW);
    let Fault::Database { cause, .. } = fault else { return Stop::Broken(fault.into_error(tables)) };
    link.roll_back().await;
    if !is_gone {
        return Stop::Broken(setup_error(cause, tables));
    }
    let kept = step.script.as_deref().map_or(0, Script::len);
    let cause = DatabaseError::entry_gone();
    Stop::Failed(Box::new(Failure { part: Part::Leave, range: None, cause, kept }))
}

/// What our texts around a statement come to at most.
const AROUND: usize = 1024;

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
