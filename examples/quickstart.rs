//! One binary that brings its own schema: migrates a SQLite file, prints what that did, then works with the data.
//! Run it twice: the second time it says "up to date".
//!
//! ```text
//! cargo run -p whimbrel-examples --example quickstart            # quickstart.db
//! cargo run -p whimbrel-examples --example quickstart other.db
//! ```

use std::error::Error;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;
use whimbrel::{Migrations, embed_migrations};

// Read and checked while this compiles; the binary needs no files.
static MIGRATIONS: Migrations = embed_migrations!("../migrations");

const GENERAL: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "quickstart.db".to_owned());
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;

    let report = whimbrel::migrate(&MIGRATIONS, &pool).await?;
    println!("{file}: {report}\n");

    let visitor = register(&pool).await?;
    println!("{visitor} says hello; so far in #general:");
    for (name, body) in messages(&pool).await? {
        println!("  {name}: {body}");
    }
    pool.close().await;
    Ok(())
}

/// Adds a user, and a message of theirs.
async fn register(pool: &SqlitePool) -> sqlx::Result<String> {
    let visitors: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(pool).await?;
    let name = format!("visitor {}", visitors + 1);
    let id = Uuid::new_v4().to_string();

    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO users (id, email, password_hash, display_name) VALUES ($1, $2, '!', $3)")
        .bind(&id)
        .bind(format!("{id}@example.org"))
        .bind(&name)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO messages (id, room_id, author_id, body) VALUES ($1, $2, $3, 'Hello!')")
        .bind(Uuid::new_v4().to_string())
        .bind(GENERAL)
        .bind(&id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(name)
}

/// Who said what, oldest first.
async fn messages(pool: &SqlitePool) -> sqlx::Result<Vec<(String, String)>> {
    let sql = "SELECT coalesce(users.display_name, 'whimbrel'), messages.body
               FROM messages LEFT JOIN users ON users.id = messages.author_id
               WHERE messages.room_id = $1
               ORDER BY messages.sent_at, messages.rowid";
    sqlx::query_as(sql).bind(GENERAL).fetch_all(pool).await
}
