//! The queries of verify scripts, and places in a statement.

use std::ops::Range;
use std::time::{Duration, Instant};

use whimbrel_core::Script;

use crate::database_error::DatabaseError;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::{Client, Request, TIMEOUT};
use crate::driver::word::{is_word, only_place};
use crate::driver::{Failure, Part};
use crate::settings::Settings;

/// How often a query is asked at least whose replicas did not answer.
const TRIES: usize = 3;
/// How long one is asked again whose connection broke, until the driver has the next one: it changes nothing.
const RECONNECTING: Duration = Duration::from_secs(5);

/// The first query that fails, or finds nothing.
pub(crate) async fn unverified(
    client: &Client<'_>,
    script: &Script,
    settings: &Settings,
) -> Result<Option<Failure>, Fault> {
    let limit = script.options().timeout.or(settings.statement_timeout).unwrap_or(TIMEOUT);
    for (index, statement) in script.statements().enumerate() {
        let text = script.text_of(&statement);
        let (begun, mut tries) = (Instant::now(), 1);
        let answer = loop {
            match client.send(Request::new(text).within(limit)).await {
                Err(Fault::Later(_) | Fault::Unknown(_)) if begun.elapsed() < RECONNECTING => tries += 1,
                Err(Fault::Later(_)) if tries < TRIES => tries += 1,
                answer => break answer,
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
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

/// The place in a statement that a message is about: where the parser stumbled, or the one place of the name that it
/// tells.
pub(crate) fn place(text: &str, message: &str) -> Option<Range<usize>> {
    stumbled(text, message).or_else(|| only_place(text, name_in(message)?))
}

/// `line 2:7 no viable alternative at input …` (ANTLR: lines from 1, columns from 0, each half of a character's pair in
/// UTF-16 being one).
fn stumbled(text: &str, message: &str) -> Option<Range<usize>> {
    let after = message.split_once("line ")?.1;
    let (line, rest) = after.split_once(':')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (line, column): (usize, usize) = (line.parse().ok()?, rest[..digits].parse().ok()?);
    let begin = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum::<usize>();
    let line = text.get(begin..)?.lines().next()?;
    let at = line.char_indices().flat_map(|(at, c)| std::iter::repeat_n(at, c.len_utf16())).nth(column)?;
    let word = line[at..].find(|c: char| !is_word(c)).unwrap_or(line.len() - at);
    let end = at + word.max(line[at..].chars().next().map_or(0, char::len_utf8));
    Some(begin + at..begin + end)
}

/// What stands before the name of what is missing, or wrong; ScyllaDB's last.
const OPENINGS: [&str; 10] = [
    "Undefined column name ",
    "Undefined column ",
    "Column with name '",
    "Column ",
    "Unknown function '",
    "Unknown type ",
    "Table '",
    "table ",
    "Invalid column name ",
    "Unrecognized name ",
];

/// The name in a message, without its keyspace.
fn name_in(message: &str) -> Option<&str> {
    let after = OPENINGS.iter().find_map(|opening| Some(message.split_once(opening)?.1))?;
    let end = after.find(|c: char| !is_word(c) && c != '.').unwrap_or(after.len());
    after[..end].rsplit('.').next().filter(|name| !name.is_empty())
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
        let named = [
            ("INSERT INTO b (emial) VALUES (3)", "Undefined column name emial in table shop.b", "emial"),
            ("INSERT INTO nowhere (id) VALUES (2)", "table nowhere does not exist", "nowhere"),
            ("INSERT INTO nowhere (id) VALUES (2)", "unconfigured table nowhere", "nowhere"),
            ("DROP TABLE bb", "Table 'shop.bb' doesn't exist", "bb"),
            ("ALTER TABLE a ADD b int", "Column with name 'b' already exists", "b"),
            ("ALTER TABLE a DROP b", "Column b was not found in table 'shop.a'", "b"),
            ("CREATE TABLE a (b blub PRIMARY KEY)", "Unknown type shop.blub", "blub"),
            ("SELECT f(b) FROM a", "Unknown function 'f'", "f"),
        ];
        for (text, message, name) in named {
            assert_eq!(place(text, message).map(|range| &text[range]), Some(name), "{message}");
        }
        assert_eq!(place("SELECT b, b FROM a", "Undefined column name b in table shop.a"), None);
    }
}
