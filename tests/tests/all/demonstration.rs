//! The demonstration set is what its README says: both databases run it up, down, and up again, statement by statement.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Database, Executor};
use whimbrel_core::{Dialect, Direction, Migrations};
use whimbrel_tests::{postgres, sqlite};

#[test]
fn the_demonstration_has_a_way_back_and_suits_both_databases() {
    let set = demonstration();
    assert_eq!(set.dialects().collect::<Vec<_>>(), [Dialect::Sqlite, Dialect::Postgres]);
    assert_eq!(set.len(), 13);
    let mut tasks: Vec<_> = set.iter().map(|migration| migration.task().expect("a task")).collect();
    tasks.dedup();
    assert_eq!(tasks, ["TASK-101", "TASK-117", "TASK-128", "TASK-141", "TASK-156", "TASK-162"]);
    for migration in set.iter() {
        for dialect in set.dialects() {
            assert!(migration.script(Direction::Up, dialect).is_some(), "{}", migration.name());
            assert!(migration.script(Direction::Down, dialect).is_some(), "{}", migration.name());
        }
    }
}

#[tokio::test]
async fn the_demonstration_goes_up_and_down_on_sqlite() {
    let database = sqlite::Database::create();
    let mut connection = database.pool().await.acquire().await.unwrap().detach();
    for _ in 0..2 {
        go(&mut connection, Dialect::Sqlite, Direction::Up).await;
        go(&mut connection, Dialect::Sqlite, Direction::Down).await;
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(&mut connection).await.unwrap();
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn the_demonstration_goes_up_and_down_on_postgres() {
    let Some(database) = postgres::Database::create().await else { return };
    let mut connection = database.connect().await;
    for _ in 0..2 {
        go(&mut connection, Dialect::Postgres, Direction::Up).await;
        go(&mut connection, Dialect::Postgres, Direction::Down).await;
        let sql = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        let left: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        assert_eq!(left, 0);
    }
}

fn demonstration() -> Migrations {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    Migrations::from_directory(directory).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Runs every script of a direction, each in a transaction, with somebody in the database from the first table on.
async fn go<C>(connection: &mut C, dialect: Dialect, direction: Direction)
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    const SOMEBODY: &str = "INSERT INTO users (id, email, password_hash) VALUES ('1', 'ada@example.org', '!')";
    let set = demonstration();
    let mut migrations: Vec<_> = set.iter().collect();
    if direction == Direction::Down {
        migrations.reverse();
    }
    for migration in migrations {
        run(connection, "BEGIN").await;
        for direction in
            if direction == Direction::Up { &[Direction::Up, Direction::Verify][..] } else { &[Direction::Down] }
        {
            let Some(script) = migration.script(*direction, dialect) else { continue };
            for statement in script.statements() {
                let rows = run(connection, script.text_of(&statement)).await;
                assert!(rows > 0 || *direction != Direction::Verify, "{}: nothing was found", script.path());
            }
        }
        run(connection, "COMMIT").await;
        if direction == Direction::Up && migration.name() == "create-users" {
            run(connection, SOMEBODY).await;
        }
    }
}

/// The number of rows that came back.
async fn run<C>(connection: &mut C, sql: &str) -> usize
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
    C::Database: Database,
{
    let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await;
    result.unwrap_or_else(|error| panic!("{error}\n{sql}")).len()
}
