//! What holds for every text.

use proptest::prelude::*;
use whimbrel_core::split::split;
use whimbrel_core::{Dialect, Statement};

use crate::read_as;

/// What a splitter stumbles over, in any order.
const FRAGMENTS: &[&str] = &[
    "'",
    "''",
    "\"",
    "`",
    "[",
    "]",
    "$$",
    "$a$",
    "$",
    "E'",
    "\\",
    "\\'",
    "--",
    "-- ",
    "#",
    "//",
    "/*",
    "*/",
    "/*!50001 ",
    "/*M!",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    ";",
    ";;",
    "(",
    ")",
    "{",
    "}",
    ":",
    "?",
    ".",
    "@",
    "=",
    "1",
    "a",
    "é",
    "\u{a0}",
    "\u{feff}",
    "𝄞",
    "BEGIN",
    "END",
    "CASE",
    "ATOMIC",
    "NOT",
    "CREATE",
    "TRIGGER",
    "FUNCTION",
    "PROCEDURE",
    "EVENT",
    "RULE",
    "FOR EACH ROW ",
    "IF",
    "THEN",
    "ELSE",
    "LOOP",
    "REPEAT",
    "UNTIL",
    "WHILE",
    "DO",
    "DECLARE",
    "HANDLER",
    "RETURNS",
    "DELIMITER //\n",
    "DELIMITER $$\n",
    "DELIMITER ;\n",
    "//",
    "BATCH",
    "APPLY",
    "UNLOGGED",
    "COMMIT",
    "TRANSACTION",
    "ROLLBACK TO",
    "EXPLAIN",
    "TEMP",
    "COPY a FROM STDIN;",
    "\n\\.\n",
    ".read x",
    "PRAGMA foreign_keys = OFF;",
    "PRAGMA",
    "WITH x AS (",
    "SELECT",
    "INTO",
    "INSERT",
    "ALTER TABLE",
    "DETACH",
    "CONCURRENTLY",
    "REINDEX",
    "SUBSCRIPTION",
    "SET sql_mode = 'ANSI'",
    "whimbrel:timeout 3s",
    "-- whimbrel:phase",
    "-- no-transaction\n",
    "\0",
];

fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(FRAGMENTS);
    let gap = prop::sample::select(&["", "", " ", "\n"][..]);
    prop::collection::vec((fragment, gap), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(fragment, gap)| [fragment, gap]).collect())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![fragments(), any::<String>(), "[ -~\n;'\"$/*-]{0,60}"]
}

/// Statements stand in order and apart, between them stands none, and their lines are right.
fn holds(text: &str, dialect: Dialect, statements: &[Statement]) -> Result<(), TestCaseError> {
    let mut joined = String::new();
    let mut end = 0;
    for statement in statements {
        let range = statement.range();
        prop_assert!(range.start >= end && range.start < range.end && range.end <= text.len(), "{range:?}");
        let gap = &text[end..range.start];
        // A client's lines make sense only where they stand.
        let is_plain = !["DELIMITER", "COPY"].iter().any(|word| text.contains(word));
        prop_assert!(!is_plain || split(gap, dialect).is_empty(), "{gap:?}");
        joined += gap;
        joined += &text[range.clone()];
        end = range.end;
        let line = text[..range.start].matches('\n').count() as u32 + 1;
        prop_assert_eq!(statement.line, line);
        prop_assert!(!text[range.clone()].starts_with([' ', '\n', '\r', ';']));
    }
    joined += &text[end..];
    prop_assert_eq!(joined, text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn splitting_never_panics_and_joins_back(text in any_text()) {
        for dialect in Dialect::ALL {
            holds(&text, dialect, &split(&text, dialect))?;
        }
    }

    #[test]
    fn reading_never_panics(text in any_text()) {
        for dialect in Dialect::ALL {
            if let Err(problems) = read_as(dialect, &text) {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
            }
        }
        let _ = crate::read_portable(&text);
    }

    #[test]
    fn what_is_between_tokens_does_not_count(gaps in prop::collection::vec(0..GAPS.len(), TOKENS.len())) {
        let text: String = TOKENS.iter().zip(&gaps).flat_map(|(token, &gap)| [*token, GAPS[gap]]).collect();
        for dialect in Dialect::ALL {
            let plain = read_as(dialect, &TOKENS.join(" ")).unwrap();
            let other = read_as(dialect, &text).unwrap();
            prop_assert_eq!(plain.digest(dialect), other.digest(dialect), "{}", &text);
        }
    }

    #[test]
    fn what_is_in_a_literal_counts(left in "[a-z \r\n-]{0,8}", right in "[a-z \r\n-]{0,8}") {
        for dialect in Dialect::ALL {
            let digest = |inner: &str| read_as(dialect, &format!("insert into a values ('{inner}')")).unwrap().digest(dialect);
            // The line ends of a checkout are none of the literal.
            let [one, other] = [&left, &right].map(|text| text.replace("\r\n", "\n"));
            prop_assert_eq!(digest(&left) == digest(&right), one == other);
        }
    }
}

/// Were anything quadratic in the length of a script, this would not end: each takes milliseconds.
#[test]
fn a_long_script_of_anything_is_read_in_linear_time() {
    for fragment in FRAGMENTS.iter().chain(&["ALTER TABLE a DETACH PARTITION ", "SELECT 'x';", "COMMIT;", "USE a;"]) {
        for gap in ["", " "] {
            let text = format!("{fragment}{gap}").repeat(40_000 / fragment.len());
            for dialect in Dialect::ALL {
                if let Err(problems) = read_as(dialect, &text) {
                    assert!(problems.len() <= 101);
                }
            }
        }
    }
}

const TOKENS: &[&str] =
    &["insert", "into", "a", "(", "b", ",", "c", ")", "values", "(", "'it''s;  '", ",", "12", ")", ";"];

/// What may stand between two tokens, in every dialect.
const GAPS: &[&str] =
    &[" ", "\n", "\r\n", "\t", "  \n", " -- a comment; 'here\n", "/* and; \" here */", " /**/ ", "\r\n\r\n"];
