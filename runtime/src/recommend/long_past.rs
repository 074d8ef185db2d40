//! A migration that took long, of a table that a pending one is about too.

use std::time::Duration;

use whimbrel_core::Direction;

use crate::locks::words::same;
use crate::recommend::Advice;
use crate::recommend::facts::{Facts, table};
use crate::report::Took;

/// From how long on it is felt.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let long = facts.history.completed().filter_map(|entry| {
        let took = Duration::from_millis(u64::try_from(entry.duration_ms?).ok()?);
        let script = facts.set.get(&entry.version)?.script(Direction::Up, facts.dialect)?;
        let tables: Vec<String> =
            script.statements().filter_map(|it| table(script.text_of(&it), facts.dialect)).collect();
        (took >= LONG).then(|| (format!("{} {}", entry.version, entry.name), took, tables))
    });
    let mut told = Vec::new();
    for (label, took, tables) in long {
        let again = facts
            .pending
            .iter()
            .find(|it| it.table.as_deref().is_some_and(|table| tables.iter().any(|known| same(known, table))));
        let Some(again) = again else { continue };
        let table = again.table.as_deref().unwrap_or_default();
        let reason =
            format!("{label} took {} on {table}, which {} is about too ({})", Took(took), again.label, again.place);
        told.push((reason, Some("plan a window for it, or rehearse it on a copy".to_owned())));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;
    use whimbrel_core::Dialect;

    #[test]
    fn what_took_long_before_may_again() {
        let set = || example(Dialect::Postgres, ["UPDATE orders SET a = 1", "ALTER TABLE public.orders ADD b int"]);
        let told = set().applied(1, 250_000).told(advice);
        let reason = "0001 m1 took 4 min 10 s on public.orders, which 0002 m2 is about too (0002_m2.sql:1)";
        assert_eq!(told, [reason, "plan a window for it, or rehearse it on a copy"]);
        assert!(set().applied(1, 59_000).told(advice).is_empty());
        assert!(set().applied(1, 250_000).applied(2, 1).told(advice).is_empty());
        let other = example(Dialect::Postgres, ["UPDATE orders SET a = 1", "ALTER TABLE rooms ADD b int"]);
        assert!(other.applied(1, 250_000).told(advice).is_empty());
    }
}
