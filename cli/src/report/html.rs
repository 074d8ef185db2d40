//! One page for people, in one file: no network, light and dark, by keyboard.

use std::collections::BTreeMap;
use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use whimbrel::__private::{Took, count};
use whimbrel::{Entry, Event, Level, Plan, Standing, State, Version};

use crate::command::plan::{self, Text};
use crate::command::status::{how, seconds};
use crate::report::{Facts, is_trouble};

const STYLE: &str = include_str!("style.css");

pub(crate) fn html(facts: &Facts<'_>) -> String {
    let of = facts.of.trim_matches('`');
    let sections = [
        ("health", "Health", health(facts)),
        ("pending", "Pending", pending(facts)),
        ("timeline", "Timeline", timeline(facts)),
        ("troubles", "Failures, and what followed", troubles(facts)),
        ("tasks", "Tasks", tasks(facts)),
        ("schema", "Schema", schema(facts)),
        ("recommendations", "Recommendations", recommendations(facts)),
    ];
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Migrations of " (of) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#health" { "To the report" }
                header {
                    h1 { "Migrations of " (of) }
                    p.soft { "on " (facts.database) ", history " (facts.status.history_table) }
                    (numbers(facts))
                    nav aria-label="Sections" {
                        ul { @for (id, name, _) in &sections { li { a href={ "#" (id) } { (name) } } } }
                    }
                }
                main {
                    @for (id, name, body) in &sections {
                        section aria-labelledby=(id) { h2 id=(id) { (name) } (body) }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn numbers(facts: &Facts<'_>) -> Markup {
    let current = facts.status.current.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let counts = [
        ("applied", Standing::Applied, "good"),
        ("pending", Standing::Pending, "warn"),
        ("failed", Standing::Failed, "bad"),
        ("stopped", Standing::Stopped, "warn"),
        ("begun and not done", Standing::Running, "warn"),
        ("changed", Standing::Changed, "bad"),
        ("unknown", Standing::Unknown, "warn"),
    ];
    markup! {
        ul.numbers {
            li { b.version { (current) } "version" }
            @for (name, standing, class) in counts {
                @let number = facts.count(standing);
                @if number > 0 { li { b class=(class) { (number) } (name) } }
            }
            @let problems = facts.validation.problems.len();
            @if problems > 0 { li { b.bad { (problems) } "in the schema" } }
        }
        @if let Some(runner) = &facts.status.holder { p.warn { "Migrating now: " (runner) } }
    }
}

fn health(facts: &Facts<'_>) -> Markup {
    let class = |level: Level| match level {
        Level::Healthy => "good",
        Level::Degraded => "warn",
        _ => "bad",
    };
    markup! {
        p class=(class(facts.health.level)) { b { (facts.health.level.name()) } }
        @if !facts.health.reasons.is_empty() {
            ul {
                @for reason in &facts.health.reasons {
                    li {
                        span class=(class(reason.level)) { (reason.sentence) }
                        @if let Some(command) = &reason.command { ": " (command) }
                    }
                }
            }
        }
    }
}

fn pending(facts: &Facts<'_>) -> Markup {
    match (&facts.plan, &facts.refused) {
        (Some(plan), _) if plan.is_empty() => markup! { p.good { "Nothing is pending." } },
        (Some(plan), _) => steps(facts, plan),
        (None, refused) => markup! {
            p.bad { "Nothing would be run:" }
            pre tabindex="0" { (refused.as_deref().unwrap_or_default()) }
        },
    }
}

fn steps(facts: &Facts<'_>, plan: &Plan<'_>) -> Markup {
    markup! {
        p { (count(plan.steps().len(), "migration")) ", in this order:" }
        ol.timeline {
            @for step in plan.steps() {
                li {
                    details {
                        summary {
                            span.what {
                                span.version { (step.version()) }
                                span { (step.name()) " " (task(step.task())) }
                                span.soft { (how(step)) }
                                span.took { (count(step.statements().count(), "statement")) }
                            }
                        }
                        pre tabindex="0" { (plan::statements(step, Text::Whole, &facts.locks)) }
                    }
                }
            }
        }
        p.soft { (last_line(&plan::screen(plan, Text::Beginning, &facts.locks))) }
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

fn task(task: Option<&str>) -> Markup {
    markup! { @if let Some(task) = task { span.badge { (task) } } }
}

/// By day, the last one first.
fn timeline(facts: &Facts<'_>) -> Markup {
    let mut days: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &facts.entries {
        days.entry(entry.started_at.split(' ').next().unwrap_or_default()).or_default().push(entry);
    }
    let longest = facts.entries.iter().filter_map(|entry| entry.duration_ms).max().unwrap_or(0);
    markup! {
        @if days.is_empty() { p { "Nothing has been applied." } }
        @for (day, entries) in days.iter().rev() {
            h3 { (day) }
            ol.timeline reversed { @for entry in entries.iter().rev() { li { (one(facts, entry, longest)) } } }
        }
    }
}

fn one(facts: &Facts<'_>, entry: &Entry, longest: i64) -> Markup {
    let (word, class) = match entry.state {
        State::Completed => ("completed", "good"),
        State::Failed => ("failed", "bad"),
        State::RolledBack => ("rolled back", "soft"),
        _ => ("begun", "warn"),
    };
    let took = entry.duration_ms.map(|ms| Took(Duration::from_millis(ms.max(0) as u64)).to_string());
    let events = of(facts, &entry.version);
    markup! {
        details {
            summary {
                span.what {
                    span.version { (entry.version) }
                    span { (entry.name) " " (task(entry.task.as_deref())) " " span class=(class) { (word) } }
                    span aria-hidden="true" { span.bar style={ "width:" (width(entry.duration_ms, longest)) "%" } {} }
                    span.took { (took.unwrap_or_default()) }
                }
            }
            p {
                "Began " (seconds(&entry.started_at)) " by " (entry.applied_by) " with " (entry.application) ", from "
                code { (entry.path) } "; " (entry.applied) " of " (count(entry.statements, "statement")) "."
            }
            @if let Some(error) = &entry.error { pre.bad tabindex="0" { (error) } }
            (table(&events))
        }
    }
}

/// In percent, by the logarithm: a second among minutes is still seen.
fn width(ms: Option<i64>, longest: i64) -> u32 {
    let size = |ms: i64| ((ms.max(0) + 1) as f64).ln();
    let most = size(longest).max(1.0);
    (size(ms.unwrap_or(0)) / most * 100.0).round() as u32
}

fn of<'f>(facts: &'f Facts<'_>, version: &Version) -> Vec<&'f Event> {
    facts.events.iter().filter(|event| event.version.as_ref() == Some(version)).collect()
}

fn table(events: &[&Event]) -> Markup {
    markup! {
        @if !events.is_empty() {
            div.wide tabindex="0" role="region" aria-label="Events" {
                table {
                    thead { tr { @for name in ["When", "What", "Who", "Detail"] { th scope="col" { (name) } } } }
                    tbody {
                        @for event in events {
                            tr {
                                td { (seconds(&event.at)) }
                                td class=[is_trouble(event).then_some("bad")] { (event.what.replace('_', " ")) }
                                td { (event.applied_by) ", " (event.application) }
                                td { (event.detail.as_deref().unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn troubles(facts: &Facts<'_>) -> Markup {
    let troubles = facts.troubles();
    markup! {
        @if troubles.is_empty() { p.good { "None." } }
        @for (version, events) in troubles.iter().rev() {
            h3 { (version) }
            (table(events))
        }
    }
}

fn tasks(facts: &Facts<'_>) -> Markup {
    let mut tasks: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for migration in &facts.status.migrations {
        let Some(task) = &migration.task else { continue };
        let (applied, all) = tasks.entry(task).or_default();
        *all += 1;
        *applied += usize::from(migration.standing == Standing::Applied);
    }
    markup! {
        @if tasks.is_empty() { p { "No migration belongs to a task." } }
        @else {
            table {
                thead { tr { th scope="col" { "Task" } th scope="col" { "Applied" } th scope="col" { "Migrations" } } }
                tbody {
                    @for (task, (applied, all)) in &tasks {
                        tr { th scope="row" { (task) } td { (applied) } td { (all) } }
                    }
                }
            }
        }
    }
}

fn schema(facts: &Facts<'_>) -> Markup {
    let class = if facts.validation.is_valid() { "good" } else { "bad" };
    markup! { pre class=(class) tabindex="0" { (facts.validation) } }
}

fn recommendations(facts: &Facts<'_>) -> Markup {
    markup! { pre tabindex="0" { (facts.recommendations) } }
}
