//! Versions: numbers of any length, in parts.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The version of a migration: numbers separated by `.`, `_` or `-`, such as `0007`, `20240115100000` or `1.1.0`.
///
/// Versions compare number by number, whatever their length; missing parts count as 0. It prints as it was written;
/// [`canonical`](Self::canonical) is what the history stores.
///
/// ```
/// use whimbrel_core::Version;
/// let version: Version = "0007".parse().unwrap();
/// assert_eq!(version, "7".parse().unwrap());
/// assert!(version < "10".parse().unwrap());
/// assert!("1.9".parse::<Version>().unwrap() < "1.10.0".parse().unwrap());
/// assert_eq!((version.to_string().as_str(), version.canonical().as_str()), ("0007", "7"));
/// ```
#[derive(Debug, Clone)]
pub struct Version(Cow<'static, str>);

impl Version {
    /// What [`FromStr`] has checked before; the macro emits it.
    #[doc(hidden)]
    pub const fn __written(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The text as it was written, leading zeros included.
    pub fn as_written(&self) -> &str {
        &self.0
    }

    /// The one text of all versions that are equal: without leading zeros and zero parts at the end, with `.` between
    /// the parts. `1_02` is `1.2`, and `1.0` is `1`.
    pub fn canonical(&self) -> String {
        let parts: Vec<&str> = self.parts().map(|part| if part.is_empty() { "0" } else { part }).collect();
        let zeros = parts[1..].iter().rev().take_while(|part| **part == "0").count();
        parts[..parts.len() - zeros].join(".")
    }

    /// The number of parts: 3 for `1.1.0`.
    pub fn part_count(&self) -> usize {
        self.parts().count()
    }

    /// The value of a version of one part, where a `u64` holds it.
    pub fn as_number(&self) -> Option<u64> {
        if self.part_count() == 1 { self.0.parse().ok() } else { None }
    }

    /// The parts without their leading zeros; the part 0 is empty.
    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(['.', '_', '-']).map(|part| part.trim_start_matches('0'))
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    /// # Errors
    /// [`InvalidVersion`] when the text is anything but digits in parts; a leading `v` is allowed.
    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits.split(['.', '_', '-']).all(is_number) {
            Ok(Self(Cow::Owned(digits.to_owned())))
        } else {
            Err(InvalidVersion(text.to_owned()))
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (self.parts(), other.parts());
        loop {
            let (a, b) = (left.next(), right.next());
            if a.is_none() && b.is_none() {
                return Ordering::Equal;
            }
            let (a, b) = (a.unwrap_or(""), b.unwrap_or(""));
            let order = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
            if order != Ordering::Equal {
                return order;
            }
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidVersion(String);

impl fmt::Display for InvalidVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a version: give numbers, separated by `.` or `_`, such as `7` or `1.1.0`", self.0)
    }
}

impl std::error::Error for InvalidVersion {}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_of_any_length_compare_number_by_number() {
        let sorted = [
            "0",
            "1",
            "002",
            "10",
            "1000.1",
            "1000_1_1",
            "20240115100000",
            "20240115100000.1",
            "99999999999999999999999",
        ];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn missing_parts_count_as_zero_also_in_hashes_and_keys() {
        use std::collections::HashSet;
        let versions: HashSet<_> = ["1", "01", "1.0", "1_0.00"].into_iter().map(version).collect();
        assert_eq!(versions.len(), 1);
        for (written, canonical) in [("1.0", "1"), ("1_0.00", "1"), ("0.0", "0"), ("10", "10"), ("1.0.2.0", "1.0.2")] {
            assert_eq!((version(written).canonical().as_str(), version(written).as_written()), (canonical, written));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "v", "1.", ".1", "1a", "-1", "+1", "1 ", "１"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
