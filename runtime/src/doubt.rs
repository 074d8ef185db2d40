//! A statement outside a transaction whose runner died at it: what is known of it without a look at the database.

use whimbrel_core::{Dialect, Kind, Script, Statement};

/// Whether a statement of a script outside a transaction is sent in one transaction with its progress, so that either
/// both are done or neither is.
///
/// `DO` and `CALL` may commit by themselves, and are refused where somebody else has begun. What only reads, or sets
/// something on its session, may run again; but a query of PostgreSQL may call a function that writes.
pub(crate) fn goes_with_progress(script: &Script, statement: &Statement, dialect: Dialect) -> bool {
    let writes = match statement.kind {
        Kind::Ddl | Kind::Dml => true,
        Kind::Query => dialect == Dialect::Postgres,
        _ => false,
    };
    writes && !statement.needs_no_transaction(dialect) && !has_its_own_ways(script, dialect)
}

/// SQLite refuses `BEGIN IMMEDIATE` under `PRAGMA query_only`, and inside a `SAVEPOINT`.
fn has_its_own_ways(script: &Script, dialect: Dialect) -> bool {
    let is_one = |statement: Statement| {
        let text = script.text_of(&statement).to_ascii_lowercase();
        text.starts_with("savepoint") || statement.kind == Kind::Session && text.contains("query_only")
    };
    dialect == Dialect::Sqlite && script.statements().any(is_one)
}
