//! `ALTER …`

use super::change::{Change, Guard, TableChange, TypeChange};
use super::column_type::{ColumnType, Within};
use super::create::{column, field};
use super::reader::Reader;

/// The rest of a statement that begins with `ALTER`.
pub(crate) fn alter(reader: &mut Reader) -> Option<Change> {
    let change = if reader.take("table|columnfamily") {
        table(reader)?
    } else if reader.take("type") {
        user_type(reader)?
    } else if reader.take("keyspace|schema") {
        reader.take("if exists");
        Change::Options(reader.keyspace()?)
    } else if reader.take("materialized view") {
        reader.take("if exists");
        Change::Options(reader.qualified()?)
    } else {
        let is_known = reader.take("role|user") || reader.take("service level") || reader.take("service_level");
        return is_known.then_some(Change::Other(None));
    };
    if matches!(change, Change::Options(_)) {
        reader.pass_until(&[]);
    }
    reader.expect_end()?;
    Some(change)
}

fn table(reader: &mut Reader) -> Option<Change> {
    reader.take("if exists");
    let table = reader.qualified()?;
    let (change, guard) = if reader.take("add") {
        let guard = guard(reader, "if not exists");
        (TableChange::Add(reader.one_or_list(column)?), guard)
    } else if reader.take("drop") {
        let guard = guard(reader, "if exists");
        let dropped = reader.one_or_list(Reader::name)?;
        // Of what was written until then.
        if reader.take("using timestamp") {
            reader.next()?;
        }
        (TableChange::Drop(dropped), guard)
    } else if reader.take("rename") {
        let guard = guard(reader, "if exists");
        (TableChange::Rename(renames(reader)?), guard)
    } else if reader.take("alter") {
        reader.take("if exists");
        let name = reader.name()?;
        // A mask or a constraint, or that there is none any more.
        if matches!(reader.peek().to_ascii_lowercase().as_str(), "masked" | "check" | "drop") {
            return Some(Change::Options(table));
        }
        reader.expect("type")?;
        (TableChange::Retype(name, ColumnType::read(reader, Within::Open)?), Guard::None)
    } else {
        reader.expect("with")?;
        return Some(Change::Options(table));
    };
    Some(Change::Table { table, change, guard })
}

fn user_type(reader: &mut Reader) -> Option<Change> {
    reader.take("if exists");
    let name = reader.qualified()?;
    let (change, guard) = if reader.take("add") {
        let guard = guard(reader, "if not exists");
        let (name, column_type) = field(reader)?;
        (TypeChange::Add(name, column_type), guard)
    } else if reader.take("rename") {
        let guard = guard(reader, "if exists");
        (TypeChange::Rename(renames(reader)?), guard)
    } else {
        reader.expect("alter")?;
        let name = reader.name()?;
        reader.expect("type")?;
        (TypeChange::Retype(name, ColumnType::read(reader, Within::Open)?), Guard::None)
    };
    Some(Change::Type { name, change, guard })
}

fn guard(reader: &mut Reader, words: &str) -> Guard {
    if reader.take(words) { Guard::If } else { Guard::None }
}

/// `a TO b AND c TO d`
fn renames(reader: &mut Reader) -> Option<Vec<(String, String)>> {
    let mut renames = Vec::new();
    loop {
        let from = reader.name()?;
        reader.expect("to")?;
        renames.push((from, reader.name()?));
        if !reader.take("and") {
            return Some(renames);
        }
    }
}
