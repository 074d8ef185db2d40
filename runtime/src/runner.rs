//! The runner that holds the right to migrate.

use std::fmt;
use std::time::{Duration, Instant};

use whimbrel_core::Version;

use crate::error::{Error, ErrorKind};
use crate::history::Entry;
use crate::report::{Action, Took};

/// A runner that holds the right to migrate; it prints as people say it.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let status = Migrator::new(&MIGRATIONS, &pool).status().await?;
/// if let Some(runner) = &status.holder {
///     println!("{runner} is at it");
///     if let Some(work) = &runner.work {
///         println!("since {}, statement {} of {}", work.since, work.statement, work.statements);
///     }
/// }
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Runner {
    /// Its session, in the database's words: `pid 4712 (deploy, shop) since 12:00:04Z`.
    pub session: String,
    /// What it says of itself. A runner inside a transaction says nothing: nobody could read it.
    pub work: Option<Work>,
}

/// What a runner that is at a step outside a transaction says of itself, in the table `whimbrel_lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Who runs it: `user@host`.
    pub by: String,
    /// Its process id on that host.
    pub process: u32,
    /// What runs it: `shop 2.3.0`.
    pub application: String,
    /// The migration that it is at.
    pub version: Version,
    /// What it does with that.
    pub action: Action,
    /// The statement that it is at, counted from 1; one more than there are when all are done.
    pub statement: usize,
    /// The number of statements.
    pub statements: usize,
    /// When it took the right, by the database's clock.
    pub since: String,
    /// How long ago it gave a sign of life, by the database's clock; `None` for one that works on a connection that was
    /// passed in, and has no second one to give signs on.
    pub last_sign: Option<Duration>,
    /// That sign, to tell it from the next one.
    pub(crate) beat: Option<i64>,
    /// How long it may give none, where no clock of the database's counts that.
    pub(crate) lease: Option<Duration>,
    /// The version as the table has it.
    pub(crate) key: String,
    /// The SQL that ends its session.
    pub(crate) end: String,
}

impl Work {
    /// Reads the row of the lock: all as text, in the order of the fields, its times as milliseconds ago and as a number;
    /// at last its session, which goes into the SQL that ends it.
    pub(crate) fn from_row(row: Vec<Option<String>>, entries: &[Entry], end: &str) -> Option<Self> {
        let mut columns = row.into_iter();
        let mut next = || columns.next().flatten();
        let (by, process, application, key) = (next()?, next()?.parse().ok()?, next()?, next()?);
        // As its file writes it, where the history knows that.
        let entry = entries.iter().find(|entry| entry.key == key);
        let version = entry.map_or_else(|| key.parse().ok(), |entry| Some(entry.version.clone()))?;
        Some(Self {
            by,
            process,
            application,
            version,
            action: if next()? == "down" { Action::RollBack } else { Action::Apply },
            statement: next()?.parse().ok()?,
            statements: next()?.parse().ok()?,
            since: next()?,
            last_sign: next().and_then(|ms| ms.parse::<i64>().ok()).map(|ms| Duration::from_millis(ms.max(0) as u64)),
            beat: next().and_then(|beat| beat.parse().ok()),
            lease: None,
            key,
            end: end.replace("{}", &next()?),
        })
    }
}

impl Runner {
    /// A runner of which only the session is known.
    pub(crate) fn of_session(session: String) -> Self {
        Self { session, work: None }
    }

    /// What there is to do for somebody who has waited for it in vain.
    pub(crate) fn help(&self, lease: Duration) -> String {
        match &self.work {
            None => "see what it is doing; if it hangs, end that session; then run it again".to_owned(),
            Some(work) if work.last_sign.is_some_and(|ago| ago < lease) => {
                "it is at work: wait longer with `.lock_timeout(…)`; then run it again".to_owned()
            }
            Some(work) if work.end.is_empty() => {
                let lease = Took(work.lease.unwrap_or(lease));
                format!(
                    "wait longer with `.lock_timeout(…)`, and run it again: whoever gives no sign of life for {lease} is \
                     taken over"
                )
            }
            Some(work) => {
                format!("if that process is dead or stands still, end its session: `{}`; then run it again", work.end)
            }
        }
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(work) = &self.work else { return f.write_str(&self.session) };
        let of = if work.action == Action::RollBack { "the rollback of " } else { "" };
        write!(f, "{}, process {}, application {}, ", work.by, work.process, work.application)?;
        match work.statement {
            at if at > work.statements => write!(f, "after the last statement of {of}{}", work.version)?,
            at => write!(f, "at statement {at} of {of}{}", work.version)?,
        }
        match work.last_sign {
            Some(ago) => write!(f, ", last sign of life {} ago", Took(ago)),
            None => f.write_str(", which can give no sign of life"),
        }
    }
}

/// The error of a runner that was taken over by another one.
pub(crate) fn taken_over(label: &str, by: &str) -> Error {
    let message = format!("{label} was taken over by {by}; this run stops");
    let help = "this process gave no sign of life for longer than its lease: see what held it up, and run it again, or \
                give it more time with `.lease(…)`";
    Error::new(ErrorKind::Locked, message).help(help)
}

/// What a waiter has seen of a runner's signs of life.
#[derive(Debug)]
pub(crate) struct Watch {
    lease: Duration,
    /// The sign that was seen last, and when that was first.
    seen: Option<(i64, Instant)>,
    given_up: bool,
}

impl Watch {
    pub(crate) fn new(lease: Duration) -> Self {
        Self { lease, seen: None, given_up: false }
    }

    /// Whether a runner has given no sign of life for the lease, by the database's clock, and for half of it while we
    /// have looked, by ours: a clock that is set makes nobody dead. A live runner gives one every third.
    ///
    /// Of a cluster there is no clock to ask; there, for all of the lease that the runner has told of.
    pub(crate) fn finds_silent(&mut self, runner: &Runner) -> bool {
        let Some(work) = &runner.work else { return false };
        let Some((beat, ago)) = work.beat.zip(work.last_sign) else { return false };
        match self.seen {
            Some((seen, first)) if seen == beat => match work.lease {
                Some(lease) => !self.given_up && first.elapsed() > lease,
                None => !self.given_up && ago > self.lease && first.elapsed() > self.lease / 2,
            },
            _ => {
                self.seen = Some((beat, Instant::now()));
                false
            }
        }
    }

    /// It cannot be taken over by us: no sense in trying at every look.
    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(last_sign: Option<Duration>, beat: Option<i64>) -> Runner {
        let work = Work {
            by: "deploy@web-1".to_owned(),
            process: 4711,
            application: "shop 2.3.0".to_owned(),
            version: "0007".parse().unwrap(),
            action: Action::Apply,
            statement: 2,
            statements: 2,
            since: "2025-03-01 12:00:04.128Z".to_owned(),
            last_sign,
            beat,
            lease: None,
            key: "7".to_owned(),
            end: "SELECT pg_terminate_backend(4712)".to_owned(),
        };
        Runner { session: "pid 4712 (deploy, shop) since 12:00:04Z".to_owned(), work: Some(work) }
    }

    #[test]
    fn a_runner_is_told_in_words() {
        let mut shown = runner(Some(Duration::from_secs(3)), Some(1));
        let who = "deploy@web-1, process 4711, application shop 2.3.0";
        assert_eq!(shown.to_string(), format!("{who}, at statement 2 of 0007, last sign of life 3.0 s ago"));
        let work = shown.work.as_mut().unwrap();
        (work.statement, work.action, work.last_sign) = (3, Action::RollBack, None);
        let after = format!("{who}, after the last statement of the rollback of 0007, which can give no sign of life");
        assert_eq!(shown.to_string(), after);
        shown.work = None;
        assert_eq!(shown.to_string(), "pid 4712 (deploy, shop) since 12:00:04Z");
    }

    #[test]
    fn only_what_two_clocks_say_is_silent() {
        let lease = Duration::from_millis(20);
        let (long, short) = (Some(Duration::from_secs(9)), Some(Duration::from_millis(1)));
        let mut watch = Watch::new(lease);
        assert!(!watch.finds_silent(&runner(long, Some(1))), "the first look");
        std::thread::sleep(lease);
        assert!(!watch.finds_silent(&runner(long, Some(2))), "another sign");
        std::thread::sleep(lease);
        assert!(!watch.finds_silent(&runner(short, Some(2))), "a young one");
        assert!(watch.finds_silent(&runner(long, Some(2))));
        assert!(!watch.finds_silent(&runner(None, None)), "one that can give none");
        watch.give_up();
        assert!(!watch.finds_silent(&runner(long, Some(2))));
    }
}
