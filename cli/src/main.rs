//! The command line of whimbrel: checks a directory of migrations and writes its sum file.
//!
//! What talks to a database comes later; this is what a build needs.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use whimbrel_core::load::{load, load_unrecorded};
use whimbrel_core::sum;

const USAGE: &str = "usage: whimbrel COMMAND [DIRECTORY]

  check   checks the migrations as the compiler does
  sum     writes whimbrel.sum beside them: the checksums that an edited or removed file is known by

The directory is `migrations` unless given. Exit codes: 0 done, 1 failed, 2 usage.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["check"] => check("migrations"),
        ["check", directory] => check(directory),
        ["sum"] => write_sum("migrations"),
        ["sum", directory] => write_sum(directory),
        ["help" | "--help" | "-h"] => Ok(USAGE.to_owned()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::FAILURE
        }
    }
}

fn check(directory: &str) -> Result<String, String> {
    let loaded = load(Path::new(directory), directory, None).map_err(|problems| problems.to_string())?;
    Ok(format!("{directory}: {}, nothing wrong", count(loaded.migrations.len())))
}

fn write_sum(directory: &str) -> Result<String, String> {
    let loaded = load_unrecorded(Path::new(directory), directory, None).map_err(|problems| problems.to_string())?;
    let path = Path::new(directory).join(sum::FILE);
    let shown = path.display();
    fs::write(&path, sum::write(&loaded.migrations))
        .map_err(|error| format!("`{shown}` cannot be written: {error}"))?;
    Ok(format!("{shown}: {}", count(loaded.migrations.len())))
}

fn count(migrations: usize) -> String {
    format!("{migrations} migration{}", if migrations == 1 { "" } else { "s" })
}
