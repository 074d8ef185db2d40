//! From the paths of a directory to the migrations that their names make, whatever is written in them, and to the paths
//! that the next one would have.

use std::collections::BTreeSet;

use crate::config::{Need, Numbering, Plain};
use crate::layout::{self, Style, Wording, leading};
use crate::sources::{File, Files, Sources};
use crate::{Dialect, Direction, Problem, Version};

/// The migrations of a directory by their names alone; two may claim one version.
#[derive(Debug)]
pub struct Names {
    layout: &'static layout::Layout,
    style: Style,
    migrations: Vec<Named>,
    numbering: Option<Numbering>,
    plain: Option<Dialect>,
    down: Need,
    problems: Vec<Problem>,
}

/// A migration by its name.
#[derive(Debug, Clone)]
pub struct Named {
    version: Version,
    name: String,
    /// Each with its direction and dialect, relative to the directory.
    files: Vec<(String, Direction, Option<Dialect>)>,
    /// What is renamed with it: a folder that is its own, or each of the files.
    stems: Vec<String>,
}

/// What a new migration is to be.
#[derive(Debug, Clone, Default)]
pub struct New {
    /// Words joined by `_`.
    pub name: String,
    /// As the user wrote it; the next number when there is none.
    pub version: Option<String>,
    /// `TASK-123`.
    pub task: Option<String>,
    /// `2026-11-21`: the folder of a layout that has one for each day.
    pub day: String,
    /// Those that the user named; as the last migration has them when there are none.
    pub dialects: Vec<Dialect>,
    /// Besides the up script.
    pub directions: Vec<Direction>,
}

/// How the versions of a set follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// 1, 2, 3; or in parts.
    Counted,
    /// Times of so many digits.
    Times(usize),
}

impl Names {
    pub(crate) fn of(mut sources: Sources) -> Self {
        let layout = sources.naming.layout;
        let plain = match &sources.config.dialect {
            Some(Plain::One(dialect)) => Some(*dialect),
            _ => None,
        };
        let migrations = sources.versions.iter().flat_map(|files| apart(layout, files)).collect();
        Self {
            layout,
            style: sources.naming.style.clone(),
            migrations,
            numbering: sources.config.numbering,
            plain,
            down: sources.config.down,
            problems: std::mem::take(&mut sources.problems),
        }
    }

    /// The name of the layout, as `whimbrel.toml` has it.
    pub fn layout(&self) -> &'static str {
        self.layout.name
    }

    /// What is wrong with the names, and with `whimbrel.toml`.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The migrations, lowest version first.
    pub fn migrations(&self) -> &[Named] {
        &self.migrations
    }

    /// How the versions follow one another, as `whimbrel.toml` says it or the last one shows it.
    pub fn versions(&self) -> Versions {
        let last = self.migrations.last().map(|last| last.version.as_written());
        let digits = last.filter(|last| last.bytes().all(|byte| byte.is_ascii_digit())).map(str::len);
        match (self.numbering, digits) {
            (Some(Numbering::Sequence), _) => Versions::Counted,
            (_, Some(digits @ (8 | 10 | 14))) => Versions::Times(digits),
            (Some(Numbering::Timestamp), _) => Versions::Times(14),
            _ => Versions::Counted,
        }
    }

    /// Whether a migration of the set has a down script, or none can tell.
    pub fn has_down(&self) -> bool {
        let has = |named: &Named| named.files.iter().any(|(_, direction, _)| *direction == Direction::Down);
        self.migrations.is_empty() || self.down == Need::Require || self.migrations.iter().any(has)
    }

    /// The version after the last one.
    pub fn next(&self) -> &str {
        self.style.next()
    }

    /// The versions after the last of these, in the style of the set.
    pub fn after<'a>(&self, kept: impl Iterator<Item = &'a Named>) -> impl Iterator<Item = String> + 'static {
        let mut style = self.style.clone();
        style.last(kept.map(|named| &named.version).max());
        std::iter::from_fn(move || Some(style.take_next()))
    }

    /// The layout tasks: for who names a task in an empty directory.
    #[must_use]
    pub fn with_tasks(self) -> Self {
        let is_free = self.migrations.is_empty() && self.layout.name == layout::LAYOUTS[0].name;
        if is_free { Self { layout: &layout::tasks::LAYOUT, ..self } } else { self }
    }

    /// The paths of a new migration, relative to the directory, each with its direction.
    pub fn paths(&self, new: &New) -> Vec<(String, Direction)> {
        let directions = [&[Direction::Up], &new.directions[..]].concat();
        let dialects = self.dialects(new);
        let path = |direction, dialect| (self.path(new, direction, dialect), direction);
        directions.iter().flat_map(|&direction| dialects.iter().map(move |&dialect| path(direction, dialect))).collect()
    }

    fn path(&self, new: &New, direction: Direction, dialect: Option<Dialect>) -> String {
        let is_manifest = self.layout.name == layout::manifest::LAYOUT.name;
        let version = new.version.clone().unwrap_or_else(|| self.next().to_owned());
        let folder = match is_manifest {
            // The name stands in the manifest.
            true => Some(format!("{}{version}", self.mark())),
            false => Some(new.day.clone()),
        };
        let wording = Wording {
            version: Some(version),
            name: Some(new.name.clone()),
            task: new.task.clone(),
            folder,
            direction: Some(direction).filter(|direction| *direction != Direction::Up),
            dialect,
            ..Wording::default()
        };
        let path = (self.layout.write)(&wording, &self.style);
        // Prisma's word for it.
        let is_migration = self.migrations.last().and_then(|last| last.files.first());
        match is_migration.is_some_and(|(path, ..)| path.ends_with("/migration.sql")) {
            true => path.strip_suffix("/up.sql").map(|folder| format!("{folder}/migration.sql")).unwrap_or(path),
            false => path,
        }
    }

    /// The `v` before the versions of folders.
    fn mark(&self) -> &'static str {
        let last = self.migrations.last().and_then(|last| last.stems.first());
        if last.is_none_or(|stem| stem.starts_with('v')) { "v" } else { "" }
    }

    /// What the user names, or what the last migration is written for.
    fn dialects(&self, new: &New) -> Vec<Option<Dialect>> {
        let said = |dialect: &Dialect| match self.plain == Some(*dialect) && *dialect != Dialect::Cql {
            true => None,
            false => Some(*dialect),
        };
        if !new.dialects.is_empty() {
            return new.dialects.iter().map(said).collect();
        }
        let last = self.migrations.last().map(|last| &last.files[..]).unwrap_or_default();
        let ups = last.iter().filter(|(_, direction, _)| *direction == Direction::Up);
        let found: BTreeSet<Option<Dialect>> = ups.map(|(.., dialect)| *dialect).collect();
        match found.is_empty() {
            true => vec![self.plain.filter(|plain| *plain == Dialect::Cql)],
            false => found.into_iter().collect(),
        }
    }
}

/// The migrations that claim one version, each with its files.
fn apart(layout: &'static layout::Layout, files: &Files) -> Vec<Named> {
    let own = |file: &File| match layout.name {
        "folders" | "manifest" => layout::parent(&file.path).to_owned(),
        "tasks" => format!("{}/{}", layout::parent(&file.path), file.name.name),
        _ => file.name.name.clone(),
    };
    let mut keys: Vec<String> = Vec::new();
    for file in files.of(Direction::Up) {
        if !keys.contains(&own(file)) {
            keys.push(own(file));
        }
    }
    if keys.is_empty() {
        keys.push(own(files.first()));
    }
    let named = |key: &String| {
        // A down script of another name belongs to the first.
        let is_its = |file: &&File| own(file) == *key || (key == &keys[0] && !keys.contains(&own(file)));
        let its: Vec<&File> = files.0.iter().filter(is_its).collect();
        let first = its.iter().find(|file| own(file) == *key).unwrap_or(&its[0]);
        let is_folder = matches!(layout.name, "folders" | "manifest");
        Named {
            version: first.name.version.clone(),
            name: first.name.name.clone(),
            files: its.iter().map(|it| (it.path.clone(), it.name.direction, it.name.dialect)).collect(),
            stems: if is_folder { vec![key.clone()] } else { its.iter().map(|it| it.path.clone()).collect() },
        }
    };
    keys.iter().map(named).collect()
}

impl Named {
    /// Its version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Its name; empty for one that has a version only.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its files, relative to the directory.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(path, ..)| path.as_str())
    }

    /// The paths that change when it gets another version, from and to: files, or the folder that is its own.
    pub fn renumbered(&self, version: &str) -> Vec<(String, String)> {
        let to = |path: &String| {
            let (folder, file) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, file)| (folder, file));
            let mark = if file.starts_with(['v', 'V']) { &file[..1] } else { "" };
            let rest = leading::leading(file).map_or("", |(_, rest)| rest);
            crate::migrations::join(folder, &format!("{mark}{version}{rest}"))
        };
        self.stems.iter().map(|path| (path.clone(), to(path))).collect()
    }
}

/// A name as the words of a file name: `Add E-Mail!` is `add_e_mail`.
///
/// ```
/// assert_eq!(whimbrel_core::names::worded("Add E-Mail!").as_deref(), Some("add_e_mail"));
/// assert_eq!(whimbrel_core::names::worded("!"), None);
/// ```
pub fn worded(text: &str) -> Option<String> {
    layout::words(&text.to_lowercase(), "_")
}

/// Whether it can be read as a task: letters in capitals, a dash, and a number.
///
/// ```
/// assert!(whimbrel_core::names::is_task("TASK-123") && !whimbrel_core::names::is_task("task 123"));
/// ```
pub fn is_task(text: &str) -> bool {
    layout::tasks::task(text) == (Some(text), "")
}
