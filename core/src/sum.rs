//! `whimbrel.sum`: the recorded checksums, kept in version control.
//!
//! ```text
//! whimbrel-sum 1 <digest of the last line>
//! <version> <digest> <path of the up script>
//! ```
//!
//! The digest of a line is chained over that of the line before. So two branches that both add a migration conflict on
//! the first line, and since each line is checked against the *recorded* line before it, an edit shows at one line
//! only and is named exactly.
//!
//! What is recorded is the text, not how the set reads it: whatever dialects the set has, a `.sql` counts as SQLite,
//! PostgreSQL and MySQL would each read it, all three together, and a `.cql` as CQL. So nothing is edited when
//! `whimbrel.toml` or the macro begins to say a dialect, or when a file gets the suffix of one (then it is *moved*). An
//! edit that any of the three can tell counts: comments as all of them know them (`-- …`, `/* … */`), blank space outside
//! literals, and whether a line ends in CRLF, do not count; a `#` comment of MySQL, or blanks inside PostgreSQL's brackets `[a,  b]`, which
//! are a name to SQLite, do.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::digests::Digests;
use crate::layout::script_extension;
use crate::migrations::join;
use crate::{Dialect, Digest, Direction, Migration, Migrations, Place, Problem, Script, Version, spread};

/// The file beside the migrations.
pub const FILE: &str = "whimbrel.sum";

const HEAD: &str = "whimbrel-sum 1 ";

/// The text of the sum file of a set.
///
/// ```
/// use whimbrel_core::{Migrations, sum};
/// # fn main() -> Result<(), whimbrel_core::Problems> {
/// let nothing: [(&str, &[u8]); 1] = [("whimbrel.toml", b"empty = \"allow\"")];
/// let text = sum::write(&Migrations::from_files(nothing)?);
/// assert_eq!(text, format!("whimbrel-sum 1 {}\n", "0".repeat(64)));
/// # Ok(())
/// # }
/// ```
pub fn write(migrations: &Migrations) -> String {
    let mut last = Digest::ZERO;
    let mut lines = String::new();
    for migration in migrations {
        last = chained(last, migration.version(), own(migration));
        lines.push_str(&format!("{} {last} {}\n", migration.version(), path(migration)));
    }
    format!("{HEAD}{last}\n{lines}")
}

/// The sum over the up and down scripts of all dialects: who edits one for MySQL is seen when PostgreSQL is built.
///
/// The order of the paths tells the scripts apart.
fn own(migration: &Migration) -> Digest {
    own_of(migration, Script::text)
}

/// The same as it was when none of the scripts had a statement.
fn unwritten(migration: &Migration) -> Digest {
    own_of(migration, |_| "")
}

fn own_of(migration: &Migration, text: fn(&Script) -> &str) -> Digest {
    let mut counted: Vec<&Script> =
        migration.scripts().iter().filter(|script| script.direction() != Direction::Verify).collect();
    counted.sort_by_key(|script| (script.direction(), script.path()));
    let part = |script: &&Script| [&[script.direction() as u8][..], &recorded(script, text(script)).0].concat();
    let parts: Vec<Vec<u8>> = counted.iter().map(part).collect();
    Digest::of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The digest of a script whatever the dialects of its set.
fn recorded(script: &Script, text: &str) -> Digest {
    let file = script.parts().first().map_or(script.path(), |part| &part.path);
    let read_as = if script_extension(file) == Some("cql") { &[Dialect::Cql][..] } else { &Dialect::SQL[..] };
    let digests = Digests::of_text(text, read_as);
    let each: Vec<Digest> = read_as.iter().map(|&dialect| digests.under(dialect)).collect();
    Digest::of(&each.iter().map(|digest| &digest.0[..]).collect::<Vec<_>>())
}

fn chained(before: Digest, version: &Version, own: Digest) -> Digest {
    Digest::of(&[&before.0, version.canonical().as_bytes(), &own.0])
}

fn path(migration: &Migration) -> &str {
    let up = migration.scripts().iter().find(|script| script.direction() == Direction::Up);
    up.map_or("", |script| script.path())
}

/// The problem of a set that demands a sum file and has none.
pub(crate) fn absent(shown: &str) -> Problem {
    let message = format!("there is no {FILE}, which `sum = \"require\"` demands");
    Problem::new("sum-required", message).at(Place::file(shown)).help("run `whimbrel sum`")
}

/// Checks the set against its sum file. A version without a migration is there, but cannot be read: its own problem.
pub(crate) fn check(
    text: &str,
    shown: &str,
    directory: &str,
    known: &[(&Version, Option<&Migration>)],
) -> Vec<Problem> {
    let recorded = match Recorded::read(text, shown) {
        Ok(recorded) => recorded,
        Err(problem) => return vec![problem],
    };
    let now = spread::map(known, |(_, migration)| migration.map(|migration| Now { migration, own: own(migration) }));
    let set: Set<'_> = known.iter().map(|(version, _)| *version).zip(now).collect();
    let check = Check { text, shown, directory, recorded };
    let mut problems = check.lines(&set);
    problems.extend(check.unrecorded(&set));
    if problems.is_empty() {
        problems.extend(check.head());
    }
    problems
}

/// The versions that are there; one without a migration cannot be read.
type Set<'a> = BTreeMap<&'a Version, Option<Now<'a>>>;

/// A migration as it is now.
#[derive(Clone, Copy)]
struct Now<'a> {
    migration: &'a Migration,
    own: Digest,
}

impl Now<'_> {
    fn chained(&self, before: Digest) -> Digest {
        chained(before, self.migration.version(), self.own)
    }
}

/// A sum file.
struct Recorded {
    head: Digest,
    lines: Vec<Line>,
}

struct Line {
    version: Version,
    digest: Digest,
    path: String,
    range: Range<usize>,
}

impl Recorded {
    fn read(text: &str, shown: &str) -> Result<Self, Problem> {
        let mut at = 0;
        let mut lines = Vec::new();
        let mut head = None;
        for whole in text.split_inclusive('\n') {
            let line = whole.trim_end_matches(['\n', '\r']);
            let range = at..at + line.len();
            at += whole.len();
            let read = match head {
                None => line.strip_prefix(HEAD).and_then(Digest::from_hex).map(|digest| head = Some(digest)),
                Some(_) => Line::read(line, range.clone()).map(|line| lines.push(line)),
            };
            read.ok_or_else(|| unreadable(line, Place::in_text(shown, text, range)))?;
        }
        let head = head.ok_or_else(|| unreadable("", Place::file(shown)))?;
        Ok(Self { head, lines })
    }
}

impl Line {
    fn read(line: &str, range: Range<usize>) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let (version, digest, path) = (words.next()?, words.next()?, words.next()?);
        let (version, digest) = (version.parse().ok()?, Digest::from_hex(digest)?);
        Some(Self { version, digest, path: path.to_owned(), range })
    }
}

fn unreadable(line: &str, place: Place) -> Problem {
    let is_conflict = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| line.starts_with(mark));
    let (message, help) = if is_conflict {
        (
            "two branches have changed this file",
            "keep the migrations of both, in an order that both can live with, and run `whimbrel sum`",
        )
    } else {
        ("this is not what `whimbrel sum` writes", "run `whimbrel sum`")
    };
    Problem::new("sum-format", message).at(place).help(help)
}

/// The lines before a line among which the start of a branch is sought.
const BRANCH: usize = 64;

struct Check<'a> {
    text: &'a str,
    shown: &'a str,
    directory: &'a str,
    recorded: Recorded,
}

impl Check<'_> {
    fn problem(&self, code: &'static str, line: &Line, message: String, help: &str) -> Problem {
        let start = line.range.start;
        // The caret stands under the version: the digest says nothing to a reader.
        let place = Place::in_text(self.shown, self.text, start..start + line.version.as_written().len());
        Problem::new(code, message).at(place).help(help)
    }

    /// What was edited, moved or removed since it was recorded.
    fn lines(&self, set: &Set<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut last: Option<&Line> = None;
        for (index, line) in self.recorded.lines.iter().enumerate() {
            if let Some(last) = last.filter(|last| last.version >= line.version) {
                let message = format!("{} is recorded after {}", line.version, last.version);
                problems.push(self.problem("sum-order", line, message, "run `whimbrel sum`"));
            }
            match set.get(&line.version) {
                None => problems.push(self.removed(line)),
                Some(Some(now)) => problems.extend(self.edited(index, line, now, set)),
                Some(None) => {}
            }
            last = Some(line);
        }
        problems
    }

    fn removed(&self, line: &Line) -> Problem {
        let message = format!("`{}` is recorded, but it is gone", line.path);
        let help = "restore it, or, when no database has run it, run `whimbrel sum`";
        self.problem("sum-missing", line, message, help)
    }

    fn edited(&self, index: usize, line: &Line, now: &Now<'_>, set: &Set<'_>) -> Option<Problem> {
        let before = &self.recorded.lines[..index];
        let fits = |before: Digest| now.chained(before) == line.digest;
        let last = before.last().map_or(Digest::ZERO, |line| line.digest);
        if fits(last) || fits(self.through_unrecorded(last, before.last(), line, set)) {
            return (line.path != path(now.migration)).then(|| self.moved(line, now.migration));
        }
        // Recorded by a branch that did not know the lines between: nothing was edited.
        if before.iter().rev().take(BRANCH).any(|line| fits(line.digest)) {
            let message =
                format!("{} was recorded before {} was", line.version, self.recorded.lines[index - 1].version);
            let help = "see that the migrations of both branches suit each other, and run `whimbrel sum`";
            return Some(self.problem("sum-order", line, message, help));
        }
        if chained(last, &line.version, unwritten(now.migration)) == line.digest {
            let message = format!("`{}` was recorded before it was written", path(now.migration));
            return Some(self.problem("sum-changed", line, message, "run `whimbrel sum`"));
        }
        let message = format!("`{}` was edited after it was recorded", path(now.migration));
        let help = "restore it and write a new migration, or, when no database has run it, run `whimbrel sum`";
        Some(self.problem("sum-changed", line, message, help))
    }

    /// The digest as it was before this line, if the lines of what is unrecorded between were deleted by hand.
    fn through_unrecorded(&self, last: Digest, before: Option<&Line>, line: &Line, set: &Set<'_>) -> Digest {
        let is_after = |version: &Version| before.is_none_or(|before| before.version < *version);
        set.iter()
            .filter(|(version, _)| is_after(version) && ***version < line.version)
            .filter_map(|(_, now)| now.as_ref())
            .fold(last, |digest, now| now.chained(digest))
    }

    fn moved(&self, line: &Line, migration: &Migration) -> Problem {
        let message = format!("`{}` is recorded as `{}`", path(migration), line.path);
        self.problem("sum-moved", line, message, "rename it back, or run `whimbrel sum`")
    }

    /// The migrations that no line records.
    fn unrecorded(&self, set: &Set<'_>) -> Vec<Problem> {
        let recorded: BTreeMap<&Version, &Line> =
            self.recorded.lines.iter().map(|line| (&line.version, line)).collect();
        let last = recorded.keys().next_back().copied();
        let unrecorded = set.iter().filter(|(version, _)| !recorded.contains_key(*version));
        let problem = |migration: &Migration| {
            let (version, path) = (migration.version(), path(migration));
            let inserted = last.filter(|last| *last > version);
            let message = match inserted {
                Some(last) => format!("`{path}` is not recorded, but {last}, which comes after it, is"),
                None => format!("`{path}` is not recorded"),
            };
            let help = match inserted {
                Some(_) => "give it a version after the last, or run `whimbrel sum`",
                None => "run `whimbrel sum`",
            };
            Problem::new("sum-unrecorded", message).at(Place::file(join(self.directory, path))).help(help)
        };
        unrecorded.filter_map(|(_, now)| now.map(|now| problem(now.migration))).collect()
    }

    /// The first line repeats the digest of the last, so that any two additions conflict in version control.
    fn head(&self) -> Option<Problem> {
        let last = self.recorded.lines.last().map_or(Digest::ZERO, |line| line.digest);
        let message = "the first line does not repeat the digest of the last";
        let place = Place::in_text(self.shown, self.text, 0..HEAD.len() - 1);
        (self.recorded.head != last).then(|| Problem::new("sum-order", message).at(place).help("run `whimbrel sum`"))
    }
}
