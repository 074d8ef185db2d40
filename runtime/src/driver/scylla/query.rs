//! The queries of verify scripts, and places in a statement.

use std::ops::Range;

use whimbrel_core::Script;

use crate::database_error::DatabaseError;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::{Client, Request, TIMEOUT};
use crate::driver::{Failure, Part};
use crate::settings::Settings;

/// How often a query is asked again whose replicas did not answer.
const TRIES: usize = 3;

/// The first query that fails, or finds nothing.
pub(crate) async fn unverified(
    client: &Client<'_>,
    script: &Script,
    settings: &Settings,
) -> Result<Option<Failure>, Fault> {
    let limit = script.options().timeout.or(settings.statement_timeout).unwrap_or(TIMEOUT);
    for (index, statement) in script.statements().enumerate() {
        let text = script.text_of(&statement);
        let mut tries = 1;
        let answer = loop {
            match client.send(Request::new(text).within(limit)).await {
                Err(Fault::Later(_)) if tries < TRIES => tries += 1,
                answer => break answer,
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        };
        let range = statement.range();
        let (range, cause) = match answer {
            Ok(rows) if !rows.is_empty() => continue,
            Ok(_) => (range, DatabaseError::found_nothing()),
            Err(Fault::Refused(cause) | Fault::Later(cause) | Fault::Unknown(cause)) => {
                let at = place(text, cause.message());
                (at.map_or(range.clone(), |at| range.start + at.start..range.start + at.end), cause)
            }
            Err(fault) => return Err(fault),
        };
        return Ok(Some(Failure { part: Part::Verify(index), range: Some(range), cause, kept: 0 }));
    }
    Ok(None)
}

/// The place that a message names: `line 2:7 no viable alternative at input …` (ANTLR: lines from 1, columns from 0, each
/// half of a character's pair in UTF-16 being one).
pub(crate) fn place(text: &str, message: &str) -> Option<Range<usize>> {
    let after = message.split_once("line ")?.1;
    let (line, rest) = after.split_once(':')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (line, column): (usize, usize) = (line.parse().ok()?, rest[..digits].parse().ok()?);
    let begin = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum::<usize>();
    let line = text.get(begin..)?.lines().next()?;
    let at = line.char_indices().flat_map(|(at, c)| std::iter::repeat_n(at, c.len_utf16())).nth(column)?;
    let word = line[at..].find(|c: char| !c.is_alphanumeric() && c != '_').filter(|length| *length > 0);
    let end = at + word.unwrap_or_else(|| line[at..].chars().next().map_or(0, char::len_utf8));
    Some(begin + at..begin + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_a_place() {
        let text = "CREATE TABLE a (\n  id int PRIMERY KEY\n)";
        let at = |message: &str| place(text, message).map(|range| &text[range]);
        assert_eq!(at("line 2:9 mismatched input 'PRIMERY' expecting ')'"), Some("PRIMERY"));
        assert_eq!(at("line 1:15 no viable alternative"), Some("("));
        assert_eq!(place("a '🐦' emial", "line 1:7 mismatched input 'emial'"), Some(9..14));
        assert_eq!(at("line 9:1 no viable alternative"), None);
        assert_eq!(at("Undefined column name x"), None);
    }
}
