//! From the text of a file to a [`Script`]: split, directives, statement checks, digest.

use std::borrow::Cow;

use crate::script::Options;
use crate::{Dialect, Direction, Problem, Script};

/// What is known of a script before its text is read.
#[derive(Debug, Clone)]
pub struct Outline<'a> {
    /// Up, down or verify.
    pub direction: Direction,
    /// The dialect that it is written for; `None` for a portable script.
    pub dialect: Option<Dialect>,
    /// The dialects under which it is read: the one above, or all that a portable script must suit.
    pub read_as: &'a [Dialect],
    /// Relative to the directory of the set.
    pub path: &'a str,
    /// The path as the user wrote it; for messages.
    pub shown: &'a str,
    /// What the file name or `metadata.toml` asks for; the directives add to it.
    pub options: Options,
}

/// Reads a script.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn read(outline: &Outline<'_>, text: Cow<'static, str>) -> Result<Script, Vec<Problem>> {
    let _ = (outline, text);
    Err(Vec::new())
}
