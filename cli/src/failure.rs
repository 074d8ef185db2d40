//! Why a command did not succeed: the sentence, what to do, and the exit code.

use std::fmt;

use serde_json::{Value, json};
use whimbrel::{Error, Place, Problem, Problems};

use crate::exit::Exit;

/// A failure, ready to be told to a person or as JSON.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    told: Told,
    help: Option<String>,
}

#[derive(Debug)]
enum Told {
    Sentence(String),
    Problems(Problems),
    Engine(Error),
}

impl Failure {
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, told: Told::Sentence(sentence.into()), help: None }
    }

    pub(crate) fn of_problems(exit: Exit, problems: &Problems) -> Self {
        Self { exit, told: Told::Problems(problems.clone()), help: None }
    }

    /// What to do; an engine's error knows that itself.
    pub(crate) fn help(mut self, order: impl Into<String>) -> Self {
        self.help = Some(order.into());
        self
    }

    /// What the run did before it failed.
    pub(crate) fn json(&self) -> Value {
        let exit = self.exit as u8;
        match &self.told {
            Told::Sentence(message) => json!({ "exit": exit, "message": message, "help": self.help }),
            Told::Problems(problems) => {
                let problems: Vec<Value> = problems.iter().map(problem_json).collect();
                json!({ "exit": exit, "kind": "files", "problems": problems, "help": self.help })
            }
            Told::Engine(error) => {
                let mut shape = serde_json::to_value(error).unwrap_or_default();
                shape["exit"] = exit.into();
                shape
            }
        }
    }
}

fn problem_json(problem: &Problem) -> Value {
    let (path, line, column) = (
        problem.place().map(Place::path),
        problem.place().and_then(Place::line),
        problem.place().and_then(Place::column),
    );
    let place = problem.place().map(|_| json!({ "path": path, "line": line, "column": column }));
    json!({ "code": problem.code(), "message": problem.message(), "place": place, "help": problem.help_text() })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { exit: error.kind().into(), told: Told::Engine(error), help: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.told {
            Told::Sentence(sentence) => write!(f, "error: {sentence}")?,
            Told::Problems(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    let blank = if index == 0 { "" } else { "\n\n" };
                    write!(f, "{blank}error[{}]: {problem}", problem.code())?;
                }
            }
            Told::Engine(error) => write!(f, "error[{}]: {error:?}", error.kind().name())?,
        }
        match (&self.help, &self.told) {
            (Some(help), Told::Problems(_)) => write!(f, "\n\n{help}"),
            (Some(help), _) => write!(f, "\n  help: {help}"),
            (None, _) => Ok(()),
        }
    }
}
