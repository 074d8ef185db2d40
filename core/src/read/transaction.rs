//! The transaction that `metadata.toml` demands.

use super::Demand;
use super::borders::refuser;
use super::page::Page;
use crate::Statement;
use crate::script::{Options, Wrapping};

const CODE: &str = "refused-in-transaction";

/// Notes what cannot run in a transaction of ours where one is demanded.
pub(super) fn check(page: &mut Page<'_>, statements: &[Statement], options: &Options) {
    if page.outline.demand != Demand::Transaction {
        return;
    }
    if options.no_transaction {
        let help = "remove the directive or the suffix, or write `run_in_transaction = false`";
        page.wrong_file(CODE, "the script asks for no transaction, but metadata.toml demands one", help);
    }
    for statement in statements.iter().filter(|statement| statement.outside != 0) {
        let database = refuser(page, statement);
        let message = format!("{database} does not run this inside a transaction, and metadata.toml demands one");
        let help = "write `run_in_transaction = false`, or move it to a migration of its own";
        page.wrong(statement.range(), CODE, message, help);
    }
    if Wrapping::of(statements.iter().map(|statement| statement.kind)) == Wrapping::Inside {
        let border = statements.iter().skip(1).find(|statement| statement.kind.is_border());
        let range = border.map_or(0..1, Statement::range);
        let message = "the script begins or ends a transaction here, and metadata.toml demands one for all of it";
        page.wrong(range, CODE, message, "write `run_in_transaction = false`, or remove it");
    }
}
