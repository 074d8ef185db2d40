//! SHA-256 sums.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 sum; prints as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The start of every chain, and the sum of what is absent.
    pub const ZERO: Self = Self([0; 32]);

    /// The sum of the parts, each preceded by its length, so that no two lists of parts share a sum.
    ///
    /// ```
    /// use whimbrel_core::Digest;
    /// assert_ne!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"a", b"bc"]));
    /// ```
    pub fn of(parts: &[&[u8]]) -> Self {
        // One buffer, hashed at once: the macro runs unoptimized, where each `update` costs as much as a block.
        let mut buffer = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            buffer.extend_from_slice(&(part.len() as u64).to_le_bytes());
            buffer.extend_from_slice(part);
        }
        Self(Sha256::digest(&buffer).into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |byte: u8| (byte as char).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
