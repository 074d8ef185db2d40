//! Foreign keys, switched off around a script that rebuilds a table.
//!
//! SQLite ignores `PRAGMA foreign_keys` inside a transaction, and a rebuild would then delete the children of
//! `ON DELETE CASCADE`.

use std::collections::HashMap;

use crate::driver::completed::{ALL, NONE, Row};
use crate::driver::sqlite::answer::Fault;
use crate::driver::sqlite::link::Link;
use crate::error::DatabaseError;

/// Counts the rows that violate each key. The PRAGMA numbers a table's keys from its last one, so a rebuild that adds
/// one would renumber the others: their columns tell them apart.
pub(crate) const COUNT_VIOLATIONS: &str = "WITH violated AS (
  SELECT \"table\" AS child, parent, fkid, count(*) AS number, min(rowid) AS one
  FROM pragma_foreign_key_check GROUP BY child, parent, fkid
)
SELECT child, parent, (SELECT group_concat(\"from\") FROM pragma_foreign_key_list(child) WHERE id = fkid),
  CAST(number AS TEXT), CAST(one AS TEXT)
FROM violated ORDER BY child, parent, fkid";

/// The violated keys, and how many rows violate each. Rows themselves are no identity: a rebuild may number them anew,
/// and those of a table `WITHOUT ROWID` have no number.
#[derive(Debug, Default)]
pub(crate) struct Violations(HashMap<[String; 3], u64>);

impl Violations {
    /// From the rows of [`COUNT_VIOLATIONS`].
    pub(crate) fn counted(rows: Vec<Row>) -> Self {
        Self(rows.into_iter().map(Violated::of).map(|violated| (violated.key, violated.number)).collect())
    }

    /// The first key that more rows violate than here.
    pub(crate) fn grown(&self, rows: Vec<Row>) -> Option<DatabaseError> {
        rows.into_iter().map(Violated::of).find_map(|violated| {
            let before = self.0.get(&violated.key).copied().unwrap_or(0);
            (violated.number > before).then(|| violated.into_cause(before))
        })
    }
}

/// A key that is violated.
struct Violated {
    /// The table, the one it refers to, and the columns that do.
    key: [String; 3],
    number: u64,
    /// One of the rows, where they have numbers.
    row: Option<String>,
}

impl Violated {
    fn of(row: Row) -> Self {
        let mut columns = row.into_iter();
        let mut next = || columns.next().flatten();
        let key = [next(), next(), next()].map(Option::unwrap_or_default);
        let number = next().and_then(|number| number.parse().ok()).unwrap_or(0);
        Self { key, number, row: next() }
    }

    fn into_cause(self, before: u64) -> DatabaseError {
        let [child, parent, _] = self.key;
        let what = match (before, self.row) {
            (0, Some(row)) => format!("row {row} of {child} refers to {parent}, where there is none"),
            (0, None) => format!("a row of {child} refers to {parent}, where there is none"),
            _ => format!("{} rows of {child} refer to {parent}, where there is none; before {before} did", self.number),
        };
        DatabaseError { message: format!("foreign key violated: {what}"), code: None, detail: None, hint: None }
    }
}

/// Switches them off, and remembers to set back what was; without `legacy_alter_table` a rename fails when a view names
/// the table.
pub(crate) async fn switch_foreign_keys_off(link: &mut Link<'_>) -> Result<(), Fault> {
    const PRAGMAS: [(&str, &str); 2] = [("foreign_keys", "OFF"), ("legacy_alter_table", "ON")];
    for (name, value) in PRAGMAS {
        let before = link.send(format!("PRAGMA {name}"), ALL).await?.rows.into_iter().flatten().flatten().next();
        link.remember(before.map(|before| format!("PRAGMA {name} = {before}")));
        link.send(format!("PRAGMA {name} = {value}"), NONE).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[[&str; 5]]) -> Vec<Row> {
        let column = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
        rows.iter().map(|row| row.iter().map(column).collect()).collect()
    }

    #[test]
    fn a_key_that_more_rows_violate_than_before_is_told() {
        let before = [["child", "parent", "a", "2", "10"], ["thing", "parent", "a", "1", ""]];
        let cases: [(&[[&str; 5]], Option<&str>); 6] = [
            (&[], None),
            (&before, None),
            // Numbered anew by a rebuild.
            (&[["child", "parent", "a", "2", "1"]], None),
            (&[["child", "parent", "b", "1", "7"]], Some("row 7 of child refers to parent, where there is none")),
            (&[["other", "parent", "a", "3", ""]], Some("a row of other refers to parent, where there is none")),
            (
                &[["thing", "parent", "a", "2", ""]],
                Some("2 rows of thing refer to parent, where there is none; before 1 did"),
            ),
        ];
        for (after, told) in cases {
            let grown = Violations::counted(rows(&before)).grown(rows(after)).map(|cause| cause.to_string());
            assert_eq!(grown, told.map(|told| format!("foreign key violated: {told}")), "{after:?}");
        }
    }
}
