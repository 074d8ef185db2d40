//! From sources to a checked set: the texts are read, and everything that is wrong is told at once.

use crate::config::{Leave, Need};
use crate::layout::{Language, Transaction};
use crate::listing::Listing;
use crate::migrations::join;
use crate::read::{self, Demand, Empty, Outline};
use crate::script::Options;
use crate::sources::{self, File, Files, Open, Sources};
use crate::text::text;
use crate::variants::{self, Dialects};
use crate::{
    Dialect, Direction, Migration, Migrations, Place, Problem, Problems, Script, Version, Warning, spread, sum,
    versions,
};

/// A set, and what a rebuild must watch.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The checked set.
    pub migrations: Migrations,
    /// Every file below the directory that was read, sorted, relative, `/` between the parts.
    pub files: Vec<String>,
    /// What [`files_below`](crate::load::files_below) says of the directory.
    pub names: Vec<String>,
    /// The patterns that `whimbrel.toml` ignores.
    pub ignore: Vec<String>,
    /// What may not be meant, in the order of the files.
    pub warnings: Vec<Warning>,
}

/// What to do about `whimbrel.sum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// Compare the set with it.
    Check,
    /// Nothing: it is about to be written.
    Leave,
}

/// Checks the files of a listing; `dialect` overrides `whimbrel.toml`.
pub(crate) fn set(
    listing: Listing,
    open: &Open<'_>,
    shown: &str,
    dialect: Option<Dialect>,
    recorded: Recorded,
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
    let read = |files: &Files| {
        let (problems, warnings) = (Vec::new(), Vec::new());
        let mut texts = Texts { sources: &sources, dialects: &dialects, shown, problems, warnings };
        (texts.migration(files, open), (texts.problems, texts.warnings))
    };
    let (migrations, found): (Vec<_>, Vec<_>) = spread::map(&sources.versions, read).into_iter().unzip();
    let (found, warnings): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    problems.extend(found.into_iter().flatten());
    if recorded == Recorded::Check {
        problems.extend(migrations.iter().flatten().flat_map(|migration| unwritten(migration, shown)));
        problems.extend(check_sum(&sources, &migrations, shown));
    }
    problems.sort_by(|a, b| place_of(a).cmp(&place_of(b)));
    Problems::none_or(problems)?;
    let migrations = migrations.into_iter().flatten().collect();
    let minimum_supported = sources.config.minimum_supported;
    let migrations = Migrations::new(migrations, &dialects.supported, minimum_supported, shown.to_owned());
    let ignore = sources.config.ignore.iter().map(|glob| glob.as_str().to_owned()).collect();
    let mut warnings: Vec<Warning> = warnings.into_iter().flatten().collect();
    warnings.sort_by(|a, b| place_of(&a.0).cmp(&place_of(&b.0)));
    Ok(Loaded { migrations, files: sources.files, names: Vec::new(), ignore, warnings })
}

fn place_of(problem: &Problem) -> Option<(&str, Option<u32>, Option<u32>)> {
    problem.place().map(|place| (place.path(), place.line(), place.column()))
}

fn empty(sources: &Sources, shown: &str) -> Problem {
    let help = format!("write `{}`, or write `empty = \"allow\"` in whimbrel.toml", sources.naming.layout.example);
    let problem = Problem::new("empty-set", "there are no migrations").help(help);
    if shown.is_empty() { problem } else { problem.at(Place::file(shown)) }
}

/// The scripts that `whimbrel new` has made and nobody has written yet: as a comment alone, each would be a no-op.
fn unwritten<'a>(migration: &'a Migration, shown: &'a str) -> impl Iterator<Item = Problem> + 'a {
    let mark = format!("-- whimbrel:{}", read::directive::TODO);
    let is_empty = |script: &&Script| script.is_empty();
    migration.scripts().iter().filter(is_empty).filter_map(move |script| {
        let at = script.text().find(&mark)?;
        let end = script.text()[at..].find('\n').map_or(script.text().len(), |length| at + length);
        let file = script.path().rsplit('/').next().unwrap_or_default();
        let help = match script.direction() {
            Direction::Up => "write its statements in place of this line",
            _ => "write its statements in place of this line, or delete the file",
        };
        let problem = Problem::new("unwritten", format!("`{file}` is still to be written"));
        Some(problem.at(script.place(join(shown, script.path()), at..end)).help(help))
    })
}

/// Reads the texts of the scripts.
struct Texts<'a> {
    sources: &'a Sources,
    dialects: &'a Dialects,
    shown: &'a str,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Texts<'_> {
    /// The migration of a version; `None` when one of its files is wrong.
    fn migration(&mut self, files: &Files, open: &Open<'_>) -> Option<Migration> {
        // Under the wrong dialect, every script would be wrong as well.
        if self.sources.is_dialect_unknown() {
            return None;
        }
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

    fn script(&mut self, file: &File, open: &Open<'_>) -> Option<Script> {
        let dialect = self.dialects.tag(file);
        let specific = dialect.map(|dialect| [dialect]);
        let read_as = specific.as_ref().map_or(&self.dialects.read_as[..], |one| &one[..]);
        if read_as.is_empty() {
            // A plain `.sql` in a set for CQL only: nobody runs it, and that is told already.
            return None;
        }
        let (direction, shown) = (file.name.direction, join(self.shown, &file.path));
        let (options, demand) = self.transaction(file);
        let outline = Outline { direction, dialect, read_as, path: &file.path, shown: &shown, options, demand };
        let empty = if self.sources.config.empty == Leave::Allow { Empty::Allow } else { Empty::Deny };
        let read = if file.parts.is_empty() {
            read::read_with(&outline, self.text(&file.path, open)?.text, empty, &[])
        } else {
            let files: Vec<_> = file.parts.iter().map(|path| self.text(path, open)).collect();
            read::read_joined(&outline, &files.into_iter().collect::<Option<Vec<_>>>()?, empty)
        };
        let (script, warnings) = read.map_err(|found| self.problems.extend(found)).ok()?;
        self.warnings.extend(warnings);
        Some(script)
    }

    fn text<'p>(&mut self, path: &'p str, open: &Open<'_>) -> Option<read::File<'p>> {
        let shown = join(self.shown, path);
        match open(path).and_then(|bytes| text(bytes, &shown)) {
            Ok(text) => Some(read::File { path, shown, text }),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// What its name and `metadata.toml` say about its transaction.
    fn transaction(&self, file: &File) -> (Options, Demand) {
        let said = self.sources.transactions.get(file.parent()).filter(|_| file.name.direction != Direction::Verify);
        let no_transaction = [Some(&file.name.transaction), said].contains(&Some(&Transaction::None));
        let demand = if said == Some(&Transaction::Ours) { Demand::Transaction } else { Demand::Nothing };
        (Options { no_transaction, ..Options::default() }, demand)
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
