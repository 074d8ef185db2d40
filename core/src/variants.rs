//! Which dialects a set supports, and whether it is complete for each of them.

use crate::config::{Need, Plain};
use crate::layout::Language;
use crate::migrations::join;
use crate::sources::{File, Files, Sources};
use crate::{Dialect, Direction, Place, Problem};

/// What a set is written for.
///
/// - `dialect = "postgres"`: a plain `.sql` is of that dialect, as if its name said so.
/// - `dialect = ["sqlite", "postgres"]`: the set supports these; a plain `.sql` is read under those that are SQL.
/// - Neither, and no name says a dialect: a plain `.sql` is for all SQL dialects.
/// - Neither, but some names say one: the set supports those that are named, and a plain `.sql` is read under them.
///   So a set of `.sqlite.sql` and `.postgres.sql` does not support MySQL, and its plain files need not suit it. Only
///   where a plain up script stands beside specific ones for every named dialect does the set support the remaining SQL
///   dialects too: the plain one cannot be meant for anyone else.
///
/// `.cql` names a dialect as a suffix does, but a plain `.sql` never stands in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialects {
    /// All that the set must be complete for.
    pub(crate) supported: Vec<Dialect>,
    /// The dialect that a plain `.sql` is of; `None` when it is portable.
    pub(crate) plain: Option<Dialect>,
    /// The dialects under which a plain `.sql` is read.
    pub(crate) read_as: Vec<Dialect>,
    /// The plain file that makes the set support the dialects that no file names.
    left_over: Option<String>,
}

impl Dialects {
    /// Finds them. A set without plain files is read as one whose plain files nobody reads.
    pub(crate) fn of(sources: &Sources) -> Self {
        let all = || sources.versions.iter().flat_map(|files| &files.0);
        let named: Vec<Dialect> =
            Dialect::ALL.into_iter().filter(|dialect| all().any(|file| file.name.dialect == Some(*dialect))).collect();
        let has_plain = all().any(|file| file.name.dialect.is_none());
        match &sources.config.dialect {
            Some(Plain::One(dialect)) => {
                let is_supported = |known: &Dialect| named.contains(known) || (has_plain && known == dialect);
                let supported = Dialect::ALL.into_iter().filter(is_supported).collect();
                Self { supported, plain: Some(*dialect), read_as: vec![*dialect], left_over: None }
            }
            Some(Plain::All(listed)) => {
                let supported: Vec<_> = Dialect::ALL.into_iter().filter(|dialect| listed.contains(dialect)).collect();
                let read_as = supported.iter().copied().filter(|dialect| *dialect != Dialect::Cql).collect();
                Self { supported, plain: None, read_as, left_over: None }
            }
            None => Self::found(&named, has_plain, sources),
        }
    }

    fn found(named: &[Dialect], has_plain: bool, sources: &Sources) -> Self {
        let named_sql: Vec<Dialect> = named.iter().copied().filter(|dialect| *dialect != Dialect::Cql).collect();
        let left_over = |files: &Files| {
            let specific = |dialect: &Dialect| files.of(Direction::Up).any(|up| up.name.dialect == Some(*dialect));
            let plain = files.of(Direction::Up).find(|up| up.name.dialect.is_none());
            plain.filter(|_| named_sql.iter().all(specific)).map(|plain| plain.path.clone())
        };
        let left_over = if named_sql.is_empty() { None } else { sources.versions.iter().find_map(left_over) };
        let read_as = if named_sql.is_empty() || left_over.is_some() { Dialect::SQL.to_vec() } else { named_sql };
        let is_supported = |dialect: &Dialect| named.contains(dialect) || (has_plain && read_as.contains(dialect));
        let supported = Dialect::ALL.into_iter().filter(is_supported).collect();
        Self { supported, plain: None, read_as, left_over }
    }

    /// The dialect of a script: what its name says, or what a plain one is.
    pub(crate) fn tag(&self, file: &File) -> Option<Dialect> {
        file.name.dialect.or(self.plain)
    }

    /// Whether the file is run under the dialect, when there is no specific one.
    fn suits(&self, file: &File, dialect: Dialect) -> bool {
        self.tag(file).map_or_else(|| self.read_as.contains(&dialect), |tag| tag == dialect)
    }

    /// The supported dialects for which the migration has no script of the direction.
    fn missing(&self, files: &Files, direction: Direction) -> Vec<Dialect> {
        let is_missing = |dialect: &Dialect| !files.of(direction).any(|file| self.suits(file, *dialect));
        self.supported.iter().copied().filter(is_missing).collect()
    }
}

/// Checks that every migration has what each dialect needs.
pub(crate) fn check(sources: &Sources, dialects: &Dialects, shown: &str) -> Vec<Problem> {
    let check = Check { sources, dialects, shown };
    let is_sql = |files: &&Files| files.0.iter().all(|file| file.name.language == Language::Sql);
    let has_up = |files: &&Files| files.of(Direction::Up).next().is_some();
    let mut problems = Vec::new();
    for files in &sources.versions {
        problems.extend(files.0.iter().filter_map(|file| check.unlisted(file)));
        problems.extend(check.twice(files));
        problems.extend(files.0.iter().filter_map(|file| check.unused(file, files)));
    }
    let is_sure = |files: &&Files| !sources.may_be_misnamed(files);
    for files in sources.versions.iter().filter(has_up).filter(is_sql).filter(is_sure) {
        problems.extend(check.incomplete(files));
        if sources.config.down == Need::Require {
            problems.extend(check.without_down(files));
        }
    }
    problems
}

struct Check<'a> {
    sources: &'a Sources,
    dialects: &'a Dialects,
    shown: &'a str,
}

impl Check<'_> {
    fn problem(&self, code: &'static str, message: String, file: &File, help: String) -> Problem {
        Problem::new(code, message).at(Place::file(join(self.shown, &file.path))).help(help)
    }

    /// A dialect that the list of `whimbrel.toml` leaves out.
    fn unlisted(&self, file: &File) -> Option<Problem> {
        let dialect = file.name.dialect.filter(|dialect| !self.dialects.supported.contains(dialect))?;
        let message = format!("`{}` is for {dialect}, which `dialect` in whimbrel.toml leaves out", file.path);
        Some(self.problem("unlisted-dialect", message, file, format!("add `\"{dialect}\"` to the list, or delete it")))
    }

    /// A plain file that is of a dialect, beside a specific one of the same.
    fn twice(&self, files: &Files) -> Option<Problem> {
        let plain = |file: &&File| file.name.dialect.is_none();
        let of_plain = |file: &&File| file.name.dialect.is_some() && file.name.dialect == self.dialects.plain;
        let find = |direction| Some((files.of(direction).find(plain)?, files.of(direction).find(of_plain)?));
        let (plain, specific) = find(Direction::Up).or(find(Direction::Down)).or(find(Direction::Verify))?;
        let dialect = self.dialects.plain?;
        let message = format!("`{}` and `{}` are both for {dialect}", plain.path, specific.path);
        let help = "delete one of them, or leave `dialect` out, so that the plain one is for all other dialects";
        Some(self.problem("duplicate-version", message, plain, help.to_owned()))
    }

    /// A plain file where every dialect has its own.
    fn unused(&self, file: &File, files: &Files) -> Option<Problem> {
        let has_own = |dialect: &Dialect| files.of(file.name.direction).any(|own| own.name.dialect == Some(*dialect));
        if self.dialects.tag(file).is_some() || !self.dialects.read_as.iter().all(has_own) {
            return None;
        }
        let message = format!("`{}` is never run: every dialect of the set has a script of its own", file.path);
        let help = "delete it, or add the dialect that it is for to `dialect = [..]` in whimbrel.toml";
        Some(self.problem("unused-script", message, file, help.to_owned()))
    }

    fn incomplete(&self, files: &Files) -> Option<Problem> {
        let missing = self.dialects.missing(files, Direction::Up);
        if missing.is_empty() {
            return None;
        }
        let first = files.first();
        let message = format!("version {} has no up script for {}", first.name.version, names(&missing));
        let mut help = format!("write {}", self.paths(first, Direction::Up, self.kinds(&missing)));
        if let Some(plain) = &self.dialects.left_over {
            help.push_str(&format!(", or delete `{plain}`, which only a dialect without scripts of its own would run"));
        }
        Some(self.problem("incomplete-dialect", message, first, help))
    }

    fn without_down(&self, files: &Files) -> Option<Problem> {
        let missing = self.dialects.missing(files, Direction::Down);
        if missing.is_empty() {
            return None;
        }
        let first = files.first();
        let (whom, wanted) = if missing == self.dialects.supported {
            (String::new(), files.of(Direction::Up).map(|up| up.name.dialect).collect())
        } else {
            (format!(" for {}", names(&missing)), self.kinds(&missing))
        };
        let message = format!("version {} has no down script{whom}", first.name.version);
        let wanted = self.paths(first, Direction::Down, wanted);
        let help = format!("write {wanted}, or write `down = \"optional\"` in whimbrel.toml");
        Some(self.problem("no-down", message, first, help))
    }

    /// What file names say for the dialects: nothing, where one plain file serves all that are missing.
    fn kinds(&self, dialects: &[Dialect]) -> Vec<Option<Dialect>> {
        let (sql, cql): (Vec<_>, Vec<_>) = dialects.iter().copied().partition(|dialect| *dialect != Dialect::Cql);
        let is_plain = !sql.is_empty() && sql == self.dialects.read_as;
        let sql = if is_plain { vec![None] } else { sql.into_iter().map(Some).collect() };
        sql.into_iter().chain(cql.into_iter().map(Some)).collect()
    }

    /// The paths of scripts beside a file, as the set would name them.
    fn paths(&self, beside: &File, direction: Direction, kinds: Vec<Option<Dialect>>) -> String {
        let path = |dialect| format!("`{}`", self.sources.naming.path(beside, direction, dialect));
        kinds.into_iter().map(path).collect::<Vec<_>>().join(" and ")
    }
}

fn names(dialects: &[Dialect]) -> String {
    dialects.iter().map(|dialect| dialect.name()).collect::<Vec<_>>().join(", ")
}
