//! What is wrong with a set of migrations, where, and what to do about it.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong: a sentence, its place, and an order that mends it.
///
/// Prints as rustc prints an error, without the leading `error: `:
///
/// ```
/// use whimbrel_core::{Place, Problem};
/// let text = "select 1;\ninsert into a values ('x);\n";
/// let problem = Problem::new("unterminated-string", "unterminated string")
///     .at(Place::in_text("migrations/0001_x.sql", text, 32..33))
///     .help("close it with `'`");
/// assert_eq!(problem.to_string(), "\
/// unterminated string
///  --> migrations/0001_x.sql:2:23
///   |
/// 2 | insert into a values ('x);
///   |                       ^
///   |
/// help: close it with `'`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: &'static str,
    message: String,
    /// Boxed, so that a `Result` that can hold a problem stays small.
    place: Option<Box<Place>>,
    help: Option<String>,
}

impl Problem {
    /// A problem without a place or help: `code` is a kebab-case name that never changes.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), place: None, help: None }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, order: impl Into<String>) -> Self {
        self.help = Some(order.into());
        self
    }

    /// The stable name of the check, such as `unterminated-string`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong: one sentence, lower case, no full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where, as far as it has a place.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// What to do.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n{place}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

/// A file, or a line and column in it with the text of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: String,
    point: Option<Point>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    line: u32,
    column: u32,
    excerpt: String,
    /// Characters under which carets stand; at least one.
    width: usize,
}

impl Place {
    /// A whole file or directory, as the user wrote it.
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), point: None }
    }

    /// The byte range of a text: line and column (in characters, from 1) of its start, and the line itself.
    ///
    /// A range that lies outside the text, or inside a character, is moved to the nearest place that exists.
    pub fn in_text(path: impl Into<String>, text: &str, range: Range<usize>) -> Self {
        let floor = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let (start, end) = (floor(range.start), floor(range.end));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line = text[..start].bytes().filter(|&byte| byte == b'\n').count() as u32 + 1;
        let column = text[line_start..start].chars().count() as u32 + 1;
        let width = text[start..end.clamp(start, line_end)].trim_end().chars().count().max(1);
        let excerpt = text[line_start..line_end].trim_end().to_owned();
        Self { path: path.into(), point: Some(Point { line, column, excerpt, width }) }
    }

    /// The path, as the user wrote it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<u32> {
        self.point.as_ref().map(|point| point.line)
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> Option<u32> {
        self.point.as_ref().map(|point| point.column)
    }
}

/// The longest excerpt in characters; a longer line is cut around the place.
const EXCERPT: usize = 120;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Point { line, column, excerpt, width }) = &self.point else {
            return write!(f, " --> {}", self.path);
        };
        let (shown, at) = cut(excerpt, *column as usize - 1);
        let gutter = line.to_string().len();
        let blank = "";
        let indent: String = shown.chars().take(at).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat((*width).min(shown.chars().count().saturating_sub(at)).max(1));
        writeln!(f, "{blank:gutter$}--> {}:{line}:{column}", self.path)?;
        writeln!(f, "{blank:gutter$} |")?;
        writeln!(f, "{line} | {shown}")?;
        writeln!(f, "{blank:gutter$} | {indent}{carets}")?;
        write!(f, "{blank:gutter$} |")
    }
}

/// Cuts a long line to what surrounds the place; gives the text and the place in it, in characters.
fn cut(line: &str, at: usize) -> (String, usize) {
    if line.chars().count() <= EXCERPT {
        return (line.to_owned(), at);
    }
    let from = at.saturating_sub(EXCERPT / 2);
    let middle: String = line.chars().skip(from).take(EXCERPT).collect();
    if from == 0 { (format!("{middle}…"), at) } else { (format!("…{middle}…"), at - from + 1) }
}

/// What is not wrong, but may not be meant; a script that says `-- whimbrel:allow <its code> <reason>` has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub Problem);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything that is wrong with a set, in the order of its files; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok` when nothing was found.
    ///
    /// # Errors
    /// The problems, when there are any.
    pub fn none_or(found: Vec<Problem>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }

    /// The problems, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
