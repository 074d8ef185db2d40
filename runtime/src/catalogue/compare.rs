//! How a schema differs from the one that is expected.

use std::collections::BTreeMap;

use super::model::{Catalogue, Column, Constraint, Named, Nullability, PRIMARY_KEY, Table};

/// What is not as expected, and what nobody expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// Sentences for somebody on call: `column users.email is nullable, expected not null`.
    pub(crate) differences: Vec<String>,
    /// What no migration made, each named: `index users_by_age on users`. It is no fault.
    pub(crate) unmanaged: Vec<String>,
}

/// Names all that is missing, other than expected, or beyond that.
pub(crate) fn compare(expected: &Catalogue, found: &Catalogue) -> Differences {
    let mut page = Differences::default();
    for (name, table) in &expected.tables {
        match found.tables.get(name) {
            Some(found) => page.table(name, table, found),
            None => page.differ(format!("table {name} is missing")),
        }
    }
    let beyond = found.tables.keys().filter(|name| !expected.tables.contains_key(*name));
    page.unmanaged.extend(beyond.map(|name| format!("table {name}")));
    page.named(&expected.objects, &found.objects, "");
    page
}

impl Differences {
    fn differ(&mut self, sentence: String) {
        self.differences.push(sentence);
    }

    fn table(&mut self, name: &str, expected: &Table, found: &Table) {
        self.properties(&format!("table {name}"), &expected.properties, &found.properties);
        for (column, wanted) in &expected.columns {
            let shown = format!("column {name}.{column}");
            match found.columns.get(column) {
                Some(found) => self.column(&shown, wanted, found),
                None => self.differ(format!("{shown} is missing")),
            }
        }
        let beyond = found.columns.keys().filter(|column| !expected.columns.contains_key(*column));
        self.unmanaged.extend(beyond.map(|column| format!("column {name}.{column}")));
        self.constraints(name, &expected.constraints, &found.constraints);
        self.indexes(name, &expected.indexes, &found.indexes);
        self.named(&expected.parts, &found.parts, &format!(" on {name}"));
    }

    fn column(&mut self, shown: &str, expected: &Column, found: &Column) {
        if expected.column_type != found.column_type {
            self.differ(format!("{shown} has type {}, expected {}", found.column_type, expected.column_type));
        }
        if expected.nullability != found.nullability {
            let (is, wanted) = (found.nullability.word(), expected.nullability.word());
            self.differ(format!("{shown} is {is}, expected {wanted}"));
        }
        self.properties(shown, &expected.properties, &found.properties);
    }

    fn properties(
        &mut self,
        shown: &str,
        expected: &BTreeMap<&'static str, String>,
        found: &BTreeMap<&'static str, String>,
    ) {
        for (property, wanted) in expected {
            match found.get(property) {
                Some(is) if is == wanted => {}
                Some(is) => self.differ(format!("{shown} has {property} {is}, expected {wanted}")),
                None => self.differ(format!("{shown} has no {property}, expected {wanted}")),
            }
        }
        for (property, is) in found.iter().filter(|(property, _)| !expected.contains_key(*property)) {
            self.differ(format!("{shown} has {property} {is}, expected none"));
        }
    }

    /// What they say is compared, each as often as it is there.
    fn constraints(&mut self, table: &str, expected: &[Constraint], found: &[Constraint]) {
        let (missing, beyond) = (less(expected, found), less(found, expected));
        let is_key = |constraint: &&&Constraint| constraint.sort == PRIMARY_KEY;
        let keys = missing.iter().find(is_key).zip(beyond.iter().find(is_key));
        if let Some((wanted, is)) = keys {
            self.differ(format!("primary key of {table} is {}, expected {}", is.says, wanted.says));
        }
        let others = |constraint: &&&Constraint| keys.is_none() || constraint.sort != PRIMARY_KEY;
        let shown = |it: &&Constraint| format!("{} {} on {table}", it.sort, it.says);
        self.differences.extend(missing.iter().filter(others).map(|it| format!("{} is missing", shown(it))));
        self.unmanaged.extend(beyond.iter().filter(others).map(shown));
    }

    /// By name; one that a server has named may be called otherwise, when it says the same.
    fn indexes(&mut self, table: &str, expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) {
        let mut beyond: BTreeMap<_, _> = found.iter().filter(|(name, _)| !expected.contains_key(*name)).collect();
        for (name, wanted) in expected {
            match found.get(name) {
                Some(is) if is == wanted => {}
                Some(is) => self.differ(format!("index {name} on {table} is {is}, expected {wanted}")),
                None => match beyond.iter().find(|(_, is)| **is == wanted).map(|(other, _)| *other) {
                    Some(other) => drop(beyond.remove(other)),
                    None => self.differ(format!("index {name} on {table} is missing")),
                },
            }
        }
        self.unmanaged.extend(beyond.keys().map(|name| format!("index {name} on {table}")));
    }

    fn named(&mut self, expected: &BTreeMap<Named, String>, found: &BTreeMap<Named, String>, place: &str) {
        for (it, wanted) in expected {
            let shown = format!("{} {}{place}", it.sort, it.name);
            match found.get(it) {
                Some(is) if is == wanted => {}
                Some(is) if is_short(is) && is_short(wanted) => {
                    self.differ(format!("{shown} is {is}, expected {wanted}"));
                }
                Some(_) => self.differ(format!("{shown} differs")),
                None => self.differ(format!("{shown} is missing")),
            }
        }
        let beyond = found.keys().filter(|it| !expected.contains_key(*it));
        self.unmanaged.extend(beyond.map(|it| format!("{} {}{place}", it.sort, it.name)));
    }
}

impl Nullability {
    fn word(self) -> &'static str {
        match self {
            Self::Nullable => "nullable",
            Self::NotNull => "not null",
        }
    }
}

/// Whether a person can compare two of them at a glance; code cannot be.
fn is_short(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 80
        && !text.contains('\n')
        && !text.to_ascii_lowercase().contains("select")
        && !text.to_ascii_lowercase().contains("create ")
}

/// What stands in one list and not in the other, or more often.
fn less<'c>(from: &'c [Constraint], those: &[Constraint]) -> Vec<&'c Constraint> {
    let mut those: Vec<&Constraint> = those.iter().collect();
    let mut left: Vec<&Constraint> = from.iter().collect();
    left.retain(|it| match those.iter().position(|other| other == it) {
        Some(at) => {
            those.swap_remove(at);
            false
        }
        None => true,
    });
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `users.email text null; users primary key (id); users index i (email); view v SELECT 1`
    fn schema(text: &str) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for line in text.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.splitn(3, ' ');
            let mut next = || words.next().unwrap_or_default();
            let (first, second, rest) = (next(), next(), next());
            if let Some(sort) = ["view", "function", "sequence", "enum"].into_iter().find(|sort| *sort == first) {
                catalogue.objects.insert(Named::new(sort, second), rest.to_owned());
                continue;
            }
            let (table, column) = first.split_once('.').unwrap_or((first, ""));
            let table = catalogue.tables.entry(table.to_owned()).or_default();
            let mut parts = rest.split(' ');
            match second {
                "key" => table.constraints.push(Constraint::new(PRIMARY_KEY, rest)),
                "check" => table.constraints.push(Constraint::new("check", rest)),
                "index" => {
                    table.indexes.insert(parts.next().unwrap().into(), parts.collect::<Vec<_>>().join(" "));
                }
                "trigger" => {
                    let name = Named::new("trigger", parts.next().unwrap());
                    table.parts.insert(name, parts.collect::<Vec<_>>().join(" "));
                }
                "engine" => drop(table.properties.insert("engine", rest.to_owned())),
                column_type => {
                    let nullability = match parts.next() {
                        Some("not") => Nullability::NotNull,
                        _ => Nullability::Nullable,
                    };
                    let default = [("default", parts.next().map(str::to_owned))];
                    table.columns.insert(column.to_owned(), Column::new(column_type, nullability, default));
                }
            }
        }
        catalogue
    }

    #[test]
    fn differences_are_named() {
        const SAME: &str = "u.id int not; u.e text not 'x'; u key (id); u index i (e); u check (e > 1); view v SELECT 1; \
                            sequence s step 1; u trigger t BEGIN; u engine InnoDB";
        for (change, differences, unmanaged) in [
            (vec![], "", ""),
            (vec![("u.e text not 'x'; ", "")], "column u.e is missing", ""),
            (vec![("text", "int")], "column u.e has type int, expected text", ""),
            (vec![("u.e text not", "u.e text null")], "column u.e is nullable, expected not null", ""),
            (vec![("'x'", "'y'")], "column u.e has default 'y', expected 'x'", ""),
            (vec![(" 'x'", "")], "column u.e has no default, expected 'x'", ""),
            (vec![("u.id int not", "u.id int not 7")], "column u.id has default 7, expected none", ""),
            (vec![("key (id)", "key (id, e)")], "primary key of u is (id, e), expected (id)", ""),
            (vec![("u key (id); ", "")], "primary key (id) on u is missing", ""),
            (vec![("(e > 1)", "(e > 2)")], "check (e > 1) on u is missing", "check (e > 2) on u"),
            (vec![("index i (e)", "index j (e)")], "", ""),
            (vec![("index i (e)", "index i (id)")], "index i on u is (id), expected (e)", ""),
            (vec![("index i (e)", "index j (id)")], "index i on u is missing", "index j on u"),
            (vec![("index i (e);", "index i (e); u index j (e);")], "", "index j on u"),
            (vec![("SELECT 1", "SELECT 2")], "view v differs", ""),
            (vec![("view v SELECT 1;", "view w SELECT 1;")], "view v is missing", "view w"),
            (vec![("step 1", "step 2")], "sequence s is step 2, expected step 1", ""),
            (vec![("u trigger t BEGIN; ", "")], "trigger t on u is missing", ""),
            (vec![("InnoDB", "Aria")], "table u has engine Aria, expected InnoDB", ""),
            (vec![("; u", "; n.x int null; u")], "", "table n"),
        ] {
            let found = change.iter().fold(SAME.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
            let page = compare(&schema(SAME), &schema(&found));
            assert_eq!(page.differences.join("; "), differences, "{found}");
            assert_eq!(page.unmanaged.join("; "), unmanaged, "{found}");
        }
    }

    #[test]
    fn of_a_table_that_is_missing_nothing_else_is_told() {
        let page = compare(&schema("u.id int not; u key (id); u index i (id)"), &Catalogue::default());
        assert_eq!(page.differences, ["table u is missing"]);
        let page = compare(&Catalogue::default(), &schema("u.id int not; u key (id); u index i (id)"));
        assert_eq!((page.differences.len(), page.unmanaged), (0, vec!["table u".to_owned()]));
    }

    #[test]
    fn what_is_there_twice_is_expected_twice() {
        let page = compare(&schema("u check (a); u check (a)"), &schema("u check (a)"));
        assert_eq!(page.differences, ["check (a) on u is missing"]);
    }
}
