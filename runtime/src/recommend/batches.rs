//! A change of all rows of a large table in one statement: its rows stay locked to the end of the transaction.

use crate::doubt::fit;
use crate::locks::words::has;
use crate::recommend::facts::Facts;
use crate::recommend::{Advice, MANY};

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let found = facts.about_tables_of(MANY).filter_map(|(it, table)| {
        let words = it.words(facts.dialect);
        let verb = ["update", "delete"].into_iter().find(|verb| fit(&words, verb).is_some())?;
        if has(&words, "where") || has(&words, "limit") {
            return None;
        }
        let does = if verb == "update" { "changes" } else { "deletes" };
        let reason = format!("{} {does} all rows of {table} in one statement ({})", it.label, it.place);
        Some((reason, Some("do it in batches, outside a transaction".to_owned())))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;
    use whimbrel_core::Dialect;

    #[test]
    fn many_rows_are_changed_in_batches() {
        let told = example(Dialect::Postgres, ["UPDATE orders SET a = 1"]).told(advice);
        assert_eq!(told[0], "0001 m1 changes all rows of orders (12.4 M rows) in one statement (0001_m1.sql:1)");
        assert!(example(Dialect::Mysql, ["DELETE FROM orders"]).told(advice)[0].contains("deletes all rows of"));
        for fine in ["UPDATE orders SET a = 1 WHERE id < 10", "UPDATE rooms SET a = 1", "INSERT INTO orders VALUES (1)"]
        {
            assert!(example(Dialect::Postgres, [fine]).told(advice).is_empty(), "{fine}");
        }
    }
}
