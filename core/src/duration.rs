//! Times as people write them.

use std::time::Duration;

/// `30s`, `500ms`, `5m`, `1h`: from a millisecond to the 49 days that a statement table can hold.
///
/// ```
/// # use std::time::Duration;
/// # use whimbrel_core::duration::duration;
/// assert_eq!(duration("1500ms"), Some(Duration::from_millis(1500)));
/// assert_eq!(duration("5 m"), Some(Duration::from_secs(300)));
/// assert_eq!(duration("30"), None);
/// ```
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.into_iter().find(|&(name, _)| name == unit.trim_start())?;
    let millis = number.parse::<u64>().ok()?.checked_mul(factor)?;
    (millis > 0 && millis <= u32::MAX.into()).then(|| Duration::from_millis(millis))
}
