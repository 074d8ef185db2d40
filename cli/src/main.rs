//! The command line of whimbrel, for a directory of migrations.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use whimbrel_cli::{Migrate, misused, run_directory};

/// Database migrations: looks at a directory of them, at a database, and brings the one to the other.
#[derive(Parser)]
#[command(name = "whimbrel", version, propagate_version = true, max_term_width = 100)]
struct Whimbrel {
    #[command(flatten)]
    migrate: Migrate,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Whimbrel::try_parse() {
        Ok(whimbrel) => run_directory(whimbrel.migrate.command_line(Whimbrel::command())).await,
        Err(error) => misused(&error),
    }
}
