//! `new`: the files of the next migration, named as those that are there.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;
use whimbrel::{Direction, Problem, Problems, Version};
use whimbrel_core::load::load_names;
use whimbrel_core::names::{Names, New, Versions, is_task, worded};
use whimbrel_core::sum;

use crate::answer::{Answer, say};
use crate::arguments::Fresh;
use crate::clock::Clock;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) fn new(context: &Context<'_>, fresh: Fresh) -> Result<Answer, Failure> {
    let directory = context.directory(None);
    let folder = Path::new(&directory);
    fs::create_dir_all(folder).map_err(|error| unwritable(&directory, &error))?;
    let names = load_names(folder, &directory).map_err(|problems| Failure::of_problems(Exit::Failed, &problems))?;
    refuse_unclear(&names)?;
    let names = if fresh.task.is_some() { names.with_tasks() } else { names };
    let name = name(&fresh, &names)?;
    check_task(fresh.task.as_deref(), &names)?;
    let clock = Clock::now();
    let mut directions = Vec::new();
    if fresh.down || names.has_down() {
        directions.push(Direction::Down);
    }
    if fresh.verify {
        directions.push(Direction::Verify);
    }
    let version = version(&fresh, &names, &clock);
    let new = New {
        name: name.clone(),
        version: Some(version.clone()),
        task: fresh.task,
        day: clock.day(),
        dialects: fresh.dialects,
        directions,
    };
    let files = texts(&names, &new, &version);
    let mut written = write_all(folder, &directory, &files)?;
    if folder.join(sum::FILE).exists() {
        match super::sum::write(&directory, context.options.dialect) {
            Ok((path, _)) => written.push(path),
            // The files stand; what is wrong with the others is for `check` to say.
            Err(_) => say(&format!("warning: {directory}/{} is not written: `migrate check` says why", sum::FILE)),
        }
    }
    let value = json!({ "version": version, "name": name, "files": written });
    Ok(Answer::new(written.join("\n"), value))
}

/// A name that would be wrong whatever the file is called; other wrong files are for `check`.
fn refuse_unclear(names: &Names) -> Result<(), Failure> {
    const OF_ONE_FILE: [&str; 5] = ["misnamed", "unknown-file", "no-up", "manifest-files", "file-name"];
    let unclear = |problem: &&Problem| !OF_ONE_FILE.contains(&problem.code());
    let unclear: Vec<Problem> = names.problems().iter().filter(unclear).cloned().collect();
    Problems::none_or(unclear).map_err(|problems| Failure::of_problems(Exit::Failed, &problems))
}

/// The name as a file has it; said when it is not as the user wrote it.
fn name(fresh: &Fresh, names: &Names) -> Result<String, Failure> {
    let typed = &fresh.name.join(" ");
    let Some(name) = worded(typed) else {
        let failure = Failure::new(Exit::Usage, format!("`{typed}` is no name: it has no letter and no digit"));
        return Err(failure.help("say in a few words what it does, such as `add_email`"));
    };
    let same = |known: &str| worded(known).as_deref() == Some(&*name);
    if let Some(taken) = names.migrations().iter().find(|named| same(named.name())) {
        let path = taken.files().next().unwrap_or_default();
        let failure = Failure::new(Exit::Refused, format!("there is a migration `{name}` already: `{path}`"));
        return Err(failure.help("choose a name that says what this one does, such as `add_email_index`"));
    }
    if name != *typed {
        say(&format!("named `{name}`: a name is words of small letters and digits with `_` between them"));
    }
    Ok(name)
}

fn check_task(task: Option<&str>, names: &Names) -> Result<(), Failure> {
    let Some(task) = task else { return Ok(()) };
    if !is_task(task) {
        let failure = Failure::new(Exit::Usage, format!("`{task}` is no task"));
        return Err(failure.help("write letters in capitals, a dash and a number: `TASK-123`"));
    }
    if names.layout() == "tasks" {
        return Ok(());
    }
    let sentence = format!("the files are of the layout {}, whose names have no task", names.layout());
    Err(Failure::new(Exit::Refused, sentence)
        .help("leave `--task` out; names such as `2025-01-10/0001-TASK-123-create-users_up.sql` have one"))
}

/// As the user wants it counted, or as the others are; always after the last.
fn version(fresh: &Fresh, names: &Names, clock: &Clock) -> String {
    let versions = match (fresh.seq, fresh.timestamp, names.versions()) {
        (true, ..) => Versions::Counted,
        (_, true, Versions::Counted) => Versions::Times(14),
        (.., found) => found,
    };
    let time = match versions {
        Versions::Counted => None,
        Versions::Times(digits) => Some(clock.digits(digits)),
    };
    let last = names.migrations().last().map(|last| last.version());
    let is_after = |time: &String| time.parse::<Version>().is_ok_and(|time| last.is_none_or(|last| time > *last));
    time.filter(is_after).unwrap_or_else(|| names.next().to_owned())
}

/// Each file with its text. The first line keeps it from being applied before it is written.
fn texts(names: &Names, new: &New, version: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (path, direction) in names.paths(new) {
        let name = &new.name;
        let todo = match direction {
            Direction::Up => format!("the statements of {name}"),
            Direction::Down => format!("the statements that take {name} back"),
            Direction::Verify => format!("a query that returns a row once {name} is applied"),
        };
        let text = format!("-- whimbrel:todo {todo}\n");
        match path.strip_suffix("manifest.json") {
            Some(folder) => {
                let script = format!("{name}.cql");
                let manifest = json!({ "CurrVersion": version, "Description": name, "SchemaUpdateCqlFiles": [script] });
                files
                    .push((path.clone(), format!("{}\n", serde_json::to_string_pretty(&manifest).unwrap_or_default())));
                files.push((format!("{folder}{script}"), text));
            }
            None => files.push((path, text)),
        }
    }
    files
}

/// Writes files that are not there; their paths as the user would write them. On an error, none of them stays.
fn write_all(folder: &Path, directory: &str, files: &[(String, String)]) -> Result<Vec<String>, Failure> {
    let mut written = Vec::new();
    for (path, text) in files {
        let to = folder.join(path);
        let shown = to.display().to_string();
        if let Err(error) = write(&to, text) {
            for made in &written {
                // What cannot be removed either is left to the user, who is told of the error below.
                let _ = fs::remove_file(made);
            }
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => Failure::new(Exit::Refused, format!("`{shown}` is there already"))
                    .help(format!("choose another name, or see what it is: `migrate check {directory}`")),
                _ => unwritable(&shown, &error),
            });
        }
        written.push(shown);
    }
    Ok(written)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn unwritable(shown: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("`{shown}` cannot be written: {error}"))
}
