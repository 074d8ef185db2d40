//! `2025-01-10/0001-TASK-123-create-users-table_up.sql`: a folder for a day, a task that groups migrations.

use super::leading::leading;
use super::rename::{Style, Wording, words};
use super::suffixes::{self, Suffixes};
use super::{FileName, Layout, Misnamed, Reading};
use crate::Direction;

pub(crate) static LAYOUT: Layout =
    Layout { name: "tasks", example: "2025-01-10/0001-TASK-123-create-users-table_up.sql", read, write };

const DIRECTIONS: [(&str, Direction); 3] =
    [("_up", Direction::Up), ("_down", Direction::Down), ("_verify", Direction::Verify)];

fn read(path: &str) -> Reading {
    let Some((folder, file)) = path.split_once('/').filter(|(folder, file)| is_day(folder) && !file.contains('/'))
    else {
        return Reading::Foreign;
    };
    let Some((stem, mut suffixes, fault)) = suffixes::split(file) else { return Reading::Foreign };
    let stem = direction(stem, &mut suffixes);
    let parsed = match fault {
        Some(fault) => Err(fault),
        None => parse(folder, stem, &suffixes).map_err(str::to_owned),
    };
    match parsed {
        Ok(name) => Reading::Script(name),
        Err(fault) => Reading::Misnamed(Misnamed { fault, meant: meant(folder, stem, &suffixes) }),
    }
}

/// Takes `_up` off, unless the direction stands among the suffixes already.
fn direction<'a>(stem: &'a str, suffixes: &mut Suffixes) -> &'a str {
    let found = DIRECTIONS.iter().find_map(|(ending, direction)| Some((stem.strip_suffix(ending)?, *direction)));
    match found.filter(|_| suffixes.direction.is_none()) {
        Some((before, direction)) => {
            suffixes.direction = Some(direction);
            before
        }
        None => stem,
    }
}

fn parse(folder: &str, stem: &str, suffixes: &Suffixes) -> Result<FileName, &'static str> {
    let (version, rest) = leading(stem).ok_or("does not begin with a version and `-`")?;
    let rest = rest.strip_prefix('-').ok_or("does not begin with a version and `-`")?;
    let (task, name) = task(rest);
    if name.is_empty() {
        return Err("has no name after its task");
    }
    Ok(FileName {
        version,
        name: name.to_owned(),
        task: task.map(str::to_owned),
        folder: Some(folder.to_owned()),
        direction: suffixes.direction.unwrap_or(Direction::Up),
        dialect: suffixes.dialect,
        transaction: suffixes.transaction,
        language: suffixes.language,
    })
}

/// Splits `TASK-123-create-users`: a task is letters in capitals, a dash, and a number.
pub(crate) fn task(text: &str) -> (Option<&str>, &str) {
    let split = || {
        let (key, rest) = text.split_once('-')?;
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let is_key = key.starts_with(|c: char| c.is_ascii_uppercase())
            && key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        let after = &rest[end..];
        (is_key && end > 0 && (after.is_empty() || after.starts_with('-')))
            .then(|| (Some(&text[..key.len() + 1 + end]), after.strip_prefix('-').unwrap_or("")))
    };
    split().unwrap_or((None, text))
}

fn meant(folder: &str, stem: &str, suffixes: &Suffixes) -> Wording {
    let (version, rest) = match leading(stem) {
        Some((version, rest)) => (Some(version.as_written().to_owned()), rest),
        None => (None, stem),
    };
    let (task, name) = task(rest.trim_start_matches(['-', '_', ' ', '.']));
    let name = words(name, "-");
    let (task, folder) = (task.map(str::to_owned), Some(folder.to_owned()));
    Wording { version, name, task, folder, ..Wording::default() }.with(suffixes)
}

/// `2025-01-10`, or that with more after a `-` or `_`.
fn is_day(folder: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    folder.len() >= 10
        && folder.bytes().take(10).enumerate().all(shape)
        && folder.as_bytes().get(10).is_none_or(|byte| matches!(byte, b'-' | b'_'))
}

fn write(meant: &Wording, style: &Style) -> String {
    let folder = meant.folder.as_deref().unwrap_or("2025-01-10");
    let task = meant.task.as_ref().map(|task| format!("{task}-")).unwrap_or_default();
    let name = meant.name().replace('_', "-");
    let direction = meant.direction.unwrap_or(Direction::Up);
    format!("{folder}/{}-{task}{name}_{direction}{}", meant.version(style), meant.ending(None))
}
