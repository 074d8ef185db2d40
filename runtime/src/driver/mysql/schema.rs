//! What `information_schema` tells of a whole database, as a model.

use std::collections::BTreeMap;

use crate::catalogue::model::{Catalogue, Column, Constraint, Named, Nullability, PRIMARY_KEY, Table, of_value};
use crate::driver::completed::Row;

/// The first column says what a row is about. The server keeps unique keys as indexes, so they are compared as such.
const QUERIES: [&str; 9] = [
    "SELECT 'table', table_name, table_type, engine, table_collation FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_type <> 'VIEW'",
    // MariaDB says NULL in letters where there is no default.
    "SELECT 'column', c.table_name, c.column_name, c.column_type, c.is_nullable, \
     CASE WHEN c.column_default = 'NULL' THEN NULL ELSE c.column_default END, c.extra, \
     CASE WHEN c.collation_name <> t.table_collation THEN c.collation_name END, c.generation_expression \
     FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
     WHERE c.table_schema = DATABASE()",
    "SELECT 'index', table_name, index_name, non_unique, index_type, column_name, sub_part, collation \
     FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index",
    "SELECT 'foreign', k.table_name, k.constraint_name, k.column_name, \
     CASE WHEN k.referenced_table_schema = DATABASE() THEN '' ELSE concat(k.referenced_table_schema, '.') END, \
     k.referenced_table_name, k.referenced_column_name, r.update_rule, r.delete_rule \
     FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r \
     ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name \
     WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL \
     ORDER BY k.table_name, k.constraint_name, k.ordinal_position",
    "SELECT 'view', table_name, view_definition, check_option, security_type FROM information_schema.views \
     WHERE table_schema = DATABASE()",
    "SELECT 'parameter', specific_name, routine_type, parameter_mode, parameter_name, dtd_identifier \
     FROM information_schema.parameters WHERE specific_schema = DATABASE() AND ordinal_position > 0 \
     ORDER BY specific_name, ordinal_position",
    "SELECT 'routine', routine_name, routine_type, dtd_identifier, is_deterministic, sql_data_access, security_type, \
     routine_definition FROM information_schema.routines WHERE routine_schema = DATABASE()",
    "SELECT 'trigger', event_object_table, trigger_name, action_timing, event_manipulation, action_statement \
     FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    "SELECT 'event', event_name, event_type, interval_value, interval_field, status, event_definition \
     FROM information_schema.events WHERE event_schema = DATABASE()",
];

/// MariaDB names checks within their table, and says which it is; in MySQL their names are the database's.
pub(crate) const CHECKS_OF_MARIADB: &str = "SELECT 'check', table_name, check_clause FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()";
pub(crate) const CHECKS_OF_MYSQL: &str = "SELECT 'check', t.table_name, k.check_clause \
     FROM information_schema.check_constraints k JOIN information_schema.table_constraints t \
     USING (constraint_schema, constraint_name) WHERE k.constraint_schema = DATABASE() AND t.constraint_type = 'CHECK'";

/// Which server it is.
pub(crate) const VERSION: &str = "SELECT version()";

/// One request.
pub(crate) fn queries(version: &str) -> String {
    let checks = if version.contains("MariaDB") { CHECKS_OF_MARIADB } else { CHECKS_OF_MYSQL };
    format!("{};\n{checks}", QUERIES.join(";\n"))
}

/// The catalogue of the rows of [`queries`]; `database` is left out of the names in definitions.
pub(crate) fn catalogue(rows: Vec<Row>, database: &str) -> Catalogue {
    let own = format!("`{}`.", database.replace('`', "``"));
    let mut reading = Reading::default();
    for row in rows {
        reading.row(&row, &own);
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    catalogue: Catalogue,
    /// What each says before its columns, and those; by table and name.
    indexes: BTreeMap<(String, String), (String, Vec<String>)>,
    foreign: BTreeMap<(String, String), Foreign>,
    parameters: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
struct Foreign {
    from: Vec<String>,
    to: Vec<String>,
    table: String,
    rules: String,
}

impl Reading {
    fn row(&mut self, row: &Row, own: &str) {
        let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        let value = |at: usize| row.get(at).cloned().flatten();
        let name = || text(1).to_owned();
        let key = || (text(1).to_owned(), text(2).to_owned());
        match text(0) {
            "table" if text(2) == "SEQUENCE" => {
                self.catalogue.objects.insert(Named::new("sequence", text(1)), String::new());
            }
            "table" => {
                let versioned = (text(2) == "SYSTEM VERSIONED").then(|| "on".to_owned());
                let properties =
                    of_value([("engine", value(3)), ("collation", value(4)), ("system versioning", versioned)]);
                self.catalogue.tables.insert(name(), Table { properties, ..Table::default() });
            }
            "column" => {
                let Some(table) = self.catalogue.tables.get_mut(text(1)) else { return };
                let nullability = if text(4) == "NO" { Nullability::NotNull } else { Nullability::Nullable };
                let properties =
                    [("default", value(5)), ("extra", value(6)), ("collation", value(7)), ("expression", value(8))];
                table.columns.insert(text(2).to_owned(), Column::new(text(3), nullability, properties));
            }
            "index" => {
                let unique = if text(3) == "0" { "unique " } else { "" };
                let method = if text(4) == "BTREE" { String::new() } else { format!("{} ", text(4).to_lowercase()) };
                let part = value(6).map_or_else(String::new, |length| format!("({length})"));
                let order = if text(7) == "D" { " desc" } else { "" };
                let column = value(5).unwrap_or_else(|| "an expression".to_owned());
                let says = self.indexes.entry(key()).or_insert_with(|| (format!("{unique}{method}"), Vec::new()));
                says.1.push(format!("{column}{part}{order}"));
            }
            "foreign" => {
                let key = self.foreign.entry(key()).or_default();
                key.from.push(text(3).to_owned());
                key.table = format!("{}{}", text(4), text(5));
                key.to.push(text(6).to_owned());
                key.rules = rules(text(7), text(8));
            }
            "check" => {
                if let Some(table) = self.catalogue.tables.get_mut(text(1)) {
                    table.constraints.push(Constraint::new("check", format!("({})", text(2))));
                }
            }
            "view" => {
                let says = format!("{} {} {}", text(2).replace(own, ""), text(3), text(4));
                self.catalogue.objects.insert(Named::new("view", text(1)), says);
            }
            "parameter" => {
                let mode = if text(2) == "PROCEDURE" { format!("{} ", text(3)) } else { String::new() };
                let parameter = format!("{mode}{} {}", text(4), text(5));
                self.parameters.entry(name()).or_default().push(parameter);
            }
            "routine" => {
                let sort = if text(2) == "PROCEDURE" { "procedure" } else { "function" };
                let parameters = self.parameters.get(text(1)).map(|all| all.join(", ")).unwrap_or_default();
                let says: Vec<&str> = (3..8).map(text).collect();
                let says = format!("create {sort} ({parameters}) {}", says.join(" "));
                self.catalogue.objects.insert(Named::new(sort, text(1)), says);
            }
            "trigger" => {
                let says = format!("create {} {} {}", text(3), text(4), text(5));
                self.catalogue.add_part(text(1), Named::new("trigger", text(2)), says);
            }
            "event" => {
                let says: Vec<&str> = (2..7).map(text).collect();
                self.catalogue.objects.insert(Named::new("event", text(1)), format!("create {}", says.join(" ")));
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Catalogue {
        let tables = &mut self.catalogue.tables;
        let list = |columns: &[String]| format!("({})", columns.join(", "));
        for ((table, name), (how, columns)) in &self.indexes {
            let Some(table) = tables.get_mut(table) else { continue };
            if name == "PRIMARY" {
                table.constraints.push(Constraint::new(PRIMARY_KEY, list(columns)));
            } else {
                table.indexes.insert(name.clone(), format!("{how}{}", list(columns)));
            }
        }
        for ((table, _), key) in &self.foreign {
            let Some(table) = tables.get_mut(table) else { continue };
            let says = format!("{} references {} {}{}", list(&key.from), key.table, list(&key.to), key.rules);
            table.constraints.push(Constraint::new("foreign key", says));
        }
        self.catalogue
    }
}

/// What is not the default; the two servers call that differently.
fn rules(on_update: &str, on_delete: &str) -> String {
    let rule = |when: &str, what: &str| match what {
        "NO ACTION" | "RESTRICT" => String::new(),
        what => format!(" {when} {}", what.to_lowercase()),
    };
    rule("on update", on_update) + &rule("on delete", on_delete)
}

/// What drops each of what there is in a database; the sorts are the catalogue's.
pub(crate) fn drops(catalogue: &Catalogue) -> String {
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let mut sql = vec!["SET FOREIGN_KEY_CHECKS = 0".to_owned()];
    let object = |it: &Named| format!("DROP {} IF EXISTS {}", it.sort.to_uppercase(), quoted(&it.name));
    sql.extend(catalogue.objects.keys().map(object));
    sql.extend(catalogue.tables.keys().map(|name| format!("DROP TABLE IF EXISTS {}", quoted(name))));
    sql.push("SET FOREIGN_KEY_CHECKS = 1".to_owned());
    sql.join(";\n")
}
