//! The command line of whimbrel: checks a directory of migrations and writes its sum file.
//!
//! What talks to a database comes later; this is what a build needs.

mod call;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use whimbrel_core::load::{load, load_unrecorded};
use whimbrel_core::{Problems, sum};

use call::{Call, Command};

fn main() -> ExitCode {
    let call = match Call::read(env::args().skip(1)) {
        Ok(call) => call,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let done = match call.command {
        Command::Check => check(&call),
        Command::Sum => write_sum(&call),
        Command::Help => Ok(call::USAGE.to_owned()),
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

fn check(call: &Call) -> Result<String, String> {
    let directory = &call.directory;
    let loaded = load(Path::new(directory), directory, call.dialect).map_err(|problems| told(call, &problems))?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}\n");
    }
    let wrong = match loaded.warnings.len() {
        0 => "nothing wrong".to_owned(),
        warnings => count(warnings, "warning"),
    };
    Ok(format!("{directory}: {}, {wrong}", count(loaded.migrations.len(), "migration")))
}

fn write_sum(call: &Call) -> Result<String, String> {
    let directory = &call.directory;
    let loaded =
        load_unrecorded(Path::new(directory), directory, call.dialect).map_err(|problems| told(call, &problems))?;
    let path = Path::new(directory).join(sum::FILE);
    let shown = path.display();
    fs::write(&path, sum::write(&loaded.migrations))
        .map_err(|error| format!("`{shown}` cannot be written: {error}"))?;
    Ok(format!("{shown}: {}", count(loaded.migrations.len(), "migration")))
}

/// The problems; who names a dialect in the macro only must name it here too.
fn told(call: &Call, problems: &Problems) -> String {
    let is_ambiguous = problems.iter().any(|problem| problem.code() == "ambiguous-dialect");
    if call.dialect.is_some() || !is_ambiguous {
        return problems.to_string();
    }
    format!("{problems}\n\nif `embed_migrations!` names a dialect, name it here too: `--dialect postgres`")
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
