//! The names of what a CQL script creates: those that no server takes, and those that only newer ones do.

use std::ops::Range;

use super::page::Page;
use crate::facts::{self, Piece};
use crate::split::Cut;
use crate::{Dialect, shape};

/// What has a name that servers look at.
struct Named {
    /// How its statement goes on after CREATE.
    shape: &'static str,
    what: &'static str,
    /// The longest name that every server takes.
    older: usize,
    /// The longest that any takes.
    most: usize,
}

/// As Cassandra 5.0.8 takes them (tried); ScyllaDB takes 192 characters for a table, and older servers of both 48.
const NAMED: [Named; 4] = [
    Named { shape: "keyspace", what: "keyspace", older: 48, most: 48 },
    Named { shape: "table|columnfamily", what: "table", older: 48, most: 222 },
    Named { shape: "materialized view", what: "view", older: 48, most: 222 },
    Named { shape: "?custom index", what: "index", older: usize::MAX, most: usize::MAX },
];

/// What may stand before the name.
const BEFORE: [&str; 4] = [" if not exists * .", " if not exists", " * .", ""];

/// Notes the names of keyspaces, tables, views and indexes that are too long, or of other characters than words have.
pub(super) fn check(page: &mut Page<'_>, cuts: &[Cut]) {
    for (&dialect, cut) in page.outline.read_as.iter().zip(cuts) {
        let creates = |piece: &&Piece| facts::is(facts::first_word(page.text, piece), b"create");
        if dialect == Dialect::Cql {
            cut.pieces.iter().filter(creates).for_each(|piece| check_created(page, piece));
        }
    }
}

fn check_created(page: &mut Page<'_>, piece: &Piece) {
    let mut statement = facts::rest(page.text, Dialect::Cql, piece);
    let named = NAMED.iter().find_map(|named| Some((name(&mut statement, named.shape)?, named)));
    let Some((range, &Named { what, older, most, .. })) = named else { return };
    let written = &page.text[range.clone()];
    let quoted = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let name = quoted.unwrap_or(written);
    let length = name.chars().count();
    if quoted.is_some() && name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let message = format!("the name of this {what} has other characters than letters and digits of ASCII and `_`");
        page.wrong(range, "invalid-name", message, "rename it: quotes do not help");
    } else if length > most {
        let message = format!("the name of this {what} has {length} characters, and no server takes more than {most}");
        page.wrong(range, "long-name", message, "shorten it");
    } else if length > older {
        let message =
            format!("the name of this {what} has {length} characters, and older servers take {older} at most");
        page.warn(range, "long-name", message, "shorten it");
    }
}

/// Where the name stands, if the statement is of that kind.
fn name(statement: &mut shape::Statement<'_>, kind: &str) -> Option<Range<usize>> {
    let is_named = BEFORE.iter().any(|before| statement.has(&format!("{kind}{before}")));
    is_named.then(|| statement.here())
}
