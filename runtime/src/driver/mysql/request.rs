//! The texts that the server is sent.

use std::time::Duration;

use whimbrel_core::{Dialect, Script};

use crate::driver::entry::{Standing, Tongue};
use crate::driver::{Batch, Detail, Failure, Resolution};
use crate::literal::literal;
use crate::plan::Step;
use crate::report::Action;
use crate::settings::Settings;
use crate::table_name::{TableName, Tables};

pub(crate) const TONGUE: Tongue = Tongue {
    dialect: Dialect::Mysql,
    // A collation that tells all versions apart, whatever the database's own is.
    key: "VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin",
    text: "LONGTEXT",
    cast: "CHAR",
    // Each said: servers have other defaults, of which some would cut a text, or take no transaction.
    engine: " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    // Reserved since MySQL 8.0.2 (manual, 9.3).
    rank: "`rank`",
    conflict: "ON DUPLICATE KEY UPDATE",
    proposed: "VALUES({})",
    time: "DATETIME(3)",
    now: "UTC_TIMESTAMP(3)",
    elapsed: "TIMESTAMPDIFF(MICROSECOND, started_at, UTC_TIMESTAMP(3)) DIV 1000",
    shown_time: "CONCAT(CAST({} AS CHAR), 'Z')",
};

/// Table does not exist; unknown database.
pub(crate) const NO_TABLE: &str = "1146";
/// A key is there already.
pub(crate) const DUPLICATE: &str = "1062";

/// Fails, with [`NOT_ONE_ROW`], unless the statement before it has changed a row, or found it as it should be.
pub(crate) const ONE_ROW: &str = "SELECT IF(ROW_COUNT() > 0, 1, (SELECT 1 UNION SELECT 2))";
/// Subquery returns more than one row.
pub(crate) const NOT_ONE_ROW: &str = "1242";

/// What a session has set.
pub(crate) const VARIABLES: &str = "SHOW SESSION VARIABLES";

/// Ends what a script has left open, and takes back what may hide or bend what we write next.
pub(crate) const CLEANUP: &str = "ROLLBACK;\nUNLOCK TABLES;\nSET NAMES utf8mb4;\n\
     SET SESSION timestamp = DEFAULT, sql_select_limit = DEFAULT";

/// How scripts were split when they were compiled: with `\` as an escape and `"` around texts.
pub(crate) const PINNED: &str = "sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";

/// Without a database the tables are not qualified.
pub(crate) fn tables(table: &TableName, database: &str) -> Tables {
    table.tables(database, '`')
}

/// The name of the lock; the server takes 64 characters, and has one space of them for all its databases.
pub(crate) fn lock_name(tables: &Tables) -> String {
    format!("'whimbrel_{:016x}'", tables.key)
}

/// Who holds the lock, and the history if it is there; the last event; the entries.
///
/// The event is read first, so that a change in between makes the plan stale, not wrong.
pub(crate) fn history(tables: &Tables, detail: Detail) -> String {
    let lock = lock_name(tables);
    let name = tables.shown.rsplit('.').next().unwrap_or_default();
    let lock_table = tables.lock.rsplit('`').nth(1).unwrap_or_default();
    let [schema, name, lock_table] = [&*tables.schema, name, lock_table].map(|text| literal(Dialect::Mysql, text));
    format!(
        "SELECT (SELECT CONCAT('connection ', k.id, coalesce((SELECT CONCAT(' (', p.user, ', ', p.host, ')') \
         FROM information_schema.processlist p WHERE p.id = k.id), '')) \
         FROM (SELECT IS_USED_LOCK({lock}) AS id) k WHERE k.id IS NOT NULL), \
         (SELECT table_name FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {name}), \
         (SELECT table_name FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {lock_table});\n\
         {};\n{}",
        TONGUE.last_event(tables),
        TONGUE.select(tables, detail),
    )
}

/// Writes the entry of a step for which nothing runs, and the event, whose number asserts that the plan is not stale.
pub(crate) fn baseline(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>, event: i64) -> String {
    let leave = leave(tables, batch, step, event + 1);
    match &step.record {
        Some(record) => {
            let standing = Standing::running(step);
            let entered = TONGUE.enter(tables, step, batch.identity, &record.rank.to_string(), standing);
            leave.replacen(";\n", &format!(";\n{entered};\n"), 1)
        }
        None => leave,
    }
}

/// Writes the entry of a step and the event that it has begun; that event's number asserts that the plan is not stale.
pub(crate) fn begin(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>, event: i64, claim: String) -> Vec<String> {
    let entered = match &step.record {
        Some(record) => TONGUE.enter(tables, step, batch.identity, &record.rank.to_string(), Standing::running(step)),
        None => TONGUE.begin_rollback(tables, step, batch.identity),
    };
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, ("started", None));
    vec![
        "START TRANSACTION READ WRITE".to_owned(),
        format!("{insert} SELECT {values}, {}, NULL", event + 1),
        entered,
        ONE_ROW.to_owned(),
        claim,
        "COMMIT".to_owned(),
    ]
}

/// Selects how many statements of a step are done.
pub(crate) fn applied(tables: &Tables, step: &Step<'_>) -> String {
    let column = if step.record.is_some() { "applied" } else { "undone" };
    let key = literal(Dialect::Mysql, &*step.key);
    format!("SELECT CAST({column} AS CHAR) FROM {} WHERE version = {key}", tables.history)
}

/// Completes the entry and adds the event.
pub(crate) fn leave(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>, event: i64) -> String {
    let what = match step.action {
        Action::Apply => "applied",
        Action::RollBack => "rolled_back",
        Action::Baseline => "baselined",
    };
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, (what, None));
    let key = literal(Dialect::Mysql, &*step.key);
    let mut sql = vec!["START TRANSACTION READ WRITE".to_owned(), TONGUE.leave(tables, step), ONE_ROW.to_owned()];
    sql.extend(TONGUE.rechain(tables, step));
    sql.push(format!("{insert} SELECT {values}, {event}, duration_ms FROM {} WHERE version = {key}", tables.history));
    sql.push("COMMIT".to_owned());
    sql.join(";\n")
}

/// What stands before a query of a verify script, and bounds it; only MariaDB reads such a comment (its manual, Comment
/// Syntax).
pub(crate) fn query_limit(script: &Script, settings: &Settings) -> String {
    let options = script.options();
    let lock = lock_seconds(options.lock_timeout.unwrap_or(settings.statement_lock_timeout));
    let timeout = options.timeout.or(settings.statement_timeout).map_or(0.0, statement_seconds);
    format!("/*M! SET STATEMENT max_statement_time = {timeout}, lock_wait_timeout = {lock} FOR */ ")
}

/// The most seconds that the server takes for a limit (manual, max_statement_time, lock_wait_timeout).
const LONGEST: f64 = 31_536_000.0;

/// As seconds of a wait, of which the server counts whole ones.
pub(crate) fn lock_seconds(time: Duration) -> f64 {
    time.as_secs_f64().ceil().clamp(1.0, LONGEST)
}

/// As seconds that a statement may take; 0 would be no limit.
pub(crate) fn statement_seconds(time: Duration) -> f64 {
    time.as_secs_f64().clamp(0.001, LONGEST)
}

/// Settles an entry, only while it is as it was read.
pub(crate) fn resolve(tables: &Tables, resolution: &Resolution<'_>) -> String {
    let event = ("resolved", Some(&*resolution.why));
    let (insert, values) = TONGUE.event(tables, &resolution.entry.key, resolution.identity, event);
    format!(
        "START TRANSACTION READ WRITE;\n{insert} SELECT {values}, {}, NULL;\n{};\n{ONE_ROW};\nCOMMIT",
        resolution.last_event + 1,
        TONGUE.resolve(tables, resolution)
    )
}

/// Records a failure.
pub(crate) fn failure(tables: &Tables, batch: &Batch<'_>, step: &Step<'_>, failure: &Failure) -> String {
    let cause = failure.cause.to_string();
    let entry = if step.record.is_some() {
        let [key, error] = [&*step.key, &*cause].map(|text| literal(Dialect::Mysql, text));
        let (history, kept) = (&tables.history, failure.kept);
        format!(
            "UPDATE {history} SET state = 'failed', applied = {kept}, error = {error} \
                 WHERE state = 'running' AND version = {key}"
        )
    } else {
        TONGUE.fail_rollback(tables, step, failure, &cause)
    };
    let (insert, values) = TONGUE.event(tables, &step.key, batch.identity, (failure.event(), Some(&cause)));
    format!(
        "START TRANSACTION READ WRITE;\n{entry};\n{insert} SELECT {values}, coalesce(max(id), 0) + 1, NULL \
         FROM {};\nCOMMIT",
        tables.events,
    )
}
