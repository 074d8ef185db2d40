//! About how many rows tables have.

use crate::driver::Sizes;
use crate::driver::completed::ALL;
use crate::driver::postgres::answer::Fault;
use crate::driver::postgres::link::Link;
use crate::literal::literal;
use whimbrel_core::Dialect;

/// What the last ANALYZE or VACUUM counted, or what has been counted since, whichever is more; of a partitioned table, in
/// its partitions. `reltuples` is -1 where nobody has counted (manual, pg_class), 0 before 14: with a size on disk that
/// is not known.
pub(crate) async fn sizes(link: &mut Link<'_>, names: &[String]) -> Result<Sizes, Fault> {
    let readable: Vec<&String> = names.iter().filter(|name| is_readable(name)).collect();
    if readable.is_empty() {
        return Ok(Sizes::new());
    }
    let names: Vec<String> = readable.iter().map(|name| literal(Dialect::Postgres, &***name)).collect();
    let sql = format!(
        "SELECT n.name, sum(greatest(l.reltuples::bigint, pg_stat_get_live_tuples(l.oid), 0))::bigint::text \
         FROM unnest(ARRAY[{}]::text[]) AS n (name) JOIN pg_class c ON c.oid = to_regclass(n.name) \
         CROSS JOIN LATERAL (SELECT c.oid AS leaf WHERE c.relkind <> 'p' \
         UNION ALL SELECT t.relid FROM pg_partition_tree(c.oid) t WHERE t.isleaf AND c.relkind = 'p') p \
         JOIN pg_class l ON l.oid = p.leaf WHERE c.relkind IN ('r', 'm', 'p') GROUP BY n.name \
         HAVING bool_and(l.reltuples > 0 OR pg_stat_get_live_tuples(l.oid) > 0 OR pg_relation_size(l.oid) = 0)",
        names.join(", ")
    );
    let rows = link.send(sql, ALL).await?.rows;
    Ok(rows.into_iter().filter_map(|row| pair(&row)).collect())
}

fn pair(row: &[Option<String>]) -> Option<(String, u64)> {
    Some((row.first()?.clone()?, row.get(1)?.as_deref()?.parse().ok()?))
}

/// Whether it is `table` or `schema.table`, quoted or not: `to_regclass` fails on what cannot be a name.
fn is_readable(name: &str) -> bool {
    let (mut quoted, mut parts, mut length) = (false, 1, 0);
    for c in name.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted && length == 0 => return false,
            '.' if !quoted => (parts, length) = (parts + 1, 0),
            _ if quoted || c.is_alphanumeric() || matches!(c, '_' | '$') => length += 1,
            _ => return false,
        }
    }
    !quoted && parts <= 2 && length > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_name_a_table_is_not_asked_about() {
        for name in ["a", "s.a", "\"A b\"", "s.\"a.b\"", "\"a\"\"b\"", "größe"] {
            assert!(is_readable(name), "{name}");
        }
        for name in ["", ".", "a.", ".a", "a.b.c", "\"a", "a b", "a;", "\"\""] {
            assert!(!is_readable(name), "{name}");
        }
    }
}
