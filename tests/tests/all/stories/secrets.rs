//! Promise 11: no secret in an error, no script in a log; names are quoted, values are literals.

use std::error::Error as _;
use std::fmt::Write as _;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use whimbrel::{Migrator, Rollback};
use whimbrel_tests::log::{MARK, listen, marked};

use crate::stories::world::{World, set_for, stories, three};

stories! {
    a_wrong_password_is_not_shown on postgres
    a_bad_url_is_not_shown on sqlite, postgres, mysql, scylla
    no_log_has_the_text_of_a_script on sqlite, postgres, mysql, scylla
    hostile_names_are_only_names on sqlite, postgres, mysql, scylla
    the_history_stands_where_it_is_told_to on sqlite, postgres, mysql
}

/// Everything that a person or a log could get out of an error.
fn all_of(error: &whimbrel::Error) -> String {
    let mut all = format!("{error}\n{error:?}\n{error:#?}\n{:?}", error.report());
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(all, "\n{error}\n{error:?}\n{error:#?}").unwrap();
        cause = error.source();
    }
    all
}

const SECRET: &str = "hunter2-5ecret";

async fn a_wrong_password_is_not_shown(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let set = three();
    let url = database.url_as("postgres", SECRET);
    let error = Migrator::connect(&set, &url).unwrap().up().await.unwrap_err();
    world.shows("wrong_password", &error);
    assert!(!all_of(&error).contains(SECRET), "{}", all_of(&error));
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    let error = whimbrel::migrate(&set, &pool).await.unwrap_err();
    world.shows("wrong_password", &error);
    assert!(!all_of(&error).contains(SECRET), "{}", all_of(&error));
}

async fn a_bad_url_is_not_shown(world: World) {
    let set = world.three();
    let urls: &[(&str, &str)] = world.choose(
        &[
            ("url_mode", "sqlite://hunter2-5ecret.db?mode=hunter2-5ecret"),
            ("url_parameter", "sqlite://hunter2-5ecret.db?hunter2-5ecret=hunter2-5ecret"),
        ],
        &[
            ("url_port", "postgres://user:hunter2-5ecret@host:hunter2-5ecret/database"),
            ("url_tls", "postgres://user:hunter2-5ecret@host/database?sslmode=hunter2-5ecret"),
            ("url_host", "postgres://user:hunter2-5ecret@[host/database"),
            ("url_scheme", "oracle://user:hunter2-5ecret@host/database"),
            ("url_none", "hunter2-5ecret"),
        ],
    );
    let cql: &[(&str, &str)] = &[
        ("url_port", "scylla://user:hunter2-5ecret@host:hunter2-5ecret/keyspace"),
        ("url_password", "scylla://user:hunter2-5ecret/what@host/keyspace"),
        ("url_parameter", "scylla://user:hunter2-5ecret@host/keyspace?hunter2-5ecret=1"),
        ("url_level", "cassandra://user:hunter2-5ecret@host/keyspace?serial_level=hunter2-5ecret"),
        ("url_host", "scylla://user:hunter2-5ecret@/keyspace"),
    ];
    for (name, url) in world.cql_or(cql, urls) {
        let Err(error) = Migrator::connect(&set, url) else { panic!("{url} is not bad") };
        assert!(!all_of(&error).contains(SECRET), "{}", all_of(&error));
        world.shows(name, &error);
    }
}

async fn no_log_has_the_text_of_a_script(world: World) {
    listen();
    let word = format!("quietly-on-{}", world.dialect());

    // What the drivers below ours log would be seen.
    let control = format!("SELECT 'loudly, {word}, {MARK}'");
    let cql = format!("SELECT key FROM system.local WHERE key = 'loudly, {word}, {MARK}'");
    world.texts(&world.cql_or(cql, control)).await;
    assert!(!marked(&format!("loudly, {word}")).is_empty());

    let slow = world.each(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 4000000) SELECT count(*) FROM n;",
        "SELECT pg_sleep(1.2);",
        "SELECT SLEEP(1.2);",
    );
    // Nothing of CQL takes its time.
    let slow = world.cql_or("SELECT key FROM system.local;", slow);
    let insert = format!("INSERT INTO a (id, b) VALUES (1, 'silently, {word}, {MARK}');");
    let secret = format!("CREATE TABLE a (id INT PRIMARY KEY, b TEXT);\n{insert}\n{slow}");
    let outside = format!("-- whimbrel:no-transaction\n{}", secret.replace(" a ", " c ").replace(slow, ""));
    // What is done of it would stay on MariaDB and Cassandra, and nothing could be taken back.
    let first = world.each("", "", "DELETE FROM nowhere WHERE id = 1;");
    let broken =
        format!("{first}{};\nSELECT id FROM nowhere WHERE b = 'silently, {word}, {MARK}';", insert.replace("(1", "(2"));
    let dialect = world.dialect();
    let down = format!("UPDATE a SET b = 'silently, {word}, {MARK}' WHERE id = 1; DROP TABLE a;");
    let good = [
        ("0001_a.up.sql", secret.as_str()),
        ("0001_a.down.sql", &down),
        (
            "0001_a.verify.sql",
            &*format!(
                "SELECT b FROM a WHERE {}",
                world.cql_or("id = 1".to_owned(), format!("b LIKE 'silently, {word}, {MARK}'"))
            ),
        ),
        ("0002_c.up.sql", &outside),
        ("0002_c.down.sql", "DROP TABLE c"),
    ];
    let with_broken = set_for(dialect, [good[0], good[1], good[2], good[3], good[4], ("0003_d.sql", &broken)]);
    let good = set_for(dialect, good);
    assert_eq!(world.up(&good).await.unwrap().applied(), 2);
    world.up(&with_broken).await.unwrap_err();
    let mut migrator = world.migrator(&with_broken);
    migrator.validate().await.unwrap();
    migrator.status().await.unwrap();
    migrator.plan(whimbrel::Target::Latest).await.unwrap();
    let edited = world.set([("0001_a.sql", "SELECT id FROM a")]);
    world.up(&edited).await.unwrap_err();
    assert_eq!(world.migrator(&good).down(Rollback::All).await.unwrap().applied(), 0);
    let mut by_url = Migrator::connect(&good, &world.url()).unwrap();
    assert_eq!(by_url.up().await.unwrap().applied(), 2);
    match &world {
        // A caller's connection logs what its options say.
        World::Sqlite(pool, _) => {
            let options = (*pool.connect_options()).clone();
            let mut connection = options.disable_statement_logging().connect().await.unwrap();
            Migrator::new(&good, &mut connection).down(Rollback::All).await.unwrap();
        }
        World::Postgres(_, database) => {
            let options: PgConnectOptions = database.url().parse().unwrap();
            let mut connection = options.disable_statement_logging().connect().await.unwrap();
            Migrator::new(&good, &mut connection).down(Rollback::All).await.unwrap();
        }
        World::Mysql(_, database) => {
            let options: sqlx::mysql::MySqlConnectOptions = database.url().parse().unwrap();
            let mut connection = options.disable_statement_logging().connect().await.unwrap();
            Migrator::new(&good, &mut connection).down(Rollback::All).await.unwrap();
        }
        World::Scylla(session, _) => {
            Migrator::new(&good, session).down(Rollback::All).await.unwrap();
        }
    }
    let silently = marked(&format!("silently, {word}"));
    assert!(silently.is_empty(), "{silently:#?}");
}

const HOSTILE: &str = "it's \"quoted\" \\'; DROP TABLE whimbrel_history; --";

async fn hostile_names_are_only_names(world: World) {
    let name = format!("0001_{HOSTILE}.up.sql");
    let down = format!("0001_{HOSTILE}.down.sql");
    // Where a backslash takes the next character with it.
    let quoted = if world.dialect() == "mysql" { "it\\'s \\\\" } else { "it''s \\" };
    let text = &*format!(
        "CREATE TABLE a (id INT PRIMARY KEY, b TEXT);\nINSERT INTO a (id, b) VALUES (1, '{quoted}'); -- ' \""
    );
    let dialect = world.dialect();
    let set = set_for(dialect, [(&*name, text), (&*down, "DROP TABLE a; -- \\'")]);
    let mut migrator = world.migrator(&set).application(HOSTILE);
    assert_eq!(migrator.up().await.unwrap().applied(), 1);
    assert!(migrator.up().await.unwrap().is_up_to_date());
    let entry = migrator.history().await.unwrap().remove(0);
    assert_eq!((entry.name.as_str(), entry.application.as_str()), (HOSTILE, HOSTILE));
    assert_eq!(world.entry("1", "up").await, text);
    let other = world.set([("0002_b.sql", "SELECT id FROM a"), ("whimbrel.toml", "gaps = \"allow\"")]);
    assert!(world.up(&other).await.unwrap_err().to_string().contains(HOSTILE));
    let error = migrator.down(Rollback::Name("'; DROP TABLE a; --".into())).await.unwrap_err();
    assert!(error.to_string().contains("`'; DROP TABLE a; --`"), "{error}");
    assert_eq!(migrator.down(Rollback::Name(HOSTILE.into())).await.unwrap().applied(), 0);
}

async fn the_history_stands_where_it_is_told_to(world: World) {
    let schema = world.choose("main", "Odd 'schema'; --");
    match &world {
        World::Sqlite(..) | World::Scylla(..) => {}
        World::Postgres(..) => world.run(format!("CREATE SCHEMA \"{schema}\"")).await,
        World::Mysql(..) => world.run(format!("CREATE DATABASE IF NOT EXISTS `{schema}`")).await,
    }
    let set = world.three();
    for name in [format!("{schema}.Own \\ 'history'; DROP TABLE a; --"), "plain".to_owned()] {
        let mut migrator = world.migrator(&set).history_table(&name).unwrap();
        assert_eq!(migrator.up().await.unwrap().applied(), 3);
        assert!(migrator.up().await.unwrap().is_up_to_date());
        let shown = migrator.status().await.unwrap().history_table;
        assert!(shown.ends_with(&name), "{shown}");
        assert_eq!(migrator.down(Rollback::All).await.unwrap().applied(), 0);
    }
    assert!(!world.has("whimbrel_history").await);
    assert!(world.has("plain_events").await);
    let Err(error) = world.migrator(&set).history_table("a.b.c") else { panic!("it has three parts") };
    world.shows("history_name", &error);
}
