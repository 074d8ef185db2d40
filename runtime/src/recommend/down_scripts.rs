//! Migrations that nothing takes back.

use whimbrel_core::Direction;

use crate::recommend::Advice;
use crate::recommend::facts::Facts;
use crate::report::migrations;

/// How many of them are named.
const MOST: usize = 5;

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let has = |migration: &&whimbrel_core::Migration, direction| migration.script(direction, facts.dialect).is_some();
    let without: Vec<&str> = facts
        .set
        .iter()
        .filter(|migration| has(migration, Direction::Up) && !has(migration, Direction::Down))
        .map(|migration| migration.version().as_written())
        .collect();
    if without.is_empty() {
        return Vec::new();
    }
    let more = if without.len() > MOST { ", …" } else { "" };
    let named = without[..without.len().min(MOST)].join(", ");
    let reason = format!("{} of {} cannot be rolled back: {named}{more}", without.len(), migrations(facts.set.len()));
    vec![(reason, Some("write down scripts, and demand them with `down = \"require\"` in whimbrel.toml".to_owned()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::{example, of};
    use whimbrel_core::{Dialect, Migrations};

    #[test]
    fn what_cannot_be_rolled_back_is_named() {
        let told = example(Dialect::Postgres, ["SELECT 1", "SELECT 2"]).told(advice);
        assert_eq!(told[0], "2 of 2 migrations cannot be rolled back: 0001, 0002");
        let both = ["0001_a.up.sql", "0001_a.down.sql"].map(|path| (path.to_owned(), b"SELECT 1".to_vec()));
        assert!(of(Dialect::Postgres, Migrations::from_files(both).unwrap()).told(advice).is_empty());
    }
}
