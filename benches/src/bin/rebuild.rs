//! What embedded migrations cost at each debug build: whimbrel, sqlx and diesel side by side, in one run.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin rebuild [rounds]
//! ```
//!
//! Each tool gets a package with three programs that embed 10, 1,000 and 5,000 migrations of three statements and 304
//! bytes. *Touch* builds after the source file was touched, *edit* after one script was changed as well. The tools take
//! turns, and the best of five rounds counts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, io};

const SIZES: [usize; 3] = [10, 1_000, 5_000];
const SCRIPT_BYTES: usize = 304;

/// One way to embed migrations.
struct Tool {
    name: &'static str,
    dependencies: &'static str,
    /// The program; `{set}` is the directory of the migrations.
    program: &'static str,
    /// The file of a migration in its set.
    file: fn(usize) -> String,
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "whimbrel",
        dependencies: "whimbrel = { path = \"{workspace}/runtime\", default-features = false }",
        program: "static SET: whimbrel::Migrations = whimbrel::embed_migrations!(\"{set}\");",
        file: |version| format!("{version:06}_create_table.sql"),
    },
    Tool {
        name: "diesel",
        dependencies: "diesel_migrations = \"2\"",
        program: "use diesel_migrations::{EmbeddedMigrations, embed_migrations};
static SET: EmbeddedMigrations = embed_migrations!(\"{set}\");",
        file: |version| format!("{version:06}_create_table/up.sql"),
    },
    Tool {
        name: "sqlx",
        dependencies: "sqlx = { version = \"0.9\", default-features = false, features = [\"macros\", \"migrate\"] }",
        program: "static SET: sqlx::migrate::Migrator = sqlx::migrate!(\"./{set}\");",
        file: |version| format!("{version:06}_create_table.sql"),
    },
];

/// The best times of one tool and size.
#[derive(Clone, Copy)]
struct Best {
    touch: Duration,
    edit: Duration,
}

fn main() -> io::Result<()> {
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or(io::ErrorKind::NotFound)?;
    let folder = workspace.join("target/rebuild");
    for tool in &TOOLS {
        generate(tool, &folder.join(tool.name), workspace)?;
        build(&folder.join(tool.name), None)?;
    }
    let mut best = [[Best { touch: Duration::MAX, edit: Duration::MAX }; SIZES.len()]; TOOLS.len()];
    for round in 0..rounds {
        for (row, size) in SIZES.iter().enumerate() {
            for (column, tool) in TOOLS.iter().enumerate() {
                measure(tool, &folder.join(tool.name), *size, round, &mut best[column][row])?;
            }
        }
    }
    print(&best);
    Ok(())
}

fn measure(tool: &Tool, package: &Path, size: usize, round: usize, best: &mut Best) -> io::Result<()> {
    let program = package.join(format!("src/bin/b{size}.rs"));
    touch(&program)?;
    best.touch = best.touch.min(build(package, Some(size))?);
    let script = package.join(format!("m{size}")).join((tool.file)(size));
    fs::write(script, text(size).replace("'one'", &format!("'edit {round}'")))?;
    touch(&program)?;
    best.edit = best.edit.min(build(package, Some(size))?);
    Ok(())
}

/// Builds all programs or one of them.
fn build(package: &Path, size: Option<usize>) -> io::Result<Duration> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(package).args(["build", "--quiet"]).env_remove("CARGO_TARGET_DIR");
    if let Some(size) = size {
        command.args(["--offline", "--bin", &format!("b{size}")]);
    }
    let start = Instant::now();
    let status = command.status()?;
    if status.success() { Ok(start.elapsed()) } else { Err(io::Error::other("cargo failed")) }
}

fn generate(tool: &Tool, package: &Path, workspace: &Path) -> io::Result<()> {
    let dependencies = tool.dependencies.replace("{workspace}", &workspace.display().to_string());
    let manifest = format!(
        "[package]\nname = \"rebuild-{}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n[workspace]\n",
        tool.name
    );
    write(package.join("Cargo.toml"), &manifest)?;
    for size in SIZES {
        let program = tool.program.replace("{set}", &format!("m{size}"));
        let main = "fn main() {\n    std::hint::black_box(&SET);\n}";
        write(package.join(format!("src/bin/b{size}.rs")), &format!("{program}\n\n{main}\n"))?;
        for version in 1..=size {
            write(package.join(format!("m{size}")).join((tool.file)(version)), &text(version))?;
        }
    }
    Ok(())
}

/// Three statements.
fn text(version: usize) -> String {
    let statements = format!(
        "create table t{version} (id integer primary key, name text not null, value text not null default 'x');\n\
         create index t{version}_name on t{version} (name);\ninsert into t{version} (id, name) values (1, 'one');\n-- "
    );
    let padding = SCRIPT_BYTES - statements.len() - 1;
    format!("{statements}{}\n", "x".repeat(padding))
}

fn write(path: PathBuf, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().ok_or(io::ErrorKind::NotFound)?)?;
    fs::write(path, text)
}

fn touch(path: &Path) -> io::Result<()> {
    fs::File::options().write(true).open(path)?.set_modified(SystemTime::now())
}

fn print(best: &[[Best; SIZES.len()]; TOOLS.len()]) {
    println!("| | migrations | touch | over ten | ratio | edit | over ten | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    for (tool, rows) in TOOLS.iter().zip(best) {
        for (row, size) in SIZES.iter().enumerate() {
            let over = |rows: &[Best], time: fn(&Best) -> Duration| seconds(time(&rows[row])) - seconds(time(&rows[0]));
            let columns = [(|best: &Best| best.touch) as fn(&Best) -> Duration, |best| best.edit].map(|time| {
                let (own, whimbrel) = (over(rows, time), over(&best[0], time));
                let ratio = if row == 0 { String::new() } else { format!("{:.1}", own / whimbrel) };
                format!("{:.2} s | {own:+.2} s | {ratio}", seconds(time(&rows[row])))
            });
            println!("| {} | {size} | {} | {} |", tool.name, columns[0], columns[1]);
        }
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
