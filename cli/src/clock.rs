//! The time, as versions and folders have it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    seconds: u64,
}

impl Clock {
    pub(crate) fn now() -> Self {
        // A clock before 1970 is set wrongly: any version that is after the last will do.
        Self { seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) }
    }

    /// `2026-11-21`.
    pub(crate) fn day(&self) -> String {
        let (year, month, day) = self.date();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// As a version of so many digits: 8 are a day, 10 the seconds since 1970, 14 a time.
    pub(crate) fn digits(&self, digits: usize) -> String {
        let (year, month, day) = self.date();
        let (hour, minute, second) = (self.seconds / 3600 % 24, self.seconds / 60 % 60, self.seconds % 60);
        match digits {
            8 => format!("{year:04}{month:02}{day:02}"),
            10 => self.seconds.to_string(),
            _ => format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"),
        }
    }

    /// Year, month and day of the Gregorian calendar. Years begin in March here, so that the odd day is the last.
    fn date(&self) -> (u64, u64, u64) {
        const CYCLE: u64 = 146_097;
        // From 0000-03-01.
        let days = self.seconds / 86_400 + 719_468;
        let (cycle, day) = (days / CYCLE, days % CYCLE);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let of_year = day - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        (year + 400 * cycle + u64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_and_a_version() {
        // As `date -u -d @…` has them.
        for (seconds, day, version) in [
            (0, "1970-01-01", "19700101000000"),
            (951_782_400, "2000-02-29", "20000229000000"),
            (1_709_251_199, "2024-02-29", "20240229235959"),
            (1_735_689_599, "2024-12-31", "20241231235959"),
            (1_795_276_800, "2026-11-21", "20261121160000"),
            (4_107_542_400, "2100-03-01", "21000301000000"),
        ] {
            let clock = Clock { seconds };
            assert_eq!((clock.day(), clock.digits(14)), (day.to_owned(), version.to_owned()));
            assert_eq!(clock.digits(8), &version[..8]);
        }
    }
}
