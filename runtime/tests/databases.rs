//! The library with each database alone, up and down again: a workspace unifies features, so that the stories of
//! `whimbrel-tests` always have all of them.

#![cfg(any(feature = "_sqlite", feature = "postgres"))]

use whimbrel::{Database, Migrations, Migrator, Rollback, Target, embed_migrations};

static MIGRATIONS: Migrations = embed_migrations!("../migrations");

/// Reads, applies, finds nothing to do, takes one back, takes all back.
async fn there_and_back<'a, D: Database<'a>>(database: impl Fn() -> D) {
    let migrator = || Migrator::new(&MIGRATIONS, database());
    assert_eq!(migrator().pending().await.unwrap().len(), MIGRATIONS.len());
    assert_eq!(whimbrel::migrate(&MIGRATIONS, database()).await.unwrap().applied(), MIGRATIONS.len());
    assert!(whimbrel::migrate(&MIGRATIONS, database()).await.unwrap().is_up_to_date());
    assert!(migrator().status().await.unwrap().is_up_to_date());
    assert!(migrator().validate().await.unwrap().is_valid());
    let report = migrator().down(Rollback::Steps(1)).await.unwrap();
    assert_eq!(report.applied(), MIGRATIONS.len() - 1);
    assert_eq!(migrator().plan(Target::Latest).await.unwrap().steps().len(), 1);
    assert_eq!(migrator().down(Rollback::All).await.unwrap().applied(), 0);
}

#[cfg(feature = "_sqlite")]
mod sqlite {
    use whimbrel::sqlx::SqlitePool;

    #[tokio::test]
    async fn there_and_back_on_sqlite() {
        let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/databases.db");
        // Of an earlier run; mostly there is none.
        drop(std::fs::remove_file(file));
        let pool = SqlitePool::connect(&format!("sqlite://{file}?mode=rwc")).await.unwrap();
        super::there_and_back(|| &pool).await;
        pool.close().await;
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::env;
    use std::io::{self, Write as _};

    use whimbrel::sqlx::postgres::PgConnectOptions;
    use whimbrel::sqlx::{AssertSqlSafe, PgPool, raw_sql};

    /// A superuser's pool; `None`, with a line that says so, where no server is given.
    async fn server() -> Option<PgPool> {
        let Ok(url) = env::var("TEST_POSTGRES_URL") else {
            assert!(env::var_os("REQUIRE_DATABASES").is_none(), "REQUIRE_DATABASES is set, TEST_POSTGRES_URL is not");
            // Past the harness, which keeps what a passing test prints.
            io::stderr().write_all(b"skipped: what needs PostgreSQL; set TEST_POSTGRES_URL\n").unwrap();
            return None;
        };
        Some(PgPool::connect(&url).await.unwrap())
    }

    #[tokio::test]
    async fn there_and_back_on_postgres() {
        let Some(server) = server().await else { return };
        let name = format!("whimbrel_databases_{}", std::process::id());
        let run = async |sql: &str| raw_sql(AssertSqlSafe(format!("{sql} {name}"))).execute(&server).await.unwrap();
        run("CREATE DATABASE").await;
        let options = PgConnectOptions::clone(&server.connect_options()).database(&name);
        // A task of its own, so that the database is dropped also when the story panics.
        let story = tokio::spawn(async {
            let pool = PgPool::connect_with(options).await.unwrap();
            super::there_and_back(|| &pool).await;
            pool.close().await;
        });
        let ended = story.await;
        run("DROP DATABASE").await;
        ended.unwrap();
    }
}
