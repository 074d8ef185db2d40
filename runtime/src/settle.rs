//! What became of the statement at which a runner has died: asked of the database, or told by a person.

use whimbrel_core::read::read_stored;
use whimbrel_core::{Dialect, Direction, Script, Version};

use crate::backoff::Backoff;
use crate::doubt::{self, Finding, Question};
use crate::driver::{Detail, Resolution, Stop};
use crate::engine::{Engine, read};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, History, Holder, State};
use crate::rewrite::{self, Rewrite, Word};
use crate::target::Resolve;

/// A statement that is being run, or was when its runner died.
pub(crate) type Doubt = (Version, String, usize);

pub(crate) fn doubt_of(entry: &Entry) -> Doubt {
    (entry.version.clone(), entry.started_at.clone(), entry.done())
}

/// Whether an entry could be settled, or somebody else was in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Well,
    Not,
}

impl Engine<'_, '_> {
    /// Finds out what became of the statement at which a runner has died, and records it: then it is as if that
    /// statement had failed.
    ///
    /// # Errors
    /// Only a person can tell.
    pub(crate) async fn settle(&mut self, seen: &Doubt) -> Result<Settled> {
        let history = read(self.driver, Detail::Scripts, &mut Backoff::new(self.settings.lock_timeout)).await?;
        let Some(entry) = history.running() else { return Ok(Settled::Well) };
        // Somebody has settled it, and is at it.
        if doubt_of(entry) != *seen || matches!(history.holder, Holder::Session(_)) {
            return Ok(Settled::Not);
        }
        let finding = match self.finding(entry) {
            Finding::Ask(questions) => self.ask(&questions).await?,
            finding => finding,
        };
        let done = match finding {
            Finding::Again => entry.done(),
            Finding::Done => entry.done() + 1,
            Finding::Ask(_) | Finding::Unknown => {
                let why = self.script_of(entry).and_then(|script| doubt::cql::why_unknown(&script, entry.done()));
                let error = in_doubt(entry, &history.holder);
                return Err(match why.filter(|_| self.driver.dialect() == Dialect::Cql) {
                    Some(why) => error.details(format!("  that statement is not repeated: {why}")),
                    None => error,
                });
            }
        };
        let at = entry.done() + 1;
        let found = if done < at { "not done" } else { "done" };
        let why = format!("interrupted {}, which was found to be {found}", place_of(entry));
        tracing::warn!(version = %entry.version, name = entry.name, "{why}");
        let (last_event, identity) = (history.last_event, self.identity);
        match self.driver.resolve(Resolution { entry, done, why, last_event, identity }).await {
            Ok(()) => Ok(Settled::Well),
            Err(Stop::Broken(error)) => Err(error),
            Err(_) => Ok(Settled::Not),
        }
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Finding> {
        let mut answers = Vec::new();
        for Question { thing, done } in questions {
            answers.push((*done, self.driver.ask(thing).await?));
        }
        Ok(doubt::concluded(&answers))
    }

    fn finding(&self, entry: &Entry) -> Finding {
        let Some(script) = self.script_of(entry) else { return Finding::Unknown };
        match self.driver.dialect() {
            Dialect::Cql => doubt::cql::finding(&script, entry.done(), &entry.key),
            dialect => doubt::finding(&script, entry.done(), dialect),
        }
    }

    /// The script at which an entry stands, as it is stored, if this binary can finish it.
    fn script_of(&self, entry: &Entry) -> Option<Script> {
        let (direction, text) = match entry.undone {
            Some(_) => (Direction::Down, entry.down.clone()),
            None => (Direction::Up, entry.up.clone()),
        };
        let is_known = entry.undone.is_some() || self.set.get(&entry.version).is_some();
        let text = text.filter(|_| is_known)?;
        let script = read_stored(direction, self.driver.dialect(), &entry.path, text).ok()?;
        (script.len() == entry.statements).then_some(script)
    }

    /// Records what a person says of a migration.
    pub(crate) async fn resolve(&mut self, version: &Version, resolve: Resolve) -> Result<()> {
        let history = read(self.driver, Detail::Scripts, &mut Backoff::new(self.settings.lock_timeout)).await?;
        self.resolve_from(&history, version, resolve).await
    }

    /// The same, from what was read.
    pub(crate) async fn resolve_from(&mut self, history: &History, version: &Version, resolve: Resolve) -> Result<()> {
        let (entry, done, why) = match self.said(history, version, resolve)? {
            Said::Entries(rewrite) => return self.rewrite(history, &rewrite).await,
            Said::Statement { entry, done, why } => (entry, done, why),
        };
        let (last_event, identity) = (history.last_event, self.identity);
        match self.driver.resolve(Resolution { entry, done, why, last_event, identity }).await {
            Ok(()) => Ok(()),
            Err(Stop::Broken(error)) => Err(error),
            Err(Stop::Lost(cause)) => Err(rewrite::unknown(cause)),
            Err(_) => {
                let who = match &history.holder {
                    Holder::Session(runner) => format!(": {runner}"),
                    Holder::Unknown | Holder::Nobody => String::new(),
                };
                Err(rewrite::at_work(&format!("at {}{who}", entry.work())))
            }
        }
    }

    /// What that would write, for people.
    pub(crate) fn sentences_of_resolve(
        &self,
        history: &History,
        version: &Version,
        resolve: Resolve,
    ) -> Result<Vec<String>> {
        rewrite::check_free(history)?;
        match self.said(history, version, resolve)? {
            Said::Entries(rewrite) => Ok(rewrite.sentences()),
            Said::Statement { entry, done, why } => {
                let column = entry.progress_column();
                let state = format!("state {} → failed, {column} {} → {done}", entry.state, entry.done());
                Ok(vec![format!("entry {}: {state}", entry.label()), format!("event `resolved`: {why}")])
            }
        }
    }

    /// What a person's word comes to.
    fn said<'h>(&self, history: &'h History, version: &Version, resolve: Resolve) -> Result<Said<'h>> {
        let (statement, done, found) = match resolve {
            Resolve::Done(statement) => (statement, statement, "done"),
            Resolve::Again(statement) => (statement, statement.saturating_sub(1), "not done"),
            Resolve::Accept => return self.said_of(history, version, Word::Accept),
            Resolve::Applied => return self.said_of(history, version, Word::Applied),
            Resolve::RolledBack => return self.said_of(history, version, Word::RolledBack),
        };
        let stands = |entry: &&Entry| matches!(entry.state, State::Running | State::Failed);
        let Some(entry) = history.get(version).filter(stands) else {
            let message = format!("{version} stands at no statement; nothing was changed");
            let help = "`migrate status` lists what is running or has failed";
            return Err(Error::new(ErrorKind::Refused, message).help(help));
        };
        if statement != entry.done() + 1 || statement > entry.statements {
            let message = format!(
                "{} stands {}, not at statement {statement}; nothing was changed",
                entry.work(),
                place_of(entry)
            );
            return Err(Error::new(ErrorKind::Refused, message).help("look at that statement, and name it"));
        }
        let why = format!("interrupted {}, which is {found}, as {} says", place_of(entry), self.identity.by);
        Ok(Said::Statement { entry, done, why })
    }

    fn said_of<'h>(&self, history: &'h History, version: &Version, word: Word) -> Result<Said<'h>> {
        rewrite::resolved(self.facts(history), version, word, self.identity).map(Said::Entries)
    }
}

/// What a person's word comes to.
enum Said<'h> {
    /// The statement at which an entry stands is settled.
    Statement {
        entry: &'h Entry,
        done: usize,
        why: String,
    },
    Entries(Rewrite),
}

/// Where an entry stands.
fn place_of(entry: &Entry) -> String {
    match (entry.done() + 1, entry.statements) {
        (at, of) if at > of => "after its last statement".to_owned(),
        (at, of) => format!("at statement {at} of {of}"),
    }
}

/// Only a person can see whether the statement at which an entry stands took effect.
pub(crate) fn in_doubt(entry: &Entry, holder: &Holder) -> Error {
    let (work, part, by, since) = (entry.work(), place_of(entry), &entry.applied_by, &entry.started_at);
    let (at, version) = (entry.done() + 1, &entry.version);
    let settle = format!(
        "look whether it took effect; then `migrate resolve {version} --done {at}` if so, \
         `migrate resolve {version} --again {at}` if not; and run it again"
    );
    let (message, help) = match holder {
        Holder::Unknown if at > entry.statements => {
            let message = format!("{work} stands {part}, run by {by} since {since}; nothing was run");
            (message, "wait longer with `.lock_timeout(…)`".to_owned())
        }
        Holder::Unknown => {
            let message = format!("{work} stands {part}, run by {by} since {since}; nothing was run");
            (
                message,
                format!("wait longer with `.lock_timeout(…)` if that process lives; only if it is dead, {settle}"),
            )
        }
        _ => (format!("{work} was interrupted {part}, by {by} at {since}; nothing was run"), settle),
    };
    Error::new(ErrorKind::InDoubt, message).help(help)
}
