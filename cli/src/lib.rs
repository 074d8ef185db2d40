//! `migrate …` for your own program, in two lines.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use clap::Parser;
//! use whimbrel::{Migrations, embed_migrations};
//!
//! static MIGRATIONS: Migrations = embed_migrations!("../migrations");
//!
//! #[derive(Parser)]
//! #[command(version)]
//! enum Shop {
//!     /// Serves.
//!     Serve,
//!     Migrate(whimbrel_cli::Migrate),
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> ExitCode {
//!     match Shop::parse() {
//!         Shop::Serve => ExitCode::SUCCESS,
//!         Shop::Migrate(migrate) => whimbrel_cli::run(&MIGRATIONS, migrate).await,
//!     }
//! }
//! ```
//!
//! `shop migrate status`, `shop migrate up` and all the others then work on the set that the program holds; where the
//! database is stands in `--database-url`, in `DATABASE_URL`, or in `.env`. The program `whimbrel` of this crate is the
//! same for a directory of migrations that is not compiled.
//!
//! Results go to stdout, everything else to stderr. Each command takes `--json`; its shapes are documented in
//! `docs/json.md`. The exit code says what sort of end it was:
//!
//! | code | means |
//! |---|---|
//! | 0 | done; healthy, or degraded |
//! | 1 | failed; unhealthy |
//! | 2 | called wrongly |
//! | 3 | something is pending (`status --check`) |
//! | 4 | refused: the database, the files, or what was asked for do not fit together |
//! | 5 | busy: somebody else is migrating, or it took too long |
//! | 6 | in doubt: a person must look, and `resolve` |
//! | 7 | the database cannot be reached |
//! | 8 | the database is not as its migrations left it |
//! | 130 | stopped by Ctrl-C, at a safe point |

// What the user wants.
mod arguments;
mod clock;
mod database_url;
mod known;
mod named;
mod program;
mod source;

// Each command, from what the user wants to what they see.
mod command;
mod context;
mod report;

// What they see.
mod answer;
mod confirm;
mod exit;
mod explanation;
mod failure;
mod interrupt;
mod progress;
mod table;

use std::process::ExitCode;

use whimbrel::Migrations;

pub use arguments::Migrate;
pub use database_url::redacted;

use source::Source;

/// Does what the user asked for, with the set that this program holds; the exit code is for `main` to return.
///
/// Call it on a tokio runtime, as the first thing that your program does: Ctrl-C is its own while it runs.
pub async fn run(migrations: &Migrations, migrate: Migrate) -> ExitCode {
    command::run(Source::Embedded(migrations), migrate).await
}

/// The same with a directory of migrations, `migrations` unless `--directory` names another: nothing is compiled.
pub async fn run_directory(migrate: Migrate) -> ExitCode {
    command::run(Source::Directory, migrate).await
}

/// Tells of a command line that clap could not read: to stderr without what could be a password, where `--json` stands in
/// it to stdout as well; help and version as ever.
///
/// For a program whose `main` has an exit code; without it, `Parser::parse` does for most.
pub fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let is_json = std::env::args_os().any(|argument| argument == "--json");
    answer::misused(error, if is_json { answer::Form::Json } else { answer::Form::Screen })
}
