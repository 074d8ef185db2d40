//! Applying 10 and 1,000 generated migrations, and the start when nothing is pending: whimbrel beside `sqlx::migrate!`
//! and beside the limit, which is the scripts alone in as few requests as hold them, and one query.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin apply                                          SQLite
//! TEST_POSTGRES_URL=postgres://… cargo run --release --manifest-path benches/Cargo.toml --bin apply           and PostgreSQL: a superuser's URL
//! ```
//!
//! Each figure is the best of five; both tools run in turn, on a fresh database each, within one process.

use std::fmt::Write as _;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, SqlitePool};
use whimbrel::{Database, Dialect, Direction, Migrations, Migrator};

const ROUNDS: usize = 5;
/// A pool takes a connection back behind its user's back.
const PAUSE: Duration = Duration::from_millis(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    println!(
        "{:<36}{:>10}{:>10}{:>10}{:>9}{:>9}",
        "best of five, ms", "whimbrel", "sqlx", "limit", "to sqlx", "to limit"
    );
    for count in [10, 1_000] {
        let files = tempfile::tempdir()?;
        generate(files.path(), count)?;
        sqlite(files.path(), count).await?;
        if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
            postgres(files.path(), count, &url).await?;
        }
    }
    Ok(())
}

/// A table, an index and a row each.
fn generate(folder: &Path, count: usize) -> std::io::Result<()> {
    for number in 1..=count {
        let mut sql = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(sql, "CREATE TABLE t{number} (id BIGINT PRIMARY KEY, name TEXT NOT NULL, price BIGINT);");
        let _ = writeln!(sql, "CREATE INDEX t{number}_name ON t{number} (name);");
        let _ = writeln!(sql, "INSERT INTO t{number} (id, name, price) VALUES (1, 'first', 100);");
        std::fs::write(folder.join(format!("{number:06}_create_t{number}.sql")), sql)?;
    }
    Ok(())
}

/// The times of one tool: applying all, then finding nothing to do.
#[derive(Clone, Copy)]
struct Times {
    apply: Duration,
    nothing: Duration,
}

impl Times {
    const WORST: Self = Self { apply: Duration::MAX, nothing: Duration::MAX };

    fn better(self, other: Self) -> Self {
        Self { apply: self.apply.min(other.apply), nothing: self.nothing.min(other.nothing) }
    }
}

async fn timed<T, E>(run: impl Future<Output = Result<T, E>>) -> Result<Duration, E> {
    let started = Instant::now();
    run.await?;
    Ok(started.elapsed())
}

async fn whimbrel_times<'a, D: Database<'a>>(set: &'a Migrations, pool: impl Fn() -> D) -> Result<Times, Failure> {
    let apply = timed(Migrator::new(set, pool()).up()).await?;
    let mut nothing = Duration::MAX;
    for _ in 0..ROUNDS {
        nothing = nothing.min(timed(Migrator::new(set, pool()).up()).await?);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Times { apply, nothing })
}

macro_rules! sqlx_times {
    ($migrator:expr, $pool:expr) => {{
        let apply = timed($migrator.run($pool)).await?;
        let mut nothing = Duration::MAX;
        for _ in 0..ROUNDS {
            nothing = nothing.min(timed($migrator.run($pool)).await?);
            tokio::time::sleep(PAUSE).await;
        }
        Times { apply, nothing }
    }};
}

/// The scripts alone, `apart` between them.
fn alone(set: &Migrations, dialect: Dialect, apart: &str) -> String {
    let scripts = set.iter().filter_map(|migration| migration.script(Direction::Up, dialect));
    scripts.map(|script| format!("{};{apart}", script.text())).collect()
}

macro_rules! limit_times {
    ($sql:expr, $pool:expr) => {{
        let sql = AssertSqlSafe($sql);
        let apply = timed(sqlx::raw_sql(sql).execute($pool)).await?;
        let mut nothing = Duration::MAX;
        for _ in 0..ROUNDS {
            nothing = nothing.min(timed(sqlx::raw_sql("SELECT 1").execute($pool)).await?);
            tokio::time::sleep(PAUSE).await;
        }
        Times { apply, nothing }
    }};
}

async fn sqlite(files: &Path, count: usize) -> Result<(), Failure> {
    let set = Migrations::from_directory(files)?;
    let peer = sqlx::migrate::Migrator::new(files).await?;
    let (mut ours, mut theirs, mut limit) = (Times::WORST, Times::WORST, Times::WORST);
    // One by one: SQLite copies what is left of a text for each statement of it.
    let scripts: Vec<String> = alone(&set, Dialect::Sqlite, "\0").split_terminator('\0').map(str::to_owned).collect();
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir()?;
        let open = |name: &str| format!("sqlite://{}/{name}?mode=rwc", folder.path().display());
        let pool = SqlitePool::connect(&open("a.db")).await?;
        ours = ours.better(whimbrel_times(&set, || &pool).await?);
        let pool = SqlitePool::connect(&open("b.db")).await?;
        theirs = theirs.better(sqlx_times!(peer, &pool));
        let pool = SqlitePool::connect(&open("c.db")).await?;
        let mut all = pool.begin_with("BEGIN IMMEDIATE").await?;
        let started = Instant::now();
        for script in &scripts {
            sqlx::raw_sql(AssertSqlSafe(script.clone())).execute(&mut *all).await?;
        }
        all.commit().await?;
        let apply = started.elapsed();
        limit = limit.better(Times { apply, ..limit_times!("SELECT 1".to_owned(), &pool) });
    }
    print(&format!("SQLite, {count} migrations"), ours, theirs, limit);
    Ok(())
}

async fn postgres(files: &Path, count: usize, url: &str) -> Result<(), Failure> {
    let set = Migrations::from_directory(files)?;
    let peer = sqlx::migrate::Migrator::new(files).await?;
    let (mut ours, mut theirs, mut limit) = (Times::WORST, Times::WORST, Times::WORST);
    let mut databases = Vec::new();
    let end = "SET LOCAL synchronous_commit = off; COMMIT; BEGIN;";
    let scripts = format!("BEGIN; {} COMMIT", alone(&set, Dialect::Postgres, end));
    for _ in 0..ROUNDS {
        let pool = fresh(url, &mut databases).await?;
        ours = ours.better(whimbrel_times(&set, || &pool).await?);
        pool.close().await;
        let pool = fresh(url, &mut databases).await?;
        theirs = theirs.better(sqlx_times!(peer, &pool));
        pool.close().await;
        let pool = fresh(url, &mut databases).await?;
        limit = limit.better(limit_times!(scripts.clone(), &pool));
        pool.close().await;
    }
    print(&format!("PostgreSQL, {count} migrations"), ours, theirs, limit);
    drop_all(url, databases).await
}

/// A pool, with a connection open, on a new database.
async fn fresh(url: &str, databases: &mut Vec<String>) -> Result<PgPool, Failure> {
    let name = format!("whimbrel_bench_{}_{}", std::process::id(), databases.len());
    let mut server = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await?;
    let options: sqlx::postgres::PgConnectOptions = url.parse()?;
    let pool = PgPool::connect_with(options.database(&name)).await?;
    databases.push(name);
    Ok(pool)
}

/// Not before all is timed: where thousands of files were just deleted, ext4 is slow to create others.
async fn drop_all(url: &str, databases: Vec<String>) -> Result<(), Failure> {
    let mut server = PgConnection::connect(url).await?;
    for name in databases {
        sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut server).await?;
    }
    Ok(())
}

fn print(what: &str, ours: Times, theirs: Times, limit: Times) {
    let rows = [
        ("apply", [ours, theirs, limit].map(|it| it.apply)),
        ("up to date", [ours, theirs, limit].map(|it| it.nothing)),
    ];
    for (row, times) in rows {
        let [ours, theirs, limit] = times.map(|time| time.as_secs_f64() * 1_000.0);
        let (to_peer, to_limit) = (ours / theirs, ours / limit);
        let what = format!("{what}, {row}");
        println!("{what:<36}{ours:>10.2}{theirs:>10.2}{limit:>10.2}{to_peer:>9.2}{to_limit:>9.2}");
    }
}
