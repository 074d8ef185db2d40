//! `completions`: what a shell completes.

use clap_complete::{Shell, generate};
use serde_json::json;

use crate::answer::Answer;
use crate::context::Context;
use crate::failure::Failure;

pub(crate) fn completions(context: &Context<'_>, shell: Shell) -> Result<Answer, Failure> {
    let mut command = context.command_line();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let value = json!({ "shell": shell.to_string(), "script": script });
    Ok(Answer::new(script, value))
}
