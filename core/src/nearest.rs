//! The known word that was probably meant.

/// The known word nearest to `word`, in any case; `None` when none is near enough to be a misspelling of it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip, and one more for every four characters: `tiemout` is `timeout`, `off` is not `phase`.
    nearest_within(1 + word.chars().count() / 4, word, known)
}

/// The same for at most so many slips: where words that are none of ours stand among ours.
pub fn nearest_within<'a>(slips: usize, word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let edits = |candidate: &str| distance(&word, &candidate.to_lowercase().chars().collect::<Vec<_>>());
    let (best, edits) = known.into_iter().map(|candidate| (candidate, edits(candidate))).min_by_key(|&(_, n)| n)?;
    (edits <= slips && edits < best.chars().count()).then_some(best)
}

/// The number of characters to insert, delete or replace (Levenshtein), row by row.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["no-transaction", "timeout", "lock-timeout", "phase"];

    #[test]
    fn a_slip_finds_its_word() {
        for (slip, meant) in [
            ("tiemout", "timeout"),
            ("no_transaction", "no-transaction"),
            ("Phase", "phase"),
            ("locktimeout", "lock-timeout"),
        ] {
            assert_eq!(nearest(slip, KNOWN), Some(meant), "{slip}");
        }
    }

    #[test]
    fn another_word_finds_none() {
        for word in ["", "x", "concurrently", "été"] {
            assert_eq!(nearest(word, KNOWN), None, "{word}");
        }
        assert_eq!(nearest("phase", []), None);
    }
}
