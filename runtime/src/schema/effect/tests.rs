use super::*;
use crate::schema::change::{Gone, Guard, TableChange, Thing, TypeChange};
use crate::schema::column_type::{ColumnType, Within};
use crate::schema::model::{Column, ColumnKind, Index, IndexKind, Order, Schema, Selected, Signature, View};

fn of_type(text: &str) -> ColumnType {
    ColumnType::found(text, Within::Open)
}

fn column(name: &str, kind: ColumnKind, text: &str) -> (String, Column) {
    (name.into(), Column { kind, column_type: of_type(text) })
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn create(thing: Thing, guard: Guard) -> Effect {
    Effect::Schema(Change::Create { keyspace: "app".into(), thing, guard })
}

fn of_table(change: TableChange, guard: Guard) -> Effect {
    Effect::Schema(Change::Table { table: Name::new("app", "users"), change, guard })
}

#[test]
fn what_creates() {
    use ColumnKind::{Clustering, PartitionKey, Regular, Static};
    let id = || column("id", PartitionKey(0), "int");
    let users = |columns: &[(String, Column)]| Thing::Table("users".into(), columns.iter().cloned().collect());
    let wide = users(&[
        column("tenant", PartitionKey(0), "uuid"),
        column("Id", PartitionKey(1), "timeuuid"),
        column("seq", Clustering(0, Order::Descending), "int"),
        column("day", Clustering(1, Order::Ascending), "date"),
        column("motto", Static, "text"),
        column("tags", Regular, "map<text, frozen<list<int>>>"),
    ]);
    let simple = users(&[id(), column("name", Regular, "text")]);
    let index = |name: Option<&str>, target: &str, kind| {
        let index = Index { table: "users".into(), target: target.into(), kind };
        Thing::Index(name.map(str::to_owned), index)
    };
    let view = |selected| {
        let clustering = vec![("id".to_owned(), Order::Descending)];
        let view = View { base: "users".into(), partition: strings(&["name"]), clustering, selected };
        Thing::View("by_name".into(), view)
    };
    let signature = |arguments: &[&str]| Signature {
        name: "plus".into(),
        arguments: arguments.iter().map(|text| ColumnType::found(text, Within::Frozen)).collect(),
    };
    let address = Thing::Type(
        "address".into(),
        vec![("street".into(), of_type("text")), ("home".into(), of_type("frozen<geo>"))],
    );
    let none = Guard::None;
    let cases = [
        ("CREATE KEYSPACE app WITH replication = {'class': 'X'}", create(Thing::Keyspace, none)),
        ("create schema if not exists App with durable_writes = true", create(Thing::Keyspace, Guard::If)),
        (
            "CREATE TABLE app.users (tenant uuid, \"Id\" TimeUUID, seq int, day date, motto varchar static, tags \
             map<text,frozen<list<int>>>, PRIMARY KEY ((tenant, \"Id\"), seq, day)) WITH comment = 'x' AND \
             CLUSTERING ORDER BY (seq DESC, day ASC) AND compaction = {'class': 'X'};",
            create(wide, none),
        ),
        ("create columnfamily USERS(id int primary key,name text,)", create(simple.clone(), none)),
        ("CREATE TABLE /* a */ users (id int, -- b\n name text, PRIMARY KEY (id))", create(simple.clone(), none)),
        (
            "CREATE TABLE IF NOT EXISTS users (id int MASKED WITH f(1, 2) PRIMARY KEY, name text CHECK length(name) < 3)",
            create(simple, Guard::If),
        ),
        ("CREATE TYPE address (street varchar, home frozen<app.geo>)", create(address, none)),
        ("CREATE INDEX ON users (\"Name\")", create(index(None, "\"Name\"", IndexKind::Plain), none)),
        (
            "CREATE INDEX IF NOT EXISTS i ON app.users (KEYS(m)) WITH OPTIONS = {}",
            create(index(Some("i"), "keys(m)", IndexKind::Plain), Guard::If),
        ),
        ("CREATE INDEX ON users ((a, b), \"C\")", create(index(None, "(a, b), \"C\"", IndexKind::Plain), none)),
        ("CREATE INDEX i ON users (values(m))", create(index(Some("i"), "m", IndexKind::Plain), none)),
        ("CREATE INDEX i ON users (values)", create(index(Some("i"), "values", IndexKind::Plain), none)),
        ("CREATE INDEX i ON users (a) USING 'sai'", create(index(Some("i"), "a", IndexKind::Custom), none)),
        ("CREATE CUSTOM INDEX ON users (full(a)) USING 'x.Y'", create(index(None, "full(a)", IndexKind::Custom), none)),
        (
            "CREATE MATERIALIZED VIEW by_name AS SELECT * FROM app.users WHERE name IS NOT NULL AND id IS NOT NULL \
             PRIMARY KEY (name, id) WITH CLUSTERING ORDER BY (id DESC)",
            create(view(Selected::All), none),
        ),
        (
            "CREATE MATERIALIZED VIEW by_name AS SELECT name, age FROM users WHERE name IS NOT NULL PRIMARY KEY \
             ((name), id) WITH CLUSTERING ORDER BY (id DESC)",
            create(view(Selected::Those(strings(&["age", "id", "name"]).into_iter().collect())), none),
        ),
        (
            "CREATE OR REPLACE FUNCTION plus (s bigint, l frozen<list<varchar>>) CALLED ON NULL INPUT RETURNS \
             bigint LANGUAGE java AS $$return s;$$",
            create(Thing::Function(signature(&["bigint", "list<text>"])), Guard::Replace),
        ),
        (
            "CREATE AGGREGATE IF NOT EXISTS app.plus(int) SFUNC f STYPE int INITCOND 0",
            create(Thing::Aggregate(signature(&["int"])), Guard::If),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Effect::of(text, "app"), expected, "{text}");
        assert_eq!(expected.is_additive(), !text.contains("REPLACE"), "{text}");
    }
}

#[test]
fn what_alters_and_drops() {
    let drop = |gone| Effect::Schema(Change::Drop { keyspace: "app".into(), gone });
    let regular = |name, text| column(name, ColumnKind::Regular, text);
    let of_address = |change, guard| Effect::Schema(Change::Type { name: Name::new("app", "address"), change, guard });
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    let options = |name| Effect::Schema(Change::Options(Name::new("app", name)));
    let other = |name: Option<&str>| Effect::Schema(Change::Other(name.map(|name| Name::new("app", name))));
    let none = Guard::None;
    let cases = [
        ("ALTER TABLE users ADD email varchar", of_table(TableChange::Add(vec![regular("email", "text")]), none)),
        (
            "ALTER TABLE app.users ADD IF NOT EXISTS (a int, b int static)",
            of_table(TableChange::Add(vec![regular("a", "int"), column("b", ColumnKind::Static, "int")]), Guard::If),
        ),
        ("ALTER TABLE IF EXISTS users DROP email", of_table(TableChange::Drop(strings(&["email"])), none)),
        (
            "ALTER TABLE users DROP IF EXISTS (a, \"B\") USING TIMESTAMP 5",
            of_table(TableChange::Drop(strings(&["a", "B"])), Guard::If),
        ),
        (
            "ALTER TABLE users RENAME a TO b AND c TO d",
            of_table(TableChange::Rename(pairs(&[("a", "b"), ("c", "d")])), none),
        ),
        ("ALTER TABLE users ALTER a TYPE blob", of_table(TableChange::Retype("a".into(), of_type("blob")), none)),
        ("ALTER TABLE users WITH comment = 'x' AND gc_grace_seconds = 5", options("users")),
        ("ALTER TABLE users ALTER a DROP MASKED", options("users")),
        ("ALTER TABLE users ALTER IF EXISTS a MASKED WITH DEFAULT", options("users")),
        ("ALTER MATERIALIZED VIEW v WITH comment = 'x'", options("v")),
        ("ALTER KEYSPACE app WITH durable_writes = false", options("")),
        ("ALTER TYPE address ADD zip int", of_address(TypeChange::Add("zip".into(), of_type("int")), none)),
        (
            "ALTER TYPE address RENAME IF EXISTS a TO b AND c TO d",
            of_address(TypeChange::Rename(pairs(&[("a", "b"), ("c", "d")])), Guard::If),
        ),
        ("ALTER TYPE address ALTER zip TYPE text", of_address(TypeChange::Retype("zip".into(), of_type("text")), none)),
        ("DROP KEYSPACE app", drop(Gone::Keyspace)),
        ("DROP TABLE IF EXISTS users;", drop(Gone::Table("users".into()))),
        ("DROP INDEX app.\"I\"", drop(Gone::Index("I".into()))),
        ("DROP MATERIALIZED VIEW v", drop(Gone::View("v".into()))),
        ("DROP TYPE address", drop(Gone::Type("address".into()))),
        ("DROP FUNCTION f", drop(Gone::Function("f".into(), None))),
        ("DROP FUNCTION f (varchar)", drop(Gone::Function("f".into(), Some(vec![of_type("text")])))),
        ("DROP AGGREGATE f ()", drop(Gone::Aggregate("f".into(), Some(vec![])))),
        ("TRUNCATE users", other(Some("users"))),
        ("TRUNCATE TABLE app.users", other(Some("users"))),
        ("CREATE TRIGGER t ON users USING 'x'", other(Some("users"))),
        ("DROP TRIGGER IF EXISTS t ON users", other(Some("users"))),
        ("CREATE ROLE r WITH PASSWORD = 'x'", other(None)),
        ("GRANT SELECT ON app.users TO r", other(None)),
        ("DROP USER r", other(None)),
    ];
    for (text, expected) in cases {
        assert_eq!(Effect::of(text, "app"), expected, "{text}");
        assert_eq!(expected.is_additive(), text.contains("ADD"), "{text}");
    }
}

#[test]
fn what_only_reads_and_what_is_not_understood() {
    for text in ["SELECT * FROM a", "select now() from system.local", "LIST ROLES", "DESCRIBE TABLES"] {
        assert_eq!(Effect::of(text, "app"), Effect::Query, "{text}");
    }
    let unknown = [
        "",
        "USE app",
        "VACUUM",
        "CREATE",
        "CREATE TABLE a LIKE b",
        "CREATE TABLE a (b int)",
        "CREATE TABLE a (b int, PRIMARY KEY (c))",
        "CREATE TABLE a (b 'org.apache.cassandra.db.marshal.UTF8Type' PRIMARY KEY)",
        "CREATE TABLE \"a (b int PRIMARY KEY)",
        "ALTER TABLE a DROP COMPACT STORAGE",
        "ALTER TABLE a ADD b int, c int",
        "ALTER TABLE a ADD",
        "DROP TABLE a b",
        "CREATE SOMETHING a",
        "INSERT a",
        "BEGIN",
    ];
    for text in unknown {
        assert_eq!(Effect::of(text, "app"), Effect::Unknown, "{text}");
    }
}

#[test]
fn what_it_touches() {
    let cases = [
        ("CREATE KEYSPACE a WITH x = 1", "a"),
        ("CREATE TABLE b.c (d int PRIMARY KEY)", "b.c"),
        ("CREATE INDEX i ON t (c)", "app.t, app.i"),
        ("CREATE INDEX ON \"T\" (c)", "app.\"T\""),
        ("DROP INDEX i", "app.i"),
        ("ALTER KEYSPACE a WITH x = 1", "a"),
        ("TRUNCATE b.c", "b.c"),
        ("INSERT INTO b.c (d) VALUES (1)", "b.c"),
        (
            "BEGIN BATCH UPDATE a SET b = 1 WHERE c = 1 DELETE FROM b.c WHERE d = 1 UPDATE a SET b = 1 WHERE c = 1; APPLY BATCH",
            "app.a, b.c",
        ),
        ("SELECT * FROM a", ""),
        ("GRANT a TO b", ""),
    ];
    for (text, expected) in cases {
        let names: Vec<String> = Effect::of(text, "app").objects().iter().map(Name::to_string).collect();
        assert_eq!(names.join(", "), expected, "{text}");
    }
}

/// No statement that it was made of is too odd.
#[test]
fn nothing_panics() {
    const WORDS: &str = "create alter drop table type index materialized view function aggregate keyspace if not \
        exists or replace custom on users ks . ( ) ( ) , , < > [ ] { } = + - ; : 1 23 'a' \"B\" \" ' $$ $$x$$ '[' \
        primary key static frozen list map tuple vector int text with clustering order by asc desc and add rename \
        to insert into values update set where delete from using timestamp ttl begin counter batch apply now uuid \
        json masked check as select * é \u{0} -- /* */ \n truncate grant";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        // Xorshift, by Marsaglia.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let schema = "CREATE TABLE ks.users (id int, b text static, PRIMARY KEY (id))";
    let mut made = Schema::default();
    for _ in 0..50_000 {
        let length = random(24);
        let mut text: String = (0..length).map(|_| [words[random(words.len())], " "].concat()).collect();
        if random(2) == 0 {
            text = [&schema[..random(schema.len())], " ", &text].concat();
        }
        let effect = Effect::of(&text, "app");
        if let Effect::Schema(change) = &effect {
            made.apply(change);
        }
        effect.took_effect(&made);
        effect.objects();
        effect.is_additive();
    }
}
