//! `plan`: the exact statements, in which transactions, and what each locks; nothing is touched.

use whimbrel::__private::count;
use whimbrel::{Action, Plan, Step};

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
        let Up { until: what, to } = wanted.target;
        let down = Down { what, task: wanted.task, to, all: false };
        migrator.plan_down(named::rollback(&target.migrations, &down)).await?
    } else {
        migrator.plan(named::target(&target.migrations, &wanted.target)?).await?
    };
    let text = if wanted.sql { Text::Whole } else { Text::Beginning };
    Ok(Answer::new(screen(&plan, text), &plan))
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
pub(crate) fn screen(plan: &Plan<'_>, text: Text) -> String {
    if plan.is_empty() {
        return "nothing to do".to_owned();
    }
    let mut screen = String::new();
    let width = plan.steps().iter().map(|step| label(step).chars().count()).max().unwrap_or(0).max(46);
    for step in plan.steps() {
        screen.push_str(&format!("{:width$}  {}\n", label(step), how_it_runs(step)));
        screen.push_str(&statements(step, text));
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

fn statements(step: &Step<'_>, text: Text) -> String {
    let mut table = Table::default();
    for (number, statement) in (1..).zip(step.statements()) {
        let number = Cell::number(format!("{number:>3}"));
        match text {
            Text::Beginning => table.line([number, beginning(statement).into()]),
            Text::Whole => table.line([number, statement.replace('\n', "\n       ").into()]),
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
