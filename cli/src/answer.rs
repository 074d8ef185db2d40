//! What a command found: a screen for a person, a value for a program.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::database_url::redacted;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;

/// The number of the shapes of `--json`: fields are added under the same number, everything else is a new one.
const FORMAT: u8 = 1;

/// What a command found.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Exit,
    /// For a person; may be styled.
    screen: String,
    /// For a program.
    value: Value,
}

impl Answer {
    pub(crate) fn new(screen: impl Into<String>, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        Self { exit: Exit::Done, screen: screen.into(), value }
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// How a command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Screen,
    Json,
}

/// Prints the answer to stdout, or the failure to stderr (and as JSON to stdout, where that was asked for).
pub(crate) fn tell(result: Result<Answer, Failure>, (command, form): (&str, Form), program: &Program) -> ExitCode {
    let exit = match &result {
        Ok(answer) => answer.exit,
        Err(failure) => failure.exit,
    };
    let written = match (&result, form) {
        (Ok(answer), Form::Screen) => print(&program.spoken(&answer.screen)),
        (Ok(answer), Form::Json) => print_json(Some(command), "result", &answer.value),
        (Err(failure), Form::Json) => print_json(Some(command), "error", &failure.json()),
        (Err(_), Form::Screen) => Ok(()),
    };
    if let Err(failure) = &result {
        say(&program.spoken(&failure.to_string()));
    }
    match written {
        Ok(()) => ExitCode::from(exit as u8),
        // `whimbrel history | head`: the reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(exit as u8),
        Err(error) => {
            say(&format!("error: the answer cannot be written: {error}"));
            ExitCode::from(Exit::Failed as u8)
        }
    }
}

fn print(screen: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{}", screen.trim_end())?;
    stdout.flush()
}

/// Tells of a command line that could not be read.
pub(crate) fn misused(error: &clap::Error, form: Form) -> ExitCode {
    let said = redacted(&error.render().to_string());
    if form == Form::Json {
        let first = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
        // Nobody is told when stdout is closed.
        let _ = print_json(None, "error", &Failure::new(Exit::Usage, first).json());
    }
    say(said.trim_end());
    ExitCode::from(Exit::Usage as u8)
}

fn print_json(command: Option<&str>, key: &str, value: &Value) -> io::Result<()> {
    let mut all = Map::new();
    all.insert("format".to_owned(), FORMAT.into());
    all.insert("command".to_owned(), command.into());
    all.insert(key.to_owned(), value.clone());
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string_pretty(&all).unwrap_or_default())?;
    stdout.flush()
}

/// To stderr; nobody is told when that is closed.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
