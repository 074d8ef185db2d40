//! SQLite locks the whole file: RESERVED while a transaction writes into its own cache, EXCLUSIVE for its commit
//! (lockingv3.html, 3.0); with a write-ahead log nobody who reads ever waits (wal.html, 2.2).

use crate::locks::words::{first, has};
use crate::locks::{Blocks, HowLong, Lock};

const MODE: &str = "RESERVED, then EXCLUSIVE on the file";

/// Statements by their first words; the first that fits counts. What is not here locks nothing.
const STATEMENTS: &[(&str, HowLong)] = &[
    ("insert", HowLong::Rows),
    ("replace", HowLong::Rows),
    ("update", HowLong::Rows),
    ("delete", HowLong::Rows),
    ("create temp|temporary", HowLong::Brief),
    ("create ?unique index", HowLong::Scan),
    // Its rows are written without the column (lang_altertable.html, 5).
    ("alter table * drop", HowLong::Rewrite),
    ("create|drop|alter", HowLong::Brief),
    ("reindex", HowLong::Rewrite),
    ("vacuum", HowLong::Rewrite),
    ("analyze", HowLong::Scan),
    ("with", HowLong::Rows),
];

pub(crate) fn locks(words: &[&str]) -> Vec<Lock> {
    let Some((_, rest, how_long)) = first(words, STATEMENTS) else { return Vec::new() };
    let is_query = words.first().is_some_and(|word| word.eq_ignore_ascii_case("with"))
        && !["insert", "update", "delete", "replace"].iter().any(|verb| has(rest, verb));
    let is_temporary = has(&words[..words.len().min(2)], "temp") || has(&words[..words.len().min(2)], "temporary");
    if is_query || is_temporary {
        return Vec::new();
    }
    let mut how_long = *how_long;
    // A column with a CHECK or a generated one is held against the rows that are there (lang_altertable.html, 4).
    if has(words, "alter table") && has(words, "add") && (has(words, "check") || has(words, "generated")) {
        how_long = HowLong::Scan;
    }
    vec![Lock { mode: MODE, table: None, how_long, blocks: Blocks::Writes }]
}

#[cfg(test)]
mod tests {
    use crate::locks::{Lock, locks};
    use whimbrel_core::Dialect;

    #[test]
    fn whoever_writes_locks_the_file() {
        let cases = [
            ("SELECT 1", ""),
            ("PRAGMA foreign_keys = ON", ""),
            ("CREATE TEMP TABLE a (id)", ""),
            ("WITH b AS (SELECT 1) SELECT * FROM b", ""),
            ("WITH b AS (SELECT 1) INSERT INTO a SELECT * FROM b", "while rows are written"),
            ("UPDATE a SET b = 1", "while rows are written"),
            ("CREATE TABLE a (id)", "brief"),
            ("CREATE UNIQUE INDEX i ON a (id)", "while all of it is read"),
            ("ALTER TABLE a ADD COLUMN b INT", "brief"),
            ("ALTER TABLE a ADD COLUMN b INT CHECK (b > 0)", "while all of it is read"),
            ("ALTER TABLE a RENAME TO b", "brief"),
            ("ALTER TABLE a DROP COLUMN b", "while all of it is rewritten"),
            ("VACUUM", "while all of it is rewritten"),
        ];
        for (text, how_long) in cases {
            let shown: Vec<String> = locks(text, Dialect::Sqlite).iter().map(Lock::to_string).collect();
            let expected: Vec<String> = how_long
                .split_terminator(';')
                .map(|it| format!("RESERVED, then EXCLUSIVE on the file, {it}"))
                .collect();
            assert_eq!(shown, expected, "{text}");
        }
    }
}
