//! About how many rows tables have.

use crate::driver::Sizes;
use crate::driver::completed::ALL;
use crate::driver::mysql::answer::Fault;
use crate::driver::mysql::catalogue::{SAME, parts};
use crate::driver::mysql::link::Link;
use crate::literal::literal;
use whimbrel_core::Dialect;

/// What InnoDB guesses from a sample of the table's pages.
pub(crate) async fn sizes(link: &mut Link<'_>, names: &[String]) -> Result<Sizes, Fault> {
    if names.is_empty() {
        return Ok(Sizes::new());
    }
    let text = |value: &str| literal(Dialect::Mysql, value);
    let select = |(index, name): (usize, &String)| {
        let (schema, table) = parts(name, link.database());
        format!(
            "SELECT '{index}', CAST(table_rows AS CHAR) FROM information_schema.tables \
             WHERE table_type = 'BASE TABLE' AND table_schema = {} AND {}",
            text(&schema),
            SAME.replace("{table}", &text(&table))
        )
    };
    let sql = names.iter().enumerate().map(select).collect::<Vec<_>>().join(" UNION ALL ");
    let rows = link.send(sql, ALL).await?.rows;
    let pair = |row: Vec<Option<String>>| {
        let name = names.get(row.first()?.as_deref()?.parse::<usize>().ok()?)?;
        Some((name.clone(), row.get(1)?.as_deref()?.parse().ok()?))
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}
