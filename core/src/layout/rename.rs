//! The nearest valid name of a file that has none.

use super::suffixes::Suffixes;
use super::{FileName, Language, Transaction};
use crate::{Dialect, Direction, Version};

/// The words of a name, as far as they are known; a [`Layout`](super::Layout) writes a path of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wording {
    pub(crate) version: Option<String>,
    /// `None` when something must be thought of; empty when a version is name enough.
    pub(crate) name: Option<String>,
    pub(crate) task: Option<String>,
    pub(crate) folder: Option<String>,
    pub(crate) direction: Option<Direction>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) transaction: Transaction,
    pub(crate) language: Option<Language>,
}

impl Wording {
    /// What a stem and its suffixes can be meant to say: the first number, and the words after it.
    pub(crate) fn meant(stem: &str, suffixes: &Suffixes) -> Self {
        let (version, rest) = match super::leading::leading(stem) {
            Some((version, rest)) => (Some(version.as_written().to_owned()), rest),
            None => (None, stem),
        };
        Self { version, name: words(rest, "_"), ..Self::default() }.with(suffixes)
    }

    /// The same with the suffixes of a file name.
    pub(crate) fn with(self, suffixes: &Suffixes) -> Self {
        Self {
            direction: suffixes.direction,
            dialect: suffixes.dialect,
            transaction: suffixes.transaction,
            language: Some(suffixes.language),
            ..self
        }
    }

    /// What a valid name says, but for its suffixes.
    pub(crate) fn of(name: &FileName) -> Self {
        Self {
            version: Some(name.version.as_written().to_owned()),
            name: Some(name.name.clone()),
            task: name.task.clone(),
            folder: name.folder.clone(),
            ..Self::default()
        }
    }

    /// The version in the style of the set; the next free one when there is none.
    pub(crate) fn version(&self, style: &Style) -> String {
        let width = style.width;
        self.version.as_ref().map_or_else(|| style.next.clone(), |version| format!("{version:0>width$}"))
    }

    /// The name, or what to put in its place.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("describe_it")
    }

    /// The version and, after `_`, the name.
    pub(crate) fn stem(&self, style: &Style) -> String {
        let name = self.name();
        if name.is_empty() { self.version(style) } else { format!("{}_{name}", self.version(style)) }
    }

    /// The suffixes with a `.` before each, then the extension.
    pub(crate) fn ending(&self, direction: Option<Direction>) -> String {
        let mut ending = String::new();
        if let Some(dialect) = self.dialect.filter(|dialect| *dialect != Dialect::Cql) {
            ending = format!(".{dialect}");
        }
        if let Some(direction) = direction {
            ending = format!("{ending}.{direction}");
        }
        if self.transaction == Transaction::None {
            ending.push_str(".autocommit");
        }
        let extension = match (self.language, self.dialect) {
            (Some(Language::Rust), _) => "rs",
            (_, Some(Dialect::Cql)) => "cql",
            _ => "sql",
        };
        format!("{ending}.{extension}")
    }
}

/// The text as the words of a name: letters and digits as they are, for whatever lies between them `between`.
pub(crate) fn words(text: &str, between: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    Some(words.collect::<Vec<_>>().join(between)).filter(|words| !words.is_empty())
}

/// The digits of the shortest time: `20250110`.
const TIME: usize = 8;

/// How the valid names of a set are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Style {
    /// The digits of a version; 0 when they differ, or make a time, which no zeros make of a number.
    width: usize,
    /// The version after the last.
    next: String,
    /// Whether an up script says so.
    pub(crate) up: Option<Direction>,
}

impl Style {
    /// The style of the names; for a set without any it is `0001_init.up.sql`. The misnamed take versions too.
    pub(crate) fn of<'a>(names: impl Iterator<Item = (&'a str, &'a FileName)>, misnamed: &[Version]) -> Self {
        let mut width = None;
        let mut last: Option<&Version> = None;
        let (mut says, mut omits) = (false, false);
        for (path, name) in names {
            let length = name.version.as_written().len();
            width = if width.is_none_or(|width| width == length) { Some(length) } else { Some(0) };
            last = last.max(Some(&name.version));
            says |= path.contains(".up.");
            omits |= name.direction == Direction::Up && !path.contains(".up.");
        }
        let up = (says || !omits).then_some(Direction::Up);
        let width = width.unwrap_or(4);
        let last = last.max(misnamed.iter().max()).map_or("0", Version::as_written);
        let padded = if width < TIME { width } else { 0 };
        Self { width: padded, next: after(&format!("{last:0>padded$}")), up }
    }

    /// The version after the last, which is the last from now on.
    pub(crate) fn take_next(&mut self) -> String {
        let next = after(&self.next);
        std::mem::replace(&mut self.next, next)
    }

    /// Counts on from that version.
    pub(crate) fn last(&mut self, last: Option<&Version>) {
        let width = self.width;
        self.next = after(&format!("{:0>width$}", last.map_or("0", Version::as_written)));
    }

    /// The version after the last of the set.
    pub(crate) fn next(&self) -> &str {
        &self.next
    }
}

/// The version after that one: its last part counted up, with the zeros before it.
fn after(version: &str) -> String {
    let mut digits: Vec<u8> = version.bytes().collect();
    for at in (0..digits.len()).rev() {
        match digits[at] {
            b'9' => digits[at] = b'0',
            b'0'..=b'8' => {
                digits[at] += 1;
                return String::from_utf8_lossy(&digits).into_owned();
            }
            _ => {
                digits.insert(at + 1, b'1');
                return String::from_utf8_lossy(&digits).into_owned();
            }
        }
    }
    format!("1{}", String::from_utf8_lossy(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_version_counts_the_last_part_up() {
        for (version, next) in
            [("0001", "0002"), ("9", "10"), ("0099", "0100"), ("1.1.0", "1.1.1"), ("1.9", "1.10"), ("2_99", "2_100")]
        {
            assert_eq!(after(version), next);
        }
    }

    #[test]
    fn words_are_joined_by_one_separator() {
        assert_eq!(words("-add  e-mail (2).", "_").as_deref(), Some("add_e_mail_2"));
        assert_eq!(words("_", "_"), None);
    }
}
