//! What became of a statement of CQL: what may run again, and what a node is asked.

use whimbrel_core::Script;

use super::{Answer, Finding, Question, Thing};
use crate::schema::change::Change;
use crate::schema::effect::Effect;
use crate::schema::repeat::Repeat;

/// Whether a statement may be sent again although it may have been done.
pub(crate) fn is_harmless_again(effect: &Effect) -> bool {
    matches!(effect, Effect::Query | Effect::Rows { repeat: Repeat::Pinned | Repeat::OwnTimestamp, .. })
}

/// What is known of the statement after those that are done, in the entry with that key.
pub(crate) fn finding(script: &Script, done: usize, key: &str) -> Finding {
    // All of them are done.
    let Some(statement) = script.statement(done) else { return Finding::Again };
    let text = script.text_of(&statement);
    match Effect::of(text, "") {
        effect if is_harmless_again(&effect) => Finding::Again,
        // What no node's schema tells: rows that are truncated, rights.
        Effect::Rows { .. } | Effect::Schema(Change::Other(_)) => Finding::Unknown,
        // Nor where to look for what was not understood: that nothing has changed there would say nothing.
        Effect::Unknown => Finding::Unknown,
        Effect::Schema(_) | Effect::Query => {
            let thing = Thing::Statement { key: key.to_owned(), text: text.to_owned() };
            Finding::Ask(vec![Question { thing, done: Answer::Yes }])
        }
    }
}

/// Why only a person can tell, as far as the statement says that.
pub(crate) fn why_unknown(script: &Script, done: usize) -> Option<String> {
    match Effect::of(script.text_of(&script.statement(done)?), "") {
        Effect::Rows { repeat: Repeat::Unrepeatable(why), .. } => Some(why),
        Effect::Schema(Change::Other(_)) => Some("no table of the server tells whether it was done".to_owned()),
        Effect::Unknown => Some("what it does is not understood here".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whimbrel_core::read::read_stored;
    use whimbrel_core::{Dialect, Direction};

    #[test]
    fn what_became_of_a_statement() {
        let asked = |text: &str| {
            let thing = Thing::Statement { key: "1".to_owned(), text: text.to_owned() };
            Finding::Ask(vec![Question { thing, done: Answer::Yes }])
        };
        let cases = [
            ("INSERT INTO a (b) VALUES (1)", Some(Finding::Again)),
            ("UPDATE a USING TIMESTAMP 1 SET b = 1 WHERE c = 1", Some(Finding::Again)),
            ("SELECT b FROM a", Some(Finding::Again)),
            ("UPDATE a SET n = n + 1 WHERE c = 1", Some(Finding::Unknown)),
            ("INSERT INTO a (b) VALUES (1) IF NOT EXISTS", Some(Finding::Unknown)),
            ("INSERT INTO a (b) VALUES (now())", Some(Finding::Unknown)),
            ("TRUNCATE a", Some(Finding::Unknown)),
            ("GRANT SELECT ON a TO b", Some(Finding::Unknown)),
            ("CREATE TABLE a (b int PRIMARY KEY)", None),
            ("ALTER TABLE a WITH comment = 'b'", None),
            ("CREATE ROLE a", Some(Finding::Unknown)),
            ("SOMETHING NEW", Some(Finding::Unknown)),
        ];
        for (text, expected) in cases {
            let script = read_stored(Direction::Up, Dialect::Cql, "0001_a.cql", text.to_owned()).unwrap();
            assert_eq!(finding(&script, 0, "1"), expected.unwrap_or_else(|| asked(text)), "{text}");
            assert_eq!(finding(&script, 1, "1"), Finding::Again, "{text}");
        }
    }
}
