//! Finds the marks of a file that holds both directions, as goose, dbmate and sql-migrate write them.

use std::ops::Range;

use crate::{Place, Problem};

/// The marks, without `--` and the space after it, and who writes them.
const MARKS: [(&str, &str); 6] = [
    ("+goose Up", "goose"),
    ("+goose Down", "goose"),
    ("migrate:up", "dbmate"),
    ("migrate:down", "dbmate"),
    ("+migrate Up", "sql-migrate"),
    ("+migrate Down", "sql-migrate"),
];

/// The problem of such a file: run as a whole, it would take back what it has just done.
///
/// Only the comments at the top are looked at: a section begins with its mark, so the first one stands there.
pub(crate) fn refuse(text: &str, shown: &str) -> Option<Problem> {
    let (range, tool) = first_mark(text)?;
    let message = format!("the file has sections for up and down, as {tool} writes them, which are not read yet");
    let help = "move the down section into a down script of its own, and delete the marks";
    Some(Problem::new("sections", message).at(Place::in_text(shown, text, range)).help(help))
}

fn first_mark(text: &str) -> Option<(Range<usize>, &'static str)> {
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim();
        let Some(comment) = line.strip_prefix("--") else {
            if line.is_empty() {
                start += whole.len();
                continue;
            }
            return None;
        };
        let comment = comment.trim_start();
        let is_mark = |mark: &str| comment.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
        if let Some((_, tool)) = MARKS.iter().find(|(mark, _)| is_mark(mark)) {
            return Some((start..start + whole.trim_end().len(), tool));
        }
        start += whole.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_among_the_comments_at_the_top() {
        for (text, tool) in [
            ("-- +goose Up\ncreate", Some("goose")),
            ("\n-- by us\n\n--+goose up\n", Some("goose")),
            ("-- migrate:up transaction:false\r\n", Some("dbmate")),
            ("  -- +migrate Up notransaction", Some("sql-migrate")),
            ("create table a (b int);\n-- +goose Up\n", None),
            ("-- migrate the users\n", None),
            ("", None),
        ] {
            assert_eq!(first_mark(text).map(|(_, tool)| tool), tool, "{text:?}");
        }
    }
}
