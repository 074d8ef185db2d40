//! The pure decision: from what was found to how well it is. Each check is a function, and a line of `CHECKS`.

use std::path::Path;
use std::time::{Duration, SystemTime};

use whimbrel_core::script::Phase;
use whimbrel_core::{Dialect, Migrations};

use crate::driver::Agreement;
use crate::error::{Error, ErrorKind};
use crate::health::{Ago, Health, Level, Reason, since};
use crate::history::{Entry, History, Holder, State};
use crate::report::{Action, Took, count, migrations};
use crate::runner::{Runner, Work};
use crate::settings::{Missing, Newer, OutOfOrder, Settings};
use crate::status::{MigrationStatus, Standing, Status};

/// What was found.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'f> {
    pub(crate) set: &'f Migrations,
    pub(crate) dialect: Dialect,
    pub(crate) history: &'f History,
    pub(crate) settings: &'f Settings,
    pub(crate) agreement: &'f Agreement,
    /// The file of the database, where it is missing.
    pub(crate) absent: Option<&'f Path>,
    pub(crate) now: SystemTime,
}

type Check = fn(&Facts<'_>, &Status) -> Vec<Reason>;

const CHECKS: [(&str, Check); 6] = [
    ("checksums", checksums),
    ("interrupted", interrupted),
    ("runner", runner),
    ("pending", pending),
    ("unknown", unknown),
    ("agreement", agreement),
];

pub(crate) fn judge(facts: Facts<'_>) -> Health {
    let status = Status::new(facts.set, facts.dialect, facts.history, "");
    let checks = CHECKS.iter().filter(|(name, _)| *name != "agreement" || *facts.agreement != Agreement::NotOne);
    let (mut checked, mut reasons) = (vec!["reachable", "history"], Vec::new());
    reasons.extend(facts.absent.map(absent));
    for (name, check) in checks {
        checked.push(*name);
        reasons.extend(check(&facts, &status));
    }
    // Of equals the first check is the first.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
    Health {
        level: reasons.iter().map(|reason| reason.level).max().unwrap_or(Level::Healthy),
        reasons,
        applied: status.standing(Standing::Applied).count(),
        pending: status.standing(Standing::Pending).count(),
        unknown: status.standing(Standing::Unknown).count(),
        version: status.current,
        checked,
        took: Duration::ZERO,
    }
}

/// Nothing works without it, unless it is about to be made.
fn absent(file: &Path) -> Reason {
    let sentence = format!("the file {} does not exist", file.display());
    reason(Level::Unhealthy, sentence, "check the path; `migrate up` makes it")
}

/// Nothing could be read.
pub(crate) fn unread(error: &Error) -> Health {
    let is_reached = !matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Refused);
    let mut sentence = error.to_string().lines().next().unwrap_or_default().to_owned();
    for end in ["; nothing was run", "; nothing more was run"] {
        sentence = sentence.replace(end, "");
    }
    if let Some(cause) = std::error::Error::source(error) {
        sentence = format!("{sentence}: {}", cause.to_string().replace('\n', " "));
    }
    let help = error.help_text().map(|help| help.lines().next().unwrap_or_default().to_owned());
    Health {
        level: Level::Unhealthy,
        reasons: vec![Reason { level: Level::Unhealthy, sentence, command: help }],
        version: None,
        applied: 0,
        pending: 0,
        unknown: 0,
        checked: if is_reached { vec!["reachable", "history"] } else { vec!["reachable"] },
        took: Duration::ZERO,
    }
}

fn reason(level: Level, sentence: String, command: &str) -> Reason {
    Reason { level, sentence, command: Some(command.to_owned()).filter(|command| !command.is_empty()) }
}

/// `0007`, or `0007 to 0009`, or `0007, 0009`.
fn named(all: &[&MigrationStatus], ending: &str) -> String {
    const MOST: usize = 3;
    match all {
        [] => String::new(),
        [one] => format!("{} {} {ending}", one.version, one.name),
        all if all.len() <= MOST => {
            let names: Vec<&str> = all.iter().map(|it| it.version.as_written()).collect();
            format!("{}{ending}: {}", format_args!("{} ", migrations(all.len())), names.join(", "))
        }
        [first, .., last] => {
            format!("{} {ending}: {} to {}", migrations(all.len()), first.version, last.version)
        }
    }
}

fn checksums(_: &Facts<'_>, status: &Status) -> Vec<Reason> {
    let changed: Vec<_> = status.standing(Standing::Changed).collect();
    let Some(first) = changed.first() else { return Vec::new() };
    let were =
        if changed.len() == 1 { "was edited after it was applied" } else { "were edited after they were applied" };
    let command = format!("restore it, or accept it: `migrate resolve {} --accept`", first.version);
    vec![reason(Level::Unhealthy, named(&changed, were), &command)]
}

/// What has failed, and what is being run or was when its runner died.
fn interrupted(facts: &Facts<'_>, status: &Status) -> Vec<Reason> {
    let unfinished = status.migrations.iter().filter_map(|it| Some((it, it.entry.as_ref()?)));
    unfinished
        .filter_map(|(_, entry)| match (entry.state, &facts.history.holder) {
            (State::Failed, _) if entry.is_stopped() => Some(stopped(entry)),
            (State::Failed, _) => Some(failed(entry)),
            (State::Running, Holder::Nobody) => {
                let sentence = format!("{} was interrupted {}, by {}", entry.work(), place(entry), entry.applied_by);
                Some(reason(Level::Unhealthy, sentence, "`migrate up` finds out what became of it, and goes on"))
            }
            (State::Running, Holder::Unknown) => {
                let sentence = format!("{} stands {}, or was interrupted there", entry.work(), place(entry));
                Some(past_its_time(facts, entry, sentence.clone()).unwrap_or_else(|| {
                    let help = "`migrate up` waits for it, and goes on if it is dead";
                    reason(Level::Degraded, sentence, help)
                }))
            }
            (State::Running, Holder::Session(_)) => past_its_time(facts, entry, format!("{} is at work", entry.work())),
            _ => None,
        })
        .collect()
}

fn failed(entry: &Entry) -> Reason {
    // Of what was rolled back as a whole no place is kept.
    let place = if entry.done() > 0 || entry.undone.is_some() { format!(" {}", place(entry)) } else { String::new() };
    let sentence = format!("{} has failed{place}", entry.work());
    reason(Level::Unhealthy, sentence, "`migrate status` says why; correct it, then `migrate up`")
}

/// Who is asked to stop, such as by a deployment that takes its pods away, has done nothing wrong.
fn stopped(entry: &Entry) -> Reason {
    let (work, done, of) = (entry.work(), entry.done(), entry.statements);
    let sentence = format!("{work} was stopped after {done} of {}", count(of, "statement"));
    reason(Level::Degraded, sentence, &entry.goes_on())
}

/// What runs for longer than all of a run may.
fn past_its_time(facts: &Facts<'_>, entry: &Entry, sentence: String) -> Option<Reason> {
    let (limit, ago) = (facts.settings.timeout?, since(&entry.started_at, facts.now)?);
    let sentence = format!("{sentence}, for {} where a run may take {}", Ago(ago), Took(limit));
    (ago > limit).then(|| reason(Level::Unhealthy, sentence, "`migrate status` says who is at it"))
}

fn place(entry: &Entry) -> String {
    match (entry.done() + 1, entry.statements) {
        (at, of) if at > of => "after its last statement".to_owned(),
        (at, of) => format!("at statement {at} of {of}"),
    }
}

fn runner(facts: &Facts<'_>, _: &Status) -> Vec<Reason> {
    let Holder::Session(runner) = &facts.history.holder else { return Vec::new() };
    vec![match &runner.work {
        Some(work) => at_work(facts.settings, work),
        None => of_session(runner),
    }]
}

fn at_work(settings: &Settings, work: &Work) -> Reason {
    let host = work.by.rsplit('@').next().unwrap_or(&work.by);
    let who = format!("a runner on {host} (pid {})", work.process);
    match work.last_sign {
        Some(ago) if ago > work.lease.unwrap_or(settings.lease) => {
            let sentence = format!("{who} has been silent for {}", Ago(ago));
            reason(Level::Degraded, sentence, "`migrate up` takes over")
        }
        _ => {
            let does = if work.action == Action::RollBack { "rolling back" } else { "applying" };
            let sentence = format!(
                "{who} is {does} {}, at statement {} of {}",
                work.version,
                work.statement.min(work.statements),
                work.statements
            );
            reason(Level::Degraded, sentence, "")
        }
    }
}

fn of_session(runner: &Runner) -> Reason {
    reason(Level::Degraded, format!("a runner is migrating: {}", runner.session), "")
}

fn pending(facts: &Facts<'_>, status: &Status) -> Vec<Reason> {
    let pending: Vec<_> = status.standing(Standing::Pending).collect();
    let mut reasons = Vec::new();
    if let (Some(current), Some(minimum)) = (&status.current, &status.minimum_supported)
        && current < minimum
    {
        let sentence = format!("the database is at {current}, below {minimum}, the oldest that this binary supports");
        reasons.push(reason(Level::Unhealthy, sentence, "migrate it with an older release first"));
    }
    if pending.is_empty() {
        return reasons;
    }
    let are = if pending.len() == 1 { "is pending" } else { "are pending" };
    let last = facts.history.entries.iter().filter_map(|entry| entry.completed_at.as_deref()).max();
    // Since when they are, no history knows: they came with this binary.
    let since = last.and_then(|time| since(time, facts.now));
    let since = since.map_or_else(String::new, |ago| format!("; the last one was applied {} ago", Ago(ago)));
    reasons.push(reason(Level::Degraded, format!("{}{since}", named(&pending, are)), "`migrate up`"));
    let late: Vec<_> =
        pending.into_iter().filter(|it| status.current.as_ref().is_some_and(|current| it.version < *current)).collect();
    if let (Some(current), false, OutOfOrder::Refuse) = (&status.current, late.is_empty(), facts.settings.out_of_order)
    {
        let are = if late.len() == 1 { "is" } else { "are" };
        let ending = format!("{are} older than {current}, which is applied: it will be refused");
        reasons.push(reason(Level::Degraded, named(&late, &ending), "`migrate renumber`, or allow it"));
    }
    reasons
}

/// What a newer release has applied is no reason to stop the older one.
fn unknown(facts: &Facts<'_>, status: &Status) -> Vec<Reason> {
    let last = facts.set.last().map(|migration| migration.version());
    let is_told = |it: &&MigrationStatus| {
        let is_newer = last.is_none_or(|last| it.version > *last);
        let expands = it.entry.as_ref().is_some_and(|entry| entry.phase == Some(Phase::Expand));
        match (is_newer, facts.settings.newer, facts.settings.missing) {
            (true, Newer::Allow, _) | (false, _, Missing::Allow) => false,
            (true, Newer::AllowIfExpanding, _) => !expands,
            _ => true,
        }
    };
    let unknown: Vec<_> = status.standing(Standing::Unknown).filter(is_told).collect();
    let Some(last) = unknown.last() else { return Vec::new() };
    let by = last.entry.as_ref().map_or_else(String::new, |entry| entry.application.clone());
    let are = if unknown.len() == 1 { "is" } else { "are" };
    let sentence = named(&unknown, &format!("{are} not known to this binary, applied by {by}"));
    vec![reason(Level::Degraded, sentence, &format!("deploy {by} or newer"))]
}

fn agreement(facts: &Facts<'_>, _: &Status) -> Vec<Reason> {
    let command = "look what keeps them apart (`nodetool describecluster`)";
    match facts.agreement {
        Agreement::NotOne | Agreement::One => Vec::new(),
        Agreement::Versions(versions) => {
            let sentence = format!("the nodes do not agree on the schema: they have {}", count(*versions, "version"));
            vec![reason(Level::Unhealthy, sentence, command)]
        }
        Agreement::Nodes(silent) => {
            vec![reason(Level::Degraded, format!("of the cluster, {silent} does not answer"), command)]
        }
        Agreement::Silent => {
            vec![reason(Level::Degraded, "the nodes do not answer which schema they have".to_owned(), command)]
        }
    }
}

#[cfg(test)]
mod tests;
