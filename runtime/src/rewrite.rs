//! What a person says of migrations that the history has otherwise: the entries as they are to be, and the event that tells
//! of it.

use whimbrel_core::{Digest, Direction, Migration, Version};

use crate::chain::Chain;
use crate::database_error::DatabaseError;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, History, Holder, State};
use crate::identity::Identity;
use crate::plan::{Facts, Record, apply};
use crate::refusal;

/// A change of entries that runs nothing.
#[derive(Debug)]
pub(crate) struct Rewrite {
    pub(crate) changes: Vec<Change>,
    /// What the event says: `resolved`, `forced`.
    pub(crate) what: &'static str,
    /// The version of the event.
    pub(crate) key: String,
    pub(crate) why: String,
    /// What is written, for people.
    sentences: Vec<String>,
}

/// How an entry changes.
#[derive(Debug)]
pub(crate) struct Change {
    /// As it stands afterwards; its times are not.
    pub(crate) after: Entry,
    pub(crate) place: Place,
    pub(crate) set: Vec<(&'static str, Value)>,
}

/// Whether there is an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Known,
    New,
}

/// What a column gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Number(i64),
    Null,
    /// The database's time.
    Now,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

/// What a person says of one migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Accept,
    Applied,
    RolledBack,
}

impl Rewrite {
    /// The sentences of what would be written.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let event = format!("event `{}`: {}", self.what, self.why);
        self.sentences.iter().cloned().chain([event]).collect()
    }

    /// The history as it stands afterwards.
    pub(crate) fn after(&self, history: &History) -> History {
        after(history, &self.changes)
    }
}

fn after(history: &History, changes: &[Change]) -> History {
    let mut after = history.clone();
    for change in changes {
        match after.entries.iter_mut().find(|entry| entry.version == change.after.version) {
            Some(entry) => entry.clone_from(&change.after),
            None => after.entries.push(change.after.clone()),
        }
    }
    after
}

/// What a person's word of one migration changes.
///
/// # Errors
/// It makes no sense, or somebody is at work.
pub(crate) fn resolved(facts: Facts<'_, '_>, version: &Version, word: Word, identity: &Identity) -> Result<Rewrite> {
    check_free(facts.history)?;
    let mut writing = Writing::new(facts, identity);
    let entry = facts.history.get(version);
    let (key, why) = match (word, entry) {
        (Word::Accept, Some(entry)) if entry.state == State::Completed => {
            let migration = known(facts, version)?;
            if entry.checksum == migration.checksum(facts.dialect) {
                let message = format!("{} is as it was applied: there is nothing to accept", entry.label());
                return Err(Error::new(ErrorKind::Refused, message).help("`migrate status` lists what is changed"));
            }
            writing.accept(entry, migration);
            writing.rechain();
            (entry.key.clone(), format!("the changed checksum of {} is accepted", entry.label()))
        }
        (Word::Accept, _) => {
            let message = format!("{} is not applied; nothing was changed", label(facts, version)?);
            return Err(Error::new(ErrorKind::Refused, message).help("only what is applied is accepted as it is now"));
        }
        (Word::Applied, Some(entry)) if entry.state == State::Completed => {
            let message = format!("{} is applied already; nothing was changed", entry.label());
            return Err(Error::new(ErrorKind::Refused, message).help("`migrate status` lists what is pending"));
        }
        (Word::Applied, _) if !facts.history.present => {
            let message = "this database has no history yet; nothing was changed";
            let help = format!("say where it starts: `migrate baseline {version}`, or `migrate force {version}`");
            return Err(Error::new(ErrorKind::Refused, message).help(help));
        }
        (Word::Applied, entry) => {
            let migration = known(facts, version)?;
            let label = format!("{} {}", migration.version(), migration.name());
            writing.applied(migration, Kind::AsIfRun);
            writing.rechain();
            let was = entry.map_or("pending", |entry| entry.state.name());
            (
                migration.version().canonical(),
                format!("{label}, which was {was}, is recorded as applied, without a run"),
            )
        }
        (Word::RolledBack, Some(entry)) if entry.state != State::RolledBack => {
            writing.rolled_back(entry);
            writing.rechain();
            let was = if entry.state == State::Completed { "applied" } else { entry.state.name() };
            (
                entry.key.clone(),
                format!("{}, which was {was}, is recorded as rolled back, without a run", entry.label()),
            )
        }
        (Word::RolledBack, _) => {
            let message = format!("{} is not applied; nothing was changed", label(facts, version)?);
            return Err(Error::new(ErrorKind::Refused, message).help("`migrate status` lists what is applied"));
        }
    };
    let why = format!("{why}, as {} says", identity.by);
    Ok(Rewrite { changes: writing.changes, what: "resolved", key, why, sentences: writing.sentences })
}

/// What it takes that the history says: all of the set up to this version is applied, and nothing above it. `None` where it
/// says so already.
///
/// # Errors
/// No migration has the version, or somebody is at work.
pub(crate) fn forced(facts: Facts<'_, '_>, version: &Version, identity: &Identity) -> Result<Option<Rewrite>> {
    let target = known(facts, version)?;
    check_free(facts.history)?;
    let mut writing = Writing::new(facts, identity);
    let is_applied = |version: &Version| facts.history.get(version).is_some_and(|it| it.state == State::Completed);
    for migration in facts.set.iter().take_while(|migration| migration.version() <= version) {
        if !is_applied(migration.version()) {
            writing.applied(migration, Kind::Baseline);
        }
    }
    let above = facts.history.entries.iter().filter(|entry| entry.version > *version);
    for entry in above.filter(|entry| entry.state != State::RolledBack) {
        writing.rolled_back(entry);
    }
    if writing.changes.is_empty() {
        return Ok(None);
    }
    writing.rechain();
    let why = format!("the database is at {} {}, as {} says", target.version(), target.name(), identity.by);
    let key = target.version().canonical();
    Ok(Some(Rewrite { changes: writing.changes, what: "forced", key, why, sentences: writing.sentences }))
}

fn known<'a>(facts: Facts<'a, '_>, version: &Version) -> Result<&'a Migration> {
    facts.set.get(version).ok_or_else(|| refusal::unknown_version(facts.set, version))
}

fn label(facts: Facts<'_, '_>, version: &Version) -> Result<String> {
    match facts.history.get(version) {
        Some(entry) => Ok(entry.label()),
        None => known(facts, version).map(|migration| format!("{} {}", migration.version(), migration.name())),
    }
}

/// Nobody is at work.
pub(crate) fn check_free(history: &History) -> Result<()> {
    match &history.holder {
        Holder::Session(runner) => Err(at_work(&format!("at work: {runner}"))),
        Holder::Nobody | Holder::Unknown => Ok(()),
    }
}

/// Somebody is.
pub(crate) fn at_work(how: &str) -> Error {
    let message = format!("somebody is {how}; nothing was changed");
    Error::new(ErrorKind::Locked, message).help("wait until they are done; if nobody is, try again")
}

/// The answer is lost.
pub(crate) fn unknown(cause: DatabaseError) -> Error {
    let message = "the server did not answer in time: whether it was written is not known";
    Error::new(ErrorKind::InDoubt, message).source(cause).help("look at `migrate history`")
}

/// How what did not run is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It can be rolled back by its down script.
    AsIfRun,
    /// Nothing ran here, and nothing is rolled back.
    Baseline,
}

/// The changes so far.
struct Writing<'f, 'a, 'h> {
    facts: Facts<'a, 'h>,
    identity: &'f Identity,
    next_rank: i64,
    changes: Vec<Change>,
    sentences: Vec<String>,
}

impl<'f, 'a, 'h> Writing<'f, 'a, 'h> {
    fn new(facts: Facts<'a, 'h>, identity: &'f Identity) -> Self {
        let next_rank = facts.history.next_rank();
        Self { facts, identity, next_rank, changes: Vec::new(), sentences: Vec::new() }
    }

    fn accept(&mut self, entry: &Entry, migration: &Migration) {
        let Some(record) = apply(self.facts, migration).record else { return };
        let statements = migration.script(Direction::Up, self.facts.dialect).map_or(0, |script| script.len());
        let statements = if entry.kind == "baseline" { entry.statements } else { statements };
        let sentence = format!(
            "entry {}: checksum {} → {}, and the scripts of {}",
            entry.label(),
            short(&entry.checksum.to_string()),
            short(&record.checksum.to_string()),
            whimbrel_core::migrations::join(self.facts.set.directory(), &record.path),
        );
        let mut set = scripts(&record);
        set.extend([("statements", Value::Number(statements as i64)), ("applied", Value::Number(statements as i64))]);
        let after = Entry { checksum: record.checksum, statements, applied: statements, ..entry.clone() };
        self.changes.push(Change { after, place: Place::Known, set });
        self.sentences.push(sentence);
    }

    fn applied(&mut self, migration: &Migration, kind: Kind) {
        let step = apply(self.facts, migration);
        let Some(record) = &step.record else { return };
        let was = self.facts.history.get(migration.version());
        let (kind, statements) = match kind {
            Kind::AsIfRun => (record.kind, step.statement_count()),
            Kind::Baseline => ("baseline", 0),
        };
        let rank = self.next_rank;
        self.next_rank += 1;
        let mut set = scripts(record);
        set.extend([
            ("rank", Value::Number(rank)),
            ("name", (*step.name).into()),
            ("task", step.task.as_deref().into()),
            ("folder", record.folder.into()),
            ("kind", kind.into()),
            ("chain", (*Digest::ZERO.to_string()).into()),
            ("state", State::Completed.name().into()),
            ("statements", Value::Number(statements as i64)),
            ("applied", Value::Number(statements as i64)),
            ("undone", Value::Null),
            ("started_at", Value::Now),
            ("completed_at", Value::Now),
            ("duration_ms", Value::Number(0)),
            ("applied_by", (*self.identity.by).into()),
            ("application", (*self.identity.application).into()),
            ("error", Value::Null),
        ]);
        let after = Entry {
            version: step.version.clone(),
            rank,
            name: step.name.clone(),
            task: step.task.clone(),
            kind: kind.to_owned(),
            path: record.path.clone(),
            checksum: record.checksum,
            state: State::Completed,
            statements,
            applied: statements,
            undone: None,
            phase: record.phase,
            started_at: String::new(),
            completed_at: None,
            duration_ms: Some(0),
            applied_by: self.identity.by.clone(),
            application: self.identity.application.clone(),
            error: None,
            key: step.key.clone(),
            chain: None,
            up: None,
            down: None,
        };
        let place = if was.is_some() { Place::Known } else { Place::New };
        let before = was.map_or("none", |entry| entry.state.name());
        let as_what = if kind == "baseline" { ", as a baseline" } else { "" };
        self.sentences.push(format!("entry {}: state {before} → completed{as_what}", after.label()));
        self.changes.push(Change { after, place, set });
    }

    fn rolled_back(&mut self, entry: &Entry) {
        // Under a rollback they count the down script's.
        let statements = if entry.undone.is_some() { entry.applied } else { entry.statements };
        let set = vec![
            ("state", State::RolledBack.name().into()),
            ("statements", Value::Number(statements as i64)),
            ("applied", Value::Number(0)),
            ("undone", Value::Null),
            ("completed_at", Value::Now),
            ("error", Value::Null),
        ];
        let after =
            Entry { state: State::RolledBack, statements, applied: 0, undone: None, error: None, ..entry.clone() };
        self.sentences.push(format!("entry {}: state {} → rolled_back", entry.label(), entry.state.name()));
        self.changes.push(Change { after, place: Place::Known, set });
    }

    /// Gives what is applied the chains over what the history then says. An edit that nobody has accepted stays in them, so
    /// that the fast path does not pass over it.
    fn rechain(&mut self) {
        let after = after(self.facts.history, &self.changes);
        let chain = Chain::of(after.completed());
        for (version, chain) in chain.iter() {
            let Some(entry) = after.get(version) else { continue };
            let chain = chain.to_string();
            if entry.chain.as_ref() == Some(&chain) {
                continue;
            }
            let value = Value::from(&*chain);
            match self.changes.iter_mut().find(|change| change.after.version == *version) {
                Some(change) => {
                    change.set.retain(|(column, _)| *column != "chain");
                    change.set.push(("chain", value));
                    change.after.chain = Some(chain);
                }
                None => {
                    let was = entry.chain.as_deref().map_or_else(|| "none".to_owned(), short);
                    self.sentences.push(format!("entry {}: chain {was} → {}", entry.label(), short(&chain)));
                    let after = Entry { chain: Some(chain), ..entry.clone() };
                    self.changes.push(Change { after, place: Place::Known, set: vec![("chain", value)] });
                }
            }
        }
    }
}

/// What an entry says of its scripts.
fn scripts(record: &Record<'_>) -> Vec<(&'static str, Value)> {
    vec![
        ("path", (*record.path).into()),
        ("checksum", (*record.checksum.to_string()).into()),
        ("phase", record.phase.map(whimbrel_core::script::Phase::name).into()),
        ("up", record.up.into()),
        ("down", record.down.as_deref().into()),
    ]
}

/// A digest as people compare it.
fn short(digest: &str) -> String {
    format!("{}…", digest.get(..8).unwrap_or(digest))
}
