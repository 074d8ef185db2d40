//! Portable scripts that the dialects would split differently.

use super::page::Page;
use crate::Dialect;
use crate::split::{Cut, Piece};

/// Notes the first statement that is not the same for all; `Err` when where statements end cannot be believed.
pub(super) fn check(page: &mut Page<'_>, cuts: &[Cut]) -> Result<(), Unclear> {
    // A dialect that cannot read the text has already said so.
    if cuts.iter().any(|cut| cut.faults.iter().any(|fault| fault.kind.hides_the_end())) {
        return Err(Unclear);
    }
    let readings: Vec<(Dialect, &[Piece])> =
        page.outline.read_as.iter().copied().zip(cuts.iter().map(|cut| &cut.pieces[..])).collect();
    let [(first, pieces), others @ ..] = &readings[..] else {
        return Ok(());
    };
    for (other, theirs) in others {
        let differs = (0..pieces.len().max(theirs.len())).find(|&index| ends(pieces, index) != ends(theirs, index));
        if let Some(index) = differs {
            let start = ends(pieces, index).or(ends(theirs, index)).map_or(0, |(start, _)| start);
            let meant = meant(&readings);
            page.wrong(
                start..start + 1,
                "ambiguous-dialect",
                format!("{first} and {other} do not split statement {} alike", index + 1),
                format!("write `dialect = \"{meant}\"` in whimbrel.toml, or rename the file to end in `.{meant}.sql`"),
            );
            return Err(Unclear);
        }
    }
    Ok(())
}

/// Where the statements end is not known, so nothing should be said of how they stand to each other.
pub(super) struct Unclear;

fn ends(pieces: &[Piece], index: usize) -> Option<(usize, usize)> {
    pieces.get(index).map(|piece| (piece.start, piece.end))
}

/// The dialect that keeps most together is likely the one that the script is written for, since the others cut its
/// bodies; among equals the one that stands alone, since it knows a quote or comment that the others do not.
fn meant(readings: &[(Dialect, &[Piece])]) -> Dialect {
    let ranges = |pieces: &[Piece]| pieces.iter().map(|piece| (piece.start, piece.end)).collect::<Vec<_>>();
    let alike = |pieces: &[Piece]| readings.iter().filter(|(_, others)| ranges(others) == ranges(pieces)).count();
    let rank = |(_, pieces): &&(Dialect, &[Piece])| (pieces.len(), alike(pieces));
    readings.iter().min_by_key(rank).map_or(Dialect::Sqlite, |&(dialect, _)| dialect)
}
