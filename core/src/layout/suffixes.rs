//! From the end of a file name to what it asks for: `.postgres.up.sql`.

use super::{Language, Transaction};
use crate::nearest::nearest;
use crate::{Dialect, Direction};

/// What the words between a name and its extension say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suffixes {
    pub(crate) direction: Option<Direction>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) transaction: Transaction,
    pub(crate) language: Language,
}

/// One word of a file name.
enum Suffix {
    Direction(Direction),
    Dialect(Dialect),
    Autocommit,
}

/// The words that may stand between a name and its extension, besides the names of the dialects.
const WORDS: [(&str, Suffix); 4] = [
    ("up", Suffix::Direction(Direction::Up)),
    ("down", Suffix::Direction(Direction::Down)),
    ("verify", Suffix::Direction(Direction::Verify)),
    ("autocommit", Suffix::Autocommit),
];

/// Splits a file name into its stem and what its suffixes say, and names the first fault, if it has one.
///
/// It goes on after a fault, so that the nearest valid name can be told.
pub(crate) fn split(file: &str) -> Option<(&str, Suffixes, Option<String>)> {
    let (mut stem, extension) = file.rsplit_once('.')?;
    let known = super::script_extension(file)?;
    let mut suffixes = Suffixes {
        direction: None,
        dialect: (known == "cql").then_some(Dialect::Cql),
        transaction: Transaction::Ours,
        language: if known == "rs" { Language::Rust } else { Language::Sql },
    };
    let mut fault = (extension != known).then(|| format!("has the extension `.{extension}`, not `.{known}`"));
    while let Some((before, word)) = stem.rsplit_once('.') {
        match read(word) {
            Ok(suffix) => fault = fault.or(suffixes.add(&suffix)),
            Err(None) => break,
            Err(Some((found, suffix))) => {
                fault = fault.or(Some(found));
                let Some(suffix) = suffix else { break };
                suffixes.add(&suffix);
            }
        }
        stem = before;
    }
    Some((stem, suffixes, fault))
}

/// Reads one word: `Err(None)` when it belongs to the name, otherwise the fault and what was probably meant.
fn read(word: &str) -> Result<Suffix, Option<(String, Option<Suffix>)>> {
    let exact = |text: &str| {
        let word = WORDS.into_iter().find(|(known, _)| *known == text).map(|(_, suffix)| suffix);
        word.or_else(|| Dialect::from_name(text).map(Suffix::Dialect))
    };
    // A word that is not of letters belongs to the name (`to_2.0`), and so does an extension written twice.
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) || word == "sql" {
        return exact(word).ok_or(None);
    }
    let lower = word.to_ascii_lowercase();
    match exact(&lower) {
        Some(suffix) if word == lower => Ok(suffix),
        Some(suffix) => Err(Some((format!("has the suffix `.{word}` in capitals"), Some(suffix)))),
        None => {
            let fault = format!("has the suffix `.{word}`, which is no direction, no dialect and not `.autocommit`");
            let known =
                WORDS.iter().map(|(known, _)| *known).chain(Dialect::ALL.iter().flat_map(|d| d.names()).copied());
            Err(Some((fault, nearest(&lower, known).and_then(exact))))
        }
    }
}

impl Suffixes {
    /// Adds one; says what is wrong when there is one of its kind already.
    fn add(&mut self, suffix: &Suffix) -> Option<String> {
        match suffix {
            Suffix::Direction(direction) => {
                let other = self.direction.replace(*direction);
                other.map(|other| format!("names two directions, {direction} and {other}"))
            }
            Suffix::Dialect(dialect) => match self.dialect {
                Some(other) => Some(format!("names two dialects, {dialect} and {other}")),
                None => {
                    self.dialect = Some(*dialect);
                    None
                }
            },
            Suffix::Autocommit => {
                self.transaction = Transaction::None;
                None
            }
        }
    }
}
