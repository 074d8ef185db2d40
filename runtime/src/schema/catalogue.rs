//! A keyspace as any database's catalogue.

use super::model::{Column, ColumnKind, Fields, Index, IndexKind, Keyspace, Order, Selected, View};
use crate::catalogue::model::{Catalogue, Column as Found, Named, Nullability, Table};

/// What there is in a keyspace; every column of CQL may be null, and what it is in its table is a property.
pub(crate) fn catalogue(keyspace: &Keyspace) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (name, columns) in &keyspace.tables {
        let columns = columns.iter().map(|(name, column)| (name.clone(), found(column)));
        catalogue.tables.insert(name.clone(), Table { columns: columns.collect(), ..Table::default() });
    }
    for (name, index) in &keyspace.indexes {
        match catalogue.tables.get_mut(&index.table) {
            Some(table) => drop(table.indexes.insert(name.clone(), target(index))),
            None => catalogue.add_part(&index.table, Named::new("index", name), target(index)),
        }
    }
    let objects = &mut catalogue.objects;
    objects.extend(keyspace.views.iter().map(|(name, it)| (Named::new("materialized view", name), select(it))));
    objects.extend(keyspace.types.iter().map(|(name, it)| (Named::new("type", name), fields(it))));
    let signed = |sort| move |it: &super::model::Signature| (Named::new(sort, it.to_string()), String::new());
    objects.extend(keyspace.functions.iter().map(signed("function")));
    objects.extend(keyspace.aggregates.iter().map(signed("aggregate")));
    catalogue
}

fn found(column: &Column) -> Found {
    let place = (column.kind != ColumnKind::Regular).then(|| column.kind.to_string());
    Found::new(column.column_type.to_string(), Nullability::Nullable, [("place", place)])
}

fn target(index: &Index) -> String {
    let class = if index.kind == IndexKind::Custom { " of a class" } else { "" };
    format!("({}){class}", index.target)
}

/// It begins as a query does, so that two of them are not shown side by side.
fn select(view: &View) -> String {
    let columns = match &view.selected {
        Selected::All => "*".to_owned(),
        Selected::Those(names) => names.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let order = |(name, order): &(String, Order)| format!("{name} {order}");
    let clustering: Vec<String> = view.clustering.iter().map(order).collect();
    let (partition, clustering) = (view.partition.join(", "), clustering.join(", "));
    format!("SELECT {columns} FROM {} PRIMARY KEY (({partition}), {clustering})", view.base)
}

fn fields(fields: &Fields) -> String {
    fields.iter().map(|(name, field)| format!("{name} {field}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::compare::compare;
    use crate::schema::apply::tests::made;

    #[test]
    fn two_keyspaces_are_compared_as_two_databases_are() {
        let of = |cql: &str| catalogue(&made(cql).keyspaces["app"]);
        const USERS: &str = "CREATE TYPE t (a int); CREATE TABLE users (id int PRIMARY KEY, age int);";
        for (change, differences, unmanaged) in [
            ("", "", ""),
            ("ALTER TABLE users ADD mine int;", "", "column users.mine"),
            ("ALTER TABLE users DROP age;", "column users.age is missing", ""),
            ("ALTER TYPE t ADD b text;", "type t is a int, b text, expected a int", ""),
            ("CREATE INDEX i ON users (age);", "", "index i on users"),
            ("DROP TABLE users;", "table users is missing", ""),
            (
                "DROP TABLE users; CREATE TABLE users (id int, age int, PRIMARY KEY (id, age));",
                "column users.age has place clustering column 1, ascending, expected none",
                "",
            ),
        ] {
            let page = compare(&of(USERS), &of(&format!("{USERS}{change}")));
            assert_eq!(page.differences.join("; "), differences, "{change}");
            assert_eq!(page.unmanaged.join("; "), unmanaged, "{change}");
        }
    }
}
