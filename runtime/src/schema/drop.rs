//! `DROP …`

use super::change::{Change, Gone};
use super::column_type::{ColumnType, Within};
use super::name::Name;
use super::reader::Reader;

type Read = fn(&mut Reader) -> Option<(String, Gone)>;

const THINGS: &[(&str, Read)] = &[
    ("keyspace|schema", |reader| Some((reader.name()?, Gone::Keyspace))),
    ("table|columnfamily", |reader| named(reader, Gone::Table)),
    ("index", |reader| named(reader, Gone::Index)),
    ("materialized view", |reader| named(reader, Gone::View)),
    ("type", |reader| named(reader, Gone::Type)),
    ("function", |reader| function(reader, Gone::Function)),
    ("aggregate", |reader| function(reader, Gone::Aggregate)),
];

/// The rest of a statement that begins with `DROP`.
pub(crate) fn drop(reader: &mut Reader) -> Option<Change> {
    let Some(read) = reader.one_of(THINGS) else { return other(reader) };
    reader.take("if exists");
    let (keyspace, gone) = read(reader)?;
    reader.expect_end()?;
    Some(Change::Drop { keyspace, gone })
}

fn other(reader: &mut Reader) -> Option<Change> {
    if reader.take("trigger") {
        reader.pass_until(&["on"]);
        reader.expect("on")?;
        return Some(Change::Other(Some(reader.qualified()?)));
    }
    let is_known = reader.take("role|user|identity") || reader.take("service level") || reader.take("service_level");
    is_known.then_some(Change::Other(None))
}

fn named(reader: &mut Reader, gone: fn(String) -> Gone) -> Option<(String, Gone)> {
    let Name { keyspace, name } = reader.qualified()?;
    Some((keyspace, gone(name)))
}

fn function(reader: &mut Reader, gone: fn(String, Option<Vec<ColumnType>>) -> Gone) -> Option<(String, Gone)> {
    let Name { keyspace, name } = reader.qualified()?;
    let arguments = match reader.peek() {
        "(" => Some(reader.list(|reader| ColumnType::read(reader, Within::Frozen))?),
        _ => None,
    };
    Some((keyspace, gone(name, arguments)))
}
