//! Portable scripts that the dialects would split differently.

use super::page::Page;
use crate::Dialect;
use crate::split::{Cut, Piece};

/// Notes the first statement that is not the same for all.
pub(super) fn check(page: &mut Page<'_>, cuts: &[Cut]) {
    // A dialect that cannot read the text at all has already said so.
    if cuts.iter().any(|cut| !cut.faults.is_empty()) {
        return;
    }
    let readings: Vec<(Dialect, &[Piece])> =
        page.outline.read_as.iter().copied().zip(cuts.iter().map(|cut| &cut.pieces[..])).collect();
    let [(first, pieces), others @ ..] = &readings[..] else {
        return;
    };
    for (other, theirs) in others {
        let differs = (0..pieces.len().max(theirs.len())).find(|&index| ends(pieces, index) != ends(theirs, index));
        if let Some(index) = differs {
            let start = ends(pieces, index).or(ends(theirs, index)).map_or(0, |(start, _)| start);
            let meant = meant(&readings);
            return page.wrong(
                start..start + 1,
                "ambiguous-dialect",
                format!("{first} and {other} do not split statement {} alike", index + 1),
                format!("write `dialect = \"{meant}\"` in whimbrel.toml, or rename the file to end in `.{meant}.sql`"),
            );
        }
    }
}

fn ends(pieces: &[Piece], index: usize) -> Option<(usize, usize)> {
    pieces.get(index).map(|piece| (piece.start, piece.end))
}

/// The dialect that keeps most together is likely the one that the script is written for: the others cut its bodies.
fn meant(readings: &[(Dialect, &[Piece])]) -> Dialect {
    readings.iter().min_by_key(|(_, pieces)| pieces.len()).map_or(Dialect::Sqlite, |&(dialect, _)| dialect)
}
