//! What a driver says of its database, so that it can be backed up.

use std::time::Duration;

use crate::driver::Answer;
use crate::identity::Identity;

/// What there is to back up, and how its database does that.
#[derive(Debug)]
pub(crate) struct Source {
    /// The database's name, in names of files.
    pub(crate) name: String,
    /// How much it holds, where it says that.
    pub(crate) bytes: Option<u64>,
    /// What a command is told of it: names without the prefix, and values.
    pub(crate) place: Vec<(&'static str, String)>,
    pub(crate) password: Option<String>,
    pub(crate) means: Means,
}

/// How a database is backed up by its own means.
#[derive(Debug)]
pub(crate) enum Means {
    /// The driver writes the file itself.
    Copy,
    Program(Program),
    /// It has none that we could use: why, and what to do.
    None(&'static str, &'static str),
}

/// A program that dumps a database to its standard output.
#[derive(Debug)]
pub(crate) struct Program {
    /// What it may be called, best first.
    pub(crate) names: &'static [&'static str],
    /// Where it may lie outside `PATH`: a folder before and one after the number of a version.
    pub(crate) outside: Option<(&'static str, &'static str)>,
    /// What to install.
    pub(crate) package: &'static str,
    pub(crate) arguments: Vec<String>,
    /// What it is told besides; `None` takes a variable away that would lead it astray.
    pub(crate) environment: Vec<(&'static str, Option<String>)>,
    /// A file of options that only this account may read, and the argument that names it, which comes first.
    pub(crate) options: Option<(&'static str, String)>,
    /// The ending of the file.
    pub(crate) ending: &'static str,
}

/// Whether this process may back up and run.
pub(crate) enum Right {
    Granted(Box<dyn BackupRight>),
    /// Somebody else may, who is told in words.
    Busy(String),
}

/// The right to back up and run, which one process has at a time; it ends when this is dropped, whatever happens.
pub(crate) trait BackupRight: Send {
    /// Gives it back in good order.
    fn release(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What is recorded of a backup.
#[derive(Debug)]
pub(crate) struct Note<'n> {
    /// The first version that is pending.
    pub(crate) key: &'n str,
    pub(crate) detail: String,
    pub(crate) took: Duration,
    /// Whether the history was there before.
    pub(crate) is_present: bool,
    pub(crate) identity: &'n Identity,
}

impl Note<'_> {
    pub(crate) const WHAT: &'static str = "backed_up";
}
