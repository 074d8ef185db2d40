//! ScyllaDB and Cassandra: of a keyspace with one copy, a node that is down takes its part of the history with it.

use crate::recommend::Advice;
use crate::recommend::facts::Facts;

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let told = |keyspace: &String| {
        let reason = format!(
            "the keyspace {keyspace} keeps one copy of each row: without its node nobody migrates, nor reads it"
        );
        let command =
            format!("`ALTER KEYSPACE {keyspace} WITH replication = …` with three copies, then `nodetool repair`");
        (reason, Some(command))
    };
    facts.found.single_copies.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Circumstances;
    use crate::recommend::example::{Example, example};
    use whimbrel_core::Dialect;

    #[test]
    fn one_copy_is_too_few() {
        let found = Circumstances { single_copies: vec!["shop".to_owned()], ..Circumstances::default() };
        let told = Example { found, ..example(Dialect::Cql, ["CREATE TABLE a (id int PRIMARY KEY)"]) }.told(advice);
        assert!(told[0].starts_with("the keyspace shop keeps one copy"), "{told:?}");
        assert!(told[1].contains("nodetool repair"));
    }
}
