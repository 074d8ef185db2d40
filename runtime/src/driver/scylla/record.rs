//! The CQL of the history: one partition holds the right to migrate, the entries and the events, so that what belongs
//! together is one conditional write.
//!
//! Static columns say who holds the right (`fence`, `owner`, `beat` …), and what the fast path asks. The rows of
//! `part` *entry* are the entries, one without a version among them, so that a read of the entries always finds the
//! static columns; those of *event* are the events, by their numbers.

use std::time::Duration;

use whimbrel_core::Dialect;

use crate::driver::scylla::table::Table;
use crate::driver::{Detail, Failure, Resolution};
use crate::history::COLUMNS;
use crate::identity::Identity;
use crate::literal::literal;
use crate::plan::Step;
use crate::report::Action;
use crate::rewrite::{Change, Value};

const COLUMNS_OF_TABLE: &str = "
  scope text, part text, version text, event bigint,
  fence bigint static, owner text static, beat bigint static, lease_ms bigint static, write_id text static,
  held_by text static, process bigint static, held_application text static, held_since timestamp static,
  work_version text static, work_direction text static, work_statement bigint static, work_statements bigint static,
  last_event bigint static, last_write_time bigint static,
  head text static, head_chain text static, completed bigint static, unfinished bigint static,
  rank bigint, name text, task text, folder text, kind text, path text, checksum text, chain text, state text,
  statements bigint, applied bigint, undone bigint, phase text, started_at timestamp, completed_at timestamp,
  duration_ms bigint, applied_by text, application text, error text, up text, down text,
  at_statement bigint, at_digest text, coordinator text, schema_before text, write_time bigint,
  at timestamp, what text, of_version text, detail text,
  PRIMARY KEY (scope, part, version, event)";

/// A replica that has just died is not waited for: half of the read timeout, by default (tried).
const OPTIONS: &str = "speculative_retry = '100ms' AND comment = 'what whimbrel has migrated; never write to it'";

const NOW: &str = "toTimestamp(now())";

/// A text as a literal, or `null`.
pub(crate) fn text<'v>(value: impl Into<Option<&'v str>>) -> String {
    literal(Dialect::Cql, value)
}

pub(crate) fn create(table: &Table) -> String {
    format!("CREATE TABLE IF NOT EXISTS {} ({COLUMNS_OF_TABLE}\n) WITH ID = {} AND {OPTIONS}", table.quoted, table.id)
}

/// The ids of the table that a node knows.
pub(crate) fn id(table: &Table) -> String {
    let [keyspace, name] = [&table.keyspace, &table.name].map(|name| text(&**name));
    format!("SELECT id FROM system_schema.tables WHERE keyspace_name = {keyspace} AND table_name = {name}")
}

/// The columns of the fast path: one row of one partition.
pub(crate) fn head(table: &Table) -> String {
    format!("SELECT head, head_chain, completed, unfinished FROM {} WHERE scope = 'whimbrel' LIMIT 1", table.quoted)
}

/// Columns beside [`COLUMNS`], before them, in this order.
pub(crate) const STATICS: [&str; 20] = [
    "fence",
    "owner",
    "write_id",
    "beat",
    "lease_ms",
    "last_event",
    "last_write_time",
    "held_by",
    "process",
    "held_application",
    "work_version",
    "work_direction",
    "work_statement",
    "work_statements",
    "held_since",
    "at_statement",
    "at_digest",
    "coordinator",
    "schema_before",
    "write_time",
];

/// The right and the entries, by a read of the row that is always there and all others.
pub(crate) fn history(table: &Table, detail: Detail) -> String {
    let column = |name: &'static str| match name {
        "up" | "down" if detail == Detail::Entries => None,
        name => Some(name),
    };
    let columns: Vec<&str> = STATICS.into_iter().chain(COLUMNS.into_iter().filter_map(column)).collect();
    format!(
        "SELECT toUnixTimestamp(now()), writetime(beat), {} FROM {} WHERE scope = 'whimbrel' AND part = 'entry'",
        columns.join(", "),
        table.quoted
    )
}

/// The events, the last one first, as [`Event`](crate::events::Event) reads them.
pub(crate) fn events(table: &Table, limit: Option<usize>) -> String {
    let limit = limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
    format!(
        "SELECT event, at, what, of_version, duration_ms, applied_by, application, detail FROM {} \
         WHERE scope = 'whimbrel' AND part = 'event' AND version = '' ORDER BY part DESC, version DESC, event DESC{limit}",
        table.quoted
    )
}

/// Who holds the right, and the last write under it.
pub(crate) fn right(table: &Table) -> String {
    format!("SELECT fence, owner, write_id FROM {} WHERE scope = 'whimbrel' LIMIT 1", table.quoted)
}

/// Who has taken the right over since an event.
pub(crate) fn takeovers(table: &Table, since: i64) -> String {
    format!(
        "SELECT what, applied_by FROM {} WHERE scope = 'whimbrel' AND part = 'event' AND version = '' AND event > {since}",
        table.quoted
    )
}

/// Assignments to columns, of which the last one for each column counts.
#[derive(Debug, Default)]
pub(crate) struct Set(Vec<(&'static str, String)>);

impl Set {
    pub(crate) fn text<'v>(self, column: &'static str, value: impl Into<Option<&'v str>>) -> Self {
        self.with(column, text(value))
    }

    pub(crate) fn number(self, column: &'static str, value: impl Into<Option<i64>>) -> Self {
        self.with(column, value.into().map_or_else(|| "null".to_owned(), |value| value.to_string()))
    }

    pub(crate) fn now(self, column: &'static str) -> Self {
        self.with(column, NOW.to_owned())
    }

    fn with(mut self, column: &'static str, value: String) -> Self {
        self.0.retain(|(known, _)| *known != column);
        self.0.push((column, value));
        self
    }

    pub(crate) fn and(self, other: Self) -> Self {
        other.0.into_iter().fold(self, |set, (column, value)| set.with(column, value))
    }

    fn into_text(self) -> String {
        self.0.into_iter().map(|(column, value)| format!("{column} = {value}")).collect::<Vec<_>>().join(", ")
    }
}

/// A conditional write to the static columns, together with rows: all of it or nothing.
pub(crate) fn guarded(table: &Table, set: Set, condition: &str, rows: &[String]) -> String {
    let set = set.into_text();
    let guard = format!("UPDATE {} SET {set} WHERE scope = 'whimbrel' IF {condition}", table.quoted);
    if rows.is_empty() {
        return guard;
    }
    format!("BEGIN BATCH\n{guard};\n{};\nAPPLY BATCH", rows.join(";\n"))
}

/// Changes an entry.
pub(crate) fn entry(table: &Table, key: &str, set: Set) -> String {
    format!(
        "UPDATE {} SET {} WHERE scope = 'whimbrel' AND part = 'entry' AND version = {} AND event = 0",
        table.quoted,
        set.into_text(),
        text(key)
    )
}

/// The row without a version, which makes the static columns be found among the entries.
pub(crate) fn first_row(table: &Table) -> String {
    entry(table, "", Set::default().text("kind", "right"))
}

/// What happened to a migration, or to the right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'e> {
    pub(crate) number: i64,
    pub(crate) what: &'e str,
    pub(crate) key: &'e str,
    pub(crate) detail: Option<&'e str>,
    pub(crate) took: Option<Duration>,
}

pub(crate) fn event(table: &Table, identity: &Identity, event: Event<'_>) -> String {
    let took = event.took.map_or("null".to_owned(), |took| took.as_millis().to_string());
    format!(
        "INSERT INTO {} (scope, part, version, event, at, what, of_version, applied_by, application, detail, duration_ms) \
         VALUES ('whimbrel', 'event', '', {}, {NOW}, {}, {}, {}, {}, {}, {took})",
        table.quoted,
        event.number,
        text(event.what),
        text(event.key),
        text(&*identity.by),
        text(&*identity.application),
        text(event.detail),
    )
}

/// What an entry says when its step begins.
pub(crate) fn begin(step: &Step<'_>, identity: &Identity) -> Set {
    let by = |set: Set| {
        set.text("applied_by", &*identity.by)
            .text("application", &*identity.application)
            .text("error", None)
            .now("started_at")
    };
    let statements = step.statement_count() as i64;
    let set = by(Set::default().text("state", "running").number("statements", statements));
    let Some(record) = &step.record else {
        return set.number("undone", step.skip as i64).text("down", step.down.as_deref());
    };
    set.number("rank", record.rank)
        .text("name", &*step.name)
        .text("task", step.task.as_deref())
        .text("folder", record.folder)
        .text("kind", record.kind)
        .text("path", &*record.path)
        .text("checksum", &*record.checksum.to_string())
        .text("chain", &*record.chain.to_string())
        .text("phase", record.phase.map(whimbrel_core::script::Phase::name))
        .text("up", record.up)
        .text("down", record.down.as_deref())
        .number("applied", step.skip as i64)
        .number("undone", None)
        .number("duration_ms", None)
        .text("completed_at", None)
}

/// What is being done at a statement, so that whoever comes after us can tell what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Counted from 0; `None` when nothing is being done.
    pub(crate) statement: Option<usize>,
    /// A digest of its text, which may be edited before it is sent again.
    pub(crate) digest: Option<String>,
    /// The host id of the node that it goes through.
    pub(crate) coordinator: Option<String>,
    /// A digest of what the statement may change, before a schema change.
    pub(crate) schema_before: Option<String>,
    /// The time of what it writes, in microseconds since 1970.
    pub(crate) write_time: Option<i64>,
}

impl Mark {
    pub(crate) fn set(&self) -> Set {
        Set::default()
            .number("at_statement", self.statement.map(|statement| statement as i64))
            .text("at_digest", self.digest.as_deref())
            .text("coordinator", self.coordinator.as_deref())
            .text("schema_before", self.schema_before.as_deref())
            .number("write_time", self.write_time)
    }
}

/// The column that counts the statements that are done.
pub(crate) fn progress_column(step: &Step<'_>) -> &'static str {
    if step.record.is_some() { "applied" } else { "undone" }
}

/// What an entry says when its step is done; `applied` is what the entry said of it before a rollback.
pub(crate) fn leave(step: &Step<'_>, took: Duration, applied: usize) -> Set {
    let set = Set::default().now("completed_at").number("duration_ms", took.as_millis() as i64).text("error", None);
    let set = set.and(Mark::default().set());
    match step.record {
        Some(_) => set.text("state", "completed").number("applied", step.statement_count() as i64),
        None => {
            let set = set.text("state", "rolled_back").number("statements", applied as i64);
            set.number("applied", 0).number("undone", None)
        }
    }
}

/// What an entry says when its step has failed.
pub(crate) fn fail(step: &Step<'_>, failure: &Failure, applied: usize, mark: Mark) -> Set {
    let cause = failure.cause.to_string();
    let set = Set::default().text("error", &*cause).and(mark.set());
    if step.action != Action::RollBack {
        return set.text("state", "failed").number("applied", failure.kept as i64);
    }
    if failure.took_nothing_back(step, Dialect::Cql) {
        return set.text("state", "completed").number("statements", applied as i64).number("undone", None);
    }
    set.text("state", "failed").number("undone", failure.kept as i64)
}

/// What an entry says when it is settled.
pub(crate) fn settle(resolution: &Resolution<'_>, mark: Mark) -> Set {
    let column = resolution.entry.progress_column();
    let set = Set::default().text("state", "failed").text("error", &*resolution.why);
    set.number(column, resolution.done as i64).and(mark.set())
}

/// What an entry says when it is changed as a person says: nothing is under way at it.
pub(crate) fn change(change: &Change) -> Set {
    let write = |set: Set, (column, value): &(&'static str, Value)| match value {
        Value::Text(text) => set.text(column, text.as_deref()),
        Value::Number(number) => set.number(column, *number),
        Value::Null => set.number(column, None),
        Value::Now => set.now(column),
    };
    change.set.iter().fold(Mark::default().set(), write)
}
