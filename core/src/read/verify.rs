//! Verify scripts: each statement is a query, and must return a row.

use super::page::Page;
use crate::{Dialect, Kind, Statement};

pub(super) fn check(page: &mut Page<'_>, statements: &[Statement]) {
    for statement in statements.iter().filter(|statement| statement.kind != Kind::Query) {
        // On PostgreSQL it is sent inside `EXISTS(…)`; that holds these and nothing that writes, shows or explains.
        let queries =
            if page.outline.read_as == [Dialect::Cql] { "a SELECT" } else { "a SELECT, WITH, VALUES or TABLE" };
        let (message, help) = if statement.kind == Kind::Dml {
            (
                "a verify script only reads, and this writes",
                format!("write {queries} that returns a row when all is well"),
            )
        } else {
            ("this is no query", format!("write {queries} that returns a row when all is well"))
        };
        page.wrong(statement.range(), "verify-query", message, help);
    }
}
