//! PostgreSQL: an index on a large table keeps all who write to it waiting, unless it is built CONCURRENTLY (manual,
//! CREATE INDEX, Building Indexes Concurrently).

use whimbrel_core::Dialect;

use crate::doubt::fit;
use crate::recommend::facts::Facts;
use crate::recommend::{Advice, MANY};

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    if facts.dialect != Dialect::Postgres {
        return Vec::new();
    }
    let found = facts.about_tables_of(MANY).filter_map(|(it, table)| {
        let words = it.words(facts.dialect);
        let (_, taken) = fit(&words, "create ?unique index")?;
        if words[taken].eq_ignore_ascii_case("concurrently") {
            return None;
        }
        let reason =
            format!("{} builds an index on {table}; who writes to it waits meanwhile ({})", it.label, it.place);
        Some((reason, Some("write `CREATE INDEX CONCURRENTLY`, in a file of its own".to_owned())))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;

    #[test]
    fn an_index_on_a_large_table_is_built_concurrently() {
        let large = "SELECT 1;\nCREATE INDEX i ON orders (status)";
        let told = example(Dialect::Postgres, [large]).told(advice);
        let reason =
            "0001 m1 builds an index on orders (12.4 M rows); who writes to it waits meanwhile (0001_m1.sql:2)";
        assert_eq!(told, [reason, "write `CREATE INDEX CONCURRENTLY`, in a file of its own"]);
        for fine in [
            "CREATE INDEX CONCURRENTLY i ON orders (status)",
            "CREATE INDEX i ON rooms (status)",
            "CREATE INDEX i ON nowhere (status)",
            "CREATE TABLE orders (status int); CREATE INDEX i ON orders (status)",
        ] {
            assert!(example(Dialect::Postgres, [fine]).told(advice).is_empty(), "{fine}");
        }
        assert!(example(Dialect::Mysql, [large]).told(advice).is_empty());
        assert!(example(Dialect::Postgres, [large]).applied(1, 1).told(advice).is_empty());
    }
}
