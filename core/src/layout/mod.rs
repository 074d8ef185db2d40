//! From the paths of a directory to its layout, and from a path to a [`FileName`].

mod folders;
pub(crate) mod leading;
pub(crate) mod manifest;
mod numbered;
mod rename;
mod suffixes;
pub(crate) mod tasks;

use std::collections::BTreeSet;

use crate::{Dialect, Direction, Problem, Version};

pub(crate) use rename::{Style, Wording, words};

/// All layouts. A new one is a file beside this one and a line here.
pub(crate) static LAYOUTS: [&Layout; 4] = [&numbered::LAYOUT, &tasks::LAYOUT, &folders::LAYOUT, &manifest::LAYOUT];

/// How the files of a directory are named.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What `layout = "…"` calls it.
    pub(crate) name: &'static str,
    /// A file of it; for help.
    pub(crate) example: &'static str,
    /// What it makes of a path.
    pub(crate) read: fn(&str) -> Reading,
    /// Writes the path of a file of it.
    pub(crate) write: fn(&Wording, &Style) -> String,
}

/// What a layout makes of a path.
pub(crate) enum Reading {
    /// A script.
    Script(FileName),
    /// A file that says something about the scripts beside it.
    Companion,
    /// A file that names the parts of a script.
    Manifest(FileName),
    /// What such a file may name.
    Part,
    /// Meant to be a script of this layout, but misnamed.
    Misnamed(Misnamed),
    /// Nothing that this layout knows.
    Foreign,
}

/// What the path of a script says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName {
    pub(crate) version: Version,
    /// Empty for a file that has a version only.
    pub(crate) name: String,
    pub(crate) task: Option<String>,
    pub(crate) folder: Option<String>,
    pub(crate) direction: Direction,
    /// `None` for a plain `.sql`.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) transaction: Transaction,
    pub(crate) language: Language,
}

/// Whether the name asks for a transaction of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Transaction {
    #[default]
    Ours,
    /// The suffix `autocommit`.
    None,
}

/// What a migration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Sql,
    Rust,
}

/// A name that does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misnamed {
    /// What is wrong, to be read after the path: ``does not begin with a version and `_` ``.
    pub(crate) fault: String,
    /// What was probably meant.
    pub(crate) meant: Wording,
}

/// The extension of a path in lower case, as far as it is one of a script.
pub(crate) fn script_extension(path: &str) -> Option<&'static str> {
    let extension = path.rsplit('/').next()?.rsplit_once('.')?.1;
    ["sql", "cql", "rs"].into_iter().find(|known| known.eq_ignore_ascii_case(extension))
}

/// The folder of a path; empty for the directory itself.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The layout that the paths have in common.
///
/// # Errors
/// Two layouts, each with a file.
pub(crate) fn find(paths: &[&str]) -> Result<&'static Layout, Problem> {
    let manifests = paths.iter().filter(|path| matches!((manifest::LAYOUT.read)(path), Reading::Manifest(_)));
    let folders: BTreeSet<&str> = manifests.map(|path| parent(path)).collect();
    let is_of = |layout: &Layout, path: &str| match (layout.read)(path) {
        // What a manifest names may be called as it likes.
        Reading::Script(_) => !folders.contains(parent(path)),
        Reading::Manifest(_) => true,
        _ => false,
    };
    let first_of = |layout: &'static Layout| Some((layout, *paths.iter().find(|path| is_of(layout, path))?));
    let mut found = LAYOUTS.into_iter().filter_map(first_of);
    match (found.next(), found.next()) {
        (Some((layout, _)), None) => Ok(layout),
        (Some(one), Some(other)) => Err(mixed(one, other)),
        (None, _) => Ok(nearest_layout(paths)),
    }
}

/// The layout of which most names could be meant, when none parses.
fn nearest_layout(paths: &[&str]) -> &'static Layout {
    let count =
        |layout: &&Layout| paths.iter().filter(|path| matches!((layout.read)(path), Reading::Misnamed(_))).count();
    // `max_by_key` gives the last of equals; reversed, that is the first of the table.
    LAYOUTS.into_iter().rev().max_by_key(count).unwrap_or(LAYOUTS[0])
}

fn mixed(one: (&Layout, &str), other: (&Layout, &str)) -> Problem {
    let message = format!(
        "the files mix two layouts: `{}` is of the layout {}, `{}` of the layout {}",
        one.1, one.0.name, other.1, other.0.name
    );
    let help = format!(
        "name them all in one way, or write `layout = \"{}\"` in whimbrel.toml and move the others or `ignore` them",
        one.0.name
    );
    Problem::new("mixed-layouts", message).help(help)
}
