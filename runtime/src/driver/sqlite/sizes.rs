//! How many rows tables have.

use crate::driver::Sizes;
use crate::driver::sqlite::answer::Fault;
use crate::driver::sqlite::link::Link;
use crate::literal::literal;
use whimbrel_core::Dialect;

/// SQLite keeps no number of rows: it counts them, and stops at this one.
const MOST: u64 = 1_000_000;

/// A SELECT may be made of 500 (limits.html, SQLITE_LIMIT_COMPOUND_SELECT).
const AT_ONCE: usize = 500;

pub(crate) async fn sizes(link: &mut Link<'_>, names: &[String]) -> Result<Sizes, Fault> {
    let mut all = Sizes::new();
    for names in names.chunks(AT_ONCE) {
        all.append(&mut some(link, names).await?);
    }
    Ok(all)
}

async fn some(link: &mut Link<'_>, names: &[String]) -> Result<Sizes, Fault> {
    let own: Vec<(usize, String)> = names.iter().map(|name| table(name)).enumerate().collect();
    let text = |name: &str| literal(Dialect::Sqlite, name);
    let listed = own.iter().map(|(index, name)| {
        format!(
            "SELECT '{index}' FROM main.sqlite_master WHERE type = 'table' AND name = {} COLLATE NOCASE",
            text(name)
        )
    });
    let rows = link.read(listed.collect::<Vec<_>>().join(" UNION ALL ")).await?.rows;
    let there: Vec<&(usize, String)> =
        rows.into_iter().flatten().flatten().filter_map(|index| own.get(index.parse::<usize>().ok()?)).collect();
    if there.is_empty() {
        return Ok(Sizes::new());
    }
    let counted = there.iter().map(|(_, name)| {
        let name = name.replace('"', "\"\"");
        format!("SELECT CAST(count(*) AS TEXT) FROM (SELECT 1 FROM main.\"{name}\" LIMIT {MOST})")
    });
    let rows = link.read(counted.collect::<Vec<_>>().join(" UNION ALL ")).await?.rows;
    let counts = rows.into_iter().flatten().flatten().filter_map(|count| count.parse().ok());
    Ok(there.into_iter().filter_map(|(index, _)| names.get(*index).cloned()).zip(counts).collect())
}

/// The name without its schema and its quotes.
fn table(name: &str) -> String {
    let name = name.strip_prefix("main.").unwrap_or(name);
    for (open, close) in [('"', '"'), ('`', '`'), ('[', ']')] {
        if let Some(inner) = name.strip_prefix(open).and_then(|name| name.strip_suffix(close)) {
            return inner.replace(&format!("{close}{close}"), &close.to_string());
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_out_of_its_quotes() {
        let cases = [("a", "a"), ("main.a", "a"), ("\"a\"\"b\"", "a\"b"), ("[a b]", "a b"), ("`a`", "a")];
        for (written, name) in cases {
            assert_eq!(table(written), name);
        }
    }
}
