//! From sources to a checked set: the texts are read, and everything that is wrong is told at once.

use std::borrow::Cow;
use std::path::{Component, Path};

use crate::config::{Leave, Need};
use crate::layout::{Language, Transaction};
use crate::load::Loaded;
use crate::migrations::join;
use crate::read::{self, Outline};
use crate::script::Options;
use crate::sources::{self, File, Files, Listing, Open, Sources};
use crate::text::text;
use crate::variants::{self, Dialects};
use crate::{Dialect, Direction, Migration, Migrations, Place, Problem, Problems, Script, Version, sum, versions};

impl Migrations {
    /// Loads and checks the migrations of files that something else has read, such as `include_dir` or `rust-embed`.
    ///
    /// Paths are relative to the directory of the migrations; `whimbrel.toml` and `whimbrel.sum` count as they do on
    /// disk.
    ///
    /// ```
    /// use whimbrel_core::Migrations;
    /// # fn main() -> Result<(), whimbrel_core::Problems> {
    /// let nothing: [(&str, &[u8]); 1] = [("whimbrel.toml", b"empty = \"allow\"")];
    /// assert!(Migrations::from_files(nothing)?.is_empty());
    ///
    /// let down_only: [(&str, &[u8]); 1] = [("0001_init.down.sql", b"drop table users;")];
    /// let problems = Migrations::from_files(down_only).unwrap_err();
    /// assert!(problems.iter().any(|problem| problem.code() == "no-up"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the files, at once.
    pub fn from_files<P: AsRef<Path>, B: Into<Cow<'static, [u8]>>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Result<Self, Problems> {
        let mut listing = Listing::default();
        let mut contents = std::collections::BTreeMap::new();
        for (path, bytes) in files {
            match relative(path.as_ref()) {
                Ok(path) => {
                    if !listing.paths.insert(path.clone()) {
                        let problem = Problem::new("file-name", format!("`{path}` is given twice"));
                        listing.faults.push((path.clone(), problem.help("give each path once")));
                    }
                    contents.insert(path, bytes.into());
                }
                Err(problem) => listing.faults.push((path.as_ref().to_string_lossy().into_owned(), problem)),
            }
        }
        let mut open = |path: &str| {
            contents.remove(path).ok_or_else(|| Problem::new("unreadable", format!("`{path}` was read before")))
        };
        set(listing, &mut open, "", None).map(|loaded| loaded.migrations)
    }
}

/// The path with `/` between its parts.
fn relative(path: &Path) -> Result<String, Problem> {
    let shown = path.display();
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| not_utf8(path))?),
            Component::CurDir => {}
            _ => {
                let problem = Problem::new("file-name", format!("`{shown}` leads out of the directory"));
                return Err(problem.help("give paths relative to the directory of the migrations"));
            }
        }
    }
    checked(parts.join("/"))
}

/// A path that a message and a list with one path a line can hold.
pub(crate) fn checked(path: String) -> Result<String, Problem> {
    if path.chars().any(char::is_control) {
        let message = format!("the name of `{}` has a control character", path.escape_debug());
        return Err(Problem::new("file-name", message).help("rename it with letters, digits, `_`, `-` and `.`"));
    }
    Ok(path)
}

/// A name that is no text.
pub(crate) fn not_utf8(path: &Path) -> Problem {
    let message = format!("the name of `{}` is not UTF-8", path.display());
    Problem::new("file-name", message).help("rename it with letters, digits, `_`, `-` and `.`")
}

/// Checks the files of a listing; `dialect` overrides `whimbrel.toml`.
pub(crate) fn set(
    listing: Listing,
    open: &mut Open<'_>,
    shown: &str,
    dialect: Option<Dialect>,
) -> Result<Loaded, Problems> {
    let mut sources = sources::sources(listing, open, shown, dialect);
    let dialects = Dialects::of(&sources);
    let mut problems = std::mem::take(&mut sources.problems);
    // A directory whose files are all wrong is not also empty.
    if problems.is_empty() && sources.versions.is_empty() && sources.config.empty == Leave::Deny {
        problems.push(empty(&sources, shown));
    }
    problems.extend(versions::check(&sources, shown));
    problems.extend(variants::check(&sources, &dialects, shown));
    let mut read = Texts { sources: &sources, dialects: &dialects, shown, problems };
    let migrations: Vec<Option<Migration>> = sources.versions.iter().map(|files| read.migration(files, open)).collect();
    let mut problems = read.problems;
    problems.extend(check_sum(&sources, &migrations, shown));
    problems.sort_by(|a, b| place_of(a).cmp(&place_of(b)));
    Problems::none_or(problems)?;
    let migrations = migrations.into_iter().flatten().collect();
    let minimum_supported = sources.config.minimum_supported;
    let migrations = Migrations::new(migrations, &dialects.supported, minimum_supported, shown.to_owned());
    Ok(Loaded { migrations, files: sources.files, names: Vec::new() })
}

fn place_of(problem: &Problem) -> Option<(&str, Option<u32>, Option<u32>)> {
    problem.place().map(|place| (place.path(), place.line(), place.column()))
}

fn empty(sources: &Sources, shown: &str) -> Problem {
    let help = format!("write `{}`, or write `empty = \"allow\"` in whimbrel.toml", sources.naming.layout.example);
    let problem = Problem::new("empty-set", "there are no migrations").help(help);
    if shown.is_empty() { problem } else { problem.at(Place::file(shown)) }
}

/// Reads the texts of the scripts.
struct Texts<'a> {
    sources: &'a Sources,
    dialects: &'a Dialects,
    shown: &'a str,
    problems: Vec<Problem>,
}

impl Texts<'_> {
    /// The migration of a version; `None` when one of its files is wrong.
    fn migration(&mut self, files: &Files, open: &mut Open<'_>) -> Option<Migration> {
        let before = self.problems.len();
        let sql = files.0.iter().filter(|file| file.name.language == Language::Sql);
        let scripts: Vec<Script> = sql.filter_map(|file| self.script(file, open)).collect();
        if self.problems.len() > before || scripts.len() < files.0.len() || versions::rivals(files).is_some() {
            return None;
        }
        let name = &files.of(Direction::Up).next()?.name;
        let (task, folder) = (name.task.clone(), name.folder.clone());
        Some(Migration::new(name.version.clone(), name.name.clone(), task, folder, scripts))
    }

    fn script(&mut self, file: &File, open: &mut Open<'_>) -> Option<Script> {
        let shown = join(self.shown, &file.path);
        let text = match open(&file.path).and_then(|bytes| text(bytes, &shown)) {
            Ok(text) => text,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let dialect = self.dialects.tag(file);
        let specific = dialect.map(|dialect| [dialect]);
        let read_as = specific.as_ref().map_or(&self.dialects.read_as[..], |one| &one[..]);
        let options = Options { no_transaction: self.is_outside(file), ..Options::default() };
        let outline =
            Outline { direction: file.name.direction, dialect, read_as, path: &file.path, shown: &shown, options };
        let read = if self.sources.config.empty == Leave::Allow { read::read_or_empty } else { read::read };
        read(&outline, text).map_err(|found| self.problems.extend(found)).ok()
    }

    /// Whether its name or `metadata.toml` wants no transaction.
    fn is_outside(&self, file: &File) -> bool {
        file.name.transaction == Transaction::None
            || (file.name.direction != Direction::Verify && self.sources.without_transaction.contains(file.parent()))
    }
}

fn check_sum(sources: &Sources, migrations: &[Option<Migration>], shown: &str) -> Vec<Problem> {
    let files = sources.versions.iter().map(Files::first);
    let misnamed = sources.misnamed.iter().map(|version| (version, None));
    let known: Vec<(&Version, Option<&Migration>)> = files
        .zip(migrations)
        .map(|(file, migration)| (&file.name.version, migration.as_ref()))
        .chain(misnamed)
        .collect();
    let shown_sum = join(shown, sum::FILE);
    match &sources.sum {
        Some(text) => sum::check(text, &shown_sum, shown, &known),
        // One that cannot be read is a problem of its own.
        None if sources.config.sum == Need::Require && !sources.files.iter().any(|file| file == sum::FILE) => {
            vec![sum::absent(&shown_sum)]
        }
        None => Vec::new(),
    }
}
