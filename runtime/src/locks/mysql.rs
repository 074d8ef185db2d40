//! MySQL and MariaDB: every change of a table takes its metadata lock exclusively for a moment, at the beginning and at
//! the end (MySQL manual, 8.11.4); what happens in between is said by the algorithm (MySQL manual, 15.12.1; MariaDB
//! knowledge base, InnoDB Online DDL). The list is that of MySQL 8.0.29, or MariaDB 10.4, and newer.

use crate::doubt::fit;
use crate::locks::words::{first, has, is, items, referenced};
use crate::locks::{Blocks, HowLong, Lock};

use HowLong::{Brief, Rewrite, Rows, Scan, Unknown};

/// Nothing but the catalogue changes.
const INSTANT: &str = "metadata lock (INSTANT)";
/// Others read and write meanwhile.
const INPLACE: &str = "metadata lock (INPLACE)";
/// Others only read meanwhile.
const INPLACE_SHARED: &str = "metadata lock (INPLACE, LOCK=SHARED)";
/// Others only read meanwhile, and the table is copied.
const COPY: &str = "metadata lock (COPY)";
const METADATA: &str = "metadata lock";
const ROWS: &str = "row locks";
const UNKNOWN: &str = "unknown locks";

const MODES: [(&str, Blocks); 7] = [
    (UNKNOWN, Blocks::Unknown),
    (COPY, Blocks::Writes),
    (INPLACE_SHARED, Blocks::Writes),
    (METADATA, Blocks::Everything),
    (INPLACE, Blocks::Changes),
    (INSTANT, Blocks::Everything),
    (ROWS, Blocks::Changes),
];

type Held = (&'static str, HowLong);

const STATEMENTS: &[(&str, Held)] = &[
    ("create fulltext|spatial index ?if ?not ?exists * on *", (INPLACE_SHARED, Scan)),
    ("create ?or ?replace ?unique index ?if ?not ?exists * ?using ?btree|hash on *", (INPLACE, Scan)),
    ("drop index ?if ?exists * on *", (INPLACE, Brief)),
    ("create ?or ?replace trigger", (METADATA, Brief)),
    ("insert ?low_priority|delayed|high_priority ?ignore ?into *", (ROWS, Rows)),
    ("replace ?low_priority|delayed ?into *", (ROWS, Rows)),
    ("update ?low_priority ?ignore *", (ROWS, Rows)),
    ("delete ?low_priority ?quick ?ignore from *", (ROWS, Rows)),
    ("load", (ROWS, Rows)),
    ("truncate ?table *", (METADATA, Brief)),
    ("optimize ?no_write_to_binlog|local table *", (INPLACE, Rewrite)),
    ("analyze ?no_write_to_binlog|local table *", (METADATA, Brief)),
    ("call", (UNKNOWN, Unknown)),
    ("execute", (UNKNOWN, Unknown)),
    ("with", (ROWS, Rows)),
];

const LISTS: &[(&str, Held)] = &[
    ("drop table|view ?if ?exists", (METADATA, Brief)),
    ("rename table|tables", (METADATA, Brief)),
    ("lock table|tables", (METADATA, Unknown)),
];

/// Actions of ALTER TABLE; the first that fits counts, what is not here copies the table at worst.
const CHANGES: &[(&str, Held)] = &[
    ("algorithm|lock", (INSTANT, Brief)),
    ("add fulltext|spatial", (INPLACE_SHARED, Scan)),
    ("add ?unique index|key", (INPLACE, Scan)),
    ("add unique", (INPLACE, Scan)),
    ("add primary key", (INPLACE, Rewrite)),
    ("add constraint * unique", (INPLACE, Scan)),
    ("add constraint * primary", (INPLACE, Rewrite)),
    ("add constraint unique", (INPLACE, Scan)),
    ("add foreign|check|constraint", (COPY, Rewrite)),
    ("add partition", (METADATA, Brief)),
    ("drop partition", (METADATA, Brief)),
    ("drop index|key|foreign", (INPLACE, Brief)),
    ("drop primary key", (COPY, Rewrite)),
    ("drop constraint|check", (INSTANT, Brief)),
    ("drop", (INSTANT, Brief)),
    ("rename index|key", (INPLACE, Brief)),
    ("rename", (INSTANT, Brief)),
    ("alter index", (INPLACE, Brief)),
    ("alter", (INSTANT, Brief)),
    ("add period|system|vector", (COPY, Rewrite)),
    ("auto_increment|comment|default|checksum|stats_persistent|stats_auto_recalc|stats_sample_pages", (INSTANT, Brief)),
    ("disable|enable keys", (INSTANT, Brief)),
    ("force|row_format|key_block_size", (INPLACE, Rewrite)),
];

pub(crate) fn locks(words: &[&str]) -> Vec<Lock> {
    if is(words.first(), "create") && (is(words.get(1), "table") || has(&words[..words.len().min(4)], "replace table"))
    {
        // Its own table is seen by nobody; those that it refers to are locked while it is made (8.11.4).
        return referenced(words).into_iter().map(|table| lock((METADATA, Brief), Some(table))).collect();
    }
    if let Some((mut names, at)) = fit(words, "alter ?online ?ignore table ?if ?exists *") {
        return alter_table(names.remove(0), &words[at..]);
    }
    if let Some((_, rest, held)) = first(words, LISTS) {
        let names = items(rest).into_iter().filter_map(|item| fit(item, "*")?.0.into_iter().next());
        return names.map(|name| lock(*held, Some(name))).collect();
    }
    let Some((names, rest, held)) = first(words, STATEMENTS) else { return Vec::new() };
    match words.first().map(|word| word.to_ascii_lowercase()).as_deref() {
        Some("create") if names.is_empty() => vec![lock(*held, trigger_table(rest))],
        Some("with") if !["insert", "update", "delete", "replace"].iter().any(|verb| has(rest, verb)) => Vec::new(),
        _ => vec![lock(*held, names.into_iter().next_back())],
    }
}

fn lock((mode, how_long): Held, table: Option<String>) -> Lock {
    let blocks = MODES.iter().find(|(known, _)| *known == mode).map_or(Blocks::Unknown, |(_, blocks)| *blocks);
    Lock { mode, table, how_long, blocks }
}

fn trigger_table(words: &[&str]) -> Option<String> {
    (0..words.len()).find_map(|at| fit(&words[at..], "on *")?.0.into_iter().next())
}

fn alter_table(table: String, changes: &[&str]) -> Vec<Lock> {
    let rank = |held: &Held| MODES.iter().position(|(mode, _)| *mode == held.0).map(|at| MODES.len() - at);
    let all: Vec<Held> = items(changes).into_iter().map(held_by).collect();
    let mode = all.iter().max_by_key(|held| (held.1, rank(held))).map_or(COPY, |held| held.0);
    let how_long = all.iter().map(|held| held.1).max().unwrap_or(Rewrite);
    let mut own = lock((mode, how_long), Some(table));
    // What the statement demands, or it fails (15.1.9): the server takes no slower way.
    if has(changes, "algorithm = instant") || has(changes, "algorithm instant") {
        own = lock((INSTANT, Brief), own.table);
    }
    if has(changes, "lock = none") || has(changes, "lock none") {
        (own.mode, own.blocks) = (INPLACE, Blocks::Changes);
    }
    let others = referenced(changes).into_iter().map(|table| lock((METADATA, Brief), Some(table)));
    let others: Vec<Lock> = others.collect();
    [vec![own], others].concat()
}

fn held_by(change: &[&str]) -> Held {
    if let Some((.., held)) = first(change, CHANGES) {
        return *held;
    }
    match () {
        () if is(change.first(), "add") && has(change, "auto_increment") => (INPLACE_SHARED, Rewrite),
        () if is(change.first(), "add") && (has(change, "stored") || has(change, "persistent")) => (COPY, Rewrite),
        () if is(change.first(), "add") && (has(change, "unique") || has(change, "primary")) => (INPLACE, Rewrite),
        () if is(change.first(), "add") => (INSTANT, Brief),
        // The type before is not written here.
        () => (COPY, Rewrite),
    }
}

#[cfg(test)]
mod tests {
    use crate::locks::{Lock, locks};
    use whimbrel_core::Dialect;

    #[test]
    fn what_a_statement_locks() {
        let cases = [
            ("SELECT 1", "nothing"),
            ("CREATE TABLE a (id INT)", "nothing"),
            ("CREATE TABLE a (id INT, FOREIGN KEY (id) REFERENCES b (id))", "metadata lock on b, brief"),
            ("CREATE INDEX i ON a (b)", "metadata lock (INPLACE) on a, while all of it is read"),
            ("CREATE FULLTEXT INDEX i ON a (b)", "metadata lock (INPLACE, LOCK=SHARED) on a, while all of it is read"),
            ("DROP INDEX i ON a", "metadata lock (INPLACE) on a, brief"),
            ("ALTER TABLE a ADD COLUMN b INT", "metadata lock (INSTANT) on a, brief"),
            ("ALTER TABLE a ADD b INT, ADD INDEX (b)", "metadata lock (INPLACE) on a, while all of it is read"),
            ("ALTER TABLE a DROP COLUMN b", "metadata lock (INSTANT) on a, brief"),
            ("ALTER TABLE a MODIFY b BIGINT", "metadata lock (COPY) on a, while all of it is rewritten"),
            ("ALTER TABLE a MODIFY b BIGINT, ALGORITHM=INSTANT", "metadata lock (INSTANT) on a, brief"),
            ("ALTER TABLE a ADD b INT AS (c + 1) STORED", "metadata lock (COPY) on a, while all of it is rewritten"),
            ("ALTER TABLE a DROP PRIMARY KEY", "metadata lock (COPY) on a, while all of it is rewritten"),
            ("ALTER TABLE a ENGINE = InnoDB", "metadata lock (COPY) on a, while all of it is rewritten"),
            ("ALTER TABLE a FORCE", "metadata lock (INPLACE) on a, while all of it is rewritten"),
            ("ALTER TABLE `s`.`a` RENAME COLUMN b TO c", "metadata lock (INSTANT) on `s`.`a`, brief"),
            (
                "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c (id)",
                "metadata lock (COPY) on a, while all of it is rewritten; metadata lock on c, brief",
            ),
            ("DROP TABLE IF EXISTS a, b", "metadata lock on a, brief; metadata lock on b, brief"),
            ("RENAME TABLE a TO b", "metadata lock on a, brief"),
            ("TRUNCATE a", "metadata lock on a, brief"),
            (
                "CREATE DEFINER=`u`@`%` TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 1",
                "metadata lock on a, brief",
            ),
            ("INSERT INTO a VALUES (1)", "row locks on a, while rows are written"),
            ("UPDATE a SET b = 1", "row locks on a, while rows are written"),
            ("CALL p()", "unknown locks, how long is unknown"),
            ("CREATE VIEW v AS SELECT 1", "nothing"),
            ("SET @a = 1", "nothing"),
        ];
        for (text, expected) in cases {
            let shown: Vec<String> = locks(text, Dialect::Mysql).iter().map(Lock::to_string).collect();
            let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join("; ") };
            assert_eq!(shown, expected, "{text}");
        }
    }
}
