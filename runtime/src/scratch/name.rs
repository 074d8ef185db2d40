//! Names of scratch databases, which tell when they were made.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What all of them begin with.
pub(crate) const PREFIX: &str = "whimbrel_scratch_";

/// After this time nobody is at work on one any more.
const LONGEST_RUN: Duration = Duration::from_secs(3600);

/// A name that nobody else has: of 42 characters, since Cassandra takes 48.
pub(crate) fn random() -> String {
    // Keys of their own for each, from the system's randomness.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!("{PREFIX}{:08x}_{:016x}", now(), hasher.finish())
}

/// Whether a name is one of ours, of a run that died.
pub(crate) fn is_left_over(name: &str) -> bool {
    let time = name.strip_prefix(PREFIX).and_then(|rest| u64::from_str_radix(rest.split_once('_')?.0, 16).ok());
    time.is_some_and(|time| time + LONGEST_RUN.as_secs() < now())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_when_it_was_made() {
        let name = random();
        assert_eq!(name.len(), 42, "{name}");
        assert_ne!(name, random());
        assert!(!is_left_over(&name));
        let before = format!("{PREFIX}{:08x}_0000", now() - 3601);
        assert!(is_left_over(&before));
        for other in ["whimbrel_scratch_", "whimbrel_scratch_x_1", "shop", "whimbrel_scratch_00000001"] {
            assert!(!is_left_over(other), "{other}");
        }
    }
}
