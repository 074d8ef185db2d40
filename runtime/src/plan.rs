//! The pure decision: which steps to run, which way, how; or why not.
//!
//! All the `if`s of a run are here, and no `await`: [`plan`] takes values and returns a value.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use whimbrel_core::read::read_stored;
use whimbrel_core::script::{Phase, Wrapping};
use whimbrel_core::{Dialect, Digest, Direction, Migration, Migrations, Script, Version};

use crate::chain::{Chain, Rechained};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, History, State};
use crate::refusal;
use crate::report::{Action, count, migrations};
use crate::settings::Settings;
use crate::target::{Rollback, Target};

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a, 'h> {
    pub(crate) set: &'a Migrations,
    pub(crate) dialect: Dialect,
    pub(crate) history: &'h History,
    pub(crate) settings: &'h Settings,
    /// This binary, as the history would record it.
    pub(crate) application: &'h str,
}

/// What a run is asked to reach.
#[derive(Debug, Clone)]
pub(crate) enum Goal {
    Up(Target),
    Down(Rollback),
    Baseline(Version),
    /// What is left of a goal after a first plan: a repeated plan must not roll back two more.
    Only(Action, Vec<Version>),
}

impl Goal {
    pub(crate) fn is_down(&self) -> bool {
        matches!(self, Self::Down(_) | Self::Only(Action::RollBack, _))
    }
}

/// The steps that a run would take, in order; printing it shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    pub(crate) steps: Vec<Step<'a>>,
}

/// How a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// In one transaction, together with its entry in the history.
    Transaction,
    /// In one transaction with foreign keys switched off around it (SQLite).
    ForeignKeysOff,
    /// Statement by statement, outside any transaction of ours, its progress recorded after each.
    Outside,
}

/// One migration of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    pub(crate) action: Action,
    pub(crate) mode: Mode,
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) task: Option<String>,
    /// The version as the history's key.
    pub(crate) key: String,
    /// `None` where nothing runs: a baseline.
    pub(crate) script: Option<Cow<'a, Script>>,
    /// The script's file as the user wrote it.
    pub(crate) path: String,
    pub(crate) verify: Option<(&'a Script, String)>,
    /// Statements that an earlier run has done.
    pub(crate) skip: usize,
    /// The down script as the history will hold it, while a rollback outside a transaction is under way.
    pub(crate) down: Option<String>,
    /// What the history will say; `None` for a rollback.
    pub(crate) record: Option<Record<'a>>,
    /// The chains of what is applied above it, which its arrival or its going changes.
    pub(crate) rechain: Vec<Rechained>,
}

/// What the entry of an applied migration holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) rank: i64,
    pub(crate) folder: Option<&'a str>,
    pub(crate) kind: &'static str,
    pub(crate) path: String,
    pub(crate) checksum: Digest,
    pub(crate) chain: Digest,
    pub(crate) up: &'a str,
    pub(crate) down: Option<Cow<'a, str>>,
    pub(crate) phase: Option<Phase>,
}

impl Plan<'_> {
    /// The steps in the order in which they would run.
    pub fn steps(&self) -> &[Step<'_>] {
        &self.steps
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Step<'_> {
    /// How long it may wait for what others hold.
    pub(crate) fn patience(&self, settings: &Settings) -> Duration {
        let own = self.script.as_deref().and_then(|script| script.options().wait);
        own.unwrap_or(settings.lock_timeout)
    }

    /// What would be done with the migration.
    pub fn action(&self) -> Action {
        self.action
    }

    /// How it would run.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The version; prints as its file wrote it.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The task that it belongs to.
    pub fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// The zero-downtime phase that its up script declares: `expand`, `migrate` or `contract`.
    pub fn phase(&self) -> Option<&'static str> {
        self.record.as_ref()?.phase.map(Phase::name)
    }

    /// Whether an earlier run has done some of its statements, so that this one goes on behind them.
    pub fn is_resumed(&self) -> bool {
        self.skip > 0
    }

    /// The file of the script that would run.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The statements that would run.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        let script = self.script.as_deref();
        let all = script.into_iter().flat_map(|script| script.statements().map(move |it| (script, it)));
        let unwrapped = all.filter(|(script, it)| self.mode == Mode::Outside || !drops_border(script, it.kind));
        unwrapped.skip(self.skip).map(|(script, statement)| script.text_of(&statement))
    }

    /// The number of statements of its script.
    pub(crate) fn statement_count(&self) -> usize {
        self.script.as_deref().map_or(0, Script::len)
    }

    /// `0004_add_email`.
    pub(crate) fn label(&self) -> String {
        format!("{}_{}", self.version, self.name)
    }
}

/// Whether a statement is the `BEGIN` or `COMMIT` of a script that is wrapped as a whole: ours stands for it.
pub(crate) fn drops_border(script: &Script, kind: whimbrel_core::Kind) -> bool {
    use whimbrel_core::Kind;
    matches!(kind, Kind::Begin | Kind::Commit) && script.wrapping() == Wrapping::Whole
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.steps.first() else { return f.write_str("nothing to do") };
        let verb = match first.action {
            Action::Apply => "would apply",
            Action::RollBack => "would roll back",
            Action::Baseline => "would record as applied, running nothing:",
        };
        write!(f, "{verb} {}", migrations(self.steps.len()))?;
        let label = |step: &Step<'_>| format!("{} {}", step.version, step.name);
        let width = self.steps.iter().map(|step| label(step).chars().count()).max().unwrap_or(0);
        for step in &self.steps {
            let how = match step.mode {
                Mode::Transaction => "one transaction",
                Mode::ForeignKeysOff => "one transaction, foreign keys off",
                Mode::Outside => "outside a transaction, statement by statement",
            };
            let statements = count(step.statements().count(), "statement");
            write!(f, "\n  {:width$}  {statements:>13}  {how}", label(step))?;
        }
        Ok(())
    }
}

/// Decides what to do.
///
/// # Errors
/// Everything that forbids it, all migrations named.
pub(crate) fn plan<'a>(facts: Facts<'a, '_>, goal: &Goal) -> Result<Plan<'a>> {
    let steps = match goal {
        Goal::Up(target) => up(facts, target)?,
        Goal::Down(rollback) => down(facts, &chosen(facts, rollback)?)?,
        Goal::Baseline(version) => baseline(facts, version)?,
        Goal::Only(Action::RollBack, versions) => {
            let wanted: HashSet<&Version> = versions.iter().collect();
            let still = facts.history.standing().filter(|entry| wanted.contains(&entry.version));
            down(facts, &still.collect::<Vec<_>>())?
        }
        Goal::Only(Action::Apply, versions) => {
            let mut steps = up(facts, &Target::Latest)?;
            let wanted: HashSet<&Version> = versions.iter().collect();
            steps.retain(|step| wanted.contains(&step.version));
            steps
        }
        // Who was faster may have made another baseline, or none: that is decided anew.
        Goal::Only(Action::Baseline, versions) => match versions.last() {
            Some(version) => baseline(facts, version)?,
            None => Vec::new(),
        },
    };
    Ok(Plan { steps: number(facts, steps) })
}

fn up<'a>(facts: Facts<'a, '_>, target: &Target) -> Result<Vec<Step<'a>>> {
    let pending: Vec<&'a Migration> = pending(facts).collect();
    let wanted: Vec<&'a Migration> = match target {
        Target::Latest => pending,
        Target::Steps(number) => pending.into_iter().take(*number).collect(),
        Target::Version(version) => {
            if facts.set.get(version).is_none() {
                return Err(refusal::unknown_version(facts.set, version));
            }
            pending.into_iter().take_while(|migration| migration.version() <= version).collect()
        }
    };
    refusal::refuse(refusal::faults(facts, &wanted))?;
    let applied = |migration: &&'a Migration| apply(facts, migration);
    Ok(wanted.iter().map(applied).collect())
}

/// Migrations of the set that are not applied, lowest version first.
pub(crate) fn pending<'a>(facts: Facts<'a, '_>) -> impl Iterator<Item = &'a Migration> {
    let done: HashSet<_> = facts.history.completed().map(|entry| entry.version.clone()).collect();
    facts.set.iter().filter(move |migration| !done.contains(migration.version()))
}

/// The completed migrations once more, in the order of application, for an empty database: with this binary's scripts, or
/// the stored ones where it does not know a migration. Nothing is verified there, since the data of others are not.
///
/// # Errors
/// Whose script is not to be had.
pub(crate) fn rebuilt<'a>(facts: Facts<'a, '_>) -> Result<Vec<Step<'a>>, String> {
    let nothing = History::default();
    let fresh = Facts { history: &nothing, ..facts };
    let mut steps = Vec::new();
    for (rank, entry) in (1..).zip(facts.history.completed()) {
        let known = facts.set.get(&entry.version);
        let known = known.filter(|migration| migration.script(Direction::Up, facts.dialect).is_some());
        let step = match known {
            Some(migration) => Some(apply(fresh, migration)),
            None => stored_step(facts, entry),
        };
        let Some(mut step) = step else {
            let why = "its script is not stored, and this binary does not have it";
            return Err(format!("{} cannot be applied: {why}", entry.label()));
        };
        step.verify = None;
        if let Some(record) = &mut step.record {
            record.rank = rank;
        }
        steps.push(step);
    }
    Ok(steps)
}

/// The step of an entry that this binary does not know.
fn stored_step(facts: Facts<'_, '_>, entry: &Entry) -> Option<Step<'static>> {
    let script = read_stored(Direction::Up, facts.dialect, &entry.path, entry.up.clone()?).ok()?;
    Some(Step {
        action: Action::Apply,
        mode: mode(&script, facts.dialect),
        version: entry.version.clone(),
        name: entry.name.clone(),
        task: entry.task.clone(),
        key: entry.key.clone(),
        path: script.path().to_owned(),
        script: Some(Cow::Owned(script)),
        verify: None,
        skip: 0,
        down: None,
        record: Some(Record {
            rank: 0,
            folder: None,
            kind: "sql",
            path: entry.path.clone(),
            checksum: entry.checksum,
            chain: Digest::ZERO,
            up: "",
            down: None,
            phase: entry.phase,
        }),
        rechain: Vec::new(),
    })
}

pub(crate) fn apply<'a>(facts: Facts<'a, '_>, migration: &'a Migration) -> Step<'a> {
    let script = migration.script(Direction::Up, facts.dialect);
    let verify = migration.script(Direction::Verify, facts.dialect);
    // A *running* one that gets here has nothing left to do but to be completed, see `settle`.
    let mut begun = facts.history.entries.iter().filter(|it| matches!(it.state, State::Failed | State::Running));
    let unfinished = begun.find(|entry| entry.version == *migration.version());
    let mode = script.map_or(Mode::Transaction, |script| mode(script, facts.dialect));
    Step {
        action: Action::Apply,
        mode,
        version: migration.version().clone(),
        name: migration.name().to_owned(),
        task: migration.task().map(str::to_owned),
        key: migration.version().canonical(),
        path: script.map_or_else(String::new, |script| facts.set.path_of(script)),
        script: script.map(Cow::Borrowed),
        verify: verify.map(|verify| (verify, facts.set.path_of(verify))),
        skip: unfinished.filter(|_| mode == Mode::Outside).map_or(0, |entry| entry.applied),
        down: None,
        record: Some(Record {
            rank: 0,
            folder: migration.folder(),
            kind: if facts.dialect == Dialect::Cql { "cql" } else { "sql" },
            path: script.map_or_else(String::new, |script| script.path().to_owned()),
            checksum: migration.checksum(facts.dialect),
            chain: Digest::ZERO,
            up: script.map_or("", Script::text),
            down: migration.script(Direction::Down, facts.dialect).map(|down| stored(down, facts.dialect)),
            phase: migration.phase(facts.dialect),
        }),
        rechain: Vec::new(),
    }
}

/// A down script as the history stores it: what only the name of its file asked for is said in it.
fn stored(script: &Script, dialect: Dialect) -> Cow<'_, str> {
    let text = script.text();
    let says_so = || {
        let read = read_stored(Direction::Down, dialect, script.path(), text.to_owned());
        read.is_ok_and(|read| read.options().no_transaction)
    };
    if !script.options().no_transaction || says_so() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("-- whimbrel:no-transaction\n{text}"))
}

/// How a script runs.
pub(crate) fn mode(script: &Script, dialect: Dialect) -> Mode {
    // MySQL's schema changes commit by themselves; CQL has no transactions.
    if !script.is_transactional(dialect) || matches!(dialect, Dialect::Mysql | Dialect::Cql) {
        Mode::Outside
    } else if dialect == Dialect::Sqlite && script.options().foreign_keys_off {
        Mode::ForeignKeysOff
    } else {
        Mode::Transaction
    }
}

/// Gives the steps their ranks and chains, over what is completed when each of them is done.
fn number<'a>(facts: Facts<'a, '_>, mut steps: Vec<Step<'a>>) -> Vec<Step<'a>> {
    if steps.is_empty() {
        return steps;
    }
    let mut chain = Chain::of(facts.history.completed());
    for (rank, step) in (facts.history.next_rank()..).zip(&mut steps) {
        match &mut step.record {
            Some(record) => {
                record.rank = rank;
                (record.chain, step.rechain) = chain.complete(&step.version, record.checksum);
            }
            None => step.rechain = chain.take_away(&step.version),
        }
    }
    steps
}

fn baseline<'a>(facts: Facts<'a, '_>, version: &Version) -> Result<Vec<Step<'a>>> {
    if facts.set.get(version).is_none() {
        return Err(refusal::unknown_version(facts.set, version));
    }
    if let Some(applied) = facts.history.completed().find(|entry| entry.kind != "baseline") {
        let message = format!("this database has a history already, with {}", applied.label());
        return Err(
            Error::new(ErrorKind::Refused, message).help("a baseline is for a database without one: migrate it")
        );
    }
    refusal::refuse(refusal::faults(facts, &[]))?;
    let known = pending(facts).take_while(|migration| migration.version() <= version);
    let steps = known.map(|migration| {
        let mut step = apply(facts, migration);
        step.action = Action::Baseline;
        step.mode = Mode::Transaction;
        (step.script, step.verify, step.skip) = (None, None, 0);
        if let Some(record) = &mut step.record {
            record.kind = "baseline";
        }
        step
    });
    Ok(steps.collect())
}

/// The entries that a rollback means, last applied first.
fn chosen<'h>(facts: Facts<'_, 'h>, rollback: &Rollback) -> Result<Vec<&'h Entry>> {
    let applied = facts.history.standing();
    let chosen: Vec<&Entry> = match rollback {
        Rollback::Steps(number) => applied.take(*number).collect(),
        Rollback::All => applied.collect(),
        Rollback::To(version) => {
            if facts.set.get(version).is_none() && facts.history.get(version).is_none() {
                return Err(refusal::unknown_version(facts.set, version));
            }
            applied.filter(|entry| entry.version > *version).collect()
        }
        Rollback::Name(name) => applied.filter(|entry| is_named(entry, name)).collect(),
        Rollback::Task(task) => applied.filter(|entry| entry.task.as_deref() == Some(task)).collect(),
    };
    match rollback {
        Rollback::Name(name) if chosen.is_empty() => Err(refusal::nothing_applied(facts, "migration", name)),
        Rollback::Name(name) if chosen.len() > 1 => Err(refusal::ambiguous_name(name, &chosen)),
        Rollback::Task(task) if chosen.is_empty() => Err(refusal::nothing_applied(facts, "task", task)),
        _ => Ok(chosen),
    }
}

fn is_named(entry: &Entry, name: &str) -> bool {
    let is_version = || name.parse::<Version>().is_ok_and(|version| version == entry.version);
    entry.name == name || is_version() || format!("{}_{}", entry.version, entry.name) == name
}

fn down<'a>(facts: Facts<'a, '_>, entries: &[&Entry]) -> Result<Vec<Step<'a>>> {
    refusal::check_none_halfway(facts)?;
    refusal::check_none_halfway_back(facts, entries)?;
    refusal::check_ups(facts, entries)?;
    let scripts: Vec<_> = entries.iter().map(|entry| way_back(facts, entry)).collect::<Result<_>>()?;
    let closed = entries.iter().zip(&scripts).filter(|(_, script)| script.is_none());
    refusal::check_ways_back(&closed.map(|(entry, _)| *entry).collect::<Vec<_>>())?;
    let ways = || entries.iter().zip(scripts.iter().map(Option::as_deref));
    ways()
        .filter_map(|(entry, script)| Some((entry, script?)))
        .try_for_each(|(entry, script)| refusal::check_goes_on_back(facts, entry, script))?;
    let modes: Vec<Mode> =
        ways().map(|(_, script)| script.map_or(Mode::Transaction, |script| mode(script, facts.dialect))).collect();
    let steps = entries.iter().zip(scripts).zip(modes).map(|((entry, script), mode)| Step {
        action: Action::RollBack,
        mode,
        version: entry.version.clone(),
        name: entry.name.clone(),
        task: entry.task.clone(),
        key: entry.key.clone(),
        path: match &script {
            Some(Cow::Borrowed(script)) => facts.set.path_of(script),
            Some(Cow::Owned(script)) => script.path().to_owned(),
            None => String::new(),
        },
        down: script.as_deref().filter(|_| mode == Mode::Outside).map(|it| stored(it, facts.dialect).into_owned()),
        script,
        verify: None,
        skip: entry.undone.unwrap_or(0),
        record: None,
        rechain: Vec::new(),
    });
    Ok(steps.collect())
}

/// The down script of an entry: this binary's, or the stored one when it does not know the migration.
fn way_back<'a>(facts: Facts<'a, '_>, entry: &Entry) -> Result<Option<Cow<'a, Script>>> {
    if entry.kind == "baseline" {
        return Ok(None);
    }
    if let Some(migration) = facts.set.get(&entry.version) {
        return Ok(migration.script(Direction::Down, facts.dialect).map(Cow::Borrowed));
    }
    let Some(text) = &entry.down else { return Ok(None) };
    let path = format!("the history's {}_{}.down", entry.version, entry.name);
    let script = read_stored(Direction::Down, facts.dialect, &path, text.clone());
    script.map(|script| Some(Cow::Owned(script))).map_err(|problems| {
        let first = problems.first().map_or_else(String::new, ToString::to_string);
        let message = format!("the stored down script of {} cannot be read", entry.label());
        Error::new(ErrorKind::History, message).details(first)
    })
}
