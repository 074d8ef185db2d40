//! What would make the next migration safer: facts gathered once, and a file for each rule over them.

mod backup;
mod batches;
mod blocking_change;
mod change_algorithm;
mod concurrent_index;
mod destructive;
mod down_scripts;
#[cfg(test)]
mod example;
mod facts;
mod invalid_index;
mod lease_left;
mod long_past;
mod long_transaction;
mod not_null;
mod replication;
mod sum_file;
mod unused_variant;

use std::fmt;

use crate::driver::{Answer, Detail};
use crate::error::Result;
use crate::migrator::{Migrator, bounded, opened, read};

use facts::{Backup, Facts, SumFile, pending};

/// Something that would make the next migration safer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Recommendation {
    /// The rule's name: `concurrent_index`.
    pub rule: &'static str,
    /// Why, with what it is about.
    pub reason: String,
    /// What to do; commands of the command line stand in backquotes.
    pub command: Option<String>,
}

/// All of them, the most urgent first; it prints as a list, and says so when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Recommendations(Vec<Recommendation>);

/// A reason, and what to do.
type Advice = (String, Option<String>);

/// A rule: its name, and what it finds. Those about what is to be run next come first, then what stands in its way, then
/// what is good to have.
type Rule = (&'static str, fn(&Facts<'_>) -> Vec<Advice>);

const RULES: [Rule; 15] = [
    ("not_null", not_null::advice),
    ("concurrent_index", concurrent_index::advice),
    ("blocking_change", blocking_change::advice),
    ("change_algorithm", change_algorithm::advice),
    ("batches", batches::advice),
    ("destructive", destructive::advice),
    ("long_past", long_past::advice),
    ("long_transaction", long_transaction::advice),
    ("lease_left", lease_left::advice),
    ("invalid_index", invalid_index::advice),
    ("replication", replication::advice),
    ("backup", backup::advice),
    ("down_scripts", down_scripts::advice),
    ("sum_file", sum_file::advice),
    ("unused_variant", unused_variant::advice),
];

/// From how many rows on a table is large: reading it, or writing it, is felt by others.
const MANY: u64 = 100_000;

impl Recommendations {
    fn new(facts: &Facts<'_>) -> Self {
        let of = |(rule, advice): &Rule| {
            let rule = *rule;
            advice(facts).into_iter().map(move |(reason, command)| Recommendation { rule, reason, command })
        };
        Self(RULES.iter().flat_map(of).collect())
    }

    /// Whether there is nothing to recommend.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Recommendation> {
        self.0.iter()
    }
}

impl IntoIterator for Recommendations {
    type Item = Recommendation;
    type IntoIter = std::vec::IntoIter<Recommendation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'r> IntoIterator for &'r Recommendations {
    type Item = &'r Recommendation;
    type IntoIter = std::slice::Iter<'r, Recommendation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Recommendations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing to recommend");
        }
        let width = self.iter().map(|it| it.rule.len()).max().unwrap_or(0);
        for (index, Recommendation { rule, reason, command }) in self.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{rule:width$}  {reason}")?;
            if let Some(command) = command {
                write!(f, "\n{:width$}  {command}", "")?;
            }
        }
        Ok(())
    }
}

impl Migrator<'_> {
    /// What would make the next migration safer: by what is pending, how large the tables are that it is about, what the
    /// database is at, and how this migrator is set up. It only reads, in four requests or so.
    ///
    /// What cannot be known is not recommended: whether there is a sum file, where the migrations' directory is not on
    /// this machine; how large a table is, where nobody has counted.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// for recommendation in migrator.recommendations().await? {
    ///     println!("{}: {}", recommendation.rule, recommendation.reason);
    /// }
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn recommendations(&mut self) -> Result<Recommendations> {
        self.boxed_recommendations().await
    }

    fn boxed_recommendations(&mut self) -> Answer<'_, Result<Recommendations>> {
        Box::pin(async move {
            let (set, settings) = (self.migrations, &self.settings);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let gathered = async {
                let history = read(&mut **driver, Detail::Entries, settings).await?;
                let pending = pending(set, dialect, &history);
                let tables = facts::tables(&pending);
                let sizes = driver.table_sizes(&tables).await?;
                let found = driver.circumstances().await?;
                let (sum_file, backup) = (SumFile::of(set), Backup::of(settings));
                let facts =
                    Facts { set, dialect, history: &history, settings, pending, sizes, found, sum_file, backup };
                Ok(Recommendations::new(&facts))
            };
            let recommended = bounded((settings.timeout, dialect), gathered).await;
            driver.release().await;
            recommended
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_aligned_and_an_empty_one_says_so() {
        let one = |rule, reason: &str, command: Option<&str>| Recommendation {
            rule,
            reason: reason.to_owned(),
            command: command.map(str::to_owned),
        };
        let list = Recommendations(vec![one("a", "it is so", Some("`migrate up`")), one("bcd", "and so", None)]);
        assert_eq!(list.to_string(), "a    it is so\n     `migrate up`\nbcd  and so");
        assert_eq!(Recommendations::default().to_string(), "nothing to recommend");
    }
}
