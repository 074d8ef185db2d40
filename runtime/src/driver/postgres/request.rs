//! The texts that PostgreSQL is sent; each line that looks superfluous was found missing once.

use std::fmt::Write as _;

use whimbrel_core::{Dialect, Script};

use crate::doubt::Thing;
use crate::driver::entry::{Standing, Tongue};
use crate::driver::postgres::link::Link;
use crate::driver::postgres::pooler::IS_DIRECT;
use crate::driver::postgres::right::is_lock;
use crate::driver::request::Request;
use crate::driver::{Batch, Detail, Failure, Part, Resolution, Rewriting};
use crate::literal::literal;
use crate::plan::{Mode, Step, drops_border};
use crate::report::Action;
use crate::settings::whole_millis;
use crate::table_name::Tables;

pub(crate) const TONGUE: Tongue = Tongue {
    dialect: Dialect::Postgres,
    key: "TEXT",
    text: "TEXT",
    cast: "TEXT",
    engine: "",
    rank: "rank",
    conflict: "ON CONFLICT (version) DO UPDATE SET",
    proposed: "excluded.{}",
    time: "TIMESTAMPTZ",
    // now() is the time of the request: every step of a chunk would start and end at once.
    now: "clock_timestamp()",
    elapsed: "(extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint",
    shown_time: "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS\"Z\"')",
};

/// What a session of ours may be given by a script, and gets rid of; `DISCARD ALL` is refused in a request of several
/// statements, and `RESET ALL` resets neither role nor authorization.
const RESET: [&str; 3] = ["SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE", "RESET ALL"];
const DISCARD: [&str; 5] =
    ["CLOSE ALL", "DEALLOCATE ALL", "UNLISTEN *", "DISCARD TEMP", "SELECT pg_advisory_unlock_all()"];

/// Around a query that must return a row: else it fails with an error that no sane query has of its own, the square
/// root of -1.
pub(crate) const MUST_FIND: (&str, &str) = ("SELECT sqrt(EXISTS(\n", "\n)::int - 1)");
/// Invalid argument for power function (manual, appendix A).
pub(crate) const FOUND_NOTHING: &str = "2201F";

/// Selects the session that holds a lock, in words.
pub(crate) const SESSION_OF_LOCK: &str = "(SELECT format('pid %s (%s, %s) since %s', a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed'), \
     to_char(coalesce(a.xact_start, a.state_change) AT TIME ZONE 'UTC', 'HH24:MI:SS\"Z\"')) \
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE {is_lock} LIMIT 1)";

/// The history in one request: who holds the lock, what the session has set and whether a table of ours is there;
/// the last event; the entries.
///
/// The event is read first, so that a change in between makes the plan stale, not wrong.
pub(crate) fn history(tables: &Tables, detail: Detail) -> String {
    let holder = SESSION_OF_LOCK.replace("{is_lock}", &is_lock(tables.key));
    let entries = TONGUE.select(tables, detail);
    let last_event = TONGUE.last_event(tables);
    let [history, events, lock] =
        [&tables.history, &tables.events, &tables.lock].map(|name| literal(Dialect::Postgres, &**name));
    format!(
        "SELECT {holder}, session_user::text, \
         current_setting('role'), (SELECT string_agg(name || E'\\x1f' || setting, E'\\x1e') FROM pg_settings \
         WHERE source = 'session' AND context IN ('user', 'superuser')), \
         coalesce(to_regclass({history}), to_regclass({events}))::text, {IS_DIRECT}, \
         to_regclass({lock})::text;\n{last_event};\n{entries};"
    )
}

/// Steps as one request, each its own transaction; `first` is the index of the first in its batch.
pub(crate) fn chunk(link: &Link<'_>, tables: &Tables, batch: &Batch<'_>, first: usize, event: i64) -> Chunk {
    let mut size = 0;
    let fits = |step: &&Step<'_>| {
        let before = size;
        size += step
            .record
            .as_ref()
            .map_or(0, |record| 2 * record.up.len() + record.down.as_ref().map_or(0, |down| down.len()));
        before < CHUNK
    };
    let steps = first..first + batch.steps[first..].iter().take_while(fits).count();
    let mut request = Request::default();
    for index in steps.clone() {
        let flush = if index + 1 == steps.end { Flush::Now } else { Flush::WithTheLast };
        let event = event + (index - first) as i64;
        push_step(&mut request, link, tables, batch, Place { index, event, flush });
    }
    Chunk { request, steps }
}

/// About a megabyte a request: large enough that round trips vanish, small enough that none holds much memory.
const CHUNK: usize = 1 << 20;

/// Where a step stands in its chunk.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    /// The last event before it.
    event: i64,
    flush: Flush,
}

/// When a commit must be on the disk.
#[derive(Clone, Copy, PartialEq)]
enum Flush {
    Now,
    /// The last commit of a chunk flushes all before it: one wait for the disk instead of one a step.
    WithTheLast,
}

/// A request of whole steps.
pub(crate) struct Chunk {
    pub(crate) request: Request,
    /// Their indices in the batch.
    pub(crate) steps: std::ops::Range<usize>,
}

fn push_step(
    request: &mut Request,
    link: &Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    Place { index, event, flush }: Place,
) {
    let step = &batch.steps[index];
    let mut push = |part, sql: &str| request.push(index, part, sql);
    push(Part::Open, &begin(step.script.as_deref()));
    push(Part::Open, &settings(link, tables, batch, step));
    if !batch.history.present && index == 0 {
        for sql in TONGUE.create(tables) {
            push(Part::Create, &sql);
        }
    }
    push(Part::Enter, &enter(tables, batch, step, event));
    for sql in TONGUE.rechain(tables, step) {
        push(Part::Enter, &sql);
    }
    if let Some(script) = step.script.as_deref() {
        push_script(request, index, script);
    }
    if let Some((verify, _)) = step.verify {
        for (number, statement) in verify.statements().enumerate() {
            // The answer would come after the COMMIT in the same request: the query itself must fail.
            let text = verify.text_of(&statement);
            request.push_script(index, Part::Verify(number), MUST_FIND, text, statement.range().start);
        }
    }
    if step.action != Action::Baseline {
        request.push(index, Part::Constraints, "SET CONSTRAINTS ALL IMMEDIATE");
        for sql in RESET {
            request.push(index, Part::Reset, sql);
        }
        let discard: &[&str] = if link.is_callers() { &[] } else { &DISCARD };
        for sql in discard.iter().copied().chain(link.restore().iter().map(String::as_str)) {
            request.push(index, Part::Reset, sql);
        }
    }
    request.push(index, Part::Reset, &bounds(batch, flush));
    request.push(index, Part::Leave, &leave(tables, batch, step, event + 1));
    request.push(index, Part::Commit, "COMMIT");
}

/// What `RESET ALL` took away, for our own statements: a bound on their waits; and when the commit must be on the disk.
fn bounds(batch: &Batch<'_>, flush: Flush) -> String {
    let lock = whole_millis(batch.settings.statement_lock_timeout);
    match flush {
        Flush::Now => format!("SET LOCAL lock_timeout = {lock}"),
        Flush::WithTheLast => {
            format!("SELECT set_config('lock_timeout', '{lock}', true), set_config('synchronous_commit', 'off', true)")
        }
    }
}

fn push_script(request: &mut Request, index: usize, script: &Script) {
    for (number, statement) in script.statements().enumerate() {
        if !drops_border(script, statement.kind) {
            let text = script.text_of(&statement);
            request.push_script(index, Part::Statement(number), ("", ""), text, statement.range().start);
        }
    }
}

/// Our `BEGIN`, with the modes of the script's own where it has one.
fn begin(script: Option<&Script>) -> String {
    let own = script.and_then(|script| {
        let first = script.statement(0).filter(|first| drops_border(script, first.kind))?;
        let words = script.text_of(&first).split_whitespace();
        let modes: Vec<&str> = words
            .skip_while(|word| ["BEGIN", "START", "TRANSACTION", "WORK"].iter().any(|it| it.eq_ignore_ascii_case(word)))
            .collect();
        (!modes.is_empty()).then(|| modes.join(" "))
    });
    // Under a stronger isolation our guard could not see what was committed while we waited.
    format!("BEGIN {}", own.as_deref().unwrap_or("ISOLATION LEVEL READ COMMITTED READ WRITE"))
}

/// Bounds every wait, and takes the lock or divides by zero: never a blocking lock, which deadlocks with
/// `CREATE INDEX CONCURRENTLY`.
fn settings(link: &Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> String {
    let mut sql = String::from("SELECT ");
    for (name, value) in limits(link, batch, step) {
        // Writing to a String cannot fail.
        let _ = write!(sql, "set_config('{name}', '{value}', true), ");
    }
    let _ = write!(sql, "1/(pg_try_advisory_xact_lock({}))::int", tables.key);
    sql
}

/// The settings that bound a step, by name and value.
pub(crate) fn limits(link: &Link<'_>, batch: &Batch<'_>, step: &Step<'_>) -> Vec<(&'static str, String)> {
    let options = step.script.as_deref().map(Script::options).unwrap_or_default();
    let lock = options.lock_timeout.unwrap_or(batch.settings.statement_lock_timeout);
    let mut limits = vec![("lock_timeout", whole_millis(lock).to_string())];
    if let Some(timeout) = options.timeout.or(batch.settings.statement_timeout) {
        limits.push(("statement_timeout", whole_millis(timeout).to_string()));
    }
    if link.server_looks_for_clients() {
        // Without it a request whose sender was killed runs to its end, and commits.
        limits.push(("client_connection_check_interval", "1000".to_owned()));
    }
    limits
}

/// Asserts that nothing has happened since the plan was made, and writes the entry.
pub(crate) fn enter(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>, event: i64) -> String {
    let unchanged = format!("((SELECT coalesce(max(id), 0) FROM {}) = {event})::int", tables.events);
    match &step.record {
        Some(record) => {
            let rank = format!("{} / {unchanged}", record.rank);
            TONGUE.enter(tables, step, batch.identity, &rank, Standing::running(step))
        }
        None => {
            let begun = TONGUE.begin_rollback(tables, step, batch.identity);
            format!("WITH begun AS ({begun} RETURNING 1) SELECT 1 / (count(*) * {unchanged}) FROM begun")
        }
    }
}

/// Completes the entry and adds the event, or divides by zero when the entry is gone.
pub(crate) fn leave(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>, event: i64) -> String {
    let what = match step.action {
        Action::Apply => "applied",
        Action::RollBack => "rolled_back",
        Action::Baseline => "baselined",
    };
    let left = TONGUE.leave(tables, step);
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, (what, None));
    format!(
        "WITH done AS ({left} RETURNING duration_ms) {insert} \
         SELECT {values}, {event} / count(*), max(duration_ms) FROM done RETURNING duration_ms::text"
    )
}

/// A transaction for our own writes alone, which waits for no row longer than a statement of a script may.
pub(crate) fn begin_briefly(batch: &Batch<'_>) -> String {
    format!("BEGIN;\nSET LOCAL lock_timeout = {};\n", whole_millis(batch.settings.statement_lock_timeout))
}

/// What the catalogue is asked: `true` where the thing is there.
pub(crate) fn question(thing: &Thing) -> String {
    let text = |name: &str| literal(Dialect::Postgres, name);
    match thing {
        Thing::ValidIndex { name, table } => format!("SELECT EXISTS ({} AND i.indisvalid)::text", index(name, table)),
        Thing::Relation(name) => format!("SELECT (to_regclass({}) IS NOT NULL)::text", text(name)),
        Thing::Database(name) => {
            format!("SELECT EXISTS (SELECT FROM pg_database WHERE datname = (parse_ident({}))[1])::text", text(name))
        }
        Thing::Tablespace(name) => {
            format!("SELECT EXISTS (SELECT FROM pg_tablespace WHERE spcname = (parse_ident({}))[1])::text", text(name))
        }
        // What nothing of this dialect asks for.
        Thing::Object { .. } | Thing::Rows(_) | Thing::Statement { .. } => "SELECT NULL".to_owned(),
    }
}

/// Selects an index by its name and its table, in whose schema it is.
pub(crate) fn index(name: &str, table: &str) -> String {
    let [name, table] = [name, table].map(|name| literal(Dialect::Postgres, name));
    format!(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE i.indrelid = to_regclass({table}) AND c.relname = (parse_ident({name}))[1]"
    )
}

/// Settles an entry, as nobody but who holds the lock may, and only while it is as it was read.
pub(crate) fn resolve(tables: &Tables, resolution: &Resolution<'_>) -> String {
    let settled = TONGUE.resolve(tables, resolution);
    let event = ("resolved", Some(&*resolution.why));
    let (insert, values) = TONGUE.event(tables, &resolution.entry.key, resolution.identity, event);
    format!(
        "BEGIN;\nSET LOCAL lock_timeout = 2000;\nSELECT 1/(pg_try_advisory_xact_lock({}))::int;\n\
         WITH settled AS ({settled} RETURNING 1) {insert} SELECT {values}, {} / count(*), NULL FROM settled;\nCOMMIT",
        tables.key,
        resolution.last_event + 1
    )
}

/// Changes entries as a person says, as nobody but who holds the lock may, and only while nothing has happened.
pub(crate) fn rewrite(tables: &Tables, rewriting: &Rewriting<'_>) -> String {
    let (changes, event) = TONGUE.rewrite(tables, rewriting);
    format!(
        "BEGIN;\nSET LOCAL lock_timeout = 2000;\nSELECT 1/(pg_try_advisory_xact_lock({}))::int;\n\
         SELECT 1/((SELECT coalesce(max(id), 0) FROM {}) = {})::int;\n{};\n{event};\nCOMMIT",
        tables.key,
        tables.events,
        rewriting.history.last_event,
        changes.join(";\n"),
    )
}

/// Records a failure in a transaction of its own, flushed before anything is reported.
pub(crate) fn failure(
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
    failure: &Failure,
    missing: &[String],
) -> String {
    let mut sql = format!("ROLLBACK;\n{}", begin_briefly(batch));
    let _ = writeln!(sql, "SELECT 1/(pg_try_advisory_xact_lock({}))::int;", tables.key);
    for create in missing {
        let _ = writeln!(sql, "{};", create.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1));
    }
    let cause = failure.cause.to_string();
    if let Some(record) = &step.record {
        let standing = Standing { state: "failed", applied: failure.kept, error: Some(&cause) };
        let entry = TONGUE.enter(tables, step, batch.identity, &record.rank.to_string(), standing);
        let table = &tables.history;
        let _ = writeln!(sql, "{entry} WHERE {table}.state <> 'completed';");
    } else if step.mode == Mode::Outside {
        let _ = writeln!(sql, "{};", TONGUE.fail_rollback(tables, step, failure, &cause));
    }
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, (failure.event(), Some(&cause)));
    let next = format!("(SELECT coalesce(max(id), 0) + 1 FROM {})", tables.events);
    let _ = writeln!(sql, "{insert} SELECT {values}, {next}, NULL;\nCOMMIT;");
    sql
}
