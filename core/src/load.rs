//! From files to a set; nothing else in this crate opens any.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::glob::Glob;
use crate::listing::{Listing, checked, not_utf8, relative};
use crate::migrations::join;
use crate::names::Names;
use crate::set::{Recorded, set};
use crate::{Dialect, Migrations, Place, Problem, Problems, sources, sum};

pub use crate::set::Loaded;

/// Loads and checks a directory; `shown` is the directory as the user wrote it, `dialect` overrides `whimbrel.toml`.
///
/// # Errors
/// Everything that is wrong with the files, at once.
///
/// ```
/// use whimbrel_core::load::load;
/// # let directory = std::env::temp_dir().join(format!("whimbrel-load-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory).unwrap();
/// std::fs::write(directory.join("0001_init.up.sql"), "create table users (id int primary key);").unwrap();
/// std::fs::write(directory.join("README.md"), "known, but not read").unwrap();
/// let loaded = load(&directory, "migrations", None).unwrap();
/// assert_eq!(loaded.migrations.len(), 1);
/// assert_eq!(loaded.files, ["0001_init.up.sql"]);
/// # std::fs::remove_dir_all(&directory).unwrap();
/// ```
pub fn load(directory: &Path, shown: &str, dialect: Option<Dialect>) -> Result<Loaded, Problems> {
    load_with(directory, shown, dialect, Recorded::Check)
}

/// As [`load`], but `whimbrel.sum` is not looked at: for who is about to [write](crate::sum::write) it.
///
/// # Errors
/// Everything else that is wrong with the files, at once.
pub fn load_unrecorded(directory: &Path, shown: &str, dialect: Option<Dialect>) -> Result<Loaded, Problems> {
    load_with(directory, shown, dialect, Recorded::Leave)
}

/// The migrations of a directory by their names; what is written in them is not read.
///
/// # Errors
/// The directory cannot be read. What is wrong with the names is told beside them.
///
/// ```
/// use whimbrel_core::load::load_names;
/// # let directory = std::env::temp_dir().join(format!("whimbrel-names-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory).unwrap();
/// std::fs::write(directory.join("0001_init.up.sql"), "").unwrap();
/// let names = load_names(&directory, "migrations").unwrap();
/// assert_eq!((names.layout(), names.next()), ("numbered", "0002"));
/// # std::fs::remove_dir_all(&directory).unwrap();
/// ```
pub fn load_names(directory: &Path, shown: &str) -> Result<Names, Problems> {
    let listing = list(directory, shown)?;
    let open = |path: &str| match fs::read(directory.join(path)) {
        Ok(bytes) => Ok(Cow::Owned(bytes)),
        Err(error) => Err(unreadable(&error, &join(shown, path))),
    };
    Ok(Names::of(sources::sources(listing, &open, shown, None)))
}

fn load_with(directory: &Path, shown: &str, dialect: Option<Dialect>, recorded: Recorded) -> Result<Loaded, Problems> {
    let mut listing = list(directory, shown)?;
    if recorded == Recorded::Leave {
        // It may even be unreadable.
        listing.paths.remove(sum::FILE);
    }
    let open = |path: &str| match fs::read(directory.join(path)) {
        Ok(bytes) => Ok(Cow::Owned(bytes)),
        Err(error) => Err(unreadable(&error, &join(shown, path))),
    };
    let paths = listing.paths.clone();
    let loaded = set(listing, &open, shown, dialect, recorded)?;
    Ok(Loaded { names: counted(paths, &loaded.ignore), ..loaded })
}

impl Migrations {
    /// Loads and checks the migrations of a directory.
    ///
    /// ```
    /// use whimbrel_core::Migrations;
    /// let problems = Migrations::from_directory("no/such/directory").unwrap_err();
    /// assert_eq!(problems.to_string(), "\
    /// there is no directory `no/such/directory`
    ///  --> no/such/directory
    /// help: create it, or name the one that holds the migrations");
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the directory or its files, at once.
    pub fn from_directory(path: impl AsRef<Path>) -> Result<Self, Problems> {
        let path = path.as_ref();
        load(path, &path.to_string_lossy(), None).map(|loaded| loaded.migrations)
    }

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
        let mut contents = BTreeMap::new();
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
        let contents = Mutex::new(contents);
        let open = |path: &str| {
            let bytes = contents.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
            bytes.ok_or_else(|| Problem::new("unreadable", format!("`{path}` was read before")))
        };
        set(listing, &open, "", None, Recorded::Check).map(|loaded| loaded.migrations)
    }
}

/// The files below a directory that a set could be made of: sorted, relative, `/` between the parts.
///
/// A debug build compares them with those that its compiler saw. What editors and systems leave behind does not count,
/// nor what fits one of the patterns of `ignore`.
///
/// # Errors
/// The directory cannot be read; what cannot be read below it is left out.
pub fn files_below(directory: &Path, ignore: &[impl AsRef<str>]) -> io::Result<Vec<String>> {
    fs::read_dir(directory)?;
    let mut walk = Walk { shown: "", listing: Listing::default(), above: Vec::new() };
    walk.directory(directory, "");
    Ok(counted(walk.listing.paths, ignore))
}

fn counted(paths: BTreeSet<String>, ignore: &[impl AsRef<str>]) -> Vec<String> {
    let ignore: Vec<Glob> = ignore.iter().map(|pattern| Glob::new(pattern.as_ref())).collect();
    let counts = |path: &String| path.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension));
    let is_ignored = |path: &String| ignore.iter().any(|glob| glob.fits(path));
    paths.into_iter().filter(|path| counts(path) && !is_ignored(path)).collect()
}

/// The extensions of scripts, code and what is said about them.
const EXTENSIONS: [&str; 6] = ["sql", "cql", "rs", "toml", "sum", "json"];

/// What lies in the directory.
fn list(directory: &Path, shown: &str) -> Result<Listing, Problem> {
    let problem =
        |code, message: String, help: &str| Err(Problem::new(code, message).at(Place::file(shown)).help(help));
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            let message = format!("`{shown}` is a file, not a directory");
            return problem("not-a-directory", message, "name the directory that holds the migrations");
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = format!("there is no directory `{shown}`");
            return problem("missing-directory", message, "create it, or name the one that holds the migrations");
        }
        Err(error) => return Err(unreadable(&error, shown)),
    }
    let mut walk = Walk { shown, listing: Listing::default(), above: Vec::new() };
    walk.directory(directory, "");
    Ok(walk.listing)
}

/// A walk through the directories below one, links followed.
struct Walk<'a> {
    shown: &'a str,
    listing: Listing,
    /// Where the walk stands, from the top; without links, so that a loop is seen.
    above: Vec<PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, path: &str) {
        let entries = match fs::canonicalize(directory).and_then(|real| Ok((fs::read_dir(directory)?, real))) {
            Ok((entries, real)) => {
                if self.above.contains(&real) {
                    return self.fault(path, self.looped(path));
                }
                self.above.push(real);
                entries
            }
            Err(error) => return self.fault(path, unreadable(&error, &self.shown(path))),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, path),
                Err(error) => self.fault(path, unreadable(&error, &self.shown(path))),
            }
        }
        self.above.pop();
    }

    fn entry(&mut self, entry: &fs::DirEntry, parent: &str) {
        let name = entry.file_name();
        // Dotfiles are known and never read; a directory such as `.git` need not be listed.
        if name.as_encoded_bytes().starts_with(b".") {
            return;
        }
        let lossy = below(parent, &name.to_string_lossy());
        let Some(name) = name.to_str() else {
            return self.fault(&lossy, not_utf8(Path::new(&lossy)).at(Place::file(self.shown(&lossy))));
        };
        let path = match checked(below(parent, name)) {
            Ok(path) => path,
            Err(problem) => return self.fault(&lossy, problem.at(Place::file(self.shown(parent)))),
        };
        match kind(entry) {
            Ok(found) if found.is_dir() => self.directory(&entry.path(), &path),
            Ok(found) if found.is_file() => {
                self.listing.paths.insert(path);
            }
            Ok(_) => {
                let problem = Problem::new("unreadable", "this is no file and no directory").help("move it out");
                self.fault(&path, problem.at(Place::file(self.shown(&path))));
            }
            Err(error) if entry.path().is_symlink() => {
                let reason =
                    if error.kind() == ErrorKind::NotFound { "nothing is there".into() } else { error.to_string() };
                let problem = Problem::new("broken-link", format!("the link cannot be followed: {reason}"));
                self.fault(&path, problem.at(Place::file(self.shown(&path))).help("delete the link, or mend it"));
            }
            Err(error) => self.fault(&path, unreadable(&error, &self.shown(&path))),
        }
    }

    fn fault(&mut self, path: &str, problem: Problem) {
        self.listing.faults.push((path.to_owned(), problem));
    }

    fn looped(&self, path: &str) -> Problem {
        let problem = Problem::new("symlink-loop", "the link leads to a directory that it lies in");
        problem.at(Place::file(self.shown(path))).help("delete the link")
    }

    /// The path as the user would write it.
    fn shown(&self, path: &str) -> String {
        if path.is_empty() { self.shown.to_owned() } else { join(self.shown, path) }
    }
}

/// What the entry is, or what its link leads to; most systems tell without being asked for each file.
fn kind(entry: &fs::DirEntry) -> io::Result<fs::FileType> {
    let kind = entry.file_type()?;
    if kind.is_symlink() { fs::metadata(entry.path()).map(|found| found.file_type()) } else { Ok(kind) }
}

fn below(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}

fn unreadable(error: &io::Error, shown: &str) -> Problem {
    let (message, help) = match error.kind() {
        ErrorKind::PermissionDenied => ("this may not be read".to_owned(), "allow whoever builds to read it"),
        ErrorKind::NotFound => ("this is gone".to_owned(), "restore it"),
        _ => (format!("this cannot be read: {error}"), "see that it can be read, or move it out"),
    };
    Problem::new("unreadable", message).at(Place::file(shown)).help(help)
}
