//! Why a command did not succeed: the sentence, what to do, and the exit code.

use std::fmt;

use serde_json::{Value, json};
use whimbrel::__private::count;
use whimbrel::{Error, Place, Problem, Problems};

use crate::database_url::redacted;
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

    /// For a program: the same keys, whatever it is.
    pub(crate) fn json(&self) -> Value {
        let mut shape = json!({
            "exit": self.exit as u8, "kind": self.kind(), "message": null, "causes": [], "place": null,
            "help": self.help, "report": null, "problems": [],
        });
        match &self.told {
            Told::Sentence(sentence) => shape["message"] = redacted(sentence).into(),
            Told::Problems(problems) => {
                shape["message"] = format!("the files are wrong: {}", count(problems.iter().count(), "problem")).into();
                shape["problems"] = problems.iter().map(problem_json).collect();
            }
            Told::Engine(error) => {
                if let (Some(shape), Ok(Value::Object(error))) = (shape.as_object_mut(), serde_json::to_value(error)) {
                    shape.extend(error);
                }
            }
        }
        shape
    }

    /// What stands in the brackets of `error[…]`.
    fn kind(&self) -> &'static str {
        match (&self.told, self.exit) {
            (Told::Engine(error), _) => error.kind().name(),
            (Told::Problems(_), _) => "files",
            (Told::Sentence(_), Exit::Usage) => "usage",
            (Told::Sentence(_), Exit::Failed) => "io",
            (Told::Sentence(_), Exit::Stopped) => "stopped",
            (Told::Sentence(_), _) => "refused",
        }
    }
}

/// A problem for a program.
pub(crate) fn problem_json(problem: &Problem) -> Value {
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
            // What was typed in the wrong place may be a URL.
            Told::Sentence(sentence) => write!(f, "error[{}]: {}", self.kind(), redacted(sentence))?,
            Told::Problems(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    let blank = if index == 0 { "" } else { "\n\n" };
                    write!(f, "{blank}error[{}]: {problem}", problem.code())?;
                }
            }
            Told::Engine(error) => write!(f, "error[{}]: {}", self.kind(), redacted(&format!("{error:?}")))?,
        }
        match (&self.help, &self.told) {
            (Some(help), Told::Problems(_)) => write!(f, "\n\n{help}"),
            (Some(help), _) => write!(f, "\n  help: {help}"),
            (None, _) => Ok(()),
        }
    }
}
