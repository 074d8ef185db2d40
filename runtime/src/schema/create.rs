//! `CREATE …`, by the rules of Cassandra's Parser.g and Scylla's Cql.g.

use std::collections::BTreeMap;

use super::change::{Change, Guard, Thing};
use super::column_type::{ColumnType, Within};
use super::model::{Column, ColumnKind, Fields, Index, IndexKind, Order, Selected, Signature, Table, View};
use super::name::Name;
use super::reader::Reader;

type Read = fn(&mut Reader) -> Option<(String, Thing)>;

const THINGS: &[(&str, Read)] = &[
    ("keyspace|schema", keyspace),
    ("table|columnfamily", table),
    ("type", user_type),
    ("index", |reader| index(reader, IndexKind::Plain)),
    ("custom index", |reader| index(reader, IndexKind::Custom)),
    ("materialized view", view),
    ("function", |reader| function(reader, |reader| reader.name()).map(|(name, it)| (name, Thing::Function(it)))),
    // Its arguments have no names.
    ("aggregate", |reader| function(reader, |_| Some(String::new())).map(|(name, it)| (name, Thing::Aggregate(it)))),
];

/// The rest of a statement that begins with `CREATE`.
pub(crate) fn create(reader: &mut Reader) -> Option<Change> {
    let replaces = reader.take("or replace");
    let Some(read) = reader.one_of(THINGS) else { return other(reader) };
    let guard = match reader.take("if not exists") {
        true => Guard::If,
        false if replaces => Guard::Replace,
        false => Guard::None,
    };
    let (keyspace, thing) = read(reader)?;
    Some(Change::Create { keyspace, thing, guard })
}

fn other(reader: &mut Reader) -> Option<Change> {
    if reader.take("trigger") {
        reader.pass_until(&["on"]);
        reader.expect("on")?;
        return Some(Change::Other(Some(reader.qualified()?)));
    }
    let is_known = reader.take("role|user") || reader.take("service level") || reader.take("service_level");
    is_known.then_some(Change::Other(None))
}

fn keyspace(reader: &mut Reader) -> Option<(String, Thing)> {
    Some((reader.name()?, Thing::Keyspace))
}

/// The columns of a primary key, in their order.
#[derive(Default)]
struct Key {
    partition: Vec<String>,
    clustering: Vec<String>,
}

fn table(reader: &mut Reader) -> Option<(String, Thing)> {
    let Name { keyspace, name } = reader.qualified()?;
    let mut key = None;
    let columns = reader.list(|reader| {
        if reader.take("primary key") {
            key = Some(read_key(reader)?);
            return Some(None);
        }
        let (name, column) = column(reader)?;
        if reader.take("primary key") {
            key = Some(Key { partition: vec![name.clone()], clustering: Vec::new() });
        }
        Some(Some((name, column)))
    })?;
    let (key, orders) = (key?, clustering_order(reader)?);
    let mut table: Table = columns.into_iter().flatten().collect();
    for (position, name) in key.partition.iter().enumerate() {
        table.get_mut(name)?.kind = ColumnKind::PartitionKey(position);
    }
    for (position, name) in key.clustering.iter().enumerate() {
        let order = orders.get(name).copied().unwrap_or(Order::Ascending);
        table.get_mut(name)?.kind = ColumnKind::Clustering(position, order);
    }
    Some((keyspace, Thing::Table(name, table)))
}

/// `name type [STATIC]`; a mask or a constraint is passed over.
pub(super) fn column(reader: &mut Reader) -> Option<(String, Column)> {
    let name = reader.name()?;
    let column_type = ColumnType::read(reader, Within::Open)?;
    let kind = if reader.take("static") { ColumnKind::Static } else { ColumnKind::Regular };
    if reader.take("masked|check") {
        reader.pass_until(&[",", ")", "primary"]);
    }
    Some((name, Column { kind, column_type }))
}

/// `((a, b), c, d)`, or `(a, c, d)`.
fn read_key(reader: &mut Reader) -> Option<Key> {
    let mut key = Key::default();
    reader.list(|reader| {
        if key.partition.is_empty() {
            key.partition = reader.one_or_list(Reader::name)?;
        } else {
            key.clustering.push(reader.name()?);
        }
        Some(())
    })?;
    (!key.partition.is_empty()).then_some(key)
}

/// What `WITH` says of the order of rows, up to the end of the statement.
fn clustering_order(reader: &mut Reader) -> Option<BTreeMap<String, Order>> {
    let mut orders = BTreeMap::new();
    if reader.rest().is_empty() {
        return Some(orders);
    }
    reader.expect("with")?;
    while !reader.rest().is_empty() {
        if reader.take("clustering order by") {
            let order = &[("asc", Order::Ascending), ("desc", Order::Descending)];
            orders.extend(reader.list(|reader| Some((reader.name()?, reader.one_of(order)?)))?);
        } else {
            reader.next();
        }
    }
    Some(orders)
}

fn user_type(reader: &mut Reader) -> Option<(String, Thing)> {
    let Name { keyspace, name } = reader.qualified()?;
    let fields: Fields = reader.list(field)?;
    reader.expect_end()?;
    Some((keyspace, Thing::Type(name, fields)))
}

pub(super) fn field(reader: &mut Reader) -> Option<(String, ColumnType)> {
    Some((reader.name()?, ColumnType::read(reader, Within::Open)?))
}

fn index(reader: &mut Reader, kind: IndexKind) -> Option<(String, Thing)> {
    let name = if reader.take("on") {
        None
    } else {
        let name = reader.name()?;
        reader.expect("on")?;
        Some(name)
    };
    let Name { keyspace, name: table } = reader.qualified()?;
    let target = reader.list(target)?.join(", ");
    let has_class = reader.take("using") && !reader.peek().eq_ignore_ascii_case("'legacy_local_table'");
    let kind = if has_class { IndexKind::Custom } else { kind };
    Some((keyspace, Thing::Index(name, Index { table, target, kind })))
}

/// What of a column is indexed; in Scylla the columns of a local index's partition key stand before it, in parentheses.
pub(super) fn target(reader: &mut Reader) -> Option<String> {
    if reader.peek() == "(" {
        let names = reader.list(Reader::name_written)?;
        return Some(format!("({})", names.join(", ")));
    }
    if reader.rest().get(1) != Some(&"(") {
        return reader.name_written();
    }
    let of = reader.one_of(&[("values", ""), ("keys", "keys"), ("entries", "entries"), ("full", "full")])?;
    reader.expect("(")?;
    let name = reader.name_written()?;
    reader.expect(")")?;
    Some(if of.is_empty() { name } else { format!("{of}({name})") })
}

fn view(reader: &mut Reader) -> Option<(String, Thing)> {
    let Name { keyspace, name } = reader.qualified()?;
    reader.expect("as")?;
    reader.expect("select")?;
    let mut selected = Vec::new();
    let all = reader.take("*");
    while !all && !reader.peek().eq_ignore_ascii_case("from") {
        selected.push(reader.name()?);
        reader.take(",");
    }
    reader.expect("from")?;
    let base = reader.qualified()?.name;
    reader.pass_until(&["primary"]);
    reader.expect("primary key")?;
    let key = read_key(reader)?;
    let orders = clustering_order(reader)?;
    let selected = match all {
        true => Selected::All,
        false => Selected::Those(selected.iter().chain(&key.partition).chain(&key.clustering).cloned().collect()),
    };
    let ordered = |name: String| (orders.get(&name).copied().unwrap_or(Order::Ascending), name);
    let clustering = key.clustering.into_iter().map(ordered).map(|(order, name)| (name, order)).collect();
    Some((keyspace, Thing::View(name, View { base, partition: key.partition, clustering, selected })))
}

fn function(reader: &mut Reader, name_of: fn(&mut Reader) -> Option<String>) -> Option<(String, Signature)> {
    let Name { keyspace, name } = reader.qualified()?;
    let arguments = reader.list(|reader| {
        name_of(reader)?;
        ColumnType::read(reader, Within::Frozen)
    })?;
    // What it does is not compared.
    reader.pass_until(&[]);
    Some((keyspace, Signature { name, arguments }))
}
