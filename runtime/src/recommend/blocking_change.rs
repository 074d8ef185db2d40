//! A change that reads or rewrites all of a large table, while nobody may write to it.

use whimbrel_core::Dialect;

use crate::locks::words::has;
use crate::locks::{Blocks, HowLong};
use crate::recommend::facts::Facts;
use crate::recommend::{Advice, MANY};

/// What helps, by what the statement says; the first that it has counts.
const WAYS: [(Dialect, &str, &str); 8] = [
    (Dialect::Postgres, "foreign key", "add it NOT VALID, and VALIDATE it in the next migration"),
    (Dialect::Postgres, "check", "add it NOT VALID, and VALIDATE it in the next migration"),
    (
        Dialect::Postgres,
        "set not null",
        "add CHECK (… IS NOT NULL) NOT VALID, VALIDATE it in the next one, then SET NOT NULL",
    ),
    (Dialect::Postgres, "unique", "build the index CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX"),
    (Dialect::Postgres, "primary key", "build the index CONCURRENTLY, then ADD CONSTRAINT … PRIMARY KEY USING INDEX"),
    (Dialect::Postgres, "default", "add the column without it, SET DEFAULT, and fill the rows in batches"),
    (Dialect::Postgres, "type", "add a column of the new type, and fill it in batches"),
    (Dialect::Mysql, "alter table", "copy the table in the background, with gh-ost for instance, or plan a window"),
];

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let found = facts.about_tables_of(MANY).filter_map(|(it, table)| {
        let words = it.words(facts.dialect);
        // It has a rule of its own.
        if has(&words[..words.len().min(3)], "index") {
            return None;
        }
        let blocks = |blocks| matches!(blocks, Blocks::Writes | Blocks::Everything);
        let lock = it.locks.iter().find(|lock| {
            lock.table == it.table && blocks(lock.blocks) && matches!(lock.how_long, HowLong::Scan | HowLong::Rewrite)
        })?;
        let does = if lock.how_long == HowLong::Scan { "reads all of" } else { "rewrites" };
        let who = if lock.blocks == Blocks::Everything { "nobody reads or writes it" } else { "nobody writes to it" };
        let reason = format!("{} {does} {table}, and {who} meanwhile ({})", it.label, it.place);
        let way = WAYS.iter().find(|(dialect, phrase, _)| *dialect == facts.dialect && has(&words, phrase));
        Some((reason, Some(way.map_or("plan a window", |(.., way)| way).to_owned())))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;

    #[test]
    fn a_change_that_keeps_others_waiting_has_another_way() {
        let cases = [
            ("ALTER TABLE orders ADD CHECK (id > 0)", "reads all of", "nobody reads or writes it", "NOT VALID"),
            (
                "ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES rooms",
                "reads all of",
                "nobody writes to it",
                "NOT VALID",
            ),
            ("ALTER TABLE orders ALTER a SET NOT NULL", "reads all of", "nobody reads or writes it", "SET NOT NULL"),
            ("ALTER TABLE orders ADD UNIQUE (a)", "reads all of", "nobody reads or writes it", "CONCURRENTLY"),
            ("ALTER TABLE orders ALTER a TYPE bigint", "rewrites", "nobody reads or writes it", "new type"),
            (
                "ALTER TABLE orders ADD a uuid DEFAULT gen_random_uuid()",
                "rewrites",
                "nobody reads or writes it",
                "SET DEFAULT",
            ),
        ];
        for (text, does, who, way) in cases {
            let told = example(Dialect::Postgres, [text]).told(advice);
            let reason = format!("0001 m1 {does} orders (12.4 M rows), and {who} meanwhile (0001_m1.sql:1)");
            assert_eq!(told.first(), Some(&reason), "{text}");
            assert!(told[1].contains(way), "{told:?}");
        }
        for fine in [
            "ALTER TABLE orders ADD a int",
            "ALTER TABLE orders ADD CHECK (id > 0) NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT a",
            "ALTER TABLE rooms ADD CHECK (id > 0)",
        ] {
            assert!(example(Dialect::Postgres, [fine]).told(advice).is_empty(), "{fine}");
        }
        let told = example(Dialect::Mysql, ["ALTER TABLE orders DROP PRIMARY KEY"]).told(advice);
        assert!(told[1].contains("gh-ost"), "{told:?}");
    }
}
