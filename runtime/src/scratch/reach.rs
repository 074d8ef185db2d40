//! Whether a script reaches out of its database: then it must not run a second time beside it.

use whimbrel_core::{Dialect, Script, Statement};

use crate::catalogue::tokens::tokens;

/// Words that follow each other in what acts on more than one database. Looked for in all of a statement, also in what it
/// quotes, since a block may execute it.
const POSTGRES: &[&str] = &[
    "alter|create|drop role|user|group|database|tablespace|subscription|server",
    "alter system",
    "on database|tablespace|role",
    "drop|reassign owned",
    "dblink|dblink_connect|dblink_exec|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_create_logical_replication_slot|pg_create_physical_replication_slot|lo_import|lo_export",
    "to|from program",
    "load",
    "security label",
];

const MYSQL: &[&str] = &[
    "alter|create|drop database|schema|user|role|server|tablespace|logfile",
    "create or replace user|role|database|schema|server",
    "rename user",
    "grant|revoke|use|kill|flush|purge|shutdown|install|uninstall|handler",
    "set global|persist|password|default",
    "global|persist",
    "change|reset|start|stop master|slave|replica",
    "into outfile|dumpfile",
    "load data|xml|index",
];

const SQLITE: &[&str] = &["attach|detach|load_extension|writefile", "vacuum into", "vacuum main into"];

const CQL: &[&str] = &["alter|create|drop role|user|keyspace", "grant|revoke|use", "list roles"];

/// What reaches out, for people: `CREATE ROLE, line 3`. Names of other `databases` count where they qualify something.
pub(crate) fn reaches_out(script: &Script, dialect: Dialect, databases: &[String]) -> Option<String> {
    let words = match dialect {
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
        Dialect::Sqlite => SQLITE,
        _ => CQL,
    };
    script.statements().find_map(|statement| {
        let found = found(script.text_of(&statement), words, databases)?;
        Some(format!("`{found}`, line {}", line(script, &statement)))
    })
}

fn line(script: &Script, statement: &Statement) -> usize {
    let before = &script.text()[..statement.range().start];
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

fn found(text: &str, patterns: &[&str], databases: &[String]) -> Option<String> {
    // What a block executes stands in quotes: without them, it is words as well.
    let bare: String = text.chars().map(|c| if matches!(c, '\'' | '"' | '`') { ' ' } else { c }).collect();
    let words = tokens(&bare);
    for pattern in patterns {
        let parts: Vec<Vec<&str>> = pattern.split(' ').map(|part| part.split('|').collect()).collect();
        let fits = |window: &&[String]| window.iter().zip(&parts).all(|(word, part)| part.contains(&&**word));
        // One word alone is meant where it begins a statement, or is called.
        let alone = parts.len() == 1;
        for (at, window) in words.windows(parts.len()).enumerate().filter(|(_, window)| fits(window)) {
            let is_called = words.get(at + 1).is_some_and(|next| next == "(");
            let begins =
                at == 0 || matches!(&*words[at - 1], ";" | "begin" | "then" | "else" | "do" | "execute" | "set" | "@");
            if !alone || begins || is_called {
                return Some(window.join(" ").to_uppercase());
            }
        }
    }
    let qualifies = |window: &&[String]| window[1] == "." && databases.iter().any(|it| it.to_lowercase() == window[0]);
    words.windows(2).find(qualifies).map(|window| format!("{}.", window[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_more_than_one_database_is_found() {
        let others = ["shop".to_owned()];
        for (patterns, text, expected) in [
            (POSTGRES, "CREATE ROLE app LOGIN", Some("CREATE ROLE")),
            (POSTGRES, "DO $$ BEGIN EXECUTE 'create role app'; END $$", Some("CREATE ROLE")),
            (POSTGRES, "ALTER DATABASE shop SET search_path = a", Some("ALTER DATABASE")),
            (POSTGRES, "GRANT CONNECT ON DATABASE shop TO app", Some("ON DATABASE")),
            (POSTGRES, "GRANT SELECT ON users TO app", None),
            (POSTGRES, "CREATE TABLE role (\"user\" int, load int)", None),
            (POSTGRES, "SELECT pg_terminate_backend(1)", Some("PG_TERMINATE_BACKEND")),
            (POSTGRES, "COPY a FROM PROGRAM 'ls'", Some("FROM PROGRAM")),
            (POSTGRES, "SELECT * FROM dblink('dbname=shop', 'SELECT 1') AS t (a int)", Some("DBLINK")),
            (MYSQL, "GRANT ALL ON *.* TO app", Some("GRANT")),
            (MYSQL, "SET GLOBAL max_connections = 1", Some("SET GLOBAL")),
            (MYSQL, "INSERT INTO shop.users VALUES (1)", Some("shop.")),
            (MYSQL, "INSERT INTO `shop` . `users` VALUES (1)", Some("shop.")),
            (MYSQL, "SELECT u.id FROM users AS u", None),
            (MYSQL, "CREATE TABLE a (id INT, `use` INT)", None),
            (SQLITE, "ATTACH 'b.db' AS b", Some("ATTACH")),
            (SQLITE, "VACUUM INTO 'copy.db'", Some("VACUUM INTO")),
            (SQLITE, "CREATE TABLE attach_log (id INTEGER)", None),
            (CQL, "CREATE KEYSPACE k WITH replication = {}", Some("CREATE KEYSPACE")),
        ] {
            assert_eq!(found(text, patterns, &others).as_deref(), expected, "{text}");
        }
    }
}
