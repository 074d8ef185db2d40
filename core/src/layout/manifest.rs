//! `v1.2/manifest.json`, which names the files of one version in order; `down.cql` and `verify.cql` stand beside it.

use super::leading::leading;
use super::numbered::version_and_name;
use super::rename::{Style, Wording, words};
use super::{FileName, Language, Layout, Misnamed, Reading, Transaction, script_extension};
use crate::Direction;

pub(crate) static LAYOUT: Layout = Layout { name: "manifest", example: "v1.2/manifest.json", read, write };

pub(crate) const FILE: &str = "manifest.json";

fn read(path: &str) -> Reading {
    let Some((folder, file)) = path.split_once('/').filter(|(_, file)| !file.contains('/')) else {
        return Reading::Foreign;
    };
    if file != FILE {
        return if script_extension(file).is_some() { Reading::Part } else { Reading::Foreign };
    }
    match version_and_name(folder) {
        Ok((version, name)) => Reading::Manifest(FileName {
            version,
            name: name.to_owned(),
            task: None,
            folder: Some(folder.to_owned()),
            direction: Direction::Up,
            dialect: None,
            transaction: Transaction::Ours,
            language: Language::Sql,
        }),
        Err(fault) => {
            let fault = format!("stands in a folder that {fault}");
            Reading::Misnamed(Misnamed { fault, meant: meant(folder) })
        }
    }
}

fn meant(folder: &str) -> Wording {
    let (version, name) = match leading(folder) {
        Some((version, rest)) => (Some(version.as_written().to_owned()), rest),
        None => (None, folder),
    };
    Wording { version, name: words(name, "_"), ..Wording::default() }
}

fn write(meant: &Wording, style: &Style) -> String {
    let folder = meant.folder.clone().unwrap_or_else(|| meant.stem(style));
    match meant.direction {
        None | Some(Direction::Up) => format!("{folder}/{FILE}"),
        Some(direction) => format!("{folder}/{direction}{}", meant.ending(None)),
    }
}

/// The direction of a script beside a manifest that does not name it.
pub(crate) fn direction(path: &str) -> Option<Direction> {
    let (stem, _) = path.rsplit('/').next()?.rsplit_once('.')?;
    [Direction::Down, Direction::Verify].into_iter().find(|direction| direction.to_string() == stem)
}
