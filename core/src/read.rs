//! From the text of a file to a [`Script`]: split, directives, statement checks, digest.

mod ambiguity;
mod borders;
pub(crate) mod directive;
mod faults;
mod joined;
mod name;
mod page;
mod pragma;
mod refusals;
mod sections;
mod transaction;
mod verify;

use std::borrow::Cow;

use crate::digests::Digests;
use crate::script::{Options, Part};
use crate::split::{Collect, Cut, cut};
use crate::{Dialect, Direction, Kind, Problem, Script, Statement, Warning, facts};
pub(crate) use joined::{File, read_joined};
use page::Page;

/// What is known of a script before its text is read.
#[derive(Debug, Clone)]
pub struct Outline<'a> {
    /// Up, down or verify.
    pub direction: Direction,
    /// The dialect that it is written for; `None` for a portable script.
    pub dialect: Option<Dialect>,
    /// The dialects under which it is read: the one above, or all that a portable script must suit.
    pub read_as: &'a [Dialect],
    /// Relative to the directory of the set.
    pub path: &'a str,
    /// The path as the user wrote it; for messages.
    pub shown: &'a str,
    /// What the file name or `metadata.toml` asks for; the directives add to it.
    pub options: Options,
    /// What must hold, or the script is wrong.
    pub demand: Demand,
}

/// What is demanded of a script from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// Nothing.
    #[default]
    Nothing,
    /// `run_in_transaction = true` in `metadata.toml`: it runs in a transaction of ours.
    Transaction,
}

/// Reads a script.
///
/// # Errors
/// Everything that is wrong with the text, in its order. A text with neither statement nor comment is wrong too; a
/// comment alone is a deliberate no-op.
///
/// ```
/// use std::borrow::Cow;
/// use whimbrel_core::{Dialect, Direction, read::{Demand, Outline, read}, script::Options};
/// let outline = Outline {
///     direction: Direction::Up,
///     dialect: None,
///     read_as: &Dialect::SQL,
///     path: "0001_init.sql",
///     shown: "migrations/0001_init.sql",
///     options: Options::default(),
///     demand: Demand::Nothing,
/// };
/// let script = read(&outline, Cow::Borrowed("create table a (b int); -- that is all\n")).unwrap();
/// assert_eq!(script.len(), 1);
///
/// let problems = read(&outline, Cow::Borrowed("insert into a values ('x);\n")).unwrap_err();
/// assert_eq!(problems[0].code(), "unterminated-string");
/// ```
pub fn read(outline: &Outline<'_>, text: Cow<'static, str>) -> Result<Script, Vec<Problem>> {
    read_with(outline, text, Empty::Deny, &[]).map(|(script, _)| script)
}

/// Reads a script of a set that says `empty = "allow"`.
///
/// # Errors
/// As [`read`], but for empty files.
pub fn read_or_empty(outline: &Outline<'_>, text: Cow<'static, str>) -> Result<Script, Vec<Problem>> {
    read_with(outline, text, Empty::Allow, &[]).map(|(script, _)| script)
}

/// Reads a script that the history has stored, such as a down script that this binary does not know.
///
/// Its directives stand in the text; what only its file name asks for (`autocommit`) is said in it.
///
/// # Errors
/// As [`read_or_empty`].
pub fn read_stored(direction: Direction, dialect: Dialect, path: &str, text: String) -> Result<Script, Vec<Problem>> {
    let read_as = [dialect];
    let (options, demand) = (Options::default(), Demand::Nothing);
    let outline = Outline { direction, dialect: Some(dialect), read_as: &read_as, path, shown: path, options, demand };
    read_with(&outline, Cow::Owned(text), Empty::Allow, &[]).map(|(script, _)| script)
}

/// Whether a text may have neither statement nor comment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    Allow,
    Deny,
}

/// `parts` are the files that the text is put together of, if it is.
pub(crate) fn read_with(
    outline: &Outline<'_>,
    text: Cow<'static, str>,
    empty: Empty,
    parts: &[Part],
) -> Result<(Script, Vec<Warning>), Vec<Problem>> {
    let text = without_mark(text);
    let mut page = Page::new(outline, &text, parts);
    page.check_bytes();
    // Without sound bytes nothing else can be said.
    page.none_or_problems()?;

    let cuts: Vec<Cut> = outline.read_as.iter().map(|&dialect| cut(&text, dialect, Collect::Tokens)).collect();
    sections::check(&mut page, &cuts);
    // It is no script, and whatever else is said of it would not hold for its parts.
    page.none_or_problems()?;
    let Some(first) = cuts.first() else {
        return Err(vec![Problem::new("no-dialect", "a script is read under at least one dialect")]);
    };
    let mut statements = statements(outline.read_as, &text, &cuts);
    let mut options = directive::options(&mut page, first);
    faults::check(&mut page, &cuts);
    let clear = ambiguity::check(&mut page, &cuts);
    refusals::check(&mut page, &cuts);
    name::check(&mut page, &cuts);
    if empty == Empty::Deny && first.pieces.is_empty() && first.comments == 0 && first.faults.is_empty() {
        page.empty();
    }
    pragma::take_foreign_keys(&page, &mut statements, &mut options);
    borders::take_runners(&page, &mut statements, &mut options);
    if clear.is_ok() {
        borders::check(&mut page, &statements, &options);
        transaction::check(&mut page, &statements, &options);
        if outline.direction == Direction::Verify {
            verify::check(&mut page, &statements);
        }
    }
    page.none_or_problems()?;
    let warnings = page.into_warnings();

    let digests = Digests::of(outline.read_as.iter().copied().zip(cuts.iter().map(|cut| &cut.tokens[..])));
    let (direction, dialect, path) = (outline.direction, outline.dialect, outline.path.to_owned());
    Ok((Script::new(direction, dialect, path, text, &statements, &options, digests), warnings))
}

/// The text without a byte order mark.
fn without_mark(text: Cow<'static, str>) -> Cow<'static, str> {
    const MARK: char = '\u{feff}';
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(MARK).unwrap_or(text)),
        Cow::Owned(mut text) => {
            if text.starts_with(MARK) {
                text.drain(..MARK.len_utf8());
            }
            Cow::Owned(text)
        }
    }
}

/// The statements as the first dialect has them, with what each of the others says about transactions.
///
/// A portable script is often meant for one database, which knows best: `START TRANSACTION` is nothing to SQLite, and
/// only PostgreSQL writes in a `WITH`.
fn statements(read_as: &[Dialect], text: &str, cuts: &[Cut]) -> Vec<Statement> {
    let (Some(&dialect), Some(first)) = (read_as.first(), cuts.first()) else {
        return Vec::new();
    };
    let mut statements: Vec<_> = first.pieces.iter().map(|piece| facts::statement(text, dialect, piece)).collect();
    for (&dialect, cut) in read_as.iter().zip(cuts).skip(1) {
        for (statement, piece) in statements.iter_mut().zip(&cut.pieces) {
            let theirs = facts::statement(text, dialect, piece);
            statement.outside |= theirs.outside;
            if matches!(statement.kind, Kind::Other | Kind::Query) && theirs.kind != Kind::Other {
                statement.kind = theirs.kind;
            }
        }
    }
    statements
}
