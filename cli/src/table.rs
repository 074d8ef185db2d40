//! Lines in columns.

use std::fmt::Write as _;

use anstyle::Style;

/// A piece of a line, perhaps in a colour.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
    to_the_right: bool,
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, to_the_right: false }
    }

    /// A number: aligned at its end.
    pub(crate) fn number(text: impl Into<String>) -> Self {
        Self { to_the_right: true, ..Self::from(text.into()) }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Lines whose cells stand below each other, two blanks apart and two from the left; an empty column takes no room.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<Cell>,
    lines: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn headed<const N: usize>(names: [&str; N]) -> Self {
        let dim = Style::new().dimmed();
        Self { head: names.map(|name| Cell::styled(name, dim)).into(), lines: Vec::new() }
    }

    pub(crate) fn line<const N: usize>(&mut self, cells: [Cell; N]) {
        self.lines.push(cells.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn written(&self) -> String {
        let widths = self.widths();
        let mut written = String::new();
        let head = (!self.head.is_empty()).then_some(&self.head);
        for line in head.into_iter().chain(&self.lines) {
            let mut shown = String::new();
            for (cell, &width) in line.iter().zip(&widths).filter(|(_, width)| **width > 0) {
                let pad = " ".repeat(width - cell.width());
                let (before, behind) = if cell.to_the_right { (&*pad, "") } else { ("", &*pad) };
                let (on, off) = (cell.style.render(), cell.style.render_reset());
                // Writing to a String cannot fail.
                let _ = write!(shown, "  {before}{on}{}{off}{behind}", cell.text);
            }
            written.push_str(shown.trim_end());
            written.push('\n');
        }
        written
    }

    /// The widest cell of each column; 0 where none but the head has a text.
    fn widths(&self) -> Vec<usize> {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            let widest = self.lines.iter().filter_map(|line| line.get(column)).map(Cell::width).max().unwrap_or(0);
            let head = self.head.get(column).map_or(0, Cell::width);
            if widest == 0 { 0 } else { widest.max(head) }
        };
        (0..columns).map(widest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other_and_empty_columns_take_no_room() {
        let mut table = Table::headed(["version", "task", "took"]);
        table.line(["0001".into(), "".into(), Cell::number("12 ms")]);
        table.line(["0002".into(), "".into(), Cell::number("1.3 s")]);
        table.line(["10".into(), "".into(), "".into()]);
        let plain = anstream::adapter::strip_str(&table.written()).to_string();
        assert_eq!(plain, "  version  took\n  0001     12 ms\n  0002     1.3 s\n  10\n");
    }
}
