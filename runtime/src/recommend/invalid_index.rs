//! PostgreSQL: an index whose build was interrupted is kept up, and serves nobody (manual, CREATE INDEX).

use crate::recommend::Advice;
use crate::recommend::facts::Facts;

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let told = |(index, table): &(String, String)| {
        let reason = format!("the index {index} of {table} is not valid: it is written to, and serves no query");
        (reason, Some(format!("`REINDEX INDEX CONCURRENTLY {index}`, or `DROP INDEX CONCURRENTLY {index}`")))
    };
    facts.found.invalid_indexes.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Circumstances;
    use crate::recommend::example::{Example, example};
    use whimbrel_core::Dialect;

    #[test]
    fn an_invalid_index_is_built_again_or_dropped() {
        let found =
            Circumstances { invalid_indexes: vec![("i".to_owned(), "orders".to_owned())], ..Circumstances::default() };
        let told = Example { found, ..example(Dialect::Postgres, ["SELECT 1"]) }.told(advice);
        assert_eq!(told[0], "the index i of orders is not valid: it is written to, and serves no query");
        assert_eq!(told[1], "`REINDEX INDEX CONCURRENTLY i`, or `DROP INDEX CONCURRENTLY i`");
    }
}
