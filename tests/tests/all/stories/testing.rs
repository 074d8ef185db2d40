//! What applications' own tests use: scratch databases and the stairway.

use whimbrel::testing::{Scratch, stairway};
use whimbrel::{ErrorKind, Migrations, Migrator};

use crate::stories::world::{World, stories};

stories! {
    a_scratch_database_goes_with_its_test on sqlite, postgres, mysql, scylla
    a_database_in_the_query_of_a_url_is_not_touched on postgres, mysql
    the_stairway_goes_up_down_and_up_again on sqlite, postgres, mysql, scylla
    the_stairway_names_the_first_migration_that_is_not_undone on sqlite, postgres, mysql, scylla
    the_demonstration_climbs_the_stairway on sqlite, postgres
}

static DEMONSTRATION: Migrations = whimbrel::embed_migrations!("../migrations");

/// Whether the scratch database of a URL is there.
async fn is_there(world: &World, url: &str) -> bool {
    if world.is_sqlite() {
        let file = url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
        return std::path::Path::new(file).parent().unwrap().exists();
    }
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    assert!(name.starts_with("whimbrel_scratch_"), "{name}");
    let sql = match world {
        World::Postgres(..) => format!("SELECT datname::text FROM pg_database WHERE datname = '{name}'"),
        World::Mysql(..) => format!("SELECT schema_name FROM information_schema.schemata WHERE schema_name = '{name}'"),
        _ => format!("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{name}'"),
    };
    !world.texts(&sql).await.is_empty()
}

async fn a_scratch_database_goes_with_its_test(world: World) {
    let set = world.three();
    let (one, other) = (Scratch::create(&world.url()).await.unwrap(), Scratch::create(&world.url()).await.unwrap());
    assert_ne!(one.url(), other.url());
    for database in [&one, &other] {
        assert_eq!(Migrator::connect(&set, database.url()).unwrap().up().await.unwrap().applied(), 3);
        assert!(is_there(&world, database.url()).await);
        assert!(!format!("{database:?}").contains("://"));
    }
    let urls = [one.url().to_owned(), other.url().to_owned()];
    drop(one);
    // A test that panics, on a runtime that goes with it.
    let panicking = std::thread::spawn(move || {
        let _database = other;
        panic!("this is the panic that the test expects");
    });
    assert!(tokio::task::spawn_blocking(|| panicking.join()).await.unwrap().is_err());
    for url in urls {
        assert!(!is_there(&world, &url).await, "{url}");
    }
    assert!(!world.has("a").await);
}

/// sqlx reads `dbname` after the path, and it wins.
async fn a_database_in_the_query_of_a_url_is_not_touched(world: World) {
    let set = world.set([
        ("0001_users.up.sql", "CREATE TABLE users (id INT PRIMARY KEY);"),
        ("0001_users.down.sql", "DROP TABLE users;"),
    ]);
    let url = format!("{}?dbname={}", world.url(), world.database());
    let scratch = Scratch::create(&url).await.unwrap();
    assert!(!scratch.url().contains("dbname"), "{}", scratch.url());
    Migrator::connect(&set, scratch.url()).unwrap().up().await.unwrap();
    assert!(!world.has("users").await && !world.has("whimbrel_history").await);
    stairway(&set, &url).await.unwrap();
    assert!(!world.has("whimbrel_history").await);
    // Written so that our own reading of the query does not see it, sqlx's does.
    let url = format!("{}?%64bname={}", world.url(), world.database());
    let Err(error) = Scratch::create(&url).await else { return assert_eq!(world.dialect(), "mysql") };
    assert!(error.to_string().contains(&format!(" leads to {}; nothing was run there", world.database())), "{error}");
}

async fn the_stairway_goes_up_down_and_up_again(world: World) {
    let drop = world.each("DROP INDEX c;", "DROP INDEX c;", world.cql_or("DROP INDEX c;", "DROP INDEX c ON a;"));
    let files = [
        ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "ALTER TABLE a ADD b INT;"),
        ("0003_c.up.sql", "CREATE INDEX c ON a (b);"),
        ("0003_c.down.sql", drop),
    ];
    let set = world.set(files);
    let stairs = stairway(&set, &world.url()).await.unwrap();
    assert_eq!(stairs.to_string(), "2 migrations went up, down, and up again; 1 without a down script only up");
    assert_eq!(stairs.without_down[0].to_string(), "0002");
    assert!(!world.has("a").await);
}

async fn the_stairway_names_the_first_migration_that_is_not_undone(world: World) {
    let (text, dummy) = (world.cql_or("text", "VARCHAR(80)"), world.cql_or("SELECT id FROM users", "SELECT 1"));
    let add = format!("ALTER TABLE users ADD email {text};");
    let set = world.set([
        ("0003_users.up.sql", "CREATE TABLE users (id INT PRIMARY KEY);"),
        ("0003_users.down.sql", "DROP TABLE users;"),
        ("0004_add_email.up.sql", &add),
        ("0004_add_email.down.sql", dummy),
        ("0005_never.up.sql", "CREATE TABLE never (id INT PRIMARY KEY);"),
        ("whimbrel.toml", "numbering = \"free\""),
    ]);
    let error = stairway(&set, &world.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let said = "the down script of 0004_add_email does not undo its up script: column users.email is still there";
    assert_eq!(error.to_string(), said);
}

async fn the_demonstration_climbs_the_stairway(world: World) {
    let stairs = stairway(&DEMONSTRATION, &world.url()).await.unwrap();
    assert_eq!(stairs.to_string(), "13 migrations went up, down, and up again");
}
