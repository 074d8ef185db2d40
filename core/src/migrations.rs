//! The set: all the migrations of one directory, checked.

use std::borrow::Cow;
use std::fmt;

use crate::packed::Embedded;
use crate::script::Phase;
use crate::{Dialect, Digest, Direction, Script, Version};

/// One version of the schema: a version, a name, an up script, perhaps a down and a verify script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    version: Version,
    name: Cow<'static, str>,
    task: Option<Cow<'static, str>>,
    folder: Option<Cow<'static, str>>,
    scripts: Vec<Script>,
}

impl Migration {
    /// A migration from its checked parts.
    pub(crate) fn new(
        version: Version,
        name: String,
        task: Option<String>,
        folder: Option<String>,
        scripts: Vec<Script>,
    ) -> Self {
        Self { version, name: name.into(), task: task.map(Cow::Owned), folder: folder.map(Cow::Owned), scripts }
    }

    /// A migration that the macro has packed.
    pub(crate) fn unpacked(
        version: Version,
        name: &'static str,
        task: Option<&'static str>,
        folder: Option<&'static str>,
        scripts: Vec<Script>,
    ) -> Self {
        let (task, folder) = (task.map(Cow::Borrowed), folder.map(Cow::Borrowed));
        Self { version, name: name.into(), task, folder, scripts }
    }

    /// The version; prints as it was written.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The name: `add_email` of `0004_add_email.up.sql`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The task that groups it with others: `TASK-123`.
    pub fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// The folder that it stands in: `2025-01-10`.
    pub fn folder(&self) -> Option<&str> {
        self.folder.as_deref()
    }

    /// All scripts, for all dialects.
    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    /// The script of a direction for a dialect: the specific one wins over the portable one.
    pub fn script(&self, direction: Direction, dialect: Dialect) -> Option<&Script> {
        let fits = |wanted: Option<Dialect>| {
            self.scripts.iter().find(|script| script.direction() == direction && script.dialect() == wanted)
        };
        fits(Some(dialect)).or_else(|| if dialect == Dialect::Cql { None } else { fits(None) })
    }

    /// SHA-256 over the tokens of its up and down scripts for the dialect, as that dialect finds them.
    pub fn checksum(&self, dialect: Dialect) -> Digest {
        let digest = |direction| self.script(direction, dialect).map_or(Digest::ZERO, |script| script.digest(dialect));
        Digest::of(&[&digest(Direction::Up).0, &digest(Direction::Down).0])
    }

    /// The zero-downtime phase that its up script declares for the dialect.
    pub fn phase(&self, dialect: Dialect) -> Option<Phase> {
        self.script(Direction::Up, dialect)?.options().phase
    }
}

/// A set of migrations: sorted by version, unique, complete, checked.
///
/// `embed_migrations!` makes one while a crate compiles; [`Migrations::from_directory`] and
/// [`Migrations::from_files`] make an equal one at run time.
#[derive(Debug, Clone)]
pub struct Migrations {
    migrations: Held,
    /// [`Dialect::bit`]s.
    supported: u8,
    minimum_supported: Option<Version>,
    /// As the user wrote it; for messages.
    directory: Cow<'static, str>,
    /// The package that embeds the set.
    application: Option<&'static str>,
    source: Option<Source>,
}

/// A set made at run time, or one that the macro has packed.
#[derive(Clone)]
enum Held {
    Here(Vec<Migration>),
    Embedded(&'static Embedded),
}

/// Where a debug build found the files, to see whether some were added since.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Source {
    /// The directory on the machine that compiled.
    pub directory: &'static str,
    /// The file that holds the macro call.
    pub caller: &'static str,
    /// Every file that the macro saw, sorted, `/` between the parts, one a line.
    pub files: &'static str,
    /// The patterns of files that do not count.
    pub ignore: &'static [&'static str],
}

impl Held {
    fn all(&self) -> &[Migration] {
        match self {
            Self::Here(migrations) => migrations,
            Self::Embedded(embedded) => embedded.migrations(),
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Migrations {
    /// A set from checked migrations, sorted by version.
    pub(crate) fn new(
        migrations: Vec<Migration>,
        supported: &[Dialect],
        minimum_supported: Option<Version>,
        directory: String,
    ) -> Self {
        let (migrations, supported) = (Held::Here(migrations), bits(supported));
        Self { migrations, supported, minimum_supported, directory: directory.into(), application: None, source: None }
    }

    /// What the macro emits.
    #[doc(hidden)]
    pub const fn __embedded(
        embedded: &'static Embedded,
        supported: u8,
        minimum_supported: Option<&'static str>,
        directory: &'static str,
        application: Option<&'static str>,
        source: Option<Source>,
    ) -> Self {
        let minimum_supported = match minimum_supported {
            Some(version) => Some(Version::__written(version)),
            None => None,
        };
        let migrations = Held::Embedded(embedded);
        Self { migrations, supported, minimum_supported, directory: Cow::Borrowed(directory), application, source }
    }

    /// The set that stands where an error is reported.
    #[doc(hidden)]
    pub const fn __empty() -> Self {
        Self {
            migrations: Held::Here(Vec::new()),
            supported: 0,
            minimum_supported: None,
            directory: Cow::Borrowed(""),
            application: None,
            source: None,
        }
    }

    /// [`Dialect::bit`]s, for the macro.
    #[doc(hidden)]
    pub fn __supported(&self) -> u8 {
        self.supported
    }

    /// Where a debug build found the files.
    #[doc(hidden)]
    pub fn __source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The oldest version that a database may be at (`minimum_supported` of `whimbrel.toml`).
    pub fn minimum_supported(&self) -> Option<&Version> {
        self.minimum_supported.as_ref()
    }

    /// Whether the set is written for the dialect, and complete for it; an empty set suits all.
    pub fn supports(&self, dialect: Dialect) -> bool {
        self.supported & dialect.bit() != 0 || self.is_empty()
    }

    /// The dialects that the set is written for.
    pub fn dialects(&self) -> impl Iterator<Item = Dialect> + '_ {
        Dialect::ALL.into_iter().filter(|dialect| self.supports(*dialect))
    }

    /// The name and version of the package that embeds the set, such as `shop 2.3.0`; `None` for one made at run time.
    pub fn application(&self) -> Option<&str> {
        self.application
    }

    /// The directory, as the user wrote it.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The path of a script as the user would write it: the directory and the script's own path.
    pub fn path_of(&self, script: &Script) -> String {
        join(&self.directory, script.path())
    }

    /// The number of migrations.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// The migrations, lowest version first.
    pub fn iter(&self) -> std::slice::Iter<'_, Migration> {
        self.all().iter()
    }

    /// The migration of that version.
    pub fn get(&self, version: &Version) -> Option<&Migration> {
        let found = self.all().binary_search_by(|migration| migration.version().cmp(version));
        found.ok().map(|index| &self.all()[index])
    }

    /// The last migration.
    pub fn last(&self) -> Option<&Migration> {
        self.all().last()
    }

    /// The chain over the whole set, zero for a dialect that it does not support: equal chains mean equal sets, scripts
    /// included.
    pub fn head(&self, dialect: Dialect) -> Digest {
        if self.supported & dialect.bit() == 0 {
            return Digest::ZERO;
        }
        match &self.migrations {
            Held::Here(migrations) => last(migrations, dialect),
            Held::Embedded(embedded) => embedded.head(dialect),
        }
    }

    /// The chain after each migration: `chain(n) = SHA-256(chain(n-1), version, checksum)`.
    pub fn chain(&self, dialect: Dialect) -> Vec<Digest> {
        chain(self.all(), dialect)
    }

    fn all(&self) -> &[Migration] {
        self.migrations.all()
    }
}

/// Joins a directory and a path below it, as messages print them.
pub fn join(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{}/{path}", directory.trim_end_matches('/')) }
}

fn bits(dialects: &[Dialect]) -> u8 {
    dialects.iter().fold(0, |bits, dialect| bits | dialect.bit())
}

/// The end of the chain.
pub(crate) fn last(migrations: &[Migration], dialect: Dialect) -> Digest {
    chain(migrations, dialect).last().copied().unwrap_or(Digest::ZERO)
}

fn chain(migrations: &[Migration], dialect: Dialect) -> Vec<Digest> {
    let next = |before: &mut Digest, migration: &Migration| {
        let version = migration.version().canonical();
        *before = Digest::of(&[&before.0, version.as_bytes(), &migration.checksum(dialect).0]);
        Some(*before)
    };
    migrations.iter().scan(Digest::ZERO, next).collect()
}

/// Two sets are equal when their migrations and what they support are; where they were found does not count.
impl PartialEq for Migrations {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
            && self.supported == other.supported
            && self.minimum_supported == other.minimum_supported
    }
}

impl Eq for Migrations {}

impl<'a> IntoIterator for &'a Migrations {
    type Item = &'a Migration;
    type IntoIter = std::slice::Iter<'a, Migration>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
