//! What holds for every text.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use whimbrel_core::split::split;
use whimbrel_core::words::words;
use whimbrel_core::{Dialect, Digest, Statement};

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

/// Something that is read without a problem more often than [`fragments`].
fn statement() -> impl Strategy<Value = String> {
    let is_in_one_piece = |fragment: &&&str| !fragment.contains('\r') && !fragment.starts_with("DELIMITER");
    let fragments: Vec<&str> = FRAGMENTS.iter().filter(is_in_one_piece).copied().collect();
    let gap = prop::sample::select(&["", "", " ", "\n"][..]);
    prop::collection::vec((prop::sample::select(fragments), gap), 0..8).prop_map(|parts| {
        let parts = parts.into_iter().flat_map(|(fragment, gap)| [fragment, gap]);
        ["select a "].into_iter().chain(parts).chain([" 'b', n'c'"]).collect()
    })
}

/// The tokens as the digest has them, found by the lexer alone.
fn one_by_one(statement: &str, dialect: Dialect) -> String {
    words(statement, dialect).into_iter().flat_map(|token| [token, " "]).chain(["\0"]).collect()
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![fragments(), any::<String>(), "[ -~\n;'\"$/*-]{0,60}"]
}

/// Each byte of the text is in one statement or in a gap in which nothing could be one; the lines are right.
fn holds(text: &str, dialect: Dialect, statements: &[Statement]) -> Result<(), TestCaseError> {
    let mut end = 0;
    let mut gaps = Gaps { dialect, delimiter: String::new() };
    for (index, statement) in statements.iter().enumerate() {
        let range = statement.range();
        prop_assert!(range.start >= end && range.start < range.end && range.end <= text.len(), "{range:?}");
        let before = index.checked_sub(1).map_or("", |before| &text[statements[before].range()]);
        prop_assert_eq!(gaps.rest(before, &text[end..range.start]), "", "{}: {:?}", dialect, text);
        end = range.end;
        let line = text[..range.start].matches('\n').count() as u32 + 1;
        prop_assert_eq!(statement.line, line);
        // Whatever ended it, what was read as one statement is one. (A client's lines mean something only where they stand.)
        if !text.contains("DELIMITER") && !text.contains('\\') {
            let again = split(&format!("{};", &text[range.clone()]), dialect);
            prop_assert_eq!(again.iter().map(|again| again.range().start).collect::<Vec<_>>(), [0], "{:?}", text);
        }
    }
    let before = statements.last().map_or("", |before| &text[before.range()]);
    prop_assert_eq!(gaps.rest(before, &text[end..]), "", "{}: {:?}", dialect, text);
    Ok(())
}

/// What lies between statements, read in another way than the lexer reads it.
struct Gaps {
    dialect: Dialect,
    /// Empty while it is `;`.
    delimiter: String,
}

impl Gaps {
    /// What is left of a gap behind blank space, comments, terminators and the lines of a client.
    fn rest<'a>(&mut self, before: &str, gap: &'a str) -> &'a str {
        let mut rest = gap;
        while let Some(shorter) = self.without_first(rest) {
            rest = shorter;
        }
        match rest.split_once("\n\\.") {
            // Lines of data follow a `COPY … FROM STDIN`.
            Some((_, rest)) if self.dialect == Dialect::Postgres && before.contains("COPY") => self.rest("", rest),
            _ => rest,
        }
    }

    fn without_first<'a>(&mut self, gap: &'a str) -> Option<&'a str> {
        let blanks = match self.dialect {
            Dialect::Cql => " \t\r\n",
            Dialect::Sqlite => " \t\r\n\x0c",
            _ => " \t\r\n\x0c\x0b",
        };
        if !self.delimiter.is_empty() && gap.starts_with(&self.delimiter) {
            return Some(&gap[self.delimiter.len()..]);
        }
        if let Some(rest) = gap.strip_prefix(|c| c == ';' || blanks.contains(c)) {
            return Some(rest);
        }
        self.without_comment(gap).or_else(|| self.without_client_line(gap))
    }

    fn without_comment<'a>(&self, gap: &'a str) -> Option<&'a str> {
        let is_block = gap.starts_with("/*") && !(self.dialect == Dialect::Mysql && is_version_comment(gap));
        if is_block {
            return Some(&gap[block_length(gap, self.dialect)..]);
        }
        let is_line = match self.dialect {
            Dialect::Mysql => gap.starts_with('#') || gap.starts_with("--"),
            Dialect::Cql => gap.starts_with("--") || gap.starts_with("//"),
            _ => gap.starts_with("--"),
        };
        let ends = if matches!(self.dialect, Dialect::Postgres | Dialect::Cql) { "\r\n" } else { "\n" };
        is_line.then(|| &gap[gap.find(|c| ends.contains(c)).unwrap_or(gap.len())..])
    }

    fn without_client_line<'a>(&mut self, gap: &'a str) -> Option<&'a str> {
        let (line, rest) = gap.split_at(gap.find('\n').unwrap_or(gap.len()));
        let is_delimiter = |word: &str| word.eq_ignore_ascii_case("DELIMITER");
        let takes = match self.dialect {
            Dialect::Sqlite => line.starts_with('.'),
            Dialect::Postgres => line.starts_with('\\'),
            Dialect::Mysql if line.split_ascii_whitespace().next().is_some_and(is_delimiter) => {
                let delimiter = line[9..].split([' ', '\t', '\r', '\x0c', '\x0b']).find(|part| !part.is_empty());
                self.delimiter = delimiter.filter(|&delimiter| delimiter != ";").unwrap_or_default().to_owned();
                true
            }
            Dialect::Mysql => line.starts_with('\\') && !line.starts_with("\\N"),
            _ => false,
        };
        takes.then_some(rest)
    }
}

fn is_version_comment(gap: &str) -> bool {
    gap.starts_with("/*!") || gap.starts_with("/*M!")
}

fn block_length(gap: &str, dialect: Dialect) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < gap.len() {
        let opens = gap.as_bytes()[at..].starts_with(b"/*") && (at == 0 || dialect == Dialect::Postgres);
        let closes = gap.as_bytes()[at..].starts_with(b"*/");
        at += 1 + usize::from(opens || closes);
        depth += i32::from(opens) - i32::from(closes);
        if depth == 0 {
            return at;
        }
    }
    gap.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn each_byte_is_in_one_statement_or_in_a_gap(text in any_text()) {
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
    fn a_digest_is_taken_over_the_tokens_that_are_there(text in statement()) {
        for dialect in Dialect::ALL {
            if let Ok(script) = read_as(dialect, &text) {
                let statements = split(&text, dialect);
                // Marks alone: MySQL makes a comment of `--` at the end, and marks of it before what follows here.
                prop_assume!(!statements.iter().any(|one| text[one.range()].ends_with('-')));
                let tokens: String = statements.iter().map(|one| one_by_one(&text[one.range()], dialect)).collect();
                prop_assert_eq!(script.digest(dialect), Digest::of(&[tokens.as_bytes()]), "{}: {:?}", dialect, &text);
            }
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

/// Sixteen times the text takes sixteen times as long; were anything quadratic, it would be 256 times.
#[test]
fn a_long_script_of_anything_is_read_in_linear_time() {
    for fragment in FRAGMENTS.iter().chain(&["ALTER TABLE a DETACH PARTITION ", "SELECT 'x';", "COMMIT;", "USE a;"]) {
        for text in [fragment.repeat(1_250 / fragment.len()), format!("{fragment} ").repeat(1_250 / fragment.len())] {
            for dialect in Dialect::ALL {
                assert!(is_linear(dialect, &text), "{dialect}: {fragment:?}");
            }
        }
    }
}

/// Whatever else the machine does, some attempt gets past it: the first one, as a rule.
fn is_linear(dialect: Dialect, text: &str) -> bool {
    let (mut short, mut long) = (Duration::MAX, Duration::MAX);
    (0..300).any(|attempt| {
        std::thread::sleep(Duration::from_millis(attempt / 10));
        short = short.min(took(dialect, text));
        long = long.min(took(dialect, &text.repeat(16)));
        long < 64 * short
    })
}

fn took(dialect: Dialect, text: &str) -> Duration {
    let start = Instant::now();
    if let Err(problems) = read_as(dialect, text) {
        assert!(problems.len() <= 101);
    }
    start.elapsed()
}

const TOKENS: &[&str] =
    &["insert", "into", "a", "(", "b", ",", "c", ")", "values", "(", "'it''s;  '", ",", "12", ")", ";"];

/// What may stand between two tokens, in every dialect.
const GAPS: &[&str] =
    &[" ", "\n", "\r\n", "\t", "  \n", " -- a comment; 'here\n", "/* and; \" here */", " /**/ ", "\r\n\r\n"];
