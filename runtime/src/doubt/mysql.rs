//! MySQL and MariaDB, whose schema changes commit by themselves: what tells whether one took effect.

use whimbrel_core::words::words;
use whimbrel_core::{Dialect, Kind, Script, Statement};

use crate::doubt::{Answer, Finding, Question, Thing, fit, is_border};
use crate::locks::words;

/// What `information_schema` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Views and sequences are some too.
    Table,
    Column,
    Index,
    Constraint,
    Procedure,
    Function,
    Trigger,
    Event,
    User,
}

/// Statements by their shape, and what there is when they have taken effect; the first that fits counts. `again`
/// stands for those that may run twice.
const STATEMENTS: &[(&str, &str)] = &[
    ("create or replace", "again"),
    ("create temporary", "again"),
    ("create database|event|function|procedure|role|schema|sequence|server|table|trigger|user|view if", "again"),
    ("create ?unique|fulltext|spatial index if", "again"),
    ("create table|view|sequence *", "table"),
    ("create database|schema *", "database"),
    ("create procedure *", "procedure"),
    ("create function *", "function"),
    ("create trigger *", "trigger"),
    ("create event *", "event"),
    ("create ?unique|fulltext|spatial index * ?using ?btree|hash|rtree on *", "index"),
    // It is gone with its session.
    ("drop temporary", "done"),
    (
        "drop database|event|function|index|procedure|role|schema|sequence|server|table|tables|trigger|user|view if",
        "again",
    ),
    ("drop database|schema * $", "no database"),
    ("drop procedure * $", "no procedure"),
    ("drop function * $", "no function"),
    ("drop trigger * $", "no trigger"),
    ("drop event * $", "no event"),
    ("drop index * on *", "no index"),
    ("alter database|schema|view|procedure|function|user", "again"),
    ("grant", "again"),
    ("analyze|check|describe|desc|explain|flush|lock|optimize|repair|show|unlock", "again"),
];

/// Statements that end in a list, and the items that it may have.
const LISTS: &[(&str, &[(&str, &str)])] = &[
    ("drop table|tables|view|sequence", &[("* ?restrict|cascade $", "no table")]),
    ("rename table|tables", &[("* to * $", "no table, table")]),
    ("alter ?online ?ignore table ?if ?exists *", CHANGES),
    ("drop user", &[("* $", "no user"), ("* @ * $", "no user")]),
    ("create user", &[("* @ *", "user"), ("*", "user")]),
];

/// What `ALTER TABLE` may do; a name is that of something in the table.
const CHANGES: &[(&str, &str)] = &[
    // No columns, though they could be: what they add is not asked about.
    ("add partition|period|subpartition|system|vector", "unknown"),
    ("add|drop|modify|change|rename ?column|index|key|constraint|fulltext|spatial|unique ?index|key if", "again"),
    ("drop foreign key if", "again"),
    ("add constraint * foreign|check", "constraint"),
    ("add ?unique|fulltext|spatial index|key *", "index"),
    ("add unique|fulltext|spatial *", "index"),
    ("add primary key", "primary key"),
    ("add ?column *", "column"),
    ("drop primary key", "no primary key"),
    ("drop index|key * $", "no index"),
    ("drop foreign key * $", "no constraint"),
    ("drop constraint|check * $", "no constraint"),
    ("drop ?column * ?restrict|cascade $", "no column"),
    ("rename column * to * $", "no column, column"),
    ("rename index|key * to * $", "no index, index"),
    ("rename ?to|as * $", "renamed"),
    ("change ?column * *", "no column, column"),
    // A definition that is there already is written once more.
    ("alter|modify", "again"),
    ("algorithm|auto_increment|avg_row_length|character|charset|checksum|collate|comment|convert|default", "again"),
    ("delay_key_write|disable|enable|encrypted|engine|force|key_block_size|lock|max_rows|min_rows", "again"),
    ("order|pack_keys|page_checksum|page_compressed|row_format|stats_auto_recalc|stats_persistent", "again"),
];

/// What is known of a statement that is no transaction with its progress.
pub(crate) fn finding(script: &Script, index: usize) -> Finding {
    let Some(statement) = script.statement(index) else { return Finding::Unknown };
    let words = plain(words(script.text_of(&statement), Dialect::Mysql));
    let database = database_of(script, index);
    of_words(&words, database.as_deref()).unwrap_or(Finding::Unknown)
}

/// What is known of a change of rows, or of a transaction of them: it goes with its progress, if its tables can.
pub(crate) fn rows(script: &Script, index: usize) -> Finding {
    let all = || script.statements().skip(index);
    let opens = all().next().is_some_and(|statement| statement.kind == Kind::Begin);
    let inside = all().skip(1).take_while(|it| opens && !is_border(it.kind, Dialect::Mysql));
    let texts = all().take(1).chain(inside).map(|statement| script.text_of(&statement));
    let mut named: Vec<String> =
        texts.flat_map(|text| words(text, Dialect::Mysql)).filter(may_name).map(str::to_owned).collect();
    named.sort_unstable();
    named.dedup();
    Finding::Ask(vec![Question { thing: Thing::Rows(named), done: Answer::Yes }])
}

/// Whether a word may be the name of a table.
pub(crate) fn may_name(word: &&str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$' | '`'))
}

/// Whether what a statement has set on its session, which is gone, is needed by those after the first `done`.
///
/// A prepared statement that nobody executes any more may name what is not there any more.
pub(crate) fn is_needed_again(script: &Script, index: usize, done: usize) -> bool {
    let text = |index| script.statement(index).map_or("", |statement| script.text_of(&statement));
    let words_of = |index| plain(words(text(index), Dialect::Mysql));
    let own = words_of(index);
    let prepared = fit(&own, "prepare *").or_else(|| fit(&own, "deallocate prepare *"));
    let Some(name) = prepared.and_then(|(names, _)| names.into_iter().next()) else { return true };
    (done..script.len()).any(|index| words_of(index).iter().any(|word| word.eq_ignore_ascii_case(&name)))
}

/// What a session held that statements after the first `done` need, and that setting it again would not bring back:
/// its name, and the statement that made it.
pub(crate) fn lost(script: &Script, done: usize) -> Option<(String, usize)> {
    let mut held: Vec<(String, usize)> = Vec::new();
    let text = |index| script.statement(index).map_or("", |statement| script.text_of(&statement));
    for index in 0..done {
        let kind = script.statement(index).map(|statement| statement.kind)?;
        let words = plain(words(text(index), Dialect::Mysql));
        for shape in ["create temporary table ?if ?not ?exists *", "create or replace temporary table *"] {
            held.extend(fit(&words, shape).into_iter().flat_map(|(names, _)| names).map(|name| (name, index)));
        }
        let is_again = kind == Kind::Session && !words.iter().any(|word| is_one_of(word, OF_THE_SESSION));
        for name in set_by(&words) {
            held.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            if !is_again {
                held.push((name, index));
            }
        }
        for shape in ["drop table ?if ?exists *", "drop temporary table ?if ?exists *"] {
            for name in fit(&words, shape).into_iter().flat_map(|(names, _)| names) {
                held.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            }
        }
    }
    let again = (0..done).filter(|&index| script.statement(index).is_some_and(|it| it.kind == Kind::Session));
    let needed: Vec<String> = again.chain(done..script.len()).flat_map(|index| used_by(text(index))).collect();
    held.into_iter().find(|(name, _)| needed.iter().any(|used| used.eq_ignore_ascii_case(name)))
}

/// What another session answers otherwise.
const OF_THE_SESSION: &[&str] =
    &["connection_id", "found_rows", "last_insert_id", "rand", "row_count", "sys_guid", "uuid", "uuid_short"];

fn is_one_of(word: &str, known: &[&str]) -> bool {
    known.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The variables, as `@name`, that a statement sets: `SET @a = 1`, `SELECT @a := 1`, `SELECT 1 INTO @a`.
fn set_by(words: &[&str]) -> Vec<String> {
    let into = words.iter().position(|word| word.eq_ignore_ascii_case("into"));
    let is_set = |at: usize| {
        let assigned = matches!(words.get(at + 2), Some(&("=" | ":=" | ":")));
        assigned || into.is_some_and(|into| into < at)
    };
    variables(words).filter(|(at, _)| is_set(*at)).map(|(_, name)| name).collect()
}

/// The variables and the other names in a text.
fn used_by(text: &str) -> Vec<String> {
    let words = words(text, Dialect::Mysql);
    let set: Vec<String> =
        if words.first().is_some_and(|word| is_one_of(word, &["set", "select"])) { set_by(&words) } else { Vec::new() };
    let used = variables(&words).map(|(_, name)| name).filter(|name| !set.contains(name));
    used.chain(words.iter().filter(|word| may_name(word)).map(|&word| word.to_owned())).collect()
}

/// The variables of a user, each with the place of its `@`; `@@name` is the server's.
fn variables<'w>(words: &'w [&str]) -> impl Iterator<Item = (usize, String)> + 'w {
    let is_at = |at: usize| words.get(at) == Some(&"@");
    let begins = move |at: &usize| is_at(*at) && !is_at(at + 1) && !at.checked_sub(1).is_some_and(is_at);
    (0..words.len()).filter(begins).filter_map(|at| Some((at, format!("@{}", words.get(at + 1)?))))
}

/// The words without those between `CREATE` and what it creates.
pub(crate) fn plain(mut words: Vec<&str>) -> Vec<&str> {
    let is = |word: &&str, known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
    // What stands in `/*! … */` is code.
    words.retain(|word| !word.starts_with("/*") && *word != "*/");
    let [first, second, ..] = words[..] else { return words };
    if is(&first, &["create"]) && is(&second, &["aggregate", "algorithm", "definer", "sql"]) {
        let sorts = ["event", "function", "procedure", "trigger", "view"];
        if let Some(at) = words.iter().position(|word| is(word, &sorts)) {
            words.drain(1..at);
        }
    }
    words
}

/// The database that a script has chosen by then, where it has.
fn database_of(script: &Script, index: usize) -> Option<String> {
    let before: Vec<_> = script.statements().take(index).collect();
    let chosen = |statement: &Statement| {
        let words = words(script.text_of(statement), Dialect::Mysql);
        fit(&words, "use *").and_then(|(names, _)| names.into_iter().next())
    };
    before.iter().rev().find_map(chosen)
}

fn of_words(words: &[&str], database: Option<&str>) -> Option<Finding> {
    let mut single = STATEMENTS.iter().filter_map(|(shape, means)| Some((fit(words, shape)?.0, *means)));
    if let Some((names, means)) = single.next() {
        return match means {
            "again" => Some(Finding::Again),
            "done" => Some(Finding::Done),
            // The index and its table.
            "index" | "no index" => {
                let table = names.get(1).map(|table| qualified(table, database));
                Some(Finding::Ask(questions(&names[..1], means, table)))
            }
            means => Some(Finding::Ask(questions(&qualify(&names, means, database), means, None))),
        };
    }
    let (items, table, rest) = LISTS.iter().find_map(|(head, items)| {
        let (names, taken) = fit(words, head)?;
        let table = names.first().map(|table| qualified(table, database));
        Some((*items, table, &words[taken..]))
    })?;
    let mut asked = Vec::new();
    for item in words::items(rest) {
        let (names, means) = items.iter().find_map(|(shape, means)| Some((fit(item, shape)?.0, *means)))?;
        let is_same = matches!(&names[..], [old, new] if old.eq_ignore_ascii_case(new));
        match means {
            "again" => {}
            "unknown" => return None,
            "no column, column" if is_same => {}
            "renamed" => {
                let names = [table.clone()?, qualified(names.first()?, database)];
                asked.extend(questions(&names, "no table, table", None));
            }
            "primary key" | "no primary key" => {
                asked.extend(questions(&["PRIMARY".to_owned()], &means.replace("primary key", "index"), table.clone()));
            }
            means => asked.extend(questions(&qualify(&names, means, database), means, table.clone())),
        }
    }
    Some(match asked.len() {
        0 => Finding::Again,
        _ if names_one_twice(&asked) => Finding::Unknown,
        _ => Finding::Ask(asked),
    })
}

/// Names, each with what there is of it: `no table, table` for two; the last counts for all that follow.
fn questions(names: &[String], means: &str, table: Option<String>) -> Vec<Question> {
    let means: Vec<&str> = means.split(", ").collect();
    // An account has two names.
    if means[0].ends_with("user") {
        let done = if means[0].starts_with("no ") { Answer::No } else { Answer::Yes };
        let thing = Thing::Object { sort: Sort::User, name: names.join("@"), table: None };
        return vec![Question { thing, done }];
    }
    let each = names.iter().zip(means.iter().chain(std::iter::repeat(&means[means.len() - 1])));
    each.map(|(name, means)| {
        let (done, sort) = match means.strip_prefix("no ") {
            Some(sort) => (Answer::No, sort),
            None => (Answer::Yes, *means),
        };
        Question { thing: thing(sort, name.clone(), table.clone()), done }
    })
    .collect()
}

fn thing(sort: &str, name: String, table: Option<String>) -> Thing {
    let sort = match sort {
        "database" => return Thing::Database(name),
        "table" => return Thing::Object { sort: Sort::Table, name, table: None },
        "column" => Sort::Column,
        "index" => Sort::Index,
        "constraint" => Sort::Constraint,
        "procedure" => Sort::Procedure,
        "function" => Sort::Function,
        "trigger" => Sort::Trigger,
        "user" => Sort::User,
        _ => Sort::Event,
    };
    Thing::Object { sort, name, table }
}

/// In the chosen database, what stands in one by its own name.
fn qualify(names: &[String], means: &str, database: Option<&str>) -> Vec<String> {
    let is_inside = ["column", "index", "constraint", "database", "user"].iter().any(|sort| means.ends_with(sort));
    names.iter().map(|name| if is_inside { name.clone() } else { qualified(name, database) }).collect()
}

fn qualified(name: &str, database: Option<&str>) -> String {
    match database {
        Some(database) if !name.contains('.') => format!("{database}.{name}"),
        _ => name.to_owned(),
    }
}

/// What is named twice was something else in between.
fn names_one_twice(questions: &[Question]) -> bool {
    questions.iter().enumerate().any(|(index, one)| questions[..index].iter().any(|other| other.thing == one.thing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use whimbrel_core::Direction;
    use whimbrel_core::read::read_stored;

    /// What a finding asks for, in short: `+table a` is done when it is there, `-table a` when it is not.
    fn shown(finding: &Finding) -> String {
        match finding {
            Finding::Done => "done".to_owned(),
            Finding::Again => "again".to_owned(),
            Finding::Unknown => "unknown".to_owned(),
            Finding::Ask(questions) => questions.iter().map(question).collect::<Vec<_>>().join(" "),
        }
    }

    fn question(question: &Question) -> String {
        let sign = if question.done == Answer::Yes { '+' } else { '-' };
        match &question.thing {
            Thing::Object { sort, name, table: None } => format!("{sign}{sort:?}({name})"),
            Thing::Object { sort, name, table: Some(table) } => format!("{sign}{sort:?}({table}, {name})"),
            Thing::Database(name) => format!("{sign}Database({name})"),
            other => format!("{sign}{other:?}"),
        }
    }

    fn found(text: &str, done: usize) -> String {
        let script = read_stored(Direction::Up, Dialect::Mysql, "0001_a.sql", text.to_owned()).unwrap();
        shown(&crate::doubt::finding(&script, done, Dialect::Mysql))
    }

    #[test]
    fn what_became_of_a_statement() {
        let cases = [
            ("CREATE TABLE a (id INT, x INT)", "+Table(a)"),
            ("create table `s`.`a b` as select 1, 2", "+Table(`s`.`a b`)"),
            ("CREATE TABLE IF NOT EXISTS a (id INT)", "again"),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", "again"),
            ("CREATE DEFINER=`root`@`%` SQL SECURITY DEFINER VIEW v AS SELECT 1", "+Table(v)"),
            ("CREATE DEFINER = x@y TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @view = 1", "+Trigger(t)"),
            ("CREATE PROCEDURE p() SELECT 1", "+Procedure(p)"),
            ("CREATE AGGREGATE FUNCTION f(x INT) RETURNS INT RETURN 1", "+Function(f)"),
            ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", "+Event(e)"),
            ("CREATE DATABASE d", "+Database(d)"),
            ("CREATE UNIQUE INDEX i USING BTREE ON a (id)", "+Index(a, i)"),
            ("CREATE USER 'u'@'%' IDENTIFIED BY 'x', 'v'", "+User('u'@'%') +User('v')"),
            ("CREATE USER u@localhost IDENTIFIED BY 'x', v", "+User(u@localhost) +User(v)"),
            ("DROP TABLE a, b.c, d CASCADE", "-Table(a) -Table(b.c) -Table(d)"),
            ("DROP TABLE IF EXISTS a, b", "again"),
            ("DROP TEMPORARY TABLE a", "done"),
            ("DROP INDEX i ON a", "-Index(a, i)"),
            ("DROP FUNCTION s.f", "-Function(s.f)"),
            ("RENAME TABLE a TO b, c TO d", "-Table(a) +Table(b) -Table(c) +Table(d)"),
            ("RENAME TABLE a TO t, b TO a, t TO b", "unknown"),
            ("ALTER TABLE a ADD COLUMN b INT DEFAULT (1 + 1)", "+Column(a, b)"),
            ("ALTER TABLE s.a ADD b INT, ADD INDEX i (b, c), ALGORITHM=INPLACE", "+Column(s.a, b) +Index(s.a, i)"),
            ("ALTER TABLE a ADD UNIQUE u (b), DROP COLUMN c", "+Index(a, u) -Column(a, c)"),
            ("ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c (d)", "+Constraint(a, f)"),
            ("ALTER TABLE a DROP FOREIGN KEY f", "-Constraint(a, f)"),
            ("ALTER TABLE a DROP PRIMARY KEY", "-Index(a, PRIMARY)"),
            ("ALTER TABLE a DROP PRIMARY KEY, ADD PRIMARY KEY (b)", "unknown"),
            ("ALTER TABLE a ADD COLUMN IF NOT EXISTS b INT", "again"),
            ("ALTER TABLE a MODIFY b BIGINT NOT NULL", "again"),
            ("ALTER TABLE a CHANGE b b BIGINT, ENGINE=InnoDB", "again"),
            ("ALTER TABLE a CHANGE b c BIGINT", "-Column(a, b) +Column(a, c)"),
            ("ALTER TABLE a RENAME COLUMN b TO c", "-Column(a, b) +Column(a, c)"),
            ("ALTER TABLE a RENAME TO b", "-Table(a) +Table(b)"),
            ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c (d)", "unknown"),
            ("ALTER TABLE a ADD INDEX (b)", "unknown"),
            ("ALTER TABLE a DROP PARTITION p", "unknown"),
            ("ALTER TABLE a ADD PARTITION PARTITIONS 2", "unknown"),
            ("ALTER TABLE a ADD b INT, ADD SYSTEM VERSIONING", "unknown"),
            ("TRUNCATE a", "unknown"),
            ("CALL p()", "unknown"),
            ("REVOKE SELECT ON a FROM b", "unknown"),
            ("GRANT SELECT ON a TO b", "again"),
            ("ANALYZE TABLE a", "again"),
            ("SET @a = 1", "again"),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text, 0), expected, "{text}");
        }
        assert_eq!(found("USE s; CREATE TABLE a (id INT); USE t", 1), "+Table(s.a)");
        assert_eq!(found("USE s; ALTER TABLE a ADD b INT; USE t", 1), "+Column(s.a, b)");
        assert_eq!(found("USE s; ALTER TABLE a ADD b INT; USE t", 3), "again");
    }

    #[test]
    fn what_a_session_held_is_lost() {
        let cases = [
            ("SET @a = 1; INSERT INTO t VALUES (@a)", 1, None),
            ("SET @a = LAST_INSERT_ID(); INSERT INTO t VALUES (@A)", 1, Some("@a")),
            ("SET @a = UUID(), @b = 2; INSERT INTO t VALUES (@b)", 1, Some("@b")),
            ("SET @a = UUID(); SET @a = 1; INSERT INTO t VALUES (@a)", 2, None),
            ("SET @a = UUID(); SET @b = @a; INSERT INTO t VALUES (@b)", 2, Some("@a")),
            ("SET @a = UUID(); INSERT INTO t VALUES (1)", 1, None),
            ("SELECT max(id) INTO @a FROM t; INSERT INTO t VALUES (@a)", 1, None),
            ("SELECT @a := max(id) FROM t; INSERT INTO t VALUES (@a)", 1, Some("@a")),
            ("SET @@session.sql_notes = 0; INSERT INTO t VALUES (sql_notes)", 1, None),
            ("CREATE TEMPORARY TABLE x (id INT); INSERT INTO x VALUES (1)", 1, Some("x")),
            ("CREATE TEMPORARY TABLE x (id INT); DROP TABLE x; INSERT INTO x VALUES (1)", 2, None),
            ("CREATE TEMPORARY TABLE x (id INT); INSERT INTO t VALUES (1)", 1, None),
        ];
        for (text, done, expected) in cases {
            let script = read_stored(Direction::Up, Dialect::Mysql, "0001_a.sql", text.to_owned()).unwrap();
            assert_eq!(lost(&script, done).map(|(name, _)| name).as_deref(), expected, "{text}");
        }
        let text = "SET @s = 'SELECT 1'; PREPARE p FROM @s; EXECUTE p; DEALLOCATE PREPARE p; SELECT 2";
        let script = read_stored(Direction::Up, Dialect::Mysql, "0001_a.sql", text.to_owned()).unwrap();
        assert!(is_needed_again(&script, 1, 2) && is_needed_again(&script, 0, 4));
        assert!(!is_needed_again(&script, 1, 4) && !is_needed_again(&script, 3, 4));
    }

    #[test]
    fn what_became_of_rows() {
        assert_eq!(found("INSERT INTO a VALUES ('x', 1)", 0), r#"+Rows(["INSERT", "INTO", "VALUES", "a"])"#);
        let text = "BEGIN; UPDATE `a` SET b = 1; COMMIT; INSERT INTO c VALUES (1)";
        assert_eq!(found(text, 0), r#"+Rows(["BEGIN", "SET", "UPDATE", "`a`", "b"])"#);
        assert_eq!(found(text, 1), "unknown");
        assert_eq!(found(text, 2), "done");
        assert_eq!(found(text, 3), r#"+Rows(["INSERT", "INTO", "VALUES", "c"])"#);
        let commits = "BEGIN; INSERT INTO a VALUES (1); CREATE TABLE b (id INT); INSERT INTO b VALUES (1); COMMIT";
        assert_eq!(found(commits, 2), "+Table(b)");
        assert_eq!(found(commits, 3), r#"+Rows(["INSERT", "INTO", "VALUES", "b"])"#);
        assert_eq!(found(commits, 4), "again");
    }
}
