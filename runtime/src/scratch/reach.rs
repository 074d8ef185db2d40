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
    "dblink|dblink_*|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal",
    "pg_create_logical_replication_slot|pg_create_physical_replication_slot|pg_copy_logical_replication_slot|pg_copy_physical_replication_slot|pg_drop_replication_slot|pg_replication_slot_advance|pg_replication_origin_*",
    "lo_import|lo_export|pg_file_*",
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

/// Statements that reach out unless a word stands in them: what begins them, where that is looked for, and the word, before
/// or behind that. Membership of roles is the server's, a privilege on something is the database's; a file is the
/// server's.
const UNLESS: &[(&str, &str, Unless)] = &[
    ("grant", "to", Unless::Before("on")),
    ("revoke", "from", Unless::Before("on")),
    ("copy", "to", Unless::Behind("stdout")),
];

enum Unless {
    Before(&'static str),
    Behind(&'static str),
}

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
        let is = |word: &str, it: &str| it.strip_suffix('*').map_or(it == word, |start| word.starts_with(start));
        let fits =
            |window: &&[String]| window.iter().zip(&parts).all(|(word, part)| part.iter().any(|it| is(word, it)));
        // One word alone is meant where it begins a statement, or is called.
        let alone = parts.len() == 1;
        for (at, window) in words.windows(parts.len()).enumerate().filter(|(_, window)| fits(window)) {
            let is_called = words.get(at + 1).is_some_and(|next| next == "(");
            if !alone || begins(&words, at) || is_called {
                return Some(window.join(" ").to_uppercase());
            }
        }
    }
    if let Some(found) = UNLESS.iter().find_map(|sentence| lacking(&words, sentence)) {
        return Some(found);
    }
    let qualifies = |window: &&[String]| window[1] == "." && databases.iter().any(|it| it.to_lowercase() == window[0]);
    words.windows(2).find(qualifies).map(|window| format!("{}.", window[0]))
}

/// Whether a word begins a statement.
fn begins(words: &[String], at: usize) -> bool {
    let before = [";", "begin", "then", "else", "loop", "do", "execute", "set", "@", "$"];
    at == 0 || before.iter().any(|it| **it == words[at - 1])
}

/// `GRANT … TO`, where there is no `ON` between them.
fn lacking(words: &[String], (start, mark, unless): &(&str, &str, Unless)) -> Option<String> {
    let starts = (0..words.len()).filter(|at| words[*at] == *start && begins(words, *at));
    let mut sentences = starts.map(|at| words[at..].split(|word| word == ";").next().unwrap_or_default());
    let lacks = |sentence: &&[String]| {
        let mut marks = (0..sentence.len()).filter(|at| sentence[*at] == *mark);
        match unless {
            Unless::Before(word) => marks.next().is_some_and(|at| !sentence[..at].iter().any(|it| it == word)),
            Unless::Behind(word) => {
                marks.next_back().is_some_and(|at| sentence.get(at + 1).is_none_or(|it| it != word))
            }
        }
    };
    sentences.find(lacks).map(|_| format!("{start} … {mark}").to_uppercase())
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
            (POSTGRES, "GRANT SELECT ON users TO app WITH GRANT OPTION", None),
            (POSTGRES, "REVOKE GRANT OPTION FOR SELECT ON users FROM app", None),
            (POSTGRES, "GRANT readers, writers TO app", Some("GRANT … TO")),
            (POSTGRES, "REVOKE readers FROM app", Some("REVOKE … FROM")),
            (POSTGRES, "DO $$ BEGIN EXECUTE 'GRANT readers TO app'; END $$", Some("GRANT … TO")),
            (POSTGRES, "COPY users TO '/tmp/users'", Some("COPY … TO")),
            (POSTGRES, "COPY (SELECT 1 AS \"to\") TO PROGRAM 'ls'", Some("TO PROGRAM")),
            (POSTGRES, "COPY users TO STDOUT", None),
            (POSTGRES, "COPY users FROM STDIN", None),
            (POSTGRES, "CREATE TABLE a (copy int, \"to\" int)", None),
            (POSTGRES, "SELECT pg_drop_replication_slot('a')", Some("PG_DROP_REPLICATION_SLOT")),
            (
                POSTGRES,
                "SELECT pg_create_logical_replication_slot('a', 'b')",
                Some("PG_CREATE_LOGICAL_REPLICATION_SLOT"),
            ),
            (POSTGRES, "SELECT pg_replication_origin_create('a')", Some("PG_REPLICATION_ORIGIN_CREATE")),
            (POSTGRES, "SELECT lo_export(1, '/tmp/a')", Some("LO_EXPORT")),
            (POSTGRES, "SELECT dblink_exec('a', 'b')", Some("DBLINK_EXEC")),
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
