//! The command line of whimbrel, for a directory of migrations.

use std::process::ExitCode;

use clap::Parser;
use whimbrel_cli::{Migrate, redacted, run_directory};

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
        Ok(whimbrel) => run_directory(whimbrel.migrate).await,
        // What was typed in the wrong place may be a URL.
        Err(error) if error.use_stderr() => {
            eprint!("{}", redacted(&error.render().to_string()));
            ExitCode::from(2)
        }
        Err(told) => told.exit(),
    }
}
