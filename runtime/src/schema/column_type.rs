//! Types, in one form whoever writes them.

use std::fmt;

use super::name::written;
use super::reader::Reader;

/// A type as `system_schema` prints it, but for `frozen` where that changes nothing: all in what is frozen is frozen,
/// and a tuple is so by itself (CQL manual, data types).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ColumnType(String);

/// Whether a type stands where everything is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    Open,
    Frozen,
}

/// Deeper ones are not understood; they could exhaust the stack.
const DEEPEST: usize = 32;

impl ColumnType {
    pub(crate) fn read(reader: &mut Reader, within: Within) -> Option<Self> {
        read(reader, within, 0).map(Self)
    }

    /// A type that the database has printed; what is not understood stays as it is.
    pub(crate) fn found(text: &str, within: Within) -> Self {
        let mut reader = Reader::new(text, "");
        let read = Self::read(&mut reader, within).filter(|_| reader.expect_end().is_some());
        read.unwrap_or_else(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn read(reader: &mut Reader, within: Within, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let mut name = reader.name()?;
    // A user-defined type is of the keyspace of what uses it.
    if reader.take(".") {
        name = reader.name()?;
    }
    if !reader.take("<") {
        return Some(if name == "varchar" { "text".to_owned() } else { written(&name) });
    }
    if name == "frozen" {
        let inner = read(reader, Within::Frozen, depth + 1)?;
        reader.expect(">")?;
        let is_plain = within == Within::Frozen || inner.starts_with("tuple<") || inner.starts_with("vector<");
        return Some(if is_plain { inner } else { format!("frozen<{inner}>") });
    }
    let inside = if name == "tuple" { Within::Frozen } else { within };
    let mut parts = vec![read(reader, inside, depth + 1)?];
    while reader.take(",") {
        // vector<float, 3>
        let is_count = reader.peek().bytes().all(|byte| byte.is_ascii_digit());
        parts.push(if is_count { reader.next()?.to_owned() } else { read(reader, inside, depth + 1)? });
    }
    reader.expect(">")?;
    Some(format!("{name}<{}>", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_one_form() {
        // On the right as Cassandra 5.0.8 printed it.
        let cases = [
            ("INT", "int"),
            ("varchar", "text"),
            ("Address", "address"),
            ("ks.\"address\"", "address"),
            ("frozen<ks.address>", "frozen<address>"),
            ("frozen < \"Geo\" >", "frozen<\"Geo\">"),
            ("map<varchar,frozen<list<int>>>", "map<text, frozen<list<int>>>"),
            ("frozen<list<set<int>>>", "frozen<list<frozen<set<int>>>>"),
            ("list<tuple<int,int>>", "list<frozen<tuple<int, int>>>"),
            ("tuple<address, list<int>>", "frozen<tuple<frozen<address>, frozen<list<int>>>>"),
            (
                "set<frozen<map<int, tuple<address,text>>>>",
                "set<frozen<map<int, frozen<tuple<frozen<address>, text>>>>>",
            ),
            ("vector<float,3>", "vector<float, 3>"),
            ("vector<frozen<list<int>>, 2>", "vector<frozen<list<int>>, 2>"),
        ];
        let read = |text| {
            let mut reader = Reader::new(text, "");
            ColumnType::read(&mut reader, Within::Open).filter(|_| reader.expect_end().is_some())
        };
        for (written, printed) in cases {
            assert_eq!(read(written), Some(ColumnType::found(printed, Within::Open)), "{written}");
        }
        let deep = format!("{}int{}", "list<".repeat(10_000), ">".repeat(10_000));
        for unknown in ["'org.apache.cassandra.db.marshal.UTF8Type'", "", "list<", "list<int", "list<>", "1", &deep] {
            assert_eq!(read(unknown), None, "{unknown:.20}");
            assert_eq!(ColumnType::found(unknown, Within::Open).to_string(), unknown);
        }
        let different = [("list<int>", "frozen<list<int>>"), ("address", "frozen<address>"), ("int", "bigint")];
        for (left, right) in different {
            assert_ne!(read(left), read(right));
        }
    }
}
