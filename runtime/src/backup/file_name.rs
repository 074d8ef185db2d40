//! The name of a backup's file: whose it is, when it was made, and before what.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::plan::Step;
use crate::report::Action;

/// `shop-20251120T140211Z-before-0007.dump`, by this machine's clock.
pub(crate) fn file_name(database: &str, step: &Step<'_>, ending: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let of = if step.action == Action::RollBack { "rollback-of-" } else { "" };
    let version = plain(&step.version.to_string());
    format!("{}-{}-before-{of}{version}.{ending}", plain(database), utc(now))
}

/// What every file system takes, and a shell without quotes.
fn plain(text: &str) -> String {
    let taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String = text.chars().map(|c| if taken(c) { c } else { '_' }).take(100).collect();
    // A dot in front hides a file; a dash looks like an option.
    plain.trim_start_matches(['.', '-']).to_owned()
}

/// A time since 1970 as `20251120T140211Z`.
fn utc(since: Duration) -> String {
    let seconds = since.as_secs();
    let (mut year, mut days) = (1970, seconds / 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = |year| if is_leap(year) { 366 } else { 365 };
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_763_647_331, "20251120T140211Z"),
            (1_798_761_599, "20261231T235959Z"),
            (1_798_761_600, "20270101T000000Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(utc(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_name_is_safe_in_every_shell() {
        for (database, expected) in [("shop", "shop"), ("../a b;$(c)", "_a_b___c_"), ("-rf", "rf"), ("Läden", "L_den")]
        {
            assert_eq!(plain(database), expected);
        }
    }
}
