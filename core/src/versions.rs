//! What can be wrong with the versions of a set: taken twice, without an up script, missing from a sequence.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::config::{Leave, Numbering};
use crate::layout::Language;
use crate::migrations::join;
use crate::sources::{File, Files, Sources};
use crate::{Direction, Place, Problem};

/// The shortest number that is taken for a time: `20250110`.
const TIMESTAMP_DIGITS: usize = 8;

/// Checks the versions.
pub(crate) fn check(sources: &Sources, shown: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(sources.versions.iter().filter_map(|files| duplicate(files, sources, shown)));
    problems.extend(sources.versions.iter().filter_map(|files| without_up(files, sources, shown)));
    problems.extend(sources.versions.iter().flat_map(|files| rust(files, shown)));
    problems.extend(misnumbered(sources, shown));
    problems.extend(gap(sources, shown));
    problems.extend(unsupported(sources, shown));
    problems
}

fn at(problem: Problem, shown: &str, file: &File) -> Problem {
    problem.at(Place::file(join(shown, &file.path)))
}

/// Two files that claim one version, and cannot be parts of one migration.
pub(crate) fn rivals(files: &Files) -> Option<(&File, &File)> {
    let (all, first) = (&files.0, files.first());
    let kind = |file: &File| (file.name.direction, file.name.dialect);
    // Scripts of one kind lie side by side, since the files are sorted by kind.
    let beside = all.windows(2).find(|pair| kind(&pair[0]) == kind(&pair[1])).map(|pair| (&pair[0], &pair[1]));
    // Up and down may agree on the version only; two ups of different names are two migrations.
    let is_other_up = |file: &File| file.name.direction == Direction::Up && file.name.name != first.name.name;
    let apart = all[1..].iter().find(|file| file.parent() != first.parent() || is_other_up(file));
    beside.or(apart.map(|other| (first, other)))
}

fn duplicate(files: &Files, sources: &Sources, shown: &str) -> Option<Problem> {
    let (one, other) = rivals(files)?;
    if one.path.eq_ignore_ascii_case(&other.path) {
        let message = format!("`{}` and `{}` differ in case only", one.path, other.path);
        let help = "delete one of them: a file system that ignores case cannot hold both";
        return Some(at(Problem::new("duplicate-version", message).help(help), shown, other));
    }
    let (a, b) = (one.name.version.as_written(), other.name.version.as_written());
    let message = if a == b {
        format!("version {a} is taken twice: by `{}` and by `{}`", one.path, other.path)
    } else {
        format!("{a} and {b} are one version: `{}` and `{}`", one.path, other.path)
    };
    let help = if (one.parent(), &one.name.name) == (other.parent(), &other.name.name) {
        "delete one of them".to_owned()
    } else {
        format!("give one of them another version: {} is free", sources.naming.style.next())
    };
    Some(at(Problem::new("duplicate-version", message).help(help), shown, other))
}

fn without_up(files: &Files, sources: &Sources, shown: &str) -> Option<Problem> {
    if files.of(Direction::Up).next().is_some() || sources.may_be_misnamed(files) {
        return None;
    }
    let first = files.first();
    let message = format!("`{}` has no up script", first.path);
    let wanted = sources.naming.path(first, Direction::Up, first.name.dialect);
    let help = format!("write `{wanted}`, or delete the {} script", first.name.direction);
    Some(at(Problem::new("no-up", message).help(help), shown, first))
}

fn rust<'a>(files: &'a Files, shown: &'a str) -> impl Iterator<Item = Problem> + 'a {
    let is_rust = |file: &&File| file.name.language == Language::Rust;
    files.0.iter().filter(is_rust).map(move |file| {
        let message = format!("`{}` is a Rust migration, which this version of whimbrel cannot run yet", file.path);
        at(Problem::new("rust-migration", message).help("write it in SQL"), shown, file)
    })
}

/// Versions that do not suit the `numbering` of `whimbrel.toml`.
fn misnumbered(sources: &Sources, shown: &str) -> Vec<Problem> {
    let digits = |file: &File| file.name.version.as_written().bytes().filter(u8::is_ascii_digit).count();
    let is_single = |file: &File| file.name.version.as_number().is_some();
    let (fits, order): (&dyn Fn(&File) -> bool, &str) = match sources.config.numbering {
        Some(Numbering::Sequence) => (&is_single, "count the versions 1, 2, 3"),
        Some(Numbering::Timestamp) => {
            (&|file| digits(file) >= TIMESTAMP_DIGITS, "begin the name with a time, such as `20250110120000_`")
        }
        Some(Numbering::Free) | None => return Vec::new(),
    };
    let kind = if sources.config.numbering == Some(Numbering::Sequence) { "number of a sequence" } else { "timestamp" };
    let wrong = sources.versions.iter().map(Files::first).filter(|file| !fits(file));
    let problem = |file: &File| {
        let message = format!("the version {} is no {kind}", file.name.version);
        let help = format!("{order}, or write `numbering = \"free\"` in whimbrel.toml");
        at(Problem::new("numbering", message).help(help), shown, file)
    };
    wrong.map(problem).collect()
}

/// The numbers of a sequence that has gaps.
fn gap(sources: &Sources, shown: &str) -> Option<Problem> {
    if sources.config.gaps == Leave::Allow || !is_sequence(sources) {
        return None;
    }
    let numbers = sources.versions.iter().filter_map(|files| files.first().name.version.as_number());
    let found = runs(numbers.clone());
    // A file that is misnamed is not missing as well.
    let misnamed = sources.misnamed.iter().filter_map(|version| version.as_number());
    let present = runs(numbers.chain(misnamed));
    let missing: Vec<_> = present.windows(2).map(|pair| pair[0].end() + 1..=pair[1].start() - 1).collect();
    let first = *missing.first()?.end();
    let after = sources.versions.iter().map(Files::first).find(|file| file.name.version.as_number() > Some(first))?;
    let message = format!("the sequence has a gap: found {}; missing {}", list(&found), list(&missing));
    let help = "add what is missing, number the files anew, or write `gaps = \"allow\"` in whimbrel.toml";
    Some(at(Problem::new("gap", message).help(help), shown, after))
}

/// Whether the versions count 1, 2, 3, from wherever they start: the first may have been squashed away.
///
/// Unless `whimbrel.toml` says it, they do when all are numbers too short for a time, and not all are multiples of
/// five, which are steps that leave room on purpose.
fn is_sequence(sources: &Sources) -> bool {
    let is_counted = |file: &File| file.name.version.as_number().is_some_and(|number| number < 10_000_000);
    let is_step = |file: &File| file.name.version.as_number().is_some_and(|number| number % 5 == 0);
    let mut all = sources.versions.iter().map(Files::first);
    match sources.config.numbering {
        Some(numbering) => numbering == Numbering::Sequence,
        None => all.clone().all(is_counted) && !all.all(is_step),
    }
}

/// The numbers as runs without gaps.
fn runs(numbers: impl Iterator<Item = u64>) -> Vec<RangeInclusive<u64>> {
    let mut runs: Vec<RangeInclusive<u64>> = Vec::new();
    for number in numbers.collect::<BTreeSet<u64>>() {
        match runs.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(number) => *last = *last.start()..=number,
            _ => runs.push(number..=number),
        }
    }
    runs
}

/// At most that many numbers are listed one by one, and that many runs at all.
const LISTED: usize = 8;

/// `1, 2, 3, 5`; a long list as `1–120, 122–130`.
fn list(runs: &[RangeInclusive<u64>]) -> String {
    let count = runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.end() - run.start()).saturating_add(1));
    if count <= LISTED as u64 {
        return runs.iter().cloned().flatten().map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    }
    let run = |run: &RangeInclusive<u64>| match run.end() - run.start() {
        0 => run.start().to_string(),
        1 => format!("{}, {}", run.start(), run.end()),
        _ => format!("{}–{}", run.start(), run.end()),
    };
    let mut parts: Vec<String> = runs.iter().take(LISTED).map(run).collect();
    if runs.len() > LISTED {
        parts.push("…".to_owned());
    }
    parts.join(", ")
}

/// A `minimum_supported` that no database can have reached with this set.
fn unsupported(sources: &Sources, shown: &str) -> Option<Problem> {
    let minimum = sources.config.minimum_supported.as_ref()?;
    let last = sources.versions.last()?.first();
    if *minimum <= last.name.version {
        return None;
    }
    let message = format!("`minimum_supported` is {minimum}, but the last migration is {}", last.name.version);
    let place = Place::file(join(shown, crate::config::FILE));
    Some(Problem::new("minimum-supported", message).at(place).help("name a version of the set"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_told_in_runs() {
        for (numbers, told) in [
            (vec![1, 2, 3, 5, 6], "1, 2, 3, 5, 6"),
            ((1..=120).chain(122..=130).collect(), "1–120, 122–130"),
            ((1..=40).step_by(2).collect(), "1, 3, 5, 7, 9, 11, 13, 15, …"),
            (vec![0, u64::MAX], "0, 18446744073709551615"),
        ] {
            assert_eq!(list(&runs(numbers.into_iter())), told);
        }
        assert_eq!(list(&[0..=u64::MAX]), "0–18446744073709551615");
    }
}
