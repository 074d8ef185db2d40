//! Files that hold both directions, as goose, dbmate and sql-migrate write them.

use super::page::Page;
use crate::split::Cut;

/// The words of a mark, and who writes it.
const MARKS: [([&str; 2], &str); 6] = [
    (["+goose", "up"], "goose"),
    (["+goose", "down"], "goose"),
    (["migrate:up", ""], "dbmate"),
    (["migrate:down", ""], "dbmate"),
    (["+migrate", "up"], "sql-migrate"),
    (["+migrate", "down"], "sql-migrate"),
];

/// Notes such a file: run as a whole, it would take back what it has just done.
///
/// Their tools look for marks anywhere, and what stands before the first one need be no comment.
pub(super) fn check(page: &mut Page<'_>, cuts: &[Cut]) {
    for note in cuts.iter().flat_map(|cut| &cut.notes) {
        if let Some(tool) = tool(&page.text[note.inner.0..note.inner.1]) {
            let message =
                format!("the file has sections for up and down, as {tool} writes them, which are not read yet");
            let help = "move the down section into a down script of its own, and delete the marks";
            return page.wrong(note.start..note.end, "sections", message, help);
        }
    }
}

/// Whose mark the comment is, if it is one.
fn tool(comment: &str) -> Option<&'static str> {
    let mut words = comment.split_ascii_whitespace();
    let found = [words.next()?, words.next().unwrap_or_default()];
    let is_mark = |mark: &[&str; 2]| {
        found[0].eq_ignore_ascii_case(mark[0]) && (mark[1].is_empty() || found[1].eq_ignore_ascii_case(mark[1]))
    };
    MARKS.iter().find(|(mark, _)| is_mark(mark)).map(|&(_, tool)| tool)
}
