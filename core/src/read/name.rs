//! The names of what a CQL script creates: those that no server takes, and those that only newer ones do.

use std::ops::Range;

use super::page::Page;
use crate::facts::{self, Piece};
use crate::split::Cut;
use crate::{Dialect, shape};

/// What has a name of a bounded length: how its statement goes on after CREATE, what it is, and the longest name that
/// Cassandra 5.0.8 takes (tried; ScyllaDB takes 192 characters for a table).
const NAMED: [(&str, &str, usize); 3] =
    [("keyspace", "keyspace", OLDER), ("table|columnfamily", "table", 222), ("materialized view", "view", 222)];

/// The longest name that every server takes.
const OLDER: usize = 48;

/// What may stand before the name.
const BEFORE: [&str; 4] = [" if not exists * .", " if not exists", " * .", ""];

/// Notes the names of keyspaces, tables and views that are too long, or of other characters than words have.
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
    let named = NAMED.iter().find_map(|(kind, what, most)| Some((name(&mut statement, kind)?, *what, *most)));
    let Some((range, what, most)) = named else { return };
    let written = &page.text[range.clone()];
    let quoted = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let name = quoted.unwrap_or(written);
    let length = name.chars().count();
    if quoted.is_some() && name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let message = format!("the name of a {what} has letters and digits of ASCII and `_` only, also in quotes");
        page.wrong(range, "invalid-name", message, "rename it");
    } else if length > most {
        let message = format!("the name of this {what} has {length} characters, and no server takes more than {most}");
        page.wrong(range, "long-name", message, "shorten it");
    } else if length > OLDER {
        let message =
            format!("the name of this {what} has {length} characters, and older servers take {OLDER} at most");
        page.warn(range, "long-name", message, "shorten it");
    }
}

/// Where the name stands, if the statement is of that kind.
fn name(statement: &mut shape::Statement<'_>, kind: &str) -> Option<Range<usize>> {
    let is_named = BEFORE.iter().any(|before| statement.has(&format!("{kind}{before}")));
    is_named.then(|| statement.here())
}
