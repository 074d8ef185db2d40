//! Why a plan is refused: every reason names all the migrations that it is about, and what to do.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};
use whimbrel_core::read::read_stored;
use whimbrel_core::script::Phase;
use whimbrel_core::{Dialect, Direction, Migration, Migrations, Script, Version};

use crate::doubt;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, Holder, State};
use crate::plan::{self, Facts, Mode, Plan};
use crate::report::migrations;
use crate::settings::{Missing, Newer, OutOfOrder};

/// Everything that forbids to apply these migrations: what was edited, what is unknown, what comes too late.
pub(crate) fn faults(facts: Facts<'_, '_>, wanted: &[&Migration]) -> Vec<Error> {
    let applied: Vec<&Entry> = facts.history.completed().collect();
    let checks = [
        check_changed(facts, &applied),
        check_none_halfway_back(facts, &[]),
        check_still_outside(facts),
        check_resumable(facts),
        check_session(facts),
        check_missing(facts, &applied),
        check_newer(facts, &applied),
        check_minimum(facts),
        check_order(facts, wanted),
        check_scripts(facts, wanted),
    ];
    checks.into_iter().filter_map(Result::err).collect()
}

/// One error of all: the first says what kind it is.
///
/// # Errors
/// Unless there is none.
pub(crate) fn refuse(faults: Vec<Error>) -> Result<()> {
    match faults.into_iter().reduce(Error::and) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// No entry was edited after it was applied.
fn check_changed(facts: Facts<'_, '_>, entries: &[&Entry]) -> Result<()> {
    let changed: Vec<_> = entries.iter().filter_map(|entry| Some((*entry, changed(facts, entry)?))).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let was = if changed.len() == 1 { "was" } else { "were" };
    let it = if changed.len() == 1 { "it was" } else { "they were" };
    let message = format!("{} {was} edited after {it} applied; nothing was run", migrations(changed.len()));
    let mut details = String::new();
    for (entry, migration) in &changed {
        // Writing to a String cannot fail.
        let _ = writeln!(details, "  {:<22} applied {} by {}", entry.label(), entry.started_at, entry.applied_by);
        details.push_str(&difference(facts, entry, migration));
    }
    let accept: Vec<String> =
        changed.iter().map(|(entry, _)| format!("`migrate resolve {} --accept`", entry.version)).collect();
    let help = format!(
        "restore what was applied, and write the change as a new migration; or accept it as it is: {}",
        accept.join(", ")
    );
    Err(Error::new(ErrorKind::Changed, message).details(details).help(help))
}

fn changed<'a>(facts: Facts<'a, '_>, entry: &Entry) -> Option<&'a Migration> {
    let migration = facts.set.get(&entry.version)?;
    (entry.checksum != migration.checksum(facts.dialect)).then_some(migration)
}

/// The lines that differ, as `diff` marks them; empty when the history was read without scripts.
fn difference(facts: Facts<'_, '_>, entry: &Entry, migration: &Migration) -> String {
    const MOST: usize = 8;
    let text = |direction| migration.script(direction, facts.dialect).map_or("", |script| script.text());
    let mut lines = String::new();
    for (before, after) in [(&entry.up, text(Direction::Up)), (&entry.down, text(Direction::Down))] {
        // A text that was never stored: the history was read without scripts, or there was none.
        let Some(before) = before.as_deref().or(lines.is_empty().then_some("").filter(|_| entry.up.is_some())) else {
            continue;
        };
        // A last line is none the other for its line end.
        let [before, after] = [before, after].map(|text| format!("{}\n", text.trim_end()));
        let diff = TextDiff::from_lines(&before, &after);
        let changes = diff.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
        let changes = changes.filter(|change| !change.value().trim().is_empty());
        for (index, change) in changes.enumerate() {
            if index == MOST {
                lines.push_str("    …\n");
                break;
            }
            let _ = writeln!(lines, "    {} {}", change.tag(), change.value().trim());
        }
    }
    lines
}

/// A migration that failed half-way goes on only when the statements that are done are as they were; the others may be
/// corrected.
fn check_resumable(facts: Facts<'_, '_>) -> Result<()> {
    let is_edited = |entry: &&Entry| changed(facts, entry).is_some_and(|migration| !goes_on(facts, entry, migration));
    let edited: Vec<&Entry> = halfway(facts).filter(is_edited).collect();
    let Some(first) = edited.first() else { return Ok(()) };
    let message = format!("{} stopped half-way, and what is done was edited since; nothing was run", first.label());
    let shown = edited.iter().filter_map(|entry| Some(difference(facts, entry, facts.set.get(&entry.version)?)));
    let details: Vec<String> = shown.collect();
    Err(Error::new(ErrorKind::Changed, message).details(details.join("")).help(restore(first.applied)))
}

fn restore(done: usize) -> String {
    match done {
        1 => "restore its first statement, which is done; those after it may be corrected".to_owned(),
        done => format!("restore its first {done} statements, which are done; those after them may be corrected"),
    }
}

/// What stopped half-way goes on in another session, which lacks what the first one held.
fn check_session(facts: Facts<'_, '_>) -> Result<()> {
    let lost = |entry: &Entry| {
        let script = facts.set.get(&entry.version)?.script(Direction::Up, facts.dialect)?;
        session_lost(facts, entry, script)
    };
    halfway(facts).find_map(lost).map_or(Ok(()), Err)
}

fn session_lost(facts: Facts<'_, '_>, entry: &Entry, script: &Script) -> Option<Error> {
    if facts.dialect != Dialect::Mysql {
        return None;
    }
    let (name, index) = doubt::mysql::lost(script, entry.done())?;
    let (work, at) = (entry.work(), entry.done() + 1);
    let message =
        format!("{work} goes on at statement {at}, without `{name}` of statement {}; nothing was run", index + 1);
    let help = format!("write the statements from {at} on so that they do without it: it was gone with its session");
    Some(Error::new(ErrorKind::Refused, message).help(help))
}

/// The entries that stopped outside a transaction, so that some of their statements stay.
fn halfway<'h>(facts: Facts<'_, 'h>) -> impl Iterator<Item = &'h Entry> {
    let stopped = facts.history.entries.iter().filter(|entry| matches!(entry.state, State::Failed | State::Running));
    stopped.filter(|entry| entry.undone.is_none() && entry.applied > 0)
}

/// For a rollback: nothing stands half-way above what it takes back.
pub(crate) fn check_none_halfway(facts: Facts<'_, '_>) -> Result<()> {
    let Some(entry) = halfway(facts).next() else { return Ok(()) };
    let (label, done, of) = (entry.label(), entry.applied, entry.statements);
    // Whoever settles by hand what somebody is at, corrupts the history.
    if entry.state == State::Running {
        let message = format!(
            "{label} stands at statement {} of {of}, or was interrupted there; nothing was run",
            (done + 1).min(of)
        );
        let help = "`migrate up` finds out, and goes on; roll back after that";
        return Err(Error::new(ErrorKind::Refused, message).help(help));
    }
    let message = format!("{label} stopped half-way, after {done} of {of} statements; nothing was run");
    let help = format!(
        "finish it with `migrate up` first; or take back by hand what it did, and say so: `migrate resolve {} --rolled-back`",
        entry.version
    );
    Err(Error::new(ErrorKind::Refused, message).help(help))
}

/// Nothing stands half-way on its way back but what this rollback finishes.
pub(crate) fn check_none_halfway_back(facts: Facts<'_, '_>, finished: &[&Entry]) -> Result<()> {
    let is_left = |entry: &&Entry| finished.iter().all(|it| it.version != entry.version);
    let Some(entry) = facts.history.halfway_back().find(is_left) else { return Ok(()) };
    let (work, done, of) = (entry.work(), entry.done(), entry.statements);
    let message = format!("{work} stands half-way, after {done} of {of} statements; nothing was run");
    let help = format!("finish it first: `migrate down {}_{}`", entry.version, entry.name);
    Err(Error::new(ErrorKind::Refused, message).help(help))
}

/// A rollback that failed half-way goes on only outside a transaction, and only when what is done of the down script is
/// as it was.
pub(crate) fn check_goes_on_back(facts: Facts<'_, '_>, entry: &Entry, script: &Script) -> Result<()> {
    let Some(done) = entry.undone else { return Ok(()) };
    if plan::mode(script, facts.dialect) != Mode::Outside {
        let message = format!(
            "{} failed half-way outside a transaction, and its script now asks for one; nothing was run",
            entry.work()
        );
        let help = "put `-- whimbrel:no-transaction` back: it goes on with the statement that failed";
        return Err(Error::new(ErrorKind::Changed, message).help(help));
    }
    if done == 0 || starts_alike(facts, (Direction::Down, entry.down.as_deref()), script, done) {
        return session_lost(facts, entry, script).map_or(Ok(()), Err);
    }
    let message = format!("{} failed half-way, and what is done was edited since; nothing was run", entry.work());
    Err(Error::new(ErrorKind::Changed, message).help(restore(done)))
}

/// What failed half-way outside a transaction cannot go on inside one: it would begin with the first statement again.
fn check_still_outside(facts: Facts<'_, '_>) -> Result<()> {
    let inside = |entry: &&Entry| {
        let script = facts.set.get(&entry.version).and_then(|it| it.script(Direction::Up, facts.dialect));
        script.is_some_and(|script| plan::mode(script, facts.dialect) != Mode::Outside)
    };
    let Some(entry) = halfway(facts).find(inside) else { return Ok(()) };
    let message = format!(
        "{} stopped half-way outside a transaction, and its script now asks for one; nothing was run",
        entry.label()
    );
    let help = "put `-- whimbrel:no-transaction` back: it goes on with the statement that failed";
    Err(Error::new(ErrorKind::Changed, message).help(help))
}

/// For a rollback: none of the up scripts was edited after it ran. A down script may be mended.
pub(crate) fn check_ups(facts: Facts<'_, '_>, entries: &[&Entry]) -> Result<()> {
    let as_it_ran = |entry: &Entry| {
        let script = facts.set.get(&entry.version)?.script(Direction::Up, facts.dialect)?;
        let ran = read_stored(Direction::Up, facts.dialect, &entry.path, entry.up.clone()?).ok()?;
        Some(ran.digest(facts.dialect) == script.digest(facts.dialect))
    };
    let edited: Vec<&Entry> = entries.iter().copied().filter(|entry| as_it_ran(entry) != Some(true)).collect();
    check_changed(facts, &edited)
}

/// Whether the statements that are done stand in the script as they ran, but for blanks and comments; what has not run
/// yet may be corrected. Unknown, and so no, when the history was read without scripts.
fn goes_on(facts: Facts<'_, '_>, entry: &Entry, migration: &Migration) -> bool {
    let script = migration.script(Direction::Up, facts.dialect);
    script.is_some_and(|script| starts_alike(facts, (Direction::Up, entry.up.as_deref()), script, entry.applied))
}

fn starts_alike(facts: Facts<'_, '_>, ran: (Direction, Option<&str>), script: &Script, done: usize) -> bool {
    let ran = ran.1.and_then(|text| read_stored(ran.0, facts.dialect, script.path(), text.to_owned()).ok());
    let start = |script: &Script| script.digest_of_first(done, facts.dialect);
    ran.is_some_and(|ran| start(&ran).is_some() && start(&ran) == start(script))
}

/// Whether an entry is above all that this binary knows.
fn is_newer(facts: Facts<'_, '_>, entry: &Entry) -> bool {
    facts.set.last().is_none_or(|last| entry.version > *last.version())
}

/// Entries among those of this binary that it does not know.
fn check_missing(facts: Facts<'_, '_>, applied: &[&Entry]) -> Result<()> {
    let is_missing = |entry: &&Entry| facts.set.get(&entry.version).is_none() && !is_newer(facts, entry);
    let missing: Vec<&Entry> = applied.iter().copied().filter(is_missing).collect();
    if missing.is_empty() || facts.settings.missing == Missing::Allow {
        return Ok(());
    }
    Err(missing_error(facts, &missing))
}

/// Entries above all those of this binary.
fn check_newer(facts: Facts<'_, '_>, applied: &[&Entry]) -> Result<()> {
    let newer: Vec<&Entry> = applied.iter().copied().filter(|entry| is_newer(facts, entry)).collect();
    let expanding = newer.iter().all(|entry| entry.phase == Some(Phase::Expand));
    match facts.settings.newer {
        Newer::Allow => Ok(()),
        Newer::AllowIfExpanding if expanding => Ok(()),
        _ if newer.is_empty() => Ok(()),
        _ => Err(newer_error(facts, &newer)),
    }
}

fn missing_error(facts: Facts<'_, '_>, missing: &[&Entry]) -> Error {
    let is = if missing.len() == 1 { "is" } else { "are" };
    let message = format!("{} {is} applied but not in this binary; nothing was run", migrations(missing.len()));
    let line = |entry: &&Entry| {
        format!("  {:<22} applied {} by {}, {}", entry.label(), entry.started_at, entry.applied_by, entry.application)
    };
    let lines: Vec<String> = missing.iter().map(line).collect();
    let directory = facts.set.directory();
    let into = if directory.is_empty() { String::new() } else { format!(" into `{directory}`") };
    let help = format!("bring the files back{into}, or set `.missing(Missing::Allow)`");
    Error::new(ErrorKind::Missing, message).details(lines.join("\n")).help(help)
}

fn newer_error(facts: Facts<'_, '_>, newer: &[&Entry]) -> Error {
    let current = newer.iter().map(|entry| &entry.version).max().map_or_else(String::new, ToString::to_string);
    let ends = facts.set.last().map_or_else(|| "is empty".to_owned(), |last| format!("ends at {}", last.version()));
    let message = format!("the database is at {current}, this binary {ends}; nothing was run");
    let names: Vec<String> = newer.iter().map(|entry| entry.label()).collect();
    let application = newer.last().map_or("", |entry| &entry.application);
    let details = format!("  unknown: {}, applied by {application}", names.join(", "));
    let back = facts.set.last().map_or_else(String::new, |last| format!(": `migrate down --to {}`", last.version()));
    let files: Vec<String> = newer.iter().map(|entry| format!("`{}_{}`", entry.version, entry.name)).collect();
    let directory = facts.set.directory();
    let first = match facts.set.application() {
        // Whoever reads a directory is of no release, and lacks files that others have.
        None if !directory.is_empty() => {
            format!("bring {} back into `{directory}` (pull, merge)", files.join(", "))
        }
        // The same release without the files: somebody has removed or renamed them.
        Some(own) if own == application => format!("bring the files back into `{directory}`"),
        _ => format!("deploy {application} or newer"),
    };
    // Known only where the history was read with its scripts.
    let closed = newer.iter().filter(|entry| entry.up.is_some() && entry.down.is_none());
    let closed: Vec<String> = closed.map(|entry| entry.label()).collect();
    let help = match closed.len() {
        0 => format!("{first}, or roll back, since the down scripts are stored in the history{back}"),
        _ => format!("{first}; there is no way back, since {} left no down script", closed.join(", ")),
    };
    Error::new(ErrorKind::Newer, message).details(details).help(help)
}

/// The database is not older than what this binary can still take over.
fn check_minimum(facts: Facts<'_, '_>) -> Result<()> {
    let (Some(minimum), Some(current)) = (facts.set.minimum_supported(), facts.history.current()) else {
        return Ok(());
    };
    if current >= minimum || is_first_run(facts) {
        return Ok(());
    }
    let message = format!("the database is at {current}, this binary supports {minimum} and newer; nothing was run");
    let help = format!("deploy a release between the two first, one that takes {current} to {minimum}; then this one");
    Err(Error::new(ErrorKind::Refused, message).help(help))
}

/// Whether this very release has applied all that there is: its first run was cut short below the minimum, and goes on.
/// A name without a version is the name of older releases as well.
fn is_first_run(facts: Facts<'_, '_>) -> bool {
    let last = facts.application.rsplit(' ').next().unwrap_or_default();
    let names_a_version = last.len() < facts.application.len() && last.starts_with(|c: char| c.is_ascii_digit());
    names_a_version && facts.history.completed().all(|entry| entry.application == facts.application)
}

/// What is pending where this process may not apply it.
pub(crate) fn may_not_apply(plan: &Plan<'_>, holder: &Holder, by: &str) -> Error {
    let (are, them) = if plan.steps.len() == 1 { ("is", "it") } else { ("are", "them") };
    let pending = migrations(plan.steps.len());
    let message = format!("{pending} {are} pending, and this process may not apply {them} ({by}); nothing was run");
    let mut lines: Vec<String> = plan.steps.iter().map(|step| format!("  {} {}", step.version, step.name)).collect();
    if let Holder::Session(runner) = holder {
        lines.push(format!("  held by {runner}"));
    }
    let help = "run `migrate up` in a process that may, such as a job of the deployment; then start this one";
    Error::new(ErrorKind::Pending, message).details(lines.join("\n")).help(help)
}

/// Pending migrations are newer than applied ones.
fn check_order(facts: Facts<'_, '_>, wanted: &[&Migration]) -> Result<()> {
    let known = facts.history.completed().filter(|entry| facts.set.get(&entry.version).is_some());
    let Some(last) = known.max_by(|a, b| a.version.cmp(&b.version)) else { return Ok(()) };
    let late: Vec<_> = wanted.iter().filter(|migration| *migration.version() < last.version).collect();
    if late.is_empty() || facts.settings.out_of_order == OutOfOrder::Allow {
        return Ok(());
    }
    let is = if late.len() == 1 { "is" } else { "are" };
    let message =
        format!("{} {is} older than {}, which is applied; nothing was run", migrations(late.len()), last.label());
    let lines: Vec<String> = late.iter().map(|late| format!("  {} {}", late.version(), late.name())).collect();
    let help = "give them versions above it, or set `.out_of_order(OutOfOrder::Allow)`";
    Err(Error::new(ErrorKind::OutOfOrder, message).details(lines.join("\n")).help(help))
}

/// Every wanted migration has a script for this database.
fn check_scripts(facts: Facts<'_, '_>, wanted: &[&Migration]) -> Result<()> {
    let without = |migration: &&&Migration| migration.script(Direction::Up, facts.dialect).is_none();
    let Some(first) = wanted.iter().find(without) else { return Ok(()) };
    let name = facts.dialect.name();
    let message = format!("{} {} has no up script for {name}; nothing was run", first.version(), first.name());
    let help = format!("write `{}_{}.{name}.up.sql`, or migrate another database", first.version(), first.name());
    Err(Error::new(ErrorKind::Refused, message).help(help))
}

/// All of them can be rolled back.
pub(crate) fn check_ways_back(closed: &[&Entry]) -> Result<()> {
    let Some(first) = closed.first() else { return Ok(()) };
    let message = format!("{} cannot be rolled back; nothing was run", migrations(closed.len()));
    let why = |entry: &&Entry| {
        let why = if entry.kind == "baseline" { "is a baseline: nothing ran here" } else { "has no down script" };
        format!("  {:<22} {why}", entry.label())
    };
    let lines: Vec<String> = closed.iter().map(why).collect();
    let help = match closed.iter().find(|entry| entry.kind != "baseline") {
        // A down script that is added now counts as an edit of what is applied.
        Some(open) => {
            format!("write a new migration that takes {} back, or roll back only what comes after it", open.label())
        }
        None => format!("roll back to {} at the most", first.version),
    };
    Err(Error::new(ErrorKind::NoWayBack, message).details(lines.join("\n")).help(help))
}

/// A version that no migration has.
pub(crate) fn unknown_version(set: &Migrations, version: &Version) -> Error {
    let around = match (set.iter().next(), set.last()) {
        (Some(first), Some(last)) => format!("name one of {} to {}", first.version(), last.version()),
        _ => "the set is empty: write a migration first".to_owned(),
    };
    Error::new(ErrorKind::Refused, format!("there is no migration {version}; nothing was run")).help(around)
}

/// A name or task under which nothing is applied.
pub(crate) fn nothing_applied(facts: Facts<'_, '_>, what: &str, name: &str) -> Error {
    let known: Vec<&str> = facts
        .history
        .completed()
        .filter_map(|entry| if what == "task" { entry.task.as_deref() } else { Some(&*entry.name) })
        .collect();
    let nearest = whimbrel_core::nearest::nearest(name, known.iter().copied());
    let error = Error::new(ErrorKind::Refused, format!("no applied {what} is called `{name}`; nothing was run"));
    match nearest {
        Some(nearest) => error.help(format!("did you mean `{nearest}`?")),
        None => error.help("`migrate status` lists what is applied"),
    }
}

/// A name that several applied migrations share.
pub(crate) fn ambiguous_name(name: &str, entries: &[&Entry]) -> Error {
    let labels: Vec<String> = entries.iter().map(|entry| format!("{}_{}", entry.version, entry.name)).collect();
    let message = format!("{} are called `{name}`; nothing was run", migrations(entries.len()));
    Error::new(ErrorKind::Refused, message).help(format!("say which: {}", labels.join(", ")))
}

/// A step outside a transaction through a pooler that shares sessions.
pub(crate) fn shared_session(label: &str) -> Error {
    let message = format!(
        "{label} runs outside a transaction, which needs a session of its own, and the connection goes through a \
         pooler that shares its sessions; nothing was run"
    );
    Error::new(ErrorKind::Refused, message)
        .help("use a direct URL for it, past PgBouncer, or one where PgBouncer has `pool_mode = session`")
}
