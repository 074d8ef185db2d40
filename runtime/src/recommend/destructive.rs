//! What takes data away: no down script brings them back.

use crate::doubt::fit;
use crate::locks::words::{has, items};
use crate::recommend::Advice;
use crate::recommend::facts::{Backup, Facts};

/// What a statement takes away, by its first words.
const SHAPES: [(&str, &str); 2] = [("drop table", "drops"), ("truncate", "empties")];

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    // Then they can be brought back.
    if facts.backup == Backup::Made {
        return Vec::new();
    }
    let found = facts.about_tables_of(1).filter_map(|(it, table)| {
        let words = it.words(facts.dialect);
        let whole =
            SHAPES.iter().find(|(shape, _)| fit(&words, shape).is_some()).map(|(_, does)| format!("{does} {table}"));
        let column = || {
            let (_, taken) = fit(&words, "alter ?online ?ignore table ?if ?exists ?only *")?;
            let drops = items(&words[taken..]).into_iter().find_map(|change| fit(change, "drop ?column ?if ?exists *"));
            let column = drops?.0.into_iter().next()?;
            let is_other = ["constraint", "not", "default", "partition", "identity", "expression"];
            let is_column =
                !is_other.iter().any(|word| column.eq_ignore_ascii_case(word)) && !has(&words, "drop constraint");
            is_column.then(|| format!("drops the column {column} of {table}"))
        };
        let what = whole.or_else(column)?;
        Some((
            format!("{} {what}, which no down script brings back ({})", it.label, it.place),
            Some("make a backup first".to_owned()),
        ))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;
    use whimbrel_core::Dialect;

    #[test]
    fn what_takes_data_away_needs_a_backup() {
        let told = |text| example(Dialect::Postgres, [text]).told(advice).into_iter().next();
        let cases = [
            ("DROP TABLE rooms", Some("drops rooms (3 rows)")),
            ("TRUNCATE rooms", Some("empties rooms (3 rows)")),
            ("ALTER TABLE rooms DROP COLUMN kind", Some("drops the column kind of rooms (3 rows)")),
            ("ALTER TABLE rooms DROP CONSTRAINT kind", None),
            ("ALTER TABLE rooms ALTER a DROP NOT NULL", None),
            ("DROP TABLE nowhere", None),
            ("CREATE TABLE rooms (id int); DROP TABLE rooms", None),
        ];
        for (text, what) in cases {
            let expected = what.map(|what| format!("0001 m1 {what}, which no down script brings back (0001_m1.sql:1)"));
            assert_eq!(told(text), expected, "{text}");
        }
        let safe = crate::recommend::example::Example {
            backup: Backup::Made,
            ..example(Dialect::Postgres, ["DROP TABLE rooms"])
        };
        assert!(safe.told(advice).is_empty());
    }
}
