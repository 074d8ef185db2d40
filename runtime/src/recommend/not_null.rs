//! A column that may not be NULL and has no default: the rows that are there have no value for it, so that PostgreSQL and
//! SQLite refuse it, and MySQL makes one up.

use whimbrel_core::Dialect;

use crate::doubt::fit;
use crate::locks::words::{has, items};
use crate::recommend::Advice;
use crate::recommend::facts::Facts;

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let found = facts.about_tables_of(1).filter_map(|(it, table)| {
        let words = it.words(facts.dialect);
        let (_, taken) = fit(&words, "alter ?online ?ignore table ?if ?exists ?only *")?;
        let is_hard = |change: &&[&str]| {
            let has_value = ["default", "identity", "generated", "auto_increment", "constraint", "as"]
                .iter()
                .any(|it| has(change, it))
                || change.iter().any(|word| word.to_ascii_lowercase().contains("serial"));
            fit(change, "add ?column *").is_some() && has(change, "not null") && !has_value
        };
        let change = items(&words[taken..]).into_iter().find(is_hard)?;
        let names = fit(change, "add ?column ?if ?not ?exists *")?.0;
        let column = names.first()?;
        let ends = match facts.dialect {
            Dialect::Mysql => "each of which gets an empty value",
            _ => "so that it will fail",
        };
        let reason = format!("{} adds {column} NOT NULL without a default to {table}, {ends} ({})", it.label, it.place);
        Some((reason, Some("give it a default, or add it nullable, fill it, then SET NOT NULL".to_owned())))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;

    #[test]
    fn rows_that_are_there_need_a_value() {
        let text = "ALTER TABLE rooms ADD COLUMN a int, ADD COLUMN kind TEXT NOT NULL";
        let told = example(Dialect::Postgres, [text]).told(advice);
        let reason =
            "0001 m1 adds kind NOT NULL without a default to rooms (3 rows), so that it will fail (0001_m1.sql:1)";
        assert_eq!(told[0], reason);
        assert!(
            example(Dialect::Sqlite, ["ALTER TABLE rooms ADD kind TEXT NOT NULL"]).told(advice)[0]
                .contains("will fail")
        );
        assert!(
            example(Dialect::Mysql, ["ALTER TABLE rooms ADD kind INT NOT NULL"]).told(advice)[0]
                .contains("empty value")
        );
        for fine in [
            "ALTER TABLE rooms ADD COLUMN kind TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE rooms ADD COLUMN kind BIGSERIAL NOT NULL",
            "ALTER TABLE rooms ADD COLUMN kind TEXT",
            "ALTER TABLE nowhere ADD COLUMN kind TEXT NOT NULL",
            "CREATE TABLE rooms (id INT); ALTER TABLE rooms ADD COLUMN kind TEXT NOT NULL",
        ] {
            assert!(example(Dialect::Postgres, [fine]).told(advice).is_empty(), "{fine}");
        }
    }
}
