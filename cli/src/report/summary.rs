//! One page of text, for a mail or a ticket.

use std::fmt::Write as _;
use std::time::Duration;

use whimbrel::__private::{Took, count};
use whimbrel::{Entry, Standing, State};

use crate::command::status::{how, seconds};
use crate::report::Facts;

/// So many of the pending ones.
const MOST: usize = 10;

/// So many of the last applied migrations, and of troubles.
const LAST: usize = 5;

pub(crate) fn summary(facts: &Facts<'_>) -> String {
    let mut page = format!("{} on {}\n", facts.of, facts.database);
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{}", place(facts));
    section(&mut page, "health");
    let _ = writeln!(page, "{}", facts.health);
    applied(facts, &mut page);
    pending(facts, &mut page);
    troubles(facts, &mut page);
    section(&mut page, "schema");
    let _ = writeln!(page, "{}", facts.validation);
    section(&mut page, "recommendations");
    let _ = writeln!(page, "{}", facts.recommendations);
    page
}

fn section(page: &mut String, name: &str) {
    let _ = writeln!(page, "\n{}", name.to_uppercase());
}

fn place(facts: &Facts<'_>) -> String {
    let status = &facts.status;
    let at = match &status.current {
        Some(current) => format!("at {current} {}", facts.name_of(current)),
        None => "nothing is applied".to_owned(),
    };
    let others = [
        Standing::Pending,
        Standing::Failed,
        Standing::Stopped,
        Standing::Running,
        Standing::Changed,
        Standing::Unknown,
    ];
    let others = others.map(|standing| (facts.count(standing), standing)).into_iter().filter(|(number, _)| *number > 0);
    let others: Vec<String> = others.map(|(number, standing)| format!("{number} {standing}")).collect();
    match others.is_empty() {
        true => format!("{at}: up to date, {}", count(facts.count(Standing::Applied), "migration")),
        false if status.current.is_none() => format!("{at}: {}", others.join(", ")),
        false => format!("{at}: {} applied, {}", facts.count(Standing::Applied), others.join(", ")),
    }
}

fn applied(facts: &Facts<'_>, page: &mut String) {
    let mut completed: Vec<&Entry> = facts.entries.iter().filter(|entry| entry.state == State::Completed).collect();
    let total: i64 = completed.iter().filter_map(|entry| entry.duration_ms).sum();
    section(page, "applied");
    let took = Took(Duration::from_millis(total.max(0) as u64));
    if completed.is_empty() {
        page.push_str("none\n");
        return;
    }
    let _ = writeln!(page, "{} took {took} in all; the last ones:", count(completed.len(), "migration"));
    completed.reverse();
    for entry in completed.iter().take(LAST) {
        let (when, by) = (seconds(&entry.started_at), &entry.applied_by);
        let _ = writeln!(page, "  {when}  {} {}  by {by}, {}", entry.version, entry.name, entry.application);
    }
}

fn pending(facts: &Facts<'_>, page: &mut String) {
    section(page, "pending");
    match (&facts.plan, &facts.refused) {
        (Some(plan), _) if plan.is_empty() => page.push_str("none\n"),
        (Some(plan), _) => {
            for step in plan.steps().iter().take(MOST) {
                let statements = count(step.statements().count(), "statement");
                let _ = writeln!(page, "  {} {}  {}, {statements}", step.version(), step.name(), how(step));
            }
            let others = plan.steps().len().saturating_sub(MOST);
            if others > 0 {
                let _ = writeln!(page, "  … and {others} more: `migrate plan` shows all");
            }
        }
        (None, Some(refused)) => {
            let _ = writeln!(page, "{refused}");
        }
        (None, None) => {}
    }
}

fn troubles(facts: &Facts<'_>, page: &mut String) {
    section(page, "troubles");
    let troubles = facts.troubles();
    if troubles.is_empty() {
        let _ = writeln!(page, "none");
    }
    for (version, events) in troubles.iter().rev().take(LAST) {
        for event in events {
            let detail = event.detail.as_deref().unwrap_or_default().replace('\n', " ");
            let what = event.what.replace('_', " ");
            let _ = writeln!(page, "  {}  {version} {what} by {}  {detail}", seconds(&event.at), event.applied_by);
        }
    }
}
