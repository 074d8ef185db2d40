//! What a request has completed; the same for all SQL databases.

use futures_util::{Stream, StreamExt as _};
use sqlx::Either;

/// A row, its columns as text.
pub(crate) type Row = Vec<Option<String>>;

/// What a request has completed.
#[derive(Debug, Default)]
pub(crate) struct Completed {
    /// One for each statement; an empty statement has none.
    pub(crate) statements: Vec<Statement>,
    /// The rows that were kept, of all statements.
    pub(crate) rows: Vec<Row>,
}

#[cfg(any(feature = "_sqlite", feature = "mysql"))]
impl Completed {
    /// The first value of all.
    pub(crate) fn into_value(self) -> Option<String> {
        self.rows.into_iter().flatten().flatten().next()
    }

    /// Whether a statement has returned a row.
    pub(crate) fn has_rows(&self) -> bool {
        self.statements.iter().any(|statement| statement.returned > 0)
    }
}

/// A statement that is done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Statement {
    /// Rows that it changed, as the database counts.
    pub(crate) changed: u64,
    /// Rows that it returned.
    pub(crate) returned: u64,
}

/// Whose rows are kept: a script's own queries may return more than fits in memory.
pub(crate) type Keep<'k> = &'k (dyn Fn(usize) -> bool + Sync);

/// All rows of all statements.
pub(crate) const ALL: Keep<'static> = &|_| true;
/// None.
pub(crate) const NONE: Keep<'static> = &|_| false;

/// Reads all of an answer; on an error, what was completed before it comes along.
pub(crate) async fn collect<D, R>(
    mut answers: impl Stream<Item = Result<Either<D, R>, sqlx::Error>> + Unpin,
    changed: fn(&D) -> u64,
    texts: fn(&R) -> Row,
    keep: Keep<'_>,
) -> Result<Completed, (sqlx::Error, Completed)> {
    let mut completed = Completed::default();
    let mut returned = 0;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(Either::Left(done)) => {
                completed.statements.push(Statement { changed: changed(&done), returned });
                returned = 0;
            }
            Ok(Either::Right(row)) => {
                returned += 1;
                if keep(completed.statements.len()) {
                    completed.rows.push(texts(&row));
                }
            }
            Err(error) => return Err((error, completed)),
        }
    }
    Ok(completed)
}

/// A sentence without what it quotes: a value that could not be read may be a password in the wrong place.
pub(crate) fn without_values(sentence: &str) -> String {
    let sentence = sentence.strip_prefix("error with configuration: ").unwrap_or(sentence);
    // It quotes names of its own in backticks, but for this one.
    let quote = if sentence.starts_with("unknown query parameter") { '`' } else { '"' };
    let mut parts = sentence.split(quote);
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let (Some(_), after) = (parts.next(), parts.next()) {
        text.push('…');
        text.push_str(after.unwrap_or_default());
    }
    text
}
