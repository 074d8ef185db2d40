//! A run that is asked to end does so at the next point from which another one can go on.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{Either, select};
use tokio::sync::Notify;
use whimbrel_core::words::words;
use whimbrel_core::{Dialect, Script, Statement};

use crate::doubt::mysql::lost;
use crate::error::{Error, ErrorKind};
use crate::history::STOPPED;
use crate::migrator::Migrator;
use crate::plan::Step;
use crate::progress::{Listener, Progress};
use crate::report::{Outcome, Report};

/// Asks the runs of a [`Migrator`] to stop; see [`Migrator::stopper`].
#[derive(Debug, Clone, Default)]
pub struct Stopper(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    is_asked: AtomicBool,
    wakes: Notify,
}

impl Stopper {
    /// Asks: from now on no run of that migrator begins anything new.
    pub fn stop(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
        self.0.wakes.notify_waiters();
    }

    /// Whether it has asked.
    pub fn is_stopped(&self) -> bool {
        self.0.is_asked.load(Ordering::Relaxed)
    }

    async fn asked(&self) {
        let mut woken = pin!(self.0.wakes.notified());
        // Before the look, so that nothing is missed in between.
        woken.as_mut().enable();
        if !self.is_stopped() {
            woken.await;
        }
    }
}

impl Migrator<'_> {
    /// A handle that asks this migrator's runs to stop at the next safe point: from another task, for a signal.
    ///
    /// Between two steps, and outside a transaction between two statements, what is done is recorded, the right to migrate
    /// is given back, and the run ends with [`ErrorKind::Stopped`], whose report says what is done and what is left; the
    /// next run goes on there. Whoever waits stops waiting. What is under way in a transaction is first done to its end: to
    /// end it at once, drop the run's future.
    ///
    /// With such a handle PostgreSQL is sent fewer steps at once, as many as take a moment.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// let stopper = migrator.stopper();
    /// // tokio::spawn(async move { tokio::signal::ctrl_c().await; stopper.stop() });
    /// # stopper.stop();
    /// let error = migrator.up().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Stopped);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    pub fn stopper(&mut self) -> Stopper {
        self.observer.stopper.get_or_insert_default().clone()
    }
}

/// Who is told of a run, and who may ask it to end.
#[derive(Default)]
pub(crate) struct Observer<'a> {
    pub(crate) listener: Option<Listener<'a>>,
    pub(crate) stopper: Option<Stopper>,
}

impl fmt::Debug for Observer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("stopper", &self.stopper).finish_non_exhaustive()
    }
}

impl Observer<'_> {
    pub(crate) fn tell(&self, progress: &Progress<'_>) {
        if let Some(listener) = &self.listener {
            listener(progress);
        }
    }

    /// Tells that the statement of that index is about to be sent.
    pub(crate) fn statement(&self, step: &Step<'_>, index: usize) {
        self.tell(&Progress::Statement { step, statement: index + 1, of: step.statement_count() });
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopper.as_ref().is_some_and(Stopper::is_stopped)
    }

    /// Whether a step is to stop before the statement of that index, at the border of which no transaction is open.
    pub(crate) fn stops_before(&self, step: &Step<'_>, index: usize, dialect: Dialect) -> bool {
        let goes_on = |script| can_go_on(script, index, dialect);
        self.is_stopped() && index > step.skip && step.script.as_deref().is_none_or(goes_on)
    }

    /// What the work comes to; `None` when the run is asked to stop before that.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let Some(stopper) = &self.stopper else { return Some(work.await) };
        match select(pin!(stopper.asked()), pin!(work)).await {
            Either::Left(_) => None,
            Either::Right((done, _)) => Some(done),
        }
    }
}

/// Whether another session can go on with the statement of that index: nothing that it needs is this session's alone.
fn can_go_on(script: &Script, index: usize, dialect: Dialect) -> bool {
    const OF_THE_SESSION: [&str; 6] = ["temp", "prepare", "declare", "listen", "advisory_lock", "set_config"];
    let holds = |text: &str| {
        let text = text.to_ascii_lowercase();
        OF_THE_SESSION.iter().any(|word| text.contains(word))
    };
    let is_asked = |statement: Statement| asks_of_the_session(script.text_of(&statement), dialect);
    if script.statements().skip(index).any(is_asked) {
        return false;
    }
    match dialect {
        Dialect::Mysql => lost(script, index).is_none(),
        Dialect::Postgres | Dialect::Sqlite => {
            !script.statements().take(index).any(|statement| holds(script.text_of(&statement)))
        }
        _ => true,
    }
}

/// Whether a statement asks what an earlier one has left in its session.
fn asks_of_the_session(text: &str, dialect: Dialect) -> bool {
    // SQLite, then PostgreSQL, then MySQL; what is no function of a dialect is rarely a name in it.
    const FUNCTIONS: [&str; 8] = [
        "last_insert_rowid",
        "changes",
        "total_changes",
        "currval",
        "lastval",
        "last_insert_id",
        "row_count",
        "found_rows",
    ];
    let words = words(text, dialect);
    let is_call = |pair: &[&str]| pair[1] == "(" && FUNCTIONS.iter().any(|known| pair[0].eq_ignore_ascii_case(known));
    words.windows(2).any(is_call)
}

/// The error of a run that was asked to stop.
pub(crate) fn stopped(report: &Report, while_waiting_for: Option<&str>) -> Error {
    let left = report.steps().iter().find(|step| step.outcome != Outcome::Done);
    let next = left.map(|step| (format!("{} {}", step.version, step.name), &step.outcome));
    let waiting = while_waiting_for.map(|what| format!(", while waiting for {what}"));
    let (at, goes_on) = match &next {
        Some((label, Outcome::Stopped { done, statements })) => {
            let at = format!(", in {label} after statement {done} of {statements}");
            (at, format!("it goes on with statement {} of {label}", done + 1))
        }
        Some((label, _)) => {
            (waiting.unwrap_or_else(|| format!(", before {label}")), format!("it goes on with {label}"))
        }
        None => (waiting.unwrap_or_default(), "it goes on with what is left".to_owned()),
    };
    Error::new(ErrorKind::Stopped, format!("{STOPPED}{at}")).help(format!("run it again: {goes_on}"))
}

#[cfg(test)]
mod tests {
    use whimbrel_core::Direction;
    use whimbrel_core::read::read_stored;

    use super::*;

    /// A script, and the statements before which it may stop.
    const CASES: [(Dialect, &str, &[usize]); 9] = [
        (Dialect::Sqlite, "INSERT INTO a VALUES (1); SELECT 1; SELECT 2", &[1, 2]),
        (Dialect::Sqlite, "INSERT INTO a VALUES (1); INSERT INTO b SELECT last_insert_rowid(); SELECT 2", &[2]),
        (Dialect::Sqlite, "SELECT 1; INSERT INTO a VALUES (1); INSERT INTO b SELECT Changes (); SELECT 2", &[3]),
        (Dialect::Sqlite, "DELETE FROM a; INSERT INTO b SELECT total_changes()", &[]),
        (Dialect::Sqlite, "DELETE FROM a; SELECT 'changes()' FROM changes", &[1]),
        (
            Dialect::Postgres,
            "SELECT nextval('s'); INSERT INTO a VALUES (currval('s')); SELECT lastval(); SELECT 1",
            &[3],
        ),
        (Dialect::Postgres, "SELECT set_config('a.b', 'c', false); SELECT 1", &[]),
        (Dialect::Mysql, "INSERT INTO a VALUES (1); INSERT INTO b VALUES (LAST_INSERT_ID()); SELECT 1", &[2]),
        (Dialect::Mysql, "DELETE FROM a; INSERT INTO b VALUES (row_count()); SELECT found_rows(); SELECT 1", &[3]),
    ];

    #[test]
    fn a_run_stops_only_where_another_session_can_go_on() {
        for (dialect, text, expected) in CASES {
            let text = format!("-- whimbrel:no-transaction\n{text}");
            let script = read_stored(Direction::Up, dialect, "1_a.sql", text).unwrap();
            let found: Vec<usize> = (1..script.len()).filter(|index| can_go_on(&script, *index, dialect)).collect();
            assert_eq!(found, expected, "{}", script.text());
        }
    }
}
