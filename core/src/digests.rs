//! From the tokens of a script to its digests: one for each dialect, since each finds tokens of its own.

use std::borrow::Cow;

use crate::split::{Collect, cut};
use crate::{Dialect, Digest};

/// The digests of a script under the dialects that read it; those that find the same tokens share one.
///
/// It is kept as it is packed: for each digest the [`Dialect::bit`]s that share it, and its bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Digests(Cow<'static, [u8]>);

const RECORD: usize = 33;

impl Digests {
    /// The digests over the tokens that each dialect has found.
    pub(crate) fn of<'t>(readings: impl IntoIterator<Item = (Dialect, &'t [u8])>) -> Self {
        let mut distinct: Vec<(u8, &[u8])> = Vec::new();
        for (dialect, tokens) in readings {
            match distinct.iter_mut().find(|(_, known)| *known == tokens) {
                Some((dialects, _)) => *dialects |= dialect.bit(),
                None => distinct.push((dialect.bit(), tokens)),
            }
        }
        let mut records = Vec::with_capacity(RECORD * distinct.len());
        for (dialects, tokens) in distinct {
            records.push(dialects);
            records.extend_from_slice(&Digest::of(&[tokens]).0);
        }
        Self(records.into())
    }

    /// The digests of a text as each of the dialects would read it.
    pub(crate) fn of_text(text: &str, dialects: &[Dialect]) -> Self {
        let cuts: Vec<_> = dialects.iter().map(|&dialect| (dialect, cut(text, dialect, Collect::Tokens))).collect();
        Self::of(cuts.iter().map(|(dialect, cut)| (*dialect, &cut.tokens[..])))
    }

    /// What [`packed`](Self::packed) gave.
    pub(crate) fn unpacked(packed: &'static [u8]) -> Self {
        Self(packed.into())
    }

    /// The packed form.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.0
    }

    /// The digest under a dialect; [`Digest::ZERO`] under one that does not read the script.
    pub(crate) fn under(&self, dialect: Dialect) -> Digest {
        let found = self.0.chunks_exact(RECORD).find(|record| record[0] & dialect.bit() != 0);
        let mut digest = Digest::ZERO;
        if let Some(record) = found {
            digest.0.copy_from_slice(&record[1..]);
        }
        digest
    }
}
