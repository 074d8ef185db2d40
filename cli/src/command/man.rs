//! `man`: the manual of the command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use serde_json::json;

use crate::answer::Answer;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) fn man(context: &Context<'_>, out: Option<PathBuf>) -> Result<Answer, Failure> {
    let mut command = context.command_line();
    command.build();
    let failed = |error: io::Error| Failure::new(Exit::Failed, format!("the manual cannot be written: {error}"));
    let Some(out) = out else {
        let page = page(&command).map_err(failed)?;
        return Ok(Answer::new(page.clone(), json!({ "page": page, "files": [] })));
    };
    fs::create_dir_all(&out).map_err(failed)?;
    let mut files = Vec::new();
    write(&command, &out, &mut files).map_err(failed)?;
    Ok(Answer::new(files.join("\n"), json!({ "page": null, "files": files })))
}

/// A page for the command, and one for each below it: `whimbrel-up.1`.
fn write(command: &Command, out: &Path, files: &mut Vec<String>) -> io::Result<()> {
    let path = out.join(Man::new(command.clone()).get_filename());
    fs::write(&path, page(command)?)?;
    files.push(path.display().to_string());
    command
        .get_subcommands()
        .filter(|it| !it.is_hide_set() && it.get_name() != "help")
        .try_for_each(|below| write(below, out, files))
}

fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
