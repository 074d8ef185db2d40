//! What `information_schema` says of a thing that a script names.

use crate::doubt::mysql::Sort;
use crate::doubt::{Answer, Thing};
use crate::driver::completed::ALL;
use crate::driver::mysql::answer::Fault;
use crate::driver::mysql::link::Link;
use crate::literal::literal;
use whimbrel_core::Dialect;

/// Whether it is there; for rows, whether they can have been changed without their progress.
pub(crate) async fn ask(link: &mut Link<'_>, thing: &Thing) -> Result<Answer, Fault> {
    let is_rows = matches!(thing, Thing::Rows(_));
    let found = link.send(question(thing, link.database()), ALL).await?.into_value();
    Ok(match (found.as_deref(), is_rows) {
        (Some("0"), _) => Answer::No,
        (Some(_), false) => Answer::Yes,
        // A table that has no transactions may hold some of them.
        _ => Answer::Unknown,
    })
}

/// Where each sort is listed: `{schema}`, `{name}` and `{table}` are texts, compared as the server compares them.
const LISTS: &[(Sort, &str)] = &[
    (Sort::Table, "tables WHERE table_schema = {schema} AND {same}"),
    (Sort::Column, "columns WHERE table_schema = {schema} AND {same} AND column_name = {name}"),
    (Sort::Index, "statistics WHERE table_schema = {schema} AND {same} AND index_name = {name}"),
    (Sort::Constraint, "table_constraints WHERE table_schema = {schema} AND {same} AND constraint_name = {name}"),
    (
        Sort::Procedure,
        "routines WHERE routine_schema = {schema} AND routine_name = {name} AND routine_type = 'PROCEDURE'",
    ),
    (
        Sort::Function,
        "routines WHERE routine_schema = {schema} AND routine_name = {name} AND routine_type = 'FUNCTION'",
    ),
    (Sort::Trigger, "triggers WHERE trigger_schema = {schema} AND trigger_name = {name}"),
    (Sort::Event, "events WHERE event_schema = {schema} AND event_name = {name}"),
    (Sort::User, "user_privileges WHERE grantee = {account}"),
];

/// Where tables are files, their names may differ by case only (manual, lower_case_table_names).
pub(crate) const SAME: &str =
    "table_name = {table} AND (@@lower_case_table_names > 0 OR BINARY table_name = BINARY {table})";

fn question(thing: &Thing, database: &str) -> String {
    let text = |value: &str| literal(Dialect::Mysql, value);
    let list = match thing {
        Thing::Database(name) => format!("schemata WHERE schema_name = {}", text(&unquoted(name))),
        Thing::Rows(names) => rows(names, database),
        Thing::Object { sort, name, table } => {
            let list = LISTS.iter().find(|(known, _)| known == sort).map_or("", |(_, list)| *list);
            let (schema, table) = parts(table.as_deref().unwrap_or(name), database);
            let own = if *sort == Sort::User { name.clone() } else { parts(name, database).1 };
            list.replace("{same}", SAME)
                .replace("{schema}", &text(&schema))
                .replace("{table}", &text(&table))
                .replace("{name}", &text(&own))
                .replace("{account}", &text(&account(&own)))
        }
        // What nothing of this dialect asks for.
        Thing::ValidIndex { .. } | Thing::Relation(_) | Thing::Tablespace(_) | Thing::Statement { .. } => {
            return "SELECT NULL".to_owned();
        }
    };
    format!("SELECT CAST(count(*) AS CHAR) FROM information_schema.{list}")
}

/// The tables without transactions that the words may name, in any database that they may name.
fn rows(names: &[String], database: &str) -> String {
    let texts = names.iter().map(|name| literal(Dialect::Mysql, &*unquoted(name)));
    let names = texts.collect::<Vec<_>>().join(", ");
    format!(
        "tables t JOIN information_schema.engines e ON e.engine = t.engine AND e.transactions <> 'YES' \
         WHERE t.table_schema IN ({}, {names}) AND t.table_name IN ({names})",
        literal(Dialect::Mysql, database)
    )
}

/// The schema and the name of what is written `schema.name`, or `name` alone.
pub(crate) fn parts(name: &str, database: &str) -> (String, String) {
    let mut quoted = false;
    let dot = name.char_indices().find(|(_, c)| {
        quoted ^= *c == '`';
        *c == '.' && !quoted
    });
    match dot {
        Some((at, _)) => (unquoted(&name[..at]), unquoted(&name[at + 1..])),
        None => (database.to_owned(), unquoted(name)),
    }
}

/// As `information_schema` writes an account, of which the host may be missing.
fn account(name: &str) -> String {
    let (user, host) = name.split_once('@').unwrap_or((name, "%"));
    format!("'{}'@'{}'", unquoted(user), unquoted(host))
}

fn unquoted(name: &str) -> String {
    for quote in ['`', '"', '\''] {
        let inner = name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let parts = |name| parts(name, "shop");
        assert_eq!(parts("a"), ("shop".into(), "a".into()));
        assert_eq!(parts("s.`a.b``c`"), ("s".into(), "a.b`c".into()));
        assert_eq!(account("'u'@localhost"), "'u'@'localhost'");
        assert_eq!(account("u"), "'u'@'%'");
    }
}
