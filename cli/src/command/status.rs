//! `status`: where the database stands, on one screen.

use std::collections::BTreeMap;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use whimbrel::__private::{Took, count};
use whimbrel::{MigrationStatus, Mode, Plan, Standing, Status, Step};

use crate::answer::Answer;
use crate::context::{Context, Target};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::table::{Cell, Table};

pub(crate) struct Wanted {
    pub(crate) check: bool,
    pub(crate) by_task: bool,
    pub(crate) all: bool,
}

/// So many of the applied migrations stand on the screen; `history` has them all.
const RECENT: usize = 10;

pub(crate) async fn status(context: &Context<'_>, wanted: Wanted) -> Result<Answer, Failure> {
    let target = context.target_as_it_is()?;
    let mut migrator = target.migrator()?;
    let status = migrator.status().await?;
    // What forbids it is for `plan` to say at length.
    let plan = migrator.plan(whimbrel::Target::Latest).await.ok();
    let mut screen = head(&status, &target);
    let table = if wanted.by_task { tasks(&status) } else { migrations(&status, plan.as_ref(), wanted.all) };
    if !table.is_empty() {
        screen.push_str("\n\n");
        screen.push_str(&table.written());
    }
    for migration in status.standing(Standing::Failed) {
        if let Some(error) = migration.entry.as_ref().and_then(|entry| entry.error.as_deref()) {
            let why = error.lines().next().unwrap_or_default();
            screen.push_str(&format!("\n{} {}: {why}\n", migration.version, migration.name));
        }
    }
    if let Some(next) = next(&status, &context.program) {
        screen.push_str(&format!("\nnext: {next}\n"));
    }
    let is_pending = status.standing(Standing::Pending).next().is_some();
    let exit = match wanted.check {
        true if is_pending => Exit::Pending,
        true if !status.is_up_to_date() => Exit::Refused,
        _ => Exit::Done,
    };
    Ok(Answer::new(screen, &status).exit(exit))
}

fn head(status: &Status, target: &Target<'_>) -> String {
    let current = status.current.as_ref().and_then(|version| {
        let at = status.migrations.iter().find(|migration| migration.version == *version)?;
        Some(format!("at {version} {}", at.name))
    });
    let counts = [
        (Standing::Applied, "applied"),
        (Standing::Pending, "pending"),
        (Standing::Failed, "failed"),
        (Standing::Stopped, "stopped"),
        (Standing::Running, "begun and not done"),
        (Standing::Changed, "changed"),
        (Standing::Unknown, "unknown here"),
    ];
    let counts = counts.map(|(standing, name)| (status.standing(standing).count(), name));
    let counts = counts.iter().filter(|(number, _)| *number > 0).map(|(number, name)| format!("{number} {name}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let below = match (&status.current, &status.minimum_supported) {
        (Some(current), Some(minimum)) if current < minimum => {
            format!("\nbelow {minimum}, the oldest version that is supported here")
        }
        _ => String::new(),
    };
    format!(
        "{} on {}, history {}\n{}: {}{}{below}",
        target.name(),
        target.url,
        status.history_table,
        current.as_deref().unwrap_or("nothing is applied"),
        if counts.is_empty() { "no migrations" } else { &counts },
        holder(status, target),
    )
}

fn holder(status: &Status, target: &Target<'_>) -> String {
    match &status.holder {
        Some(runner) => format!("\nmigrating now: {runner}"),
        // Nobody can tell on SQLite.
        None if target.url.scheme() == "sqlite" => String::new(),
        None => ", nobody is migrating".to_owned(),
    }
}

fn migrations(status: &Status, plan: Option<&Plan<'_>>, all: bool) -> Table {
    let mut table = Table::headed(["version", "task", "name", "state", "when", "took", "by"]);
    let applied = status.standing(Standing::Applied).count();
    let mut hidden = if all { 0 } else { applied.saturating_sub(RECENT) };
    if hidden > 0 {
        let earlier = format!("… {} earlier", count(hidden, "applied migration"));
        table.line(["…".into(), "".into(), earlier.into(), "".into(), "".into(), "".into(), "".into()]);
    }
    for migration in &status.migrations {
        if migration.standing == Standing::Applied && hidden > 0 {
            hidden -= 1;
            continue;
        }
        let step = plan.and_then(|plan| plan.steps().iter().find(|step| *step.version() == migration.version));
        let [state, when, took, by] = standing(migration, step);
        let task = migration.task.as_deref().unwrap_or_default();
        table.line([
            migration.version.to_string().into(),
            task.into(),
            (&*migration.name).into(),
            state,
            when,
            took,
            by,
        ]);
    }
    table
}

fn standing(migration: &MigrationStatus, step: Option<&Step<'_>>) -> [Cell; 4] {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let (state, style) = match migration.standing {
        Standing::Applied => ("completed", Style::new()),
        Standing::Pending => ("pending", colour(AnsiColor::Yellow)),
        Standing::Changed => ("changed", colour(AnsiColor::Red)),
        Standing::Unknown => ("unknown", colour(AnsiColor::Yellow)),
        Standing::Failed => ("failed", colour(AnsiColor::Red)),
        Standing::Stopped => ("stopped", colour(AnsiColor::Yellow)),
        _ => ("begun", colour(AnsiColor::Yellow)),
    };
    let state = Cell::styled(state, style);
    if let Some(step) = step.filter(|_| migration.standing == Standing::Pending) {
        return [state, how(step).into(), "".into(), "".into()];
    }
    let Some(entry) = migration.entry.as_ref().filter(|_| migration.standing != Standing::Pending) else {
        return [state, "".into(), "".into(), "".into()];
    };
    let took = entry.duration_ms.map(|ms| Took(Duration::from_millis(ms.max(0) as u64)).to_string());
    let by = match migration.standing {
        Standing::Failed | Standing::Running | Standing::Stopped => {
            let (done, what) = match entry.undone {
                Some(undone) => (undone, "rolled back"),
                None => (entry.applied, "done"),
            };
            format!("{}, {done} of {} statements {what}", entry.applied_by, entry.statements)
        }
        _ => entry.applied_by.clone(),
    };
    [state, seconds(&entry.started_at).into(), Cell::number(took.unwrap_or_default()), by.into()]
}

/// How a pending one would run: `expand, one transaction`.
pub(crate) fn how(step: &Step<'_>) -> String {
    let mode = match step.mode() {
        Mode::Transaction => "one transaction",
        Mode::ForeignKeysOff => "one transaction, foreign keys off",
        _ => "outside a transaction",
    };
    match step.phase() {
        Some(phase) => format!("{phase}, {mode}"),
        None => mode.to_owned(),
    }
}

/// `2026-11-20 14:02:11.128Z` to the second.
pub(crate) fn seconds(time: &str) -> String {
    match (time.rfind('.'), time.ends_with('Z')) {
        (Some(dot), true) => format!("{}Z", &time[..dot]),
        _ => time.to_owned(),
    }
}

fn tasks(status: &Status) -> Table {
    let mut tasks: BTreeMap<&str, Vec<&MigrationStatus>> = BTreeMap::new();
    for migration in &status.migrations {
        tasks.entry(migration.task.as_deref().unwrap_or("(no task)")).or_default().push(migration);
    }
    let mut table = Table::headed(["task", "migrations", "applied", "others", "last applied", "by"]);
    for (task, migrations) in tasks {
        let applied: Vec<_> = migrations.iter().filter(|it| it.standing == Standing::Applied).collect();
        let mut others: BTreeMap<String, usize> = BTreeMap::new();
        for other in migrations.iter().filter(|it| it.standing != Standing::Applied) {
            *others.entry(other.standing.to_string()).or_default() += 1;
        }
        let others: Vec<String> = others.iter().map(|(standing, number)| format!("{number} {standing}")).collect();
        let last = applied.iter().filter_map(|it| it.entry.as_ref()).max_by_key(|entry| entry.rank);
        let when = last.map(|entry| seconds(&entry.started_at)).unwrap_or_default();
        let by = last.map(|entry| entry.applied_by.clone()).unwrap_or_default();
        let numbers = [migrations.len(), applied.len()].map(|number| Cell::number(number.to_string()));
        let [all, done] = numbers;
        table.line([task.into(), all, done, others.join(", ").into(), when.into(), by.into()]);
    }
    table
}

fn next(status: &Status, program: &Program) -> Option<String> {
    let program = program.name();
    let has = |standing| status.standing(standing).next();
    if let Some(changed) = has(Standing::Changed) {
        let version = &changed.version;
        return Some(format!("restore the files, or accept them: `{program} resolve {version} --accept`"));
    }
    if has(Standing::Failed).is_some() {
        return Some(format!("mend the cause, then `{program} up`: it goes on where it failed"));
    }
    if has(Standing::Stopped).is_some() {
        return Some(format!("`{program} up` goes on where it stopped"));
    }
    if has(Standing::Running).is_some() && status.holder.is_none() {
        return Some(format!("`{program} up` finds out what became of it, and goes on"));
    }
    if has(Standing::Pending).is_some() {
        return Some(format!("`{program} plan`, then `{program} up`"));
    }
    None
}
