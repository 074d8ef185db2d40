//! The schema that was found, from the rows of `system_schema`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::column_type::{ColumnType, Within};
use super::create::target;
use super::model::{
    Column, ColumnKind, Fields, Index, IndexKind, Keyspace, Order, Schema, Selected, Signature, Table, View,
};
use super::name::kept;
use super::reader::Reader;

// Each select needs the name of a keyspace as a literal behind it. A row is the tuple beside it, which scylla reads as it
// is; a list that is empty may come as null.

pub(crate) const KEYSPACES: &str = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ";
pub(crate) type KeyspaceRow = (String,);

pub(crate) const TABLES: &str = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ";
pub(crate) type TableRow = (String,);

pub(crate) const COLUMNS: &str = "SELECT table_name, column_name, kind, position, clustering_order, type \
    FROM system_schema.columns WHERE keyspace_name = ";
pub(crate) type ColumnRow = (String, String, String, i32, String, String);

pub(crate) const INDEXES: &str =
    "SELECT index_name, table_name, kind, options FROM system_schema.indexes WHERE keyspace_name = ";
pub(crate) type IndexRow = (String, String, String, Option<HashMap<String, String>>);

pub(crate) const VIEWS: &str =
    "SELECT view_name, base_table_name, include_all_columns FROM system_schema.views WHERE keyspace_name = ";
pub(crate) type ViewRow = (String, String, bool);

pub(crate) const TYPES: &str =
    "SELECT type_name, field_names, field_types FROM system_schema.types WHERE keyspace_name = ";
pub(crate) type TypeRow = (String, Option<Vec<String>>, Option<Vec<String>>);

pub(crate) const FUNCTIONS: &str =
    "SELECT function_name, argument_types FROM system_schema.functions WHERE keyspace_name = ";
pub(crate) const AGGREGATES: &str =
    "SELECT aggregate_name, argument_types FROM system_schema.aggregates WHERE keyspace_name = ";
pub(crate) type FunctionRow = (String, Option<Vec<String>>);

/// What those selects gave for one keyspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// None, if there is no such keyspace.
    pub(crate) keyspaces: Vec<KeyspaceRow>,
    pub(crate) tables: Vec<TableRow>,
    pub(crate) columns: Vec<ColumnRow>,
    pub(crate) indexes: Vec<IndexRow>,
    pub(crate) views: Vec<ViewRow>,
    pub(crate) types: Vec<TypeRow>,
    pub(crate) functions: Vec<FunctionRow>,
    pub(crate) aggregates: Vec<FunctionRow>,
}

impl Schema {
    /// What was found, of one keyspace after the other.
    pub(crate) fn found(rows: impl IntoIterator<Item = Rows>) -> Self {
        let mut schema = Self::default();
        for rows in rows {
            if let [(name,), ..] = rows.keyspaces.as_slice() {
                schema.keyspaces.insert(name.clone(), keyspace(&rows));
            }
        }
        schema
    }
}

fn keyspace(rows: &Rows) -> Keyspace {
    let mut columns: BTreeMap<&str, Table> = BTreeMap::new();
    for row in &rows.columns {
        columns.entry(&row.0).or_default().insert(row.1.clone(), column(row));
    }
    let table = |name: &str| columns.get(name).cloned().unwrap_or_default();
    let is_of_an_index = |name: &str| {
        let index = name.strip_suffix("_index");
        index.is_some_and(|index| rows.indexes.iter().any(|row| row.0 == index))
    };
    let tables = rows.tables.iter().map(|(name,)| name).filter(|name| !is_scyllas_own(name));
    let views = rows.views.iter().filter(|row| !is_of_an_index(&row.0));
    Keyspace {
        tables: tables.map(|name| (name.clone(), table(name))).collect(),
        indexes: rows.indexes.iter().map(|row| (row.0.clone(), index(row, &table(&row.1)))).collect(),
        views: views.map(|row| (row.0.clone(), view(row, &table(&row.0)))).collect(),
        types: rows.types.iter().map(|row| (row.0.clone(), fields(row))).collect(),
        functions: rows.functions.iter().map(signature).collect(),
        aggregates: rows.aggregates.iter().map(signature).collect(),
    }
}

/// The log of changes of a table, and what conditional writes keep beside it.
fn is_scyllas_own(table: &str) -> bool {
    table.ends_with("_scylla_cdc_log") || table.ends_with("$paxos")
}

fn column((_, _, kind, position, order, column_type): &ColumnRow) -> Column {
    let position = usize::try_from(*position).unwrap_or_default();
    let order = if order.eq_ignore_ascii_case("desc") { Order::Descending } else { Order::Ascending };
    let kind = match kind.as_str() {
        "partition_key" => ColumnKind::PartitionKey(position),
        "clustering" => ColumnKind::Clustering(position, order),
        "static" => ColumnKind::Static,
        _ => ColumnKind::Regular,
    };
    Column { kind, column_type: ColumnType::found(column_type, Within::Open) }
}

fn index((_, table, kind, options): &IndexRow, columns: &Table) -> Index {
    let text = options.as_ref().and_then(|options| options.get("target")).map_or("", String::as_str);
    let target = several(text).or_else(|| one(text)).unwrap_or_else(|| text.to_owned());
    let kind = if kind.eq_ignore_ascii_case("custom") { IndexKind::Custom } else { IndexKind::Plain };
    Index { table: table.clone(), target: without_keys_of_sets(target, columns), kind }
}

fn one(text: &str) -> Option<String> {
    let mut reader = Reader::new(text, "");
    target(&mut reader).filter(|_| reader.expect_end().is_some())
}

/// Scylla keeps several columns as JSON: `{"pk":["a"],"ck":["b"]}` (target_parser.cc), with `tc` and `fc` for vectors.
fn several(text: &str) -> Option<String> {
    let mut reader = Reader::new(text, "");
    reader.expect("{")?;
    let mut lists = BTreeMap::new();
    while !reader.take("}") {
        let key = reader.name()?;
        reader.expect(":")?;
        let mut names = Vec::new();
        let is_list = reader.take("[");
        while !reader.take("]") {
            names.push(reader.name_written()?);
            if !is_list {
                break;
            }
            reader.take(",");
        }
        reader.take(",");
        lists.insert(key, names.join(", "));
    }
    let key = lists.get("pk").map(|names| format!("({names})"));
    let rest = ["tc", "ck", "fc"].into_iter().filter_map(|key| lists.get(key).cloned());
    Some(key.into_iter().chain(rest).filter(|names| !names.is_empty()).collect::<Vec<_>>().join(", "))
}

/// What Cassandra calls the values of a set, Scylla calls its keys.
fn without_keys_of_sets(target: String, columns: &Table) -> String {
    let column = target.strip_prefix("keys(").and_then(|rest| rest.strip_suffix(')'));
    let is_set = |name: &&str| {
        let column = kept(name).and_then(|name| columns.get(&name));
        column.is_some_and(|column| column.column_type.to_string().starts_with("set<"))
    };
    column.filter(is_set).map(str::to_owned).unwrap_or(target)
}

fn view((_, base, has_all): &ViewRow, columns: &Table) -> View {
    let mut partition = BTreeMap::new();
    let mut clustering = BTreeMap::new();
    for (name, column) in columns {
        match column.kind {
            ColumnKind::PartitionKey(position) => {
                partition.insert(position, name.clone());
            }
            ColumnKind::Clustering(position, order) => {
                clustering.insert(position, (name.clone(), order));
            }
            ColumnKind::Static | ColumnKind::Regular => {}
        }
    }
    let those = || Selected::Those(columns.keys().cloned().collect::<BTreeSet<_>>());
    View {
        base: base.clone(),
        partition: partition.into_values().collect(),
        clustering: clustering.into_values().collect(),
        selected: if *has_all { Selected::All } else { those() },
    }
}

fn fields((_, names, types): &TypeRow) -> Fields {
    let types = types.iter().flatten().map(|text| ColumnType::found(text, Within::Open));
    names.iter().flatten().cloned().zip(types).collect()
}

fn signature((name, arguments): &FunctionRow) -> Signature {
    let arguments = arguments.iter().flatten().map(|text| ColumnType::found(text, Within::Frozen)).collect();
    Signature { name: name.clone(), arguments }
}

#[cfg(test)]
mod tests;
