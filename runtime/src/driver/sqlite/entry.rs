//! The SQL of a step's entry, from its beginning to its end.

use crate::driver::Batch;
use crate::driver::completed::Completed;
use crate::driver::entry::Standing;
use crate::driver::sqlite::TONGUE;
use crate::literal::literal;
use crate::plan::Step;
use crate::report::Action;
use crate::table_name::Tables;

/// Writes the entry of a step that begins.
pub(crate) fn enter(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> String {
    match &step.record {
        Some(record) => TONGUE.enter(tables, step, batch.identity, &record.rank.to_string(), Standing::running(step)),
        None => TONGUE.begin_rollback(tables, step, batch.identity),
    }
}

/// Completes the entry and adds the event.
pub(crate) fn leave(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>, event: i64) -> String {
    let what = match step.action {
        Action::Apply => "applied",
        Action::RollBack => "rolled_back",
        Action::Baseline => "baselined",
    };
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, (what, None));
    let key = literal(TONGUE.dialect, &*step.key);
    let duration = format!("(SELECT duration_ms FROM {} WHERE version = {key})", tables.history);
    let mut sql = vec![TONGUE.leave(tables, step), format!("{insert} VALUES ({values}, {event}, {duration})")];
    sql.extend(TONGUE.rechain(tables, step));
    sql.join(";\n")
}

/// Whether there was an entry to complete.
pub(crate) fn has_left(answer: &Completed) -> bool {
    answer.statements.first().is_some_and(|left| left.changed == 1)
}
