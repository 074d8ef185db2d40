//! Where the migrations come from.

use std::borrow::Cow;
use std::path::Path;

use whimbrel::{Dialect, Migrations, Problems};
use whimbrel_core::load;

use crate::answer::say;
use crate::arguments::Options;
use crate::exit::Exit;
use crate::failure::Failure;

/// The set that a program holds, or a directory.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Embedded(&'a Migrations),
    Directory,
}

impl<'a> Source<'a> {
    /// The set.
    ///
    /// # Errors
    /// The directory is no valid set: all that is wrong with it.
    pub(crate) fn migrations(self, options: &Options) -> Result<Cow<'a, Migrations>, Failure> {
        match self {
            Self::Embedded(migrations) => Ok(Cow::Borrowed(migrations)),
            Self::Directory => Ok(Cow::Owned(loaded(options, &self.directory(options))?.migrations)),
        }
    }

    /// The same for who only looks, or settles: what differs from `whimbrel.sum` is told, and stops nobody.
    pub(crate) fn migrations_as_they_are(self, options: &Options) -> Result<Cow<'a, Migrations>, Failure> {
        let Self::Directory = self else { return self.migrations(options) };
        let directory = self.directory(options);
        self.migrations(options).or_else(|wrong| {
            match load::load_unrecorded(Path::new(&directory), &directory, options.dialect) {
                Ok(loaded) => {
                    say(&format!("{wrong}\n").replace("error[", "warning["));
                    Ok(Cow::Owned(loaded.migrations))
                }
                Err(_) => Err(wrong),
            }
        })
    }

    /// The directory that the commands for files work on.
    pub(crate) fn directory(self, options: &Options) -> String {
        match (&options.directory, self) {
            (Some(directory), _) => directory.to_string_lossy().into_owned(),
            (None, Self::Embedded(migrations)) if !migrations.directory().is_empty() => {
                migrations.directory().to_owned()
            }
            (None, _) => "migrations".to_owned(),
        }
    }
}

/// A directory, read as the compiler reads it.
pub(crate) fn loaded(options: &Options, directory: &str) -> Result<load::Loaded, Failure> {
    load::load(Path::new(directory), directory, options.dialect).map_err(|problems| wrong(options.dialect, &problems))
}

/// Everything that is wrong with the files; who names a dialect in the macro only must name it here too.
pub(crate) fn wrong(dialect: Option<Dialect>, problems: &Problems) -> Failure {
    let failure = Failure::of_problems(Exit::Failed, problems);
    let is_ambiguous = problems.iter().any(|problem| problem.code() == "ambiguous-dialect");
    if dialect.is_some() || !is_ambiguous {
        return failure;
    }
    failure.help("if `embed_migrations!` names a dialect, name it here too: `--dialect postgres`")
}
