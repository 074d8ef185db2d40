//! Several statements in one text, with a note of what each is for.

use std::ops::Range;

use crate::driver::Part;

/// What is sent, and what each completion of it means.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) sql: String,
    pub(crate) marks: Vec<Mark>,
}

/// One statement of a request.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// The index of the step in its batch.
    pub(crate) step: usize,
    pub(crate) part: Part,
    /// Its bytes in the request.
    pub(crate) range: Range<usize>,
    /// For a statement out of a script: its first byte there.
    pub(crate) origin: Option<Origin>,
}

/// Where a statement's text begins, in the request and in its script.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) request: usize,
    pub(crate) script: usize,
}

impl Request {
    /// Adds a statement of ours.
    pub(crate) fn push(&mut self, step: usize, part: Part, sql: &str) {
        let start = self.sql.len();
        self.sql.push_str(sql);
        self.close(step, part, start, None);
    }

    /// Adds a statement out of a script, between a text of ours before and after it.
    pub(crate) fn push_script(&mut self, step: usize, part: Part, around: (&str, &str), text: &str, at: usize) {
        let start = self.sql.len();
        self.sql.push_str(around.0);
        let origin = Origin { request: self.sql.len(), script: at };
        self.sql.push_str(text);
        self.sql.push_str(around.1);
        self.close(step, part, start, Some(origin));
    }

    fn close(&mut self, step: usize, part: Part, start: usize, origin: Option<Origin>) {
        self.marks.push(Mark { step, part, range: start..self.sql.len(), origin });
        self.sql.push_str(";\n");
    }

    /// The statement that holds a byte of the request.
    pub(crate) fn mark_at(&self, byte: usize) -> Option<&Mark> {
        let after = self.marks.partition_point(|mark| mark.range.start <= byte);
        after.checked_sub(1).map(|index| &self.marks[index])
    }

    /// The byte of a position that counts characters from 1, as PostgreSQL's does.
    pub(crate) fn byte_of(&self, position: usize) -> Option<usize> {
        let (byte, _) = self.sql.char_indices().nth(position.checked_sub(1)?)?;
        Some(byte)
    }
}

impl Mark {
    /// A byte of the request as a byte of the script.
    pub(crate) fn in_script(&self, byte: usize) -> Option<usize> {
        let origin = self.origin?;
        Some(origin.script + byte.checked_sub(origin.request)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_in_characters_finds_its_byte_in_the_script() {
        let mut request = Request::default();
        request.push(0, Part::Open, "BEGIN");
        request.push_script(0, Part::Statement(0), ("", ""), "SELECT 'ü', emial", 100);
        let position = request.sql.chars().take_while(|&c| c != 'e').count() + 1;
        let byte = request.byte_of(position).unwrap();
        let mark = request.mark_at(byte).unwrap();
        assert_eq!(mark.part, Part::Statement(0));
        assert_eq!(mark.in_script(byte), Some(100 + "SELECT 'ü', ".len()));
    }
}
