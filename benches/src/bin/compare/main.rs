//! Whimbrel beside sqlx, refinery and diesel, beside the database's own client, and beside the limit, in one table.
//!
//! ```text
//! benches/run                                    with servers of its own: starts them, and calls this
//! cargo run --release --manifest-path benches/Cargo.toml --bin compare
//!     [only what contains this, such as `PostgreSQL` or `up to date`]
//!     with TEST_POSTGRES_URL and TEST_MYSQL_URL, of users who may create databases; without them, only SQLite
//! ```
//!
//! Each tool is a program of its own that embeds 10 and 1,000 generated migrations (a table, an index and a row each)
//! and connects as its users would. It times what it does after that. The *limit* is the scripts alone in one request,
//! and one `SELECT 1`. The database's own client reads the same scripts from one file; its time holds its start and
//! its connection. The best of five counts; with added latency, which drowns what disturbs, of one.

mod latency;
mod set;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use url::Url;

use latency::Latency;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const TOOLS: [&str; 4] = ["whimbrel", "sqlx", "refinery", "diesel"];
const COUNTS: [usize; 2] = [10, 1_000];
/// What is added to a round trip, in milliseconds.
const ADDED: [u64; 2] = [0, 10];
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let only = env::args().nth(1).unwrap_or_default();
    for count in COUNTS {
        set::generate(&benches.join("tools/generated"), count)?;
    }
    let programs = build(benches)?;
    println!(
        "| ms, KiB | whimbrel | sqlx | refinery | diesel | own client | limit | to the best peer | to the limit |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let folder = tempfile::tempdir()?;
    for server in servers(folder.path()) {
        for added in ADDED {
            if added > 0 && server.url.is_none() {
                continue;
            }
            for count in COUNTS {
                let what = format!("{}, {count} migrations, {added} ms", server.name);
                if what.contains(&only) {
                    Measured::of(&server, &programs, count, added).await?.print(&server, count, added);
                }
            }
        }
    }
    let sizes = TOOLS
        .iter()
        .chain(&["limit"])
        .map(|tool| Ok(fs::metadata(programs.join(format!("tool-{tool}")))?.len() as f64 / 1024.0));
    let sizes: Vec<f64> = sizes.collect::<Result<_, Failure>>()?;
    row("size of the program", &[&sizes[..4], &[f64::NAN], &sizes[4..]].concat());
    Ok(())
}

/// Builds the tools; the folder that holds them.
fn build(benches: &Path) -> Result<PathBuf, Failure> {
    let target = benches.join("target/tools");
    for tool in TOOLS.iter().chain(&["limit"]) {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--release", "--quiet", "--manifest-path"])
            .arg(benches.join("tools").join(tool).join("Cargo.toml"));
        if !cargo.env("CARGO_TARGET_DIR", &target).status()?.success() {
            return Err(
                format!("{tool} does not compile; diesel needs libpq-dev, libmariadb-dev and libsqlite3-dev").into()
            );
        }
    }
    Ok(target.join("release"))
}

/// A database to measure on.
struct Server {
    name: &'static str,
    key: &'static str,
    /// A user who may create databases; `None` for SQLite.
    url: Option<Url>,
    folder: PathBuf,
}

fn servers(folder: &Path) -> Vec<Server> {
    let url = |name: &str| env::var(name).ok().and_then(|url| Url::parse(&url).ok());
    let server = |name, key, url| Server { name, key, url, folder: folder.to_owned() };
    let mut servers = vec![server("SQLite", "sqlite", None)];
    for (name, key, variable) in
        [("PostgreSQL", "postgres", "TEST_POSTGRES_URL"), ("MariaDB", "mysql", "TEST_MYSQL_URL")]
    {
        match url(variable) {
            Some(url) => servers.push(server(name, key, Some(url))),
            None => eprintln!("{name} is left out: {variable} is not set"),
        }
    }
    servers
}

impl Server {
    /// A new database; its URL.
    async fn fresh(&self, number: usize) -> Result<Url, Failure> {
        let name = name(number);
        let Some(server) = &self.url else {
            return Ok(Url::parse(&format!("sqlite://{}/{name}.db?mode=rwc", self.folder.display()))?);
        };
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        if self.key == "mysql" {
            sqlx::raw_sql(create).execute(&mut MySqlConnection::connect(server.as_str()).await?).await?;
        } else {
            sqlx::raw_sql(create).execute(&mut PgConnection::connect(server.as_str()).await?).await?;
        }
        let mut url = server.clone();
        url.set_path(&name);
        Ok(url)
    }

    async fn drop_all(&self, numbers: std::ops::Range<usize>) -> Result<(), Failure> {
        let Some(server) = &self.url else {
            for file in fs::read_dir(&self.folder)? {
                fs::remove_file(file?.path())?;
            }
            return Ok(());
        };
        for number in numbers {
            let name = name(number);
            if self.key == "mysql" {
                let sql = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}"));
                sqlx::raw_sql(sql).execute(&mut MySqlConnection::connect(server.as_str()).await?).await?;
            } else {
                let sql = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                sqlx::raw_sql(sql).execute(&mut PgConnection::connect(server.as_str()).await?).await?;
            }
        }
        Ok(())
    }

    /// The database's own client, as it reads a file.
    fn client(&self, url: &Url, file: &Path) -> Command {
        let stdin = || fs::File::open(file).map(Stdio::from).unwrap_or(Stdio::null());
        let mut command = match self.key {
            "sqlite" => {
                let mut command = Command::new("sqlite3");
                command.arg(url.path()).stdin(stdin());
                command
            }
            "mysql" => {
                let mut command = Command::new("mariadb");
                command.arg(format!("--host={}", url.host_str().unwrap_or_default()));
                command.arg(format!("--port={}", url.port().unwrap_or(3306)));
                command.arg(format!("--user={}", url.username())).env("MYSQL_PWD", url.password().unwrap_or_default());
                command.arg(url.path().trim_start_matches('/')).stdin(stdin());
                command
            }
            _ => {
                let mut command = Command::new("psql");
                command.args(["--no-psqlrc", "--quiet", "--file"]).arg(file).arg(url.as_str());
                command
            }
        };
        command.stdout(Stdio::null());
        command
    }
}

fn name(number: usize) -> String {
    format!("whimbrel_bench_{}_{number}", std::process::id())
}

/// What one row of measurements found: per column, the best.
struct Measured {
    apply: [f64; 6],
    nothing: [f64; 6],
    memory: [f64; 6],
}

impl Measured {
    async fn of(server: &Server, programs: &Path, count: usize, added: u64) -> Result<Self, Failure> {
        let latency = Latency::start(server.url.as_ref(), added).await?;
        let mut measured = Self { apply: [f64::NAN; 6], nothing: [f64::NAN; 6], memory: [f64::NAN; 6] };
        let (mut number, rounds) = (0, if added == 0 { ROUNDS } else { 1 });
        let script = set::scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/generated"), count, server.key);
        for _ in 0..rounds {
            for (column, tool) in TOOLS.iter().enumerate() {
                let url = latency.through(server.fresh(number).await?);
                number += 1;
                let program = programs.join(format!("tool-{tool}"));
                let [apply, memory] = run(Command::new(&program).arg(url.as_str()).arg(count.to_string()))?;
                lower(&mut measured.apply[column], apply);
                lower(&mut measured.memory[column], memory);
                for _ in 0..rounds {
                    let [nothing, _] = run(Command::new(&program).arg(url.as_str()).arg(count.to_string()))?;
                    lower(&mut measured.nothing[column], nothing);
                }
            }
            let url = latency.through(server.fresh(number).await?);
            let started = Instant::now();
            if server.client(&url, &script).status()?.success() {
                lower(&mut measured.apply[4], started.elapsed().as_secs_f64() * 1_000.0);
            }
            let url = latency.through(server.fresh(number + 1).await?);
            number += 2;
            let program = programs.join("tool-limit");
            let [apply, memory] = run(Command::new(&program).arg(url.as_str()).arg(&script))?;
            lower(&mut measured.apply[5], apply);
            lower(&mut measured.memory[5], memory);
            lower(&mut measured.nothing[5], run(Command::new(&program).arg(url.as_str()))?[0]);
        }
        // Not before all is timed: where thousands of files were just deleted, ext4 is slow to create others.
        server.drop_all(0..number).await?;
        Ok(measured)
    }

    fn print(&self, server: &Server, count: usize, added: u64) {
        let added = if added == 0 { String::new() } else { format!(", {added} ms away") };
        row(&format!("{}{added}: apply {count}", server.name), &self.apply);
        row(&format!("{}{added}: {count}, up to date", server.name), &self.nothing);
        if added.is_empty() && count == COUNTS[1] {
            row(&format!("{}: memory, applying {count}", server.name), &self.memory);
        }
    }
}

/// Runs a tool; the milliseconds and KiB that it tells.
fn run(command: &mut Command) -> Result<[f64; 2], Failure> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(took)), Some(Ok(memory))) if output.status.success() => Ok([took, memory]),
        _ => Err(format!("{command:?} failed").into()),
    }
}

fn lower(best: &mut f64, value: f64) {
    *best = best.min(value);
}

/// Prints a row; what was not measured is no number.
fn row(what: &str, values: &[f64]) {
    let cell = |value: f64| match value {
        value if value.is_nan() => "–".to_owned(),
        value if value < 10.0 => format!("{value:.2}"),
        value => format!("{value:.0}"),
    };
    let cells: Vec<String> = values.iter().map(|value| cell(*value)).collect();
    let peer = values[1..4].iter().copied().fold(f64::NAN, f64::min);
    let ratio = |other: f64| format!("{:.2}", values[0] / other);
    println!("| {what} | {} | {} | {} |", cells.join(" | "), ratio(peer), ratio(values[5]));
}
