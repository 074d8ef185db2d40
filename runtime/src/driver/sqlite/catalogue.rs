//! What SQLite's catalogue tells. Most of it has a table-valued pragma; checks, collations and expressions stand only in
//! the text of `CREATE TABLE`, which SQLite keeps.

use std::collections::BTreeMap;

use crate::catalogue::model::{Catalogue, Column, Constraint, Named, Nullability, PRIMARY_KEY, Table, of_value};
use crate::catalogue::tokens::{joined, normal, tokens};
use crate::driver::completed::Row;

/// One request; the first column says what a row is about. What SQLite makes for itself begins with `sqlite_`, and what a
/// virtual table makes for itself is a shadow.
pub(crate) const QUERIES: &str = "\
SELECT 'table', t.name, t.type, CAST(t.wr AS TEXT), CAST(t.strict AS TEXT), s.sql FROM pragma_table_list AS t \
JOIN main.sqlite_schema AS s ON s.name = t.name AND s.type = 'table' \
WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND substr(t.name, 1, 7) <> 'sqlite_';
SELECT 'column', s.name, x.name, x.type, CAST(x.\"notnull\" AS TEXT), x.dflt_value, CAST(x.pk AS TEXT) \
FROM main.sqlite_schema AS s, pragma_table_xinfo(s.name, 'main') AS x WHERE s.type = 'table' AND x.hidden <> 1 \
ORDER BY s.name, x.pk;
SELECT 'unique', s.name, l.name, x.name FROM main.sqlite_schema AS s, pragma_index_list(s.name, 'main') AS l, \
pragma_index_xinfo(l.name, 'main') AS x WHERE s.type = 'table' AND l.origin = 'u' AND x.key = 1 \
ORDER BY s.name, l.name, x.seqno;
SELECT 'foreign', s.name, CAST(f.id AS TEXT), f.\"from\", f.\"table\", f.\"to\", f.on_update, f.on_delete \
FROM main.sqlite_schema AS s, pragma_foreign_key_list(s.name, 'main') AS f WHERE s.type = 'table' \
ORDER BY s.name, f.id, f.seq;
SELECT s.type, s.tbl_name, s.name, s.sql FROM main.sqlite_schema AS s \
WHERE s.type IN ('index', 'view', 'trigger') AND s.sql IS NOT NULL";

/// The catalogue of the rows of [`QUERIES`].
pub(crate) fn catalogue(rows: Vec<Row>) -> Catalogue {
    let mut reading = Reading::default();
    for row in rows {
        let texts: Vec<&str> = row.iter().map(|column| column.as_deref().unwrap_or_default()).collect();
        reading.row(&texts, row.get(5).is_some_and(Option::is_some));
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    catalogue: Catalogue,
    /// The columns of each primary key.
    primary: BTreeMap<String, Vec<String>>,
    /// By table and the server's name.
    unique: BTreeMap<(String, String), Vec<String>>,
    foreign: BTreeMap<(String, String), Foreign>,
    /// The texts of the tables.
    texts: BTreeMap<String, String>,
}

#[derive(Default)]
struct Foreign {
    from: Vec<String>,
    table: String,
    to: Vec<String>,
    rules: String,
}

impl Reading {
    fn row(&mut self, row: &[&str], has_default: bool) {
        match *row {
            ["table", name, sort, without_rowid, strict, sql] => self.table(name, [sort, without_rowid, strict], sql),
            ["column", name, column, column_type, not_null, default, key] => {
                let Some(table) = self.catalogue.tables.get_mut(name) else { return };
                let nullability = if not_null == "1" { Nullability::NotNull } else { Nullability::Nullable };
                let default = [("default", has_default.then(|| normal(default)))];
                let read = Column::new(normal(column_type), nullability, default);
                table.columns.insert(column.to_owned(), read);
                if key != "0" {
                    self.primary.entry(name.to_owned()).or_default().push(column.to_owned());
                }
            }
            ["unique", name, key, column] => {
                self.unique.entry((name.to_owned(), key.to_owned())).or_default().push(column.to_owned());
            }
            ["foreign", name, id, from, to_table, to, on_update, on_delete] => {
                let key = self.foreign.entry((name.to_owned(), id.to_owned())).or_default();
                key.from.push(from.to_owned());
                key.table = to_table.to_owned();
                // Without columns the primary key is meant.
                key.to.extend((!to.is_empty()).then(|| to.to_owned()));
                key.rules = rules(on_update, on_delete);
            }
            ["index", name, index, sql] => {
                let Some(table) = self.catalogue.tables.get_mut(name) else { return };
                table.indexes.insert(index.to_owned(), index_says(sql));
            }
            ["trigger", name, trigger, sql] => {
                self.catalogue.add_part(name, Named::new("trigger", trigger), normal(sql))
            }
            ["view", _, view, sql] => drop(self.catalogue.objects.insert(Named::new("view", view), normal(sql))),
            _ => {}
        }
    }

    fn table(&mut self, name: &str, [sort, without_rowid, strict]: [&str; 3], sql: &str) {
        let on = |is: bool| is.then(|| "on".to_owned());
        let words = tokens(sql);
        let module = words.iter().position(|word| word == "using").map(|at| joined(&words[at + 1..]));
        let properties = of_value([
            ("WITHOUT ROWID", on(without_rowid == "1")),
            ("STRICT", on(strict == "1")),
            ("module", module.filter(|_| sort == "virtual")),
        ]);
        self.catalogue.tables.insert(name.to_owned(), Table { properties, ..Table::default() });
        if sort == "table" {
            self.texts.insert(name.to_owned(), sql.to_owned());
        }
    }

    fn finish(mut self) -> Catalogue {
        let list = |columns: &[String]| format!("({})", columns.join(", "));
        let tables = &mut self.catalogue.tables;
        let mut say = |table: &str, constraint: Constraint| {
            if let Some(table) = tables.get_mut(table) {
                table.constraints.push(constraint);
            }
        };
        for (table, columns) in &self.primary {
            say(table, Constraint::new(PRIMARY_KEY, list(columns)));
        }
        for ((table, _), columns) in &self.unique {
            say(table, Constraint::new("unique key", list(columns)));
        }
        for ((table, _), key) in &self.foreign {
            let to = if key.to.is_empty() { String::new() } else { format!(" {}", list(&key.to)) };
            let says = format!("{} references {}{to}{}", list(&key.from), key.table, key.rules);
            say(table, Constraint::new("foreign key", says));
        }
        for (name, text) in &self.texts {
            let Some(table) = tables.get_mut(name) else { continue };
            definitions(text).iter().for_each(|definition| read_definition(table, definition));
        }
        self.catalogue
    }
}

fn rules(on_update: &str, on_delete: &str) -> String {
    let rule = |when: &str, what: &str| match what {
        "NO ACTION" | "" => String::new(),
        what => format!(" {when} {}", what.to_lowercase()),
    };
    rule("on update", on_update) + &rule("on delete", on_delete)
}

/// `unique (lower (email)) where deleted is null`
fn index_says(sql: &str) -> String {
    let words = tokens(sql);
    let at = words.iter().position(|word| word == "(").unwrap_or(0);
    let unique = if words.get(1).is_some_and(|word| word == "unique") { "unique " } else { "" };
    format!("{unique}{}", joined(&words[at..]))
}

/// The columns and constraints between the parentheses of `CREATE TABLE`.
fn definitions(sql: &str) -> Vec<Vec<String>> {
    let mut definitions = vec![Vec::new()];
    let mut depth = 0_usize;
    for token in tokens(sql) {
        let before = depth;
        match &*token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (before, depth) {
            (0, _) => {}
            (1, 0) => break,
            (1, 1) if token == "," => definitions.push(Vec::new()),
            _ => definitions.last_mut().expect("there is one from the start").push(token),
        }
    }
    definitions
}

fn read_definition(table: &mut Table, words: &[String]) {
    let group = |at: usize| words.get(at).filter(|word| *word == "(").map(|_| parenthesized(&words[at..]));
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match &**word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth > 0 || at == 0 && word != "check" => {}
            "check" => table.constraints.extend(group(at + 1).map(|says| Constraint::new("check", says))),
            "deferrable" if words[at - 1] != "not" => {
                let from = words.iter().position(|word| word == "references").unwrap_or(at);
                table.constraints.push(Constraint::new("deferrable foreign key", joined(&words[from..])));
            }
            property => {
                let value = match property {
                    "collate" => words.get(at + 1).map(|name| ("collation", name.clone())),
                    "autoincrement" => Some(("autoincrement", "on".to_owned())),
                    "as" => group(at + 1).map(|says| {
                        let is_stored = words.iter().any(|word| word == "stored");
                        ("expression", format!("{says}{}", if is_stored { " stored" } else { "" }))
                    }),
                    _ => None,
                };
                // Tokens are in lower case, columns as they were written.
                let column = table.columns.iter_mut().find(|(name, _)| name.to_lowercase() == words[0]);
                if let (Some((_, column)), Some((name, value))) = (column, value) {
                    column.properties.insert(name, value);
                }
            }
        }
    }
}

/// From an opening parenthesis to the one that closes it.
fn parenthesized(words: &[String]) -> String {
    let mut depth = 0_usize;
    let end = words.iter().position(|word| {
        depth = match &**word {
            "(" => depth + 1,
            ")" => depth.saturating_sub(1),
            _ => depth,
        };
        depth == 0
    });
    joined(&words[..end.map_or(words.len(), |end| end + 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_text_tells_is_read_from_it() {
        let sql = "CREATE TABLE \"t\" (id INTEGER PRIMARY KEY AUTOINCREMENT, \"E\" TEXT COLLATE NOCASE CHECK (e <> ''), \
                   up TEXT AS (upper(e)) STORED, r INT REFERENCES u (id) DEFERRABLE INITIALLY DEFERRED, \
                   CONSTRAINT c CHECK (length(e) > 1))";
        let mut reading = Reading::default();
        reading.row(&["table", "t", "table", "0", "0", sql], true);
        for column in ["id", "E", "up", "r"] {
            reading.row(&["column", "t", column, "TEXT", "0", "", "0"], false);
        }
        let table = reading.finish().tables.remove("t").unwrap();
        let says: Vec<String> = table.constraints.iter().map(|it| format!("{} {}", it.sort, it.says)).collect();
        let deferred = "deferrable foreign key references u (id) deferrable initially deferred";
        assert_eq!(says, ["check (e <> '')".to_owned(), deferred.into(), "check (length (e) > 1)".into()]);
        let property = |column: &str| table.columns[column].properties.clone().into_iter().collect::<Vec<_>>();
        assert_eq!(property("id"), [("autoincrement", "on".to_owned())]);
        assert_eq!(property("E"), [("collation", "nocase".to_owned())]);
        assert_eq!(property("up"), [("expression", "(upper (e)) stored".to_owned())]);
    }

    #[test]
    fn an_index_is_what_stands_behind_its_table() {
        assert_eq!(index_says("CREATE UNIQUE INDEX i ON t (a, b DESC) WHERE a > 1"), "unique (a, b desc) where a > 1");
        assert_eq!(index_says("CREATE INDEX \"i\" ON \"t\"(\"A\")"), "(a)");
    }
}
