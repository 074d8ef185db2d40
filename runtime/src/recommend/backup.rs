//! Something is pending, and nobody makes a backup first.

use whimbrel_core::Dialect;

use crate::recommend::Advice;
use crate::recommend::facts::{Backup, Facts};

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    // A cluster is backed up node by node.
    if facts.backup != Backup::Unsaid || facts.pending.is_empty() || facts.dialect == Dialect::Cql {
        return Vec::new();
    }
    let reason = "migrations are pending, and no backup is made before they run".to_owned();
    vec![(
        reason,
        Some(
            "say where to with `--backup FOLDER`, or `backup_before_migration` in the program, or that it is off"
                .to_owned(),
        ),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::{Example, example};

    #[test]
    fn what_is_set_is_known() {
        use crate::settings::Settings;
        let folder = crate::backup::Backup::to_folder("/backups");
        assert_eq!(Backup::of(&Settings::default()), Backup::Unsaid);
        assert_eq!(Backup::of(&Settings::default().backup_before_migration(folder)), Backup::Made);
        let off = Settings::default().backup_before_migration(crate::backup::Backup::off());
        assert_eq!(Backup::of(&off), Backup::Off);
    }

    #[test]
    fn a_backup_is_made_before_a_migration() {
        let told = |backup| Example { backup, ..example(Dialect::Postgres, ["SELECT 1"]) };
        assert_eq!(
            told(Backup::Unsaid).told(advice)[1],
            "say where to with `--backup FOLDER`, or `backup_before_migration` in the program, or that it is off"
        );
        assert!(told(Backup::Unsaid).applied(1, 1).told(advice).is_empty());
        assert!(told(Backup::Made).told(advice).is_empty() && told(Backup::Off).told(advice).is_empty());
    }
}
