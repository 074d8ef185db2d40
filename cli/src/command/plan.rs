//! `plan`: the exact statements, in which transactions, and what each locks; nothing is touched.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use whimbrel::__private::count;
use whimbrel::{Action, Dialect, Lock, Migrator, Plan, Step};

use crate::answer::Answer;
use crate::arguments::{Down, Up};
use crate::command::status::how;
use crate::context::Context;
use crate::failure::Failure;
use crate::named;
use crate::table::{Cell, Table};

pub(crate) struct Wanted {
    pub(crate) target: Up,
    pub(crate) down: bool,
    pub(crate) task: Option<String>,
    pub(crate) sql: bool,
}

pub(crate) async fn plan(context: &Context<'_>, wanted: Wanted) -> Result<Answer, Failure> {
    let target = context.target()?;
    let mut migrator = target.migrator()?;
    let plan = if wanted.down {
        let Up { until: what, to, steps } = wanted.target;
        let down = Down { what, task: wanted.task, to, steps, all: false };
        migrator.plan_down(named::rollback(&target.migrations, &down)?).await?
    } else {
        migrator.plan(named::target(&target.migrations, &wanted.target)?).await?
    };
    let text = if wanted.sql { Text::Whole } else { Text::Beginning };
    let facts = Facts { dialect: target.url.dialect(), sizes: sizes(&mut migrator, &plan, target.url.dialect()).await };
    Ok(Answer::new(screen(&plan, text, &facts), value(&plan, &facts)))
}

/// What a plan's screen tells beside the plan.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Whose locks are told.
    pub(crate) dialect: Option<Dialect>,
    /// About how many rows the locked tables have.
    pub(crate) sizes: BTreeMap<String, u64>,
}

/// The sizes of what is locked; none where they cannot be had.
pub(crate) async fn sizes(
    migrator: &mut Migrator<'_>,
    plan: &Plan<'_>,
    dialect: Option<Dialect>,
) -> BTreeMap<String, u64> {
    let Some(dialect) = dialect else { return BTreeMap::new() };
    let locks = plan.steps().iter().flat_map(|step| step.locks(dialect)).flatten();
    let tables: BTreeSet<String> = locks.filter_map(|lock| lock.table).collect();
    if tables.is_empty() {
        return BTreeMap::new();
    }
    migrator.table_sizes(tables).await.unwrap_or_default()
}

/// The plan with the locks of each statement.
fn value(plan: &Plan<'_>, facts: &Facts) -> Value {
    let mut value = serde_json::to_value(plan).unwrap_or_default();
    let steps = value["steps"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    for (shape, step) in steps.iter_mut().zip(plan.steps()) {
        shape["locks"] = json!(facts.dialect.map(|dialect| step.locks(dialect)));
    }
    value["table_rows"] = json!(facts.sizes);
    value
}

/// How much of each statement is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Whole,
    /// What fits beside its lock.
    Beginning,
}

/// So many characters of a statement's beginning.
const BEGINNING: usize = 48;

/// The plan for a person, with a last line that sums it up.
pub(crate) fn screen(plan: &Plan<'_>, text: Text, facts: &Facts) -> String {
    if plan.is_empty() {
        return "nothing to do".to_owned();
    }
    let mut screen = String::new();
    let width = plan.steps().iter().map(|step| label(step).chars().count()).max().unwrap_or(0).max(46);
    for step in plan.steps() {
        screen.push_str(&format!("{:width$}  {}\n", label(step), how_it_runs(step)));
        screen.push_str(&statements(step, text, facts));
    }
    let total = plan.steps().iter().map(|step| step.statements().count()).sum();
    let migrations = count(plan.steps().len(), "migration");
    screen.push_str(&format!("{migrations}, {}; nothing was run", count(total, "statement")));
    screen
}

fn label(step: &Step<'_>) -> String {
    let back = if step.action() == Action::RollBack { "roll back " } else { "" };
    format!("{back}{} {}", step.version(), step.name())
}

fn how_it_runs(step: &Step<'_>) -> String {
    let resumed = if step.is_resumed() { ", goes on where it stopped" } else { "" };
    format!("{}{resumed}", how(step))
}

/// Its statements, with what each locks.
pub(crate) fn statements(step: &Step<'_>, text: Text, facts: &Facts) -> String {
    let locks = facts.dialect.map(|dialect| step.locks(dialect)).unwrap_or_default();
    let mut locks = locks.into_iter();
    let mut table = Table::default();
    for (number, statement) in (1..).zip(step.statements()) {
        let number = Cell::number(format!("{number:>3}"));
        let shown = |lock: &Lock| lock.shown(lock.table.as_ref().and_then(|table| facts.sizes.get(table)).copied());
        let locks: Vec<String> = locks.next().unwrap_or_default().iter().map(shown).collect();
        match text {
            Text::Beginning => table.line([number, beginning(statement).into(), locks.join("; ").into()]),
            Text::Whole => {
                let comment =
                    if locks.is_empty() { String::new() } else { format!("\n       -- {}", locks.join("; ")) };
                table.line([number, format!("{}{comment}", statement.replace('\n', "\n       ")).into(), "".into()]);
            }
        }
    }
    table.written()
}

/// One line of a statement, cut where it gets too long.
pub(crate) fn beginning(statement: &str) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(BEGINNING) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
