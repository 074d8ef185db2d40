//! What is wrong around the migrations: each of these is the whole text that a person on call reads.

use sqlx::postgres::PgPoolOptions;
use whimbrel::{Error, ErrorKind, Migrations, Migrator, Resolve};
use whimbrel_tests::Proxy;

use crate::stories::world::{World, set, set_for, shows, stories, three};

stories! {
    a_database_that_is_not_there on sqlite, postgres, mysql, scylla
    a_server_that_is_not_there on postgres, mysql, scylla
    a_server_that_hangs_up on postgres
    a_role_that_may_not_create_the_table on postgres
    a_role_that_may_not_read_the_history on postgres
    a_schema_that_is_not_there on postgres
    a_file_that_can_only_be_read on sqlite
    a_file_that_is_no_database on sqlite
    a_history_of_another_kind on sqlite, postgres, mysql, scylla
    a_history_with_a_value_of_another_kind on sqlite, postgres, mysql, scylla
    a_history_that_is_a_view on sqlite, postgres, mysql
    a_connection_inside_a_transaction on sqlite, postgres, mysql
    a_constraint_that_fails on sqlite, postgres, mysql
    a_unicode_line_that_fails on sqlite, postgres, mysql, scylla
    an_entry_that_says_running on sqlite, postgres, mysql, scylla
}

async fn up_by(world: &World, url: &str) -> Error {
    let set = world.three();
    Migrator::connect(&set, url).unwrap().up().await.unwrap_err()
}

async fn a_database_that_is_not_there(world: World) {
    let url = match &world {
        World::Sqlite(_, database) => format!("sqlite://{}/no/such.db?mode=rw", database.folder().display()),
        World::Postgres(_, database) => database.url().replace(database.name(), "no_such_database"),
        World::Mysql(_, database) => database.url().replace(database.name(), "no_such_database"),
        World::Scylla(_, keyspace) => keyspace.url().replace(keyspace.name(), "no_such_keyspace"),
    };
    let error = up_by(&world, &url).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    world.shows("no_database", &error);
}

/// A port of the loopback on which nobody listens.
fn closed_port(url: &str) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut url = url::Url::parse(url).unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    url.to_string()
}

async fn a_server_that_is_not_there(world: World) {
    let error = up_by(&world, &closed_port(&world.url())).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    world.shows("no_server", &error);
    let (set, url) = (world.three(), closed_port(&world.url()));
    let error = match &world {
        World::Mysql(..) => whimbrel::migrate(&set, &sqlx::MySqlPool::connect_lazy(&url).unwrap()).await,
        // A session is connected from its beginning.
        World::Scylla(..) => return,
        _ => whimbrel::migrate(&set, &PgPoolOptions::new().connect_lazy(&url).unwrap()).await,
    };
    let error = error.unwrap_err();
    world.shows("no_server", &error);
}

async fn a_server_that_hangs_up(world: World) {
    let proxy = Proxy::start(&world.url()).await;
    proxy.at(3, whimbrel_tests::proxy::Fault::CutBefore);
    let error = up_by(&world, &proxy.url()).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    world.shows("connection_breaks", &error);
    let log = proxy.log();
    assert!(log[2].text.starts_with("BEGIN"), "{log:#?}");
}

async fn a_role_that_may_not_create_the_table(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let (_, url) = database.role().await;
    // Until PostgreSQL 15 everybody had it.
    world.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let error = up_by(&world, &url).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("no_right_to_create", &error);
}

async fn a_role_that_may_not_read_the_history(world: World) {
    let World::Postgres(_, database) = &world else { return };
    world.up(&three()).await.unwrap();
    let (_, url) = database.role().await;
    let error = up_by(&world, &url).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("no_right_to_read", &error);
}

async fn a_schema_that_is_not_there(world: World) {
    let set = three();
    let error = world.migrator(&set).history_table("nowhere.history").unwrap().up().await.unwrap_err();
    world.shows("no_schema", &error);
}

async fn a_file_that_can_only_be_read(world: World) {
    let World::Sqlite(pool, database) = &world else { return };
    world.migrator(&three()).up_to(whimbrel::Target::Steps(1)).await.unwrap();
    pool.close().await;
    let error = up_by(&world, &database.read_only_url()).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("read_only_file", &error);
}

async fn a_file_that_is_no_database(world: World) {
    let World::Sqlite(_, database) = &world else { return };
    let path = database.folder().join("notes.txt");
    std::fs::write(&path, "Buy milk, and whatever else it takes to be no database.\n".repeat(100)).unwrap();
    let error = up_by(&world, &format!("sqlite://{}", path.display())).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    world.shows("no_database_file", &error);
}

async fn a_history_of_another_kind(world: World) {
    world.run("CREATE TABLE whimbrel_history (id INT PRIMARY KEY, what TEXT)").await;
    let error = world.up(&world.three()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::History);
    world.shows("foreign_history", &error);
    let set = world.three();
    assert_eq!(world.migrator(&set).status().await.unwrap_err().kind(), ErrorKind::History);
}

async fn a_history_with_a_value_of_another_kind(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    // A version is a key of CQL's, which stays as it is.
    world.unfinish("3", world.cql_or("state = 'the third'", "version = 'the third'")).await;
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::History);
    world.shows("foreign_value", &error);
}

async fn a_history_that_is_a_view(world: World) {
    world.up(&three()).await.unwrap();
    world.run("ALTER TABLE whimbrel_history RENAME TO kept").await;
    // One that takes no writes: which rows others take, and what they say of them, differs from release to release.
    world.run("CREATE VIEW whimbrel_history AS SELECT DISTINCT * FROM kept WHERE version <> '3'").await;
    let error = world.up(&three()).await.unwrap_err();
    world.shows("history_is_a_view", &error);
    assert_eq!(world.count("kept").await, 3);
}

async fn a_connection_inside_a_transaction(world: World) {
    let set = three();
    let begin = "CREATE TABLE mine (id INTEGER); BEGIN; INSERT INTO mine VALUES (1)";
    let error = match &world {
        World::Sqlite(pool, _) => {
            let mut connection = pool.acquire().await.unwrap();
            sqlx::raw_sql(begin).execute(&mut *connection).await.unwrap();
            let error = refused_twice(Migrator::new(&set, &mut *connection)).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.unwrap();
            error
        }
        World::Postgres(pool, _) => {
            let mut connection = pool.acquire().await.unwrap();
            sqlx::raw_sql("CREATE TABLE mine (id INTEGER)").execute(&mut *connection).await.unwrap();
            sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
            sqlx::raw_sql("INSERT INTO mine VALUES (1)").execute(&mut *connection).await.unwrap();
            let error = refused_twice(Migrator::new(&set, &mut *connection)).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.unwrap();
            error
        }
        World::Scylla(..) => unreachable!("it has no transactions"),
        World::Mysql(pool, _) => {
            let mut connection = pool.acquire().await.unwrap();
            sqlx::raw_sql("CREATE TABLE mine (id INTEGER)").execute(&mut *connection).await.unwrap();
            sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
            sqlx::raw_sql("INSERT INTO mine VALUES (1)").execute(&mut *connection).await.unwrap();
            let error = refused_twice(Migrator::new(&set, &mut *connection)).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.unwrap();
            error
        }
    };
    world.shows("inside_a_transaction", &error);
    assert_eq!(world.count("mine").await, 0);
    assert!(!world.has("a").await);
}

/// Who tries again is refused again.
async fn refused_twice(mut migrator: Migrator<'_>) -> Error {
    migrator.up().await.unwrap_err();
    migrator.up().await.unwrap_err()
}

async fn a_constraint_that_fails(world: World) {
    let set = set([
        ("0001_a.sql", "CREATE TABLE a (email VARCHAR(80) PRIMARY KEY);\nINSERT INTO a VALUES ('ada@example.org');"),
        ("0002_b.sql", "INSERT INTO a VALUES ('bob@example.org');\n\nINSERT INTO a\nVALUES ('ada@example.org');"),
    ]);
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.place().and_then(|place| place.line()), Some(3));
    world.shows("constraint_fails", &error);
}

async fn a_unicode_line_that_fails(world: World) {
    let fails =
        world.cql_or("INSERT INTO a(id) VALUES ('Grüße 🐦' emial)", "INSERT INTO a SELECT 'Grüße 🐦', emial FROM a");
    let text = format!("-- Äußerst wichtig: 漢字 🐦\nCREATE TABLE a (id INT PRIMARY KEY);\n{fails};");
    let set = world.set([("0001_a.sql", &*text)]);
    let error = world.up(&set).await.unwrap_err();
    let place = error.place().unwrap();
    assert_eq!((place.line(), place.column()), (Some(3), Some(world.cql_or(37, 33))));
    world.shows("unicode", &error);
}

async fn an_entry_that_says_running(world: World) {
    // Nobody knows whether a block has committed, nor what SQLite has done under `query_only`.
    let second = world.each(
        "INSERT INTO b (id) VALUES (1);\nPRAGMA query_only = 0;",
        "DO 'BEGIN END';\nSELECT 1;",
        "TRUNCATE TABLE b;\nSELECT id FROM b;",
    );
    let text = format!("-- whimbrel:no-transaction\nCREATE TABLE b (id INT PRIMARY KEY);\n{second}");
    let set = set_for(world.dialect(), [("0001_a.sql", "-- Nothing yet."), ("0002_b.sql", &*text)]);
    world.up(&set).await.unwrap();
    world.unfinish("2", "state = 'running', applied = 1").await;
    let mut migrator = world.migrator(&set).lock_timeout(std::time::Duration::from_millis(100));
    let error = migrator.up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt);
    world.shows("in_doubt", &error);
    // Only the statement at which it stands can be settled, and only once.
    let two = "2".parse().unwrap();
    for (version, resolve) in
        [(&two, Resolve::Done(3)), (&two, Resolve::Again(1)), (&"1".parse().unwrap(), Resolve::Done(1))]
    {
        let error = migrator.resolve(version, resolve).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        if resolve == Resolve::Done(3) {
            world.shows("resolve_another_statement", &error);
        }
    }
    migrator.resolve(&two, Resolve::Done(2)).await.unwrap();
    assert_eq!(migrator.resolve(&two, Resolve::Done(2)).await.unwrap_err().kind(), ErrorKind::Refused);
    let entry = migrator.history().await.unwrap().remove(1);
    assert_eq!((entry.state.name(), entry.applied), ("failed", 2));
    let detail = world.details("resolved").await;
    assert!(detail[0].starts_with("interrupted at statement 2 of 3, which is done, as "), "{detail:?}");
    assert_eq!(migrator.up().await.unwrap().steps()[0].statements, 1);
}

#[test]
fn a_set_that_is_not_valid() {
    let problems = |files: &[(&str, &str)]| {
        let bytes = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        format!("{:?}", Error::from(Migrations::from_files(bytes).unwrap_err()))
    };
    shows("file_name", &problems(&[("2-add-email.sql", "SELECT 1")]));
    shows(
        "gap_and_duplicate",
        &problems(&[("1_a.sql", "SELECT 1"), ("001_b.sql", "SELECT 1"), ("3_c.sql", "SELECT 1")]),
    );
    shows("unterminated", &problems(&[("1_a.sql", "SELECT 1;\nINSERT INTO a VALUES ('x);")]));
    shows(
        "directive_and_key",
        &problems(&[("1_a.sql", "-- whimbrel:timout 3s\nSELECT 1"), ("whimbrel.toml", "gap = 1")]),
    );
    shows("empty_set", &problems(&[]));
    let error = Error::from(Migrations::from_directory("no/such/directory").unwrap_err());
    shows("no_directory", &format!("{error:?}"));
}
