//! Portable scripts that the dialects would split differently.

use std::cmp::Reverse;
use std::ops::Range;

use super::page::Page;
use crate::Dialect;
use crate::split::Cut;

/// Notes the first statement that is not the same for all; `Err` when where statements end cannot be believed.
pub(super) fn check(page: &mut Page<'_>, cuts: &[Cut]) -> Result<(), Unclear> {
    // A dialect that cannot read the text has already said so.
    if cuts.iter().any(|cut| cut.faults.iter().any(|fault| fault.kind.hides_the_end())) {
        return Err(Unclear);
    }
    let Some(index) = first_difference(cuts) else { return Ok(()) };
    let place = cuts.iter().find_map(|cut| ends(cut, index)).map_or(0, |(start, _)| start);
    let (place, message, help) = match &alike(page.outline.read_as, cuts)[..] {
        [rest, alone] if rest.len() > 1 => apart(cuts, index, place, alone[0], rest),
        _ => (place..place + 1, all_apart(page.outline.read_as, index), choose(page.outline.read_as)),
    };
    page.wrong(place, "ambiguous-dialect", message, help);
    Err(Unclear)
}

/// Where the statements end is not known, so nothing should be said of how they stand to each other.
pub(super) struct Unclear;

fn ends(cut: &Cut, index: usize) -> Option<(usize, usize)> {
    cut.pieces.get(index).map(|piece| (piece.start, piece.end))
}

/// The first statement that one of them has elsewhere than the others.
fn first_difference(cuts: &[Cut]) -> Option<usize> {
    let most = cuts.iter().map(|cut| cut.pieces.len()).max()?;
    (0..most).find(|&index| cuts.windows(2).any(|pair| ends(&pair[0], index) != ends(&pair[1], index)))
}

/// The dialects in groups that split alike, the largest first.
fn alike(read_as: &[Dialect], cuts: &[Cut]) -> Vec<Vec<Dialect>> {
    let places = |cut: &Cut| cut.pieces.iter().map(|piece| (piece.start, piece.end)).collect::<Vec<_>>();
    let places: Vec<_> = read_as.iter().copied().zip(cuts.iter().map(places)).collect();
    let group = |(_, own): &(Dialect, Vec<_>)| {
        places.iter().filter(|(_, other)| own == other).map(|(dialect, _)| *dialect).collect()
    };
    let mut groups: Vec<Vec<Dialect>> = places.iter().map(group).collect();
    groups.sort_by_key(|dialects| (Reverse(dialects.len()), dialects[0]));
    groups.dedup();
    groups
}

/// One dialect against all others. Nobody but the user knows which database there is, so both ways out are told.
fn apart(cuts: &[Cut], index: usize, start: usize, alone: Dialect, rest: &[Dialect]) -> (Range<usize>, String, String) {
    let message = format!("{alone} does not split statement {} as {} do", index + 1, list(rest, "and"));
    if let Some(dashes) = dashes(cuts, index).filter(|_| alone == Dialect::Mysql) {
        let help = format!(
            "write a blank after `--`: without one it is no comment for {alone}; if it is not for {alone}, write {} in \
             whimbrel.toml",
            setting(rest)
        );
        return (dashes..dashes + 2, message, help);
    }
    let help = format!(
        "if it is for {alone}, write {} in whimbrel.toml, or rename the file to end in `.{alone}.sql`; if it is not, \
         write {}, or the one of them that it is for",
        setting(&[alone]),
        setting(rest)
    );
    (start..start + 1, message, help)
}

/// The first `--` in the statement that MySQL takes for no comment.
fn dashes(cuts: &[Cut], index: usize) -> Option<usize> {
    let before = index.checked_sub(1).and_then(|before| ends(cuts.first()?, before)).map_or(0, |(_, end)| end);
    let end = cuts.iter().filter_map(|cut| ends(cut, index)).map(|(_, end)| end).max()?;
    cuts.iter().flat_map(|cut| &cut.dashes).copied().find(|at| (before..end).contains(at))
}

fn all_apart(read_as: &[Dialect], index: usize) -> String {
    format!("{} do not split statement {} alike", list(read_as, "and"), index + 1)
}

fn choose(read_as: &[Dialect]) -> String {
    let each = |text: &dyn Fn(&Dialect) -> String| read_as.iter().map(text).collect::<Vec<_>>().join(" or ");
    format!(
        "write the one that it is for in whimbrel.toml, {}, or rename the file to end in {}",
        each(&|dialect| setting(&[*dialect])),
        each(&|dialect| format!("`.{dialect}.sql`"))
    )
}

/// The line of `whimbrel.toml` that names the dialects.
pub(super) fn setting(dialects: &[Dialect]) -> String {
    let quoted: Vec<String> = dialects.iter().map(|dialect| format!("\"{dialect}\"")).collect();
    match &quoted[..] {
        [one] => format!("`dialect = {one}`"),
        all => format!("`dialect = [{}]`", all.join(", ")),
    }
}

/// `sqlite, postgres and mysql`.
pub(super) fn list(dialects: &[Dialect], last: &str) -> String {
    match dialects.split_last() {
        Some((one, [])) => one.to_string(),
        Some((end, rest)) => {
            let rest: Vec<&str> = rest.iter().map(|dialect| dialect.name()).collect();
            format!("{} {last} {end}", rest.join(", "))
        }
        None => String::new(),
    }
}
