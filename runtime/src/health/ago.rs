//! Times of the database, and how long ago they are.

use std::fmt;
use std::time::{Duration, SystemTime};

/// How long ago the database wrote a time, `2025-03-01 12:00:04.128Z`; never less than nothing, whatever the clocks say.
pub(crate) fn since(time: &str, now: SystemTime) -> Option<Duration> {
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds(time)?);
    Some(now.duration_since(written).unwrap_or_default())
}

/// The seconds since 1970 of such a time.
fn seconds(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that a leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // From the first of March of the year 0 to 1970.
    Some(((days.checked_sub(719_468)?) * 24 + hour) * 3600 + minute * 60 + second)
}

/// A time span in one unit: `4 minutes`, `3 days`.
pub(crate) struct Ago(pub(crate) Duration);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
        let seconds = self.0.as_secs();
        // Two of a unit at least, so that nobody takes 110 minutes for an hour.
        let (unit, name) = UNITS.into_iter().find(|(unit, _)| seconds >= 2 * unit).unwrap_or((1, "second"));
        let number = seconds / unit;
        write!(f, "{number} {name}{}", if number == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_database_is_some_time_ago() {
        assert_eq!(seconds("1970-01-01 00:00:00.000Z"), Some(0));
        assert_eq!(seconds("2000-02-29 12:00:01Z"), Some(951_825_601));
        assert_eq!(seconds("2026-11-21 15:55:50.123Z"), Some(1_795_276_550));
        for text in ["", "yesterday", "0000-00-00 00:00:00", "2026-13-01 00:00:00Z", "2026-1"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(since("1970-01-01 00:00:40Z", now), Some(Duration::from_secs(60)));
        assert_eq!(since("2026-11-21 15:55:50Z", now), Some(Duration::ZERO));
    }

    #[test]
    fn a_span_is_told_in_one_unit() {
        let cases = [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (240, "4 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (3 * 86_400, "3 days"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(Ago(Duration::from_secs(seconds)).to_string(), shown);
        }
    }
}
