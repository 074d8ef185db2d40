//! A transaction that has been open for long: what is pending waits for it, and all others behind that.

use crate::recommend::Advice;
use crate::recommend::facts::Facts;

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    if facts.pending.is_empty() {
        return Vec::new();
    }
    let told = |who: &String| {
        let reason =
            format!("a transaction has been open for long, {who}: a pending migration may have to wait for it");
        (reason, Some("see what it is doing, and end it first".to_owned()))
    };
    facts.found.long_transactions.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Circumstances;
    use crate::recommend::example::{Example, example};
    use whimbrel_core::Dialect;

    #[test]
    fn who_is_in_the_way_is_named_while_something_is_pending() {
        let found = Circumstances { long_transactions: vec!["pid 7".to_owned()], ..Circumstances::default() };
        let busy = Example { found, ..example(Dialect::Postgres, ["SELECT 1"]) };
        assert!(busy.told(advice)[0].contains("open for long, pid 7: "));
        assert!(busy.applied(1, 1).told(advice).is_empty());
    }
}
