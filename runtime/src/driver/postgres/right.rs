//! The right to migrate outside a transaction: the lock of the session that executes, and the row that tells of it.
//!
//! The lock fences: it lives as long as the server's own work does, also when we are dead by then. The row informs, and
//! shows others whether its runner still lives.

use std::time::Duration;

use crate::driver::completed::{ALL, NONE};
use crate::driver::postgres::answer::{Fault, setup_error};
use crate::driver::postgres::link::Link;
use crate::driver::postgres::request::{self, TONGUE};
use crate::driver::{Batch, Stop, TakeOver};
use crate::history::{Entry, Holder};
use crate::identity::Identity;
use crate::literal::literal;
use crate::plan::Step;
use crate::report::Action;
use crate::runner::{Runner, Work};
use crate::settings::whole_millis;
use crate::table_name::Tables;
use whimbrel_core::Dialect;

/// A session of the server: its process, and the microsecond of its start, since numbers of processes come again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backend {
    pub(crate) pid: i64,
    /// Not shown to a session that works as another role than it has logged in as.
    pub(crate) start: Option<i64>,
}

/// Selects what is held of the lock, as `l` among `pg_locks`.
pub(crate) fn is_lock(key: i64) -> String {
    // It shows the key in two halves.
    let (high, low) = ((key as u64 >> 32) as u32, key as u32);
    format!(
        "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = {high}::oid AND l.objid = {low}::oid \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
}

/// A time as a number, which looks the same in all sessions.
pub(crate) fn micros(time: &str) -> String {
    format!("(extract(epoch FROM {time}) * 1000000)::bigint")
}

/// Takes the lock and writes the row, in tables that are made where they are missing.
///
/// One request for all of it: a runner that stands still between them would hold the right without a sign of life.
pub(crate) async fn take(
    link: &mut Link<'_>,
    tables: &Tables,
    batch: &Batch<'_>,
    step: &Step<'_>,
) -> Result<Backend, Stop> {
    let mut sql = request::begin_briefly(batch);
    sql.push_str(&format!("SELECT 1 / (pg_try_advisory_lock({}))::int;\n", tables.key));
    let ours = if batch.history.present { Vec::new() } else { TONGUE.create(tables).to_vec() };
    let lock = (!link.has_lock()).then(|| TONGUE.create_lock(tables));
    for create in ours.into_iter().chain(lock) {
        sql.push_str(&format!("{create};\n"));
    }
    sql.push_str(&format!("{};\nCOMMIT", claim(link, tables, batch, step)));
    let fault = match link.send(sql, ALL).await {
        Ok(answer) => {
            let mut row = answer.rows.into_iter().next_back().unwrap_or_default().into_iter();
            let mut number = || row.next().flatten().and_then(|text| text.parse().ok());
            return Ok(Backend { pid: number().unwrap_or_default(), start: number() });
        }
        Err(fault) => fault,
    };
    link.roll_back().await;
    if fault.says("22012") {
        return Err(Stop::Busy);
    }
    // The lock may be ours all the same: a transaction that is rolled back leaves it.
    let _ = link.send(format!("SELECT pg_advisory_unlock({})", tables.key), NONE).await;
    Err(match fault {
        Fault::Database { error, .. } => match error.code() {
            Some("23505" | "40001" | "42P07" | "42P01") => Stop::Stale,
            Some("55P03" | "40P01") => Stop::Contended(error.cause),
            _ => Stop::Broken(setup_error(error.cause, tables)),
        },
        broken => Stop::Broken(broken.into_error(tables)),
    })
}

/// Writes the row.
fn claim(link: &Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> String {
    let text = |value: &str| literal(Dialect::Postgres, value);
    let direction = if step.action == Action::RollBack { "down" } else { "up" };
    // A caller's connection has no second one beside it, on which a long statement could show that we live.
    let heartbeat = if link.is_callers() { "NULL" } else { TONGUE.now };
    let values = [
        ("id", "1".to_owned()),
        ("held_by", text(&batch.identity.by)),
        ("process", batch.identity.process.to_string()),
        ("application", text(&batch.identity.application)),
        ("backend", "pg_backend_pid()".to_owned()),
        ("backend_start", "(SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())".to_owned()),
        ("version", text(&step.key)),
        ("direction", text(direction)),
        ("statement", (step.skip + 1).to_string()),
        ("statements", step.statement_count().to_string()),
        ("since", TONGUE.now.to_owned()),
        ("heartbeat", heartbeat.to_owned()),
    ];
    let (columns, values): (Vec<&str>, Vec<String>) = values.into_iter().unzip();
    let updates: Vec<String> = columns[1..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {} RETURNING backend::text, {}::text",
        tables.lock,
        columns.join(", "),
        values.join(", "),
        updates.join(", "),
        micros("backend_start"),
    )
}

/// Gives the lock back, and then removes our row: in this order, so that no trouble with the row keeps the lock.
pub(crate) fn give_back(tables: &Tables) -> String {
    format!(
        "SELECT set_config('lock_timeout', '2000', true), pg_advisory_unlock({});\nDELETE FROM {} \
         WHERE backend = pg_backend_pid() \
         AND backend_start IS NOT DISTINCT FROM \
         (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())",
        tables.key, tables.lock
    )
}

/// Says in our row at which statement we are: a sign of life by itself.
pub(crate) fn moves(tables: &Tables, backend: Backend, statement: usize) -> String {
    format!(
        "UPDATE {} AS r SET statement = {statement}, heartbeat = CASE WHEN heartbeat IS NOT NULL THEN {} END WHERE {}",
        tables.lock,
        TONGUE.now,
        is_ours(backend)
    )
}

/// Selects our row, as `r`.
pub(crate) fn is_ours(Backend { pid, start }: Backend) -> String {
    match start {
        Some(start) => format!("r.backend = {pid} AND {} = {start}", micros("r.backend_start")),
        None => format!("r.backend = {pid} AND r.backend_start IS NULL"),
    }
}

/// Selects our session, as `a` in `pg_stat_activity`.
pub(crate) fn is_our_session(Backend { pid, start }: Backend) -> String {
    match start {
        Some(start) => format!("a.pid = {pid} AND {} = {start}", micros("a.backend_start")),
        None => format!("a.pid = {pid}"),
    }
}

/// Who holds the lock. Only where somebody does, and there is a table that may tell more, that is asked.
pub(crate) async fn holder(link: &mut Link<'_>, tables: &Tables, session: Option<String>, entries: &[Entry]) -> Holder {
    let Some(who) = session else { return Holder::Nobody };
    let mut runner = Runner::of_session(who);
    if link.has_lock()
        // Without the answer less is told, to a role that may not read it for instance.
        && let Ok(answer) = link.send(question(tables), ALL).await
    {
        runner.work = answer
            .rows
            .into_iter()
            .next()
            .and_then(|row| Work::from_row(row, entries, "SELECT pg_terminate_backend({})"));
    }
    Holder::Session(Box::new(runner))
}

/// The row, if it is that of whoever holds the lock. Some roles may not see since when a session is there.
fn question(tables: &Tables) -> String {
    format!(
        "SELECT r.held_by, r.process::text, r.application, r.version, r.direction, r.statement::text, \
         r.statements::text, {}, (extract(epoch FROM clock_timestamp() - r.heartbeat) * 1000)::bigint::text, \
         {}::text, r.backend::text FROM {} r JOIN pg_locks l ON l.pid = r.backend AND {} \
         JOIN pg_stat_activity a ON a.pid = r.backend AND coalesce(a.backend_start = r.backend_start, true)",
        TONGUE.shown_time.replace("{}", "r.since"),
        micros("r.heartbeat"),
        tables.lock,
        is_lock(tables.key),
    )
}

/// Ends the session of a silent runner: exactly the one that its row names, while it holds the lock, and only if it has
/// given no sign since. The event comes first: whoever cannot write it ends nothing, so that of several only one does.
pub(crate) async fn take_over(
    link: &mut Link<'_>,
    tables: &Tables,
    runner: &Runner,
    (lease, identity): (Duration, &Identity),
) -> Result<TakeOver, Fault> {
    let Some((work, beat)) = runner.work.as_ref().and_then(|work| Some((work, work.beat?))) else {
        return Ok(TakeOver::Gone);
    };
    let (events, lease) = (&tables.events, whole_millis(lease));
    let detail = format!("ended the session of {runner}");
    let (insert, values) = TONGUE.event(tables, &work.key, identity, ("taken_over", Some(&detail)));
    let sql = format!(
        "BEGIN;\nSET LOCAL lock_timeout = 2000;\n\
         WITH silent AS (SELECT a.pid FROM {} r JOIN pg_locks l ON l.pid = r.backend AND {} \
         JOIN pg_stat_activity a ON a.pid = r.backend AND a.backend_start = r.backend_start \
         WHERE {} = {beat} AND r.heartbeat < clock_timestamp() - interval '{lease} milliseconds' \
         AND NOT EXISTS (SELECT FROM {events} e WHERE e.what = 'taken_over' AND e.at > r.heartbeat)), \
         told AS ({insert} SELECT {values}, (SELECT coalesce(max(id), 0) + 1 FROM {events}), NULL FROM silent \
         RETURNING 1) SELECT pg_terminate_backend(silent.pid)::text FROM told, silent;\nCOMMIT",
        tables.lock,
        is_lock(tables.key),
        micros("r.heartbeat"),
    );
    match link.send(sql, ALL).await {
        Ok(answer) if answer.rows.is_empty() => Ok(TakeOver::Gone),
        Ok(_) => Ok(TakeOver::Done),
        Err(fault @ Fault::Database { .. }) => {
            link.roll_back().await;
            Ok(if fault.says("42501") { TakeOver::Refused } else { TakeOver::Gone })
        }
        Err(fault) => Err(fault),
    }
}
