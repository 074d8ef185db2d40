//! MySQL and MariaDB: without ALGORITHM the server takes the next slower way without a word, and with it the statement
//! fails instead (MySQL manual, 15.1.9).

use whimbrel_core::Dialect;

use crate::doubt::fit;
use crate::locks::words::has;
use crate::recommend::facts::Facts;
use crate::recommend::{Advice, MANY};

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    if facts.dialect != Dialect::Mysql {
        return Vec::new();
    }
    let found = facts.about_tables_of(MANY).filter_map(|(it, table)| {
        let words = it.words(facts.dialect);
        fit(&words, "alter ?online table")?;
        // What copies it in any case has a rule of its own.
        let copies = it.locks.iter().any(|lock| lock.mode.contains("COPY"));
        if copies || has(&words, "algorithm") || has(&words, "lock") {
            return None;
        }
        let reason = format!("{} changes {table}, and may copy all of it without a word ({})", it.label, it.place);
        Some((reason, Some("end it in `, ALGORITHM=INSTANT`, or `, ALGORITHM=INPLACE, LOCK=NONE`".to_owned())))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;

    #[test]
    fn a_change_of_a_large_table_says_how_it_is_to_be_made() {
        let told = example(Dialect::Mysql, ["ALTER TABLE orders ADD a INT"]).told(advice);
        let reason = "0001 m1 changes orders (12.4 M rows), and may copy all of it without a word (0001_m1.sql:1)";
        assert_eq!(told[0], reason);
        for fine in ["ALTER TABLE orders ADD a INT, ALGORITHM=INSTANT", "ALTER TABLE rooms ADD a INT"] {
            assert!(example(Dialect::Mysql, [fine]).told(advice).is_empty(), "{fine}");
        }
        assert!(example(Dialect::Postgres, ["ALTER TABLE orders ADD a INT"]).told(advice).is_empty());
    }
}
