//! Without recorded sums an edit is seen in production only.

use crate::recommend::Advice;
use crate::recommend::facts::{Facts, SumFile};

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    if facts.sum_file != SumFile::Missing {
        return Vec::new();
    }
    let reason = format!(
        "there is no whimbrel.sum in {}: an edited migration is seen only when it is deployed",
        facts.set.directory()
    );
    vec![(reason, Some("`migrate sum` writes it; commit it".to_owned()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::{Example, example};
    use whimbrel_core::{Dialect, Migrations};

    #[test]
    fn sums_are_recorded() {
        let told = |sum_file| Example { sum_file, ..example(Dialect::Postgres, ["SELECT 1"]) }.told(advice);
        assert_eq!(told(SumFile::Missing)[1], "`migrate sum` writes it; commit it");
        assert!(told(SumFile::There).is_empty() && told(SumFile::Unknown).is_empty());
    }

    #[test]
    fn whether_they_are_is_known_where_the_files_are() {
        let folder = std::env::temp_dir().join(format!("whimbrel-sum-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0001_a.sql"), "SELECT 1").unwrap();
        let set = Migrations::from_directory(&folder).unwrap();
        assert_eq!(SumFile::of(&set), SumFile::Missing);
        std::fs::write(folder.join("whimbrel.sum"), "").unwrap();
        assert_eq!(SumFile::of(&set), SumFile::There);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(SumFile::of(&set), SumFile::Unknown);
    }
}
