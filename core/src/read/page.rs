//! The text of one script under its checks, and what they found.

use std::ops::Range;

use super::Outline;
use crate::script::{self, Part};
use crate::{Dialect, Place, Problem, Warning};

pub(super) struct Page<'a> {
    pub(super) outline: &'a Outline<'a>,
    pub(super) text: &'a str,
    /// The files that the text is put together of, if it is.
    parts: &'a [Part],
    /// Where each problem begins, for their order.
    found: Vec<(usize, Problem)>,
    /// The number of problems that are not told.
    untold: usize,
    warnings: Vec<Warning>,
    /// The rules that the script need not obey.
    allowed: Vec<&'a str>,
}

/// More problems of one script are only counted: it is likely no script at all.
const MOST: usize = 100;

impl<'a> Page<'a> {
    pub(super) fn new(outline: &'a Outline<'a>, text: &'a str, parts: &'a [Part]) -> Self {
        Self { outline, text, parts, found: Vec::new(), untold: 0, warnings: Vec::new(), allowed: Vec::new() }
    }

    pub(super) fn reads_as(&self, dialect: Dialect) -> bool {
        self.outline.read_as.contains(&dialect)
    }

    /// Notes what is wrong with a range; the same is not said twice of one place.
    pub(super) fn wrong(
        &mut self,
        range: Range<usize>,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.found.iter().any(|(start, known)| *start == range.start && known.code() == code) {
            return;
        }
        if self.found.len() == MOST {
            self.untold += 1;
            return;
        }
        let start = range.start;
        let place = self.place(range);
        self.found.push((start, Problem::new(code, message).at(place).help(help)));
    }

    /// Notes what may not be meant, unless the script allows it.
    pub(super) fn warn(&mut self, range: Range<usize>, code: &'static str, message: impl Into<String>, help: &str) {
        if !self.allowed.contains(&code) {
            let help = format!("{help}, or write `-- whimbrel:allow {code} <reason>` above the first statement");
            self.warnings.push(Warning(Problem::new(code, message).at(self.place(range)).help(help)));
        }
    }

    /// Lets the script break a rule.
    pub(super) fn allow(&mut self, rule: &'a str) {
        self.allowed.push(rule);
    }

    pub(super) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }

    fn place(&self, range: Range<usize>) -> Place {
        script::place(self.parts, (self.outline.path, self.outline.shown), self.text, range)
    }

    /// Notes what is wrong with the file as a whole.
    pub(super) fn wrong_file(&mut self, code: &'static str, message: &str, help: &str) {
        let place = Place::file(self.outline.shown);
        self.found.push((0, Problem::new(code, message).at(place).help(help)));
    }

    pub(super) fn check_bytes(&mut self) {
        // Places in a statement table have 32 bits.
        if u32::try_from(self.text.len()).is_err() {
            self.wrong_file("too-large", "a script can have up to 4 GiB", "load such data from a file of the server");
        } else if self.text.as_bytes().contains(&0) {
            let at = self.text.find('\0').unwrap_or_default();
            self.wrong(at..at + 1, "nul-byte", "a NUL byte, which no database takes", "remove it");
        }
    }

    pub(super) fn empty(&mut self) {
        let help = "write its statements, or a comment that says why there are none";
        self.wrong_file("empty-file", "the file is empty", help);
    }

    /// `Ok` when nothing is wrong so far.
    pub(super) fn none_or_problems(&mut self) -> Result<(), Vec<Problem>> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|&(start, _)| start);
        if self.untold > 0 {
            let message = format!("{} more problems in this file", self.untold);
            let place = Place::file(self.outline.shown);
            let problem = Problem::new("more-problems", message).at(place).help("mend those above, then build again");
            self.found.push((self.text.len(), problem));
        }
        Err(self.found.drain(..).map(|(_, problem)| problem).collect())
    }
}
