//! What the splitter could not make sense of.

use std::ops::Range;

use super::ambiguity::{list, setting};
use super::page::Page;
use crate::Dialect;
use crate::lex::{Fault, FaultKind};
use crate::split::Cut;

/// Notes each fault once, whatever the number of dialects that have it.
pub(super) fn check(page: &mut Page<'_>, cuts: &[Cut]) {
    let read_as = page.outline.read_as;
    for (&dialect, cut) in read_as.iter().zip(cuts) {
        for fault in &cut.faults {
            let is_here = |other: &Fault| (other.kind, other.start) == (fault.kind, fault.start);
            let has_it = |(_, cut): &(Dialect, &Cut)| cut.faults.iter().any(is_here);
            let (with, without): (Vec<_>, Vec<_>) = read_as.iter().copied().zip(cuts).partition(has_it);
            let dialects = |readings: Vec<(Dialect, &Cut)>| readings.into_iter().map(|(dialect, _)| dialect).collect();
            wrong(page, fault, dialect, dialects(with), dialects(without));
        }
    }
}

/// Notes a fault, which some of the dialects may not have.
fn wrong(page: &mut Page<'_>, fault: &Fault, dialect: Dialect, with: Vec<Dialect>, without: Vec<Dialect>) {
    let (code, message, help) = words(page.text, fault, dialect);
    let range = match fault.kind {
        FaultKind::Character => character(page.text, fault),
        FaultKind::CommentEnd => fault.start - 1..fault.end,
        FaultKind::BindMarker => marker(page.text, fault),
        _ => fault.start..fault.end,
    };
    // A client's commands are wrong whatever the dialect.
    if without.is_empty() || fault.kind == FaultKind::ClientCommand {
        return page.wrong(range, code, message, help);
    }
    let message = format!("{message} when read as {}", list(&with, "and"));
    let (them, setting) = (list(&with, "or"), setting(&without));
    let help = format!("if it is not for {them}, write {setting} in whimbrel.toml; if it is, {help}");
    page.wrong(range, code, message, help);
}

fn words(text: &str, fault: &Fault, dialect: Dialect) -> (&'static str, String, String) {
    let found = &text[fault.start..fault.end];
    match fault.kind {
        FaultKind::String => ("unterminated-string", "unterminated string".to_owned(), close_string(found, dialect)),
        FaultKind::QuotedName => {
            let close = if found == "[" { "]" } else { found };
            ("unterminated-name", "unterminated quoted name".to_owned(), format!("close it with `{close}`"))
        }
        FaultKind::DollarQuote => {
            ("unterminated-dollar-quote", "unterminated dollar quote".to_owned(), format!("close it with `{found}`"))
        }
        FaultKind::Comment => ("unterminated-comment", "unterminated comment".to_owned(), close_comment(dialect)),
        FaultKind::CommentEnd => (
            "nested-comment",
            "this `*/` closes no comment: in CQL they do not nest".to_owned(),
            "remove it, with the `/*` that stands inside the comment before".to_owned(),
        ),
        FaultKind::Body => {
            ("unterminated-body", format!("this `{}` has no end", found.to_uppercase()), close_body(dialect))
        }
        FaultKind::Parenthesis => (
            "unclosed-parenthesis",
            "this `(` is never closed".to_owned(),
            "close it with `)`; until then no `;` ends the statement".to_owned(),
        ),
        FaultKind::ClientCommand => client_command(found, dialect),
        FaultKind::BindMarker => (
            "bind-marker",
            format!("`{}` is a bind marker, and a script has no values to bind", &text[marker(text, fault)]),
            "write the value itself".to_owned(),
        ),
        FaultKind::Character => (
            "invalid-character",
            format!("the character {} cannot stand outside quotes in CQL", shown(unknown(text, fault).1)),
            if is_seen(unknown(text, fault).1) { "remove it, or quote the name" } else { "write a space in its place" }
                .to_owned(),
        ),
        FaultKind::EmptyName => (
            "empty-name",
            "a quoted name cannot be empty".to_owned(),
            "write the name; an empty string is `''`".to_owned(),
        ),
        FaultKind::UnquotedName => {
            ("unquoted-name", "a name that begins with `_` must be quoted".to_owned(), format!("write `\"{found}\"`"))
        }
        FaultKind::NotBatched => (
            "not-batched",
            format!("`{}` cannot stand in a batch: it holds INSERT, UPDATE and DELETE only", found.to_uppercase()),
            "end the batch before it with `APPLY BATCH;`, or move it out".to_owned(),
        ),
        FaultKind::StraySemicolon => (
            "stray-semicolon",
            "this `;` ends no statement of the batch, and the server refuses it".to_owned(),
            "remove it".to_owned(),
        ),
    }
}

fn close_string(quote: &str, dialect: Dialect) -> String {
    let backslash = if dialect == Dialect::Mysql { "; a backslash takes the next character with it" } else { "" };
    format!("close it with `{quote}`, or double a quote inside a string: `{quote}{quote}`{backslash}")
}

fn close_comment(dialect: Dialect) -> String {
    let nesting =
        if dialect == Dialect::Postgres { "; PostgreSQL nests comments, so each `/*` needs its own" } else { "" };
    format!("close it with `*/`{nesting}")
}

fn close_body(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => "end the body of the trigger with `; END;`",
        Dialect::Postgres => "end the body with `END;`",
        Dialect::Mysql => {
            "close each block with its `END`, `END IF`, `END LOOP`, …; if it is closed, put `DELIMITER` lines around"
        }
        Dialect::Cql => "end it with `APPLY BATCH;` or `COMMIT TRANSACTION;`",
    }
    .to_owned()
}

fn client_command(found: &str, dialect: Dialect) -> (&'static str, String, String) {
    let client = match dialect {
        Dialect::Sqlite => "the sqlite3 shell",
        Dialect::Postgres => "psql",
        Dialect::Mysql => "the mysql client",
        Dialect::Cql => "cqlsh",
    };
    (
        "client-command",
        format!("`{found}` is a command of {client}, not SQL"),
        "write what it does as a statement, or remove it".to_owned(),
    )
}

/// The range of a bind marker; that of a name begins with the `:` before.
fn marker(text: &str, fault: &Fault) -> Range<usize> {
    let before = text[..fault.start].trim_end();
    let is_named = &text[fault.start..fault.end] != "?" && before.ends_with(':');
    if is_named { before.len() - 1..fault.end } else { fault.start..fault.end }
}

/// The range of what cannot stand there: the rest of the word, unless nobody would see where it begins.
fn character(text: &str, fault: &Fault) -> Range<usize> {
    let (at, character) = unknown(text, fault);
    let start = fault.start + at;
    start..if is_seen(character) { fault.end } else { start + character.len_utf8() }
}

/// The first character that is no letter or digit of ASCII, and its place in the fault.
fn unknown(text: &str, fault: &Fault) -> (usize, char) {
    let mut characters = text[fault.start..fault.end].char_indices();
    characters.find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_').unwrap_or_default()
}

/// A character as it is, or by its number where nobody would see it.
fn shown(character: char) -> String {
    if is_seen(character) { character.to_string() } else { format!("U+{:04X}", u32::from(character)) }
}

fn is_seen(character: char) -> bool {
    character.is_ascii_graphic() || character.is_alphanumeric()
}
