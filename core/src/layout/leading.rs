//! From the text of a name to the version that it begins with.

use crate::Version;

/// Splits `20240115100000_init` into its version and `_init`.
///
/// A version goes on after `.`. After `_` it goes on only where the next number cannot be meant as a name: after a
/// date (`20250110_120000`, `2024_01_15_100000`), and when it has several parts itself (`205_2.0.0.50`); so
/// `0005_2_factor` is version `0005`. That is decided by the file alone: were the other files asked, adding one could
/// change the versions of those that are applied already.
pub(crate) fn leading(text: &str) -> Option<(Version, &str)> {
    let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (written, rest) = match dashed_date(digits) {
        Some(found) => found,
        None => {
            let end = plain(digits)?;
            (digits[..end].to_owned(), &digits[end..])
        }
    };
    written.parse().ok().map(|version| (version, rest))
}

/// `2022-04-26-153628` is `20220426153628`, as diesel reads it; a number after that is a part of its own.
fn dashed_date(text: &str) -> Option<(String, &str)> {
    let (year, rest) = number(text)?;
    let (month, rest) = number(rest.strip_prefix('-')?)?;
    let (day, rest) = number(rest.strip_prefix('-')?)?;
    if !is_date(year, month, day) {
        return None;
    }
    let mut version = [year, month, day].concat();
    let Some((time, rest)) = rest.strip_prefix('-').and_then(number).filter(|(time, _)| time.len() == 6) else {
        return Some((version, rest));
    };
    version.push_str(time);
    let Some((part, rest)) = rest.strip_prefix('-').and_then(number) else {
        return Some((version, rest));
    };
    Some((format!("{version}-{part}"), rest))
}

/// The end of a version without dashes.
fn plain(text: &str) -> Option<usize> {
    let mut end = dotted(text)?;
    if let Some(date_end) = underscored_date(text) {
        end = date_end;
    }
    loop {
        let Some(next) = text[end..].strip_prefix('_') else { return Some(end) };
        let Some(length) = dotted(next).filter(|&length| next[length..].is_empty() || next[length..].starts_with('_'))
        else {
            return Some(end);
        };
        let has_parts = next[..length].contains('.');
        if !has_parts && !ends_in_date(&text[..end]) {
            return Some(end);
        }
        end += 1 + length;
    }
}

/// The end of `2024_01_15`.
fn underscored_date(text: &str) -> Option<usize> {
    let (year, rest) = number(text)?;
    let (month, rest) = number(rest.strip_prefix('_')?)?;
    let (day, rest) = number(rest.strip_prefix('_')?)?;
    is_date(year, month, day).then(|| text.len() - rest.len())
}

/// Whether it is a day, which several migrations may share: `20250110` or `2025_01_10`.
fn ends_in_date(version: &str) -> bool {
    let digits: String = version.split('_').collect();
    digits.len() == 8 && digits.get(4..6).zip(digits.get(6..8)).is_some_and(|(m, d)| is_date(&digits[..4], m, d))
}

fn is_date(year: &str, month: &str, day: &str) -> bool {
    let within = |text: &str, length: usize, least: u32, most: u32| {
        text.len() == length && text.parse().is_ok_and(|value: u32| (least..=most).contains(&value))
    };
    within(year, 4, 1970, 2999) && within(month, 2, 1, 12) && within(day, 2, 1, 31)
}

/// The length of numbers with `.` between them.
fn dotted(text: &str) -> Option<usize> {
    let (first, mut rest) = number(text)?;
    let mut length = first.len();
    while let Some((part, after)) = rest.strip_prefix('.').and_then(number) {
        length += 1 + part.len();
        rest = after;
    }
    Some(length)
}

/// Splits the digits off.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_ends_where_the_name_begins() {
        for (text, version, rest) in [
            ("0001_init", "0001", "_init"),
            ("1", "1", ""),
            ("v1.1.0_enhanced", "1.1.0", "_enhanced"),
            ("12345678901234567890123_x", "12345678901234567890123", "_x"),
            ("0005_2_factor", "0005", "_2_factor"),
            ("0005_2fa", "0005", "_2fa"),
            ("205_2.0.0.50", "205_2.0.0.50", ""),
            ("205_2.0.0.50_x", "205_2.0.0.50", "_x"),
            ("20250110_x", "20250110", "_x"),
            ("20250110_120000_x", "20250110_120000", "_x"),
            ("20250110120000_2_x", "20250110120000", "_2_x"),
            ("2024_01_15_100000_x", "2024_01_15_100000", "_x"),
            ("2024_01_15_x", "2024_01_15", "_x"),
            ("2022-04-26-153628_name", "20220426153628", "_name"),
            ("2025-12-08-135428-0000_name", "20251208135428-0000", "_name"),
            ("2025-12-08_name", "20251208", "_name"),
            ("2-add-email", "2", "-add-email"),
            ("0001-TASK-123-x", "0001", "-TASK-123-x"),
            ("2024-99-99_x", "2024", "-99-99_x"),
        ] {
            let (found, after) = leading(text).expect(text);
            assert_eq!((found.as_written(), after), (version, rest), "{text}");
        }
        for text in ["", "init", "v", "_1", "-1", "vx1"] {
            assert!(leading(text).is_none(), "{text:?}");
        }
    }
}
