//! Something is pending, and nobody makes a backup first.

use whimbrel_core::Dialect;

use crate::recommend::Advice;
use crate::recommend::facts::{Backup, Facts};

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    // A cluster is backed up node by node.
    if facts.backup != Backup::None || facts.pending.is_empty() || facts.dialect == Dialect::Cql {
        return Vec::new();
    }
    let reason = "migrations are pending, and no backup is made before they run".to_owned();
    vec![(reason, Some("set `backup_before_migration`".to_owned()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::{Example, example};

    #[test]
    fn a_backup_is_made_before_a_migration() {
        let told = |backup| Example { backup, ..example(Dialect::Postgres, ["SELECT 1"]) };
        assert_eq!(told(Backup::None).told(advice)[1], "set `backup_before_migration`");
        assert!(told(Backup::None).applied(1, 1).told(advice).is_empty());
        assert!(told(Backup::Made).told(advice).is_empty() && told(Backup::Unknown).told(advice).is_empty());
    }
}
