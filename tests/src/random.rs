//! Numbers that look random and come again from the same seed.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// A generator of such numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below a bound.
    ///
    /// # Panics
    /// When the bound is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    /// One of some.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// The seed of this run: `WHIMBREL_SEED`, or another one each time.
///
/// # Panics
/// When `WHIMBREL_SEED` is no number.
pub fn seed() -> u64 {
    match env::var("WHIMBREL_SEED") {
        Ok(seed) => seed.parse().expect("WHIMBREL_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64 % 1_000_000_000,
    }
}

/// Few, or many where `WHIMBREL_LONG` is set.
pub fn few_or(few: usize, many: usize) -> usize {
    if env::var_os("WHIMBREL_LONG").is_some() { many } else { few }
}
