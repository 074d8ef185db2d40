//! The right to migrate: the lock of the session that executes, and the row that tells of it, as for PostgreSQL.

use std::time::Duration;

use crate::driver::completed::{ALL, NONE};
use crate::driver::mysql::answer::{Fault, number};
use crate::driver::mysql::link::Link;
use crate::driver::mysql::request::{self, TONGUE};
use crate::driver::{Batch, TakeOver};
use crate::history::{Entry, Holder};
use crate::identity::Identity;
use crate::literal::literal;
use crate::plan::Step;
use crate::report::Action;
use crate::runner::{Runner, Work};
use crate::table_name::Tables;
use whimbrel_core::Dialect;

/// Writes our row, or over that of a runner that is gone, where the lock is ours.
pub(crate) fn claim(link: &Link<'_>, tables: &Tables, batch: &Batch<'_>, step: &Step<'_>) -> String {
    let text = |value: &str| literal(Dialect::Mysql, value);
    let direction = if step.action == Action::RollBack { "down" } else { "up" };
    // A caller's connection has no second one beside it, on which a long statement could show that we live.
    let heartbeat = if link.options().is_some() { TONGUE.now } else { "NULL" };
    let values = [
        "1".to_owned(),
        text(&batch.identity.by),
        batch.identity.process.to_string(),
        text(&batch.identity.application),
        "CONNECTION_ID()".to_owned(),
        text(&step.key),
        text(direction),
        (step.skip + 1).to_string(),
        step.statement_count().to_string(),
        TONGUE.now.to_owned(),
        heartbeat.to_owned(),
    ];
    format!(
        "REPLACE INTO {} (id, held_by, process, application, backend, version, direction, statement, statements, since, \
         heartbeat) SELECT {} FROM DUAL WHERE IS_USED_LOCK({}) = CONNECTION_ID()",
        tables.lock,
        values.join(", "),
        request::lock_name(tables)
    )
}

/// Says in our row at which statement we are.
pub(crate) fn moves(tables: &Tables, statement: usize) -> String {
    format!("UPDATE {} SET statement = {statement} WHERE id = 1 AND backend = CONNECTION_ID()", tables.lock)
}

/// Removes our row.
pub(crate) fn remove(tables: &Tables) -> String {
    format!(
        "START TRANSACTION READ WRITE;\nDELETE FROM {} WHERE id = 1 AND backend = CONNECTION_ID();\nCOMMIT",
        tables.lock
    )
}

/// Who holds the lock. Only where somebody does, and there is a table that may tell more, that is asked.
pub(crate) async fn holder(link: &mut Link<'_>, tables: &Tables, session: Option<String>, entries: &[Entry]) -> Holder {
    let Some(who) = session else { return Holder::Nobody };
    let mut runner = Runner::of_session(who);
    // Without the answer less is told, to a role that may not read it for instance.
    if link.has_lock
        && let Ok(answer) = link.send(question(tables), ALL).await
    {
        runner.work = answer.rows.into_iter().next().and_then(|row| Work::from_row(row, entries, "KILL CONNECTION {}"));
    }
    Holder::Session(Box::new(runner))
}

const BEAT: &str = "TIMESTAMPDIFF(MICROSECOND, '2000-01-01', heartbeat)";
const AGO: &str = "TIMESTAMPDIFF(MICROSECOND, heartbeat, UTC_TIMESTAMP(3))";

/// The row, if it is that of whoever holds the lock.
fn question(tables: &Tables) -> String {
    let text = |what: &str| format!("CAST({what} AS CHAR)");
    let columns = [
        text("held_by"),
        text("process"),
        text("application"),
        text("version"),
        text("direction"),
        text("statement"),
        text("statements"),
        TONGUE.shown_time.replace("{}", "since"),
        text(&format!("{AGO} DIV 1000")),
        text(BEAT),
        text("backend"),
    ];
    let (columns, lock) = (columns.join(", "), request::lock_name(tables));
    format!("SELECT {columns} FROM {} WHERE id = 1 AND backend = IS_USED_LOCK({lock})", tables.lock)
}

/// Ends the session of a silent runner: exactly the one that its row names, while it holds the lock, and only if it has
/// given no sign since. The event is written first, in a transaction that ends with the session: of several who wait,
/// one has its number.
pub(crate) async fn take_over(
    link: &mut Link<'_>,
    tables: &Tables,
    runner: &Runner,
    (lease, identity): (Duration, &Identity),
) -> Result<TakeOver, Fault> {
    let Some((work, beat)) = runner.work.as_ref().and_then(|work| Some((work, work.beat?))) else {
        return Ok(TakeOver::Gone);
    };
    let detail = format!("ended the session of {runner}");
    let (insert, values) = TONGUE.event(tables, &work.key, identity, ("taken_over", Some(&detail)));
    let (events, lock, kill) = (&tables.events, request::lock_name(tables), &work.end);
    let connection = kill.rsplit(' ').next().unwrap_or_default();
    let told = format!(
        "START TRANSACTION READ WRITE;\n{insert} SELECT {values}, (SELECT coalesce(max(id), 0) + 1 FROM {events}), NULL \
         FROM {} WHERE id = 1 AND backend = {connection} AND backend = IS_USED_LOCK({lock}) AND {BEAT} = {beat} \
         AND {AGO} > {} AND NOT EXISTS (SELECT 1 FROM {events} e WHERE e.what = 'taken_over' AND e.at > heartbeat)",
        tables.lock,
        lease.as_micros()
    );
    let taken = match link.send(told, NONE).await {
        Ok(answer) if answer.statements.get(1).is_some_and(|told| told.changed == 1) => {
            match link.send(format!("{kill};\nCOMMIT"), NONE).await {
                Ok(_) => return Ok(TakeOver::Done),
                // Not the owner of the thread; a privilege is missing.
                Err(Fault::Database { cause, .. }) if matches!(number(&cause), "1095" | "1227") => TakeOver::Refused,
                Err(Fault::Database { .. }) => TakeOver::Gone,
                Err(fault) => return Err(fault),
            }
        }
        Ok(_) | Err(Fault::Database { .. }) => TakeOver::Gone,
        Err(fault) => return Err(fault),
    };
    link.roll_back().await;
    Ok(taken)
}
