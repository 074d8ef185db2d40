//! The SQL that writes history and events; the same for all SQL databases but for their clocks.

use whimbrel_core::Dialect;

use crate::backup::Note;
use crate::driver::{Detail, Failure, Resolution, Rewriting};
use crate::events;
use crate::history::COLUMNS;
use crate::identity::Identity;
use crate::literal::literal;
use crate::plan::{Mode, Step};
use crate::rewrite::{Place, Value};
use crate::table_name::Tables;

/// How a dialect says what the statements below need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tongue {
    pub(crate) dialect: Dialect,
    /// The type of a version, of which each is a key, and that of other texts.
    pub(crate) key: &'static str,
    pub(crate) text: &'static str,
    /// What a text is cast to.
    pub(crate) cast: &'static str,
    /// Behind the columns of a table.
    pub(crate) engine: &'static str,
    /// A name that some servers reserve, quoted.
    pub(crate) rank: &'static str,
    /// Where a row may be there already: up to the columns that it then gets, and a column of the row that was not
    /// written; `{}` is the column.
    pub(crate) conflict: &'static str,
    pub(crate) proposed: &'static str,
    /// The type of a time.
    pub(crate) time: &'static str,
    /// The time of day, also within a transaction.
    pub(crate) now: &'static str,
    /// Milliseconds since `started_at`.
    pub(crate) elapsed: &'static str,
    /// A time column as `2025-03-01 12:00:04.128Z`; `{}` is the column.
    pub(crate) shown_time: &'static str,
}

/// The scripts stand last: SQLite reads a row up to the column that is asked for, and they may be long.
const HISTORY: &str = "CREATE TABLE {history} (
  version {key} NOT NULL PRIMARY KEY,
  {rank} BIGINT NOT NULL,
  name {text} NOT NULL,
  task {text},
  folder {text},
  kind {text} NOT NULL,
  path {text} NOT NULL,
  checksum {text} NOT NULL,
  chain {text} NOT NULL,
  state {text} NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'rolled_back')),
  statements BIGINT NOT NULL,
  applied BIGINT NOT NULL,
  undone BIGINT,
  phase {text},
  started_at {time} NOT NULL,
  completed_at {time},
  duration_ms BIGINT,
  applied_by {text} NOT NULL,
  application {text} NOT NULL,
  error {text},
  up {text} NOT NULL,
  down {text}
){engine}";

const EVENTS: &str = "CREATE TABLE {events} (
  id BIGINT NOT NULL PRIMARY KEY,
  at {time} NOT NULL,
  what {text} NOT NULL,
  version {key},
  duration_ms BIGINT,
  applied_by {text} NOT NULL,
  application {text} NOT NULL,
  detail {text}
){engine}";

/// One row at most. It says who holds the right to migrate while the lock of their session is held, and nothing
/// otherwise.
const LOCK: &str = "CREATE TABLE {lock} (
  id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  held_by {text} NOT NULL,
  process BIGINT NOT NULL,
  application {text} NOT NULL,
  backend BIGINT NOT NULL,
  backend_start {time},
  version {key} NOT NULL,
  direction {text} NOT NULL,
  statement BIGINT NOT NULL,
  statements BIGINT NOT NULL,
  since {time} NOT NULL,
  heartbeat {time}
){engine}";

/// The columns of [`enter`], in its order.
const ENTERED: [&str; 19] = [
    "version",
    "rank",
    "name",
    "task",
    "folder",
    "kind",
    "path",
    "checksum",
    "chain",
    "up",
    "down",
    "state",
    "statements",
    "applied",
    "phase",
    "started_at",
    "applied_by",
    "application",
    "error",
];

/// How far an entry says that its migration came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'e> {
    pub(crate) state: &'static str,
    pub(crate) applied: usize,
    pub(crate) error: Option<&'e str>,
}

impl Standing<'_> {
    pub(crate) fn running(step: &Step<'_>) -> Self {
        Self { state: "running", applied: step.skip, error: None }
    }
}

impl Tongue {
    fn fill(&self, template: &str, tables: &Tables) -> String {
        template
            .replace("{history}", &tables.history)
            .replace("{events}", &tables.events)
            .replace("{lock}", &tables.lock)
            .replace("{key}", self.key)
            .replace("{text}", self.text)
            .replace("{engine}", self.engine)
            .replace("{rank}", self.rank)
            .replace("{time}", self.time)
            .replace("{now}", self.now)
            .replace("{elapsed}", self.elapsed)
    }

    /// The table that tells who holds the right.
    pub(crate) fn create_lock(&self, tables: &Tables) -> String {
        self.fill(LOCK, tables)
    }

    /// Our two tables.
    pub(crate) fn create(&self, tables: &Tables) -> [String; 2] {
        [HISTORY, EVENTS].map(|template| self.fill(template, tables))
    }

    /// Selects [`COLUMNS`] as text, in the order of application; without the scripts they are NULL.
    pub(crate) fn select(&self, tables: &Tables, detail: Detail) -> String {
        let column = |name: &&str| match *name {
            "started_at" | "completed_at" => self.shown_time.replace("{}", name),
            "up" | "down" if detail == Detail::Entries => format!("CAST(NULL AS {})", self.cast),
            name => format!("CAST(h.{name} AS {})", self.cast),
        };
        let columns: Vec<String> = COLUMNS.iter().map(column).collect();
        // Qualified, or PostgreSQL would sort by the output columns, which are texts.
        format!("SELECT {} FROM {} AS h ORDER BY h.rank, h.version", columns.join(", "), tables.history)
    }

    /// Selects what the fast path compares.
    pub(crate) fn head(&self, tables: &Tables, key: &str) -> String {
        format!(
            "SELECT CAST(count(CASE WHEN state = 'completed' THEN 1 END) AS {cast}), \
             CAST(count(CASE WHEN state NOT IN ('completed', 'rolled_back') THEN 1 END) AS {cast}), \
             max(CASE WHEN version = {} AND state = 'completed' THEN chain END) FROM {}",
            literal(self.dialect, key),
            tables.history,
            cast = self.cast,
        )
    }

    /// Selects [`events::COLUMNS`] as text, the last one first.
    pub(crate) fn select_events(&self, tables: &Tables, limit: Option<usize>) -> String {
        let column = |name: &&str| match *name {
            "at" => self.shown_time.replace("{}", name),
            name => format!("CAST(e.{name} AS {})", self.cast),
        };
        let columns: Vec<String> = events::COLUMNS.iter().map(column).collect();
        let limit = limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
        format!("SELECT {} FROM {} AS e ORDER BY e.id DESC{limit}", columns.join(", "), tables.events)
    }

    /// The number of the last event.
    pub(crate) fn last_event(&self, tables: &Tables) -> String {
        format!("SELECT CAST(coalesce(max(id), 0) AS {}) FROM {}", self.cast, tables.events)
    }

    /// Writes the entry of a step that begins, over one that failed or was rolled back. `rank` is an expression, so
    /// that it may assert what the plan was made from.
    pub(crate) fn enter(
        &self,
        tables: &Tables,
        step: &Step<'_>,
        identity: &Identity,
        rank: &str,
        standing: Standing<'_>,
    ) -> String {
        let Some(record) = &step.record else { return String::new() };
        let text = |value: &str| literal(self.dialect, value);
        let maybe = |value: Option<&str>| literal(self.dialect, value);
        let values = [
            text(&step.key),
            rank.to_owned(),
            text(&step.name),
            maybe(step.task.as_deref()),
            maybe(record.folder),
            text(record.kind),
            text(&record.path),
            text(&record.checksum.to_string()),
            text(&record.chain.to_string()),
            text(record.up),
            maybe(record.down.as_deref()),
            text(standing.state),
            step.statement_count().to_string(),
            standing.applied.to_string(),
            maybe(record.phase.map(whimbrel_core::script::Phase::name)),
            self.now.to_owned(),
            text(&identity.by),
            text(&identity.application),
            maybe(standing.error),
        ];
        let columns = ENTERED.map(|column| if column == "rank" { self.rank } else { column });
        let updates = columns[1..].iter().map(|column| format!("{column} = {}", self.proposed.replace("{}", column)));
        format!(
            "INSERT INTO {} ({}) VALUES ({}) {} {}, completed_at = NULL, duration_ms = NULL",
            tables.history,
            columns.join(", "),
            values.join(", "),
            self.conflict,
            updates.collect::<Vec<_>>().join(", "),
        )
    }

    /// Notes how many statements are done; no row changes when somebody has begun the step anew since our event
    /// `begun`.
    pub(crate) fn progress(&self, tables: &Tables, step: &Step<'_>, begun: i64, done: usize) -> String {
        let (key, anew) = (literal(self.dialect, &*step.key), self.begun_anew(tables, step, begun));
        let column = if step.record.is_some() { "applied" } else { "undone" };
        format!(
            "UPDATE {} SET {column} = {done} WHERE version = {key} AND state = 'running' AND NOT EXISTS ({anew})",
            tables.history
        )
    }

    /// Selects a row when somebody has begun the step anew since our event `begun`.
    pub(crate) fn begun_anew(&self, tables: &Tables, step: &Step<'_>, begun: i64) -> String {
        let key = literal(self.dialect, &*step.key);
        format!(
            "SELECT 1 FROM {} AS e WHERE e.id > {begun} AND e.version = {key} AND e.what = 'started'",
            tables.events
        )
    }

    /// Begins a rollback. In a transaction the entry stays completed until it is done; outside one it says how far
    /// the down script came, with that script, since what is done of it may not be edited.
    pub(crate) fn begin_rollback(&self, tables: &Tables, step: &Step<'_>, identity: &Identity) -> String {
        let key = literal(self.dialect, &*step.key);
        if step.mode != Mode::Outside {
            let template = "UPDATE {history} SET started_at = {now} WHERE state = 'completed' AND version = ";
            return format!("{}{key}", self.fill(template, tables));
        }
        let [down, by, application] = [step.down.as_deref(), Some(&*identity.by), Some(&*identity.application)]
            .map(|value| literal(self.dialect, value));
        let (statements, skip) = (step.statement_count(), step.skip);
        let template = "UPDATE {history} SET state = 'running', started_at = {now}, error = NULL";
        format!(
            "{}, statements = {statements}, undone = {skip}, down = {down}, applied_by = {by}, \
             application = {application} WHERE version = {key} AND (state = 'completed' OR undone = {skip})",
            self.fill(template, tables)
        )
    }

    /// Notes that a rollback outside a transaction failed: half-way, or before it took anything back.
    pub(crate) fn fail_rollback(&self, tables: &Tables, step: &Step<'_>, failure: &Failure, cause: &str) -> String {
        let [key, cause] = [&*step.key, cause].map(|text| literal(self.dialect, text));
        let to = if failure.took_nothing_back(step, self.dialect) {
            "state = 'completed', statements = applied, undone = NULL".to_owned()
        } else {
            format!("state = 'failed', undone = {}", failure.kept)
        };
        format!(
            "UPDATE {} SET {to}, error = {cause} WHERE version = {key} AND state = 'running' AND undone IS NOT NULL",
            tables.history
        )
    }

    /// Settles an entry that stands at a statement: how many are done.
    pub(crate) fn resolve(&self, tables: &Tables, resolution: &Resolution<'_>) -> String {
        let [key, why] = [&*resolution.entry.key, &*resolution.why].map(|text| literal(self.dialect, text));
        let column = resolution.entry.progress_column();
        let (was, done) = (resolution.entry.done(), resolution.done);
        format!(
            "UPDATE {} SET state = 'failed', {column} = {done}, error = {why} \
             WHERE version = {key} AND state IN ('running', 'failed') AND {column} = {was}",
            tables.history
        )
    }

    /// Changes entries as a person says, a statement each, and then the event, whose number asserts that nothing has
    /// happened since they were read.
    pub(crate) fn rewrite(&self, tables: &Tables, rewriting: &Rewriting<'_>) -> (Vec<String>, String) {
        let Rewriting { rewrite, history, identity } = rewriting;
        let value = |value: &Value| match value {
            Value::Text(text) => literal(self.dialect, text.as_deref()),
            Value::Number(number) => number.to_string(),
            Value::Null => "NULL".to_owned(),
            Value::Now => self.now.to_owned(),
        };
        let column = |name: &'static str| if name == "rank" { self.rank } else { name };
        let changes = rewrite.changes.iter().map(|change| {
            let key = literal(self.dialect, &*change.after.key);
            let set = change.set.iter().map(|(name, to)| (column(name), value(to)));
            if change.place == Place::Known {
                let set: Vec<String> = set.map(|(name, to)| format!("{name} = {to}")).collect();
                return format!("UPDATE {} SET {} WHERE version = {key}", tables.history, set.join(", "));
            }
            let (names, values): (Vec<&str>, Vec<String>) = set.unzip();
            let (names, values) = (names.join(", "), values.join(", "));
            format!("INSERT INTO {} (version, {names}) VALUES ({key}, {values})", tables.history)
        });
        let told = (rewrite.what, Some(&*rewrite.why));
        let (insert, values) = self.event(tables, &rewrite.key, identity, told);
        (changes.collect(), format!("{insert} SELECT {values}, {}, NULL", history.last_event + 1))
    }

    /// Completes the entry of a step.
    pub(crate) fn leave(&self, tables: &Tables, step: &Step<'_>) -> String {
        let key = literal(self.dialect, &*step.key);
        let (from, to) = match (&step.record, step.mode) {
            (Some(_), _) => ("running", "state = 'completed', applied = statements"),
            (None, Mode::Outside) => {
                ("running", "state = 'rolled_back', statements = applied, applied = 0, undone = NULL")
            }
            (None, _) => ("completed", "state = 'rolled_back', applied = 0"),
        };
        let template = "UPDATE {history} SET completed_at = {now}, duration_ms = {elapsed}, error = NULL, ";
        format!("{}{to} WHERE state = '{from}' AND version = {key}", self.fill(template, tables))
    }

    /// Gives the entries above a step the chains that its arrival or its going makes.
    pub(crate) fn rechain(&self, tables: &Tables, step: &Step<'_>) -> impl Iterator<Item = String> {
        step.rechain.iter().map(|(key, chain)| {
            let key = literal(self.dialect, &**key);
            format!("UPDATE {} SET chain = '{chain}' WHERE version = {key}", tables.history)
        })
    }

    /// Writes that a backup was made, with the tables where they are missing.
    pub(crate) fn backed_up(&self, tables: &Tables, note: &Note<'_>) -> String {
        let mut create =
            self.create(tables).map(|sql| sql.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1) + ";\n");
        // The history last: whoever finds it, also where each table commits by itself, finds all that belongs to it.
        create.reverse();
        let create = if note.is_present { String::new() } else { create.concat() };
        let (insert, values) = self.event(tables, note.key, note.identity, (Note::WHAT, Some(&note.detail)));
        let took = note.took.as_millis();
        format!("{create}{insert} SELECT {values}, coalesce(max(id), 0) + 1, {took} FROM {}", tables.events)
    }

    /// The head of an event: the columns, and the values but for `id`, `at` and `duration_ms`.
    pub(crate) fn event(
        &self,
        tables: &Tables,
        key: &str,
        identity: &Identity,
        event: (&str, Option<&str>),
    ) -> (String, String) {
        let columns = "what, version, applied_by, application, detail, at, id, duration_ms";
        let values = [Some(event.0), Some(key), Some(&*identity.by), Some(&*identity.application), event.1];
        let values = values.map(|value| literal(self.dialect, value)).join(", ");
        (format!("INSERT INTO {} ({columns})", tables.events), format!("{values}, {}", self.now))
    }
}
