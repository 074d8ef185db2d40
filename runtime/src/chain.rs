//! The chain of an entry: over all that is completed up to it, in the order of the versions.
//!
//! So the fast path needs one entry and a count: where the entry of a set's last migration has the set's chain, and as many
//! are completed as the set has, exactly that set is. It holds only as long as whatever arrives or goes changes the chains
//! of all that is above it.

use std::collections::BTreeMap;
use std::ops::Bound;

use whimbrel_core::{Digest, Version};

use crate::history::Entry;

/// What is completed, with the chains that belong to it.
#[derive(Debug, Default)]
pub(crate) struct Chain(BTreeMap<Version, Link>);

/// The new chain of an entry, by its key.
pub(crate) type Rechained = (String, Digest);

#[derive(Debug)]
struct Link {
    key: String,
    checksum: Digest,
    chain: Digest,
    /// As the history has it.
    written: Option<Digest>,
}

impl Chain {
    /// Over these, whatever chains they say.
    pub(crate) fn of<'e>(completed: impl Iterator<Item = &'e Entry>) -> Self {
        let link = |entry: &Entry| Link {
            key: entry.key.clone(),
            checksum: entry.checksum,
            chain: Digest::ZERO,
            written: entry.chain.as_deref().and_then(Digest::from_hex),
        };
        let mut chain = Self(completed.map(|entry| (entry.version.clone(), link(entry))).collect());
        chain.relink(Bound::Unbounded);
        chain
    }

    /// What this arrival makes: its own chain, and those above it that the history has otherwise.
    pub(crate) fn complete(&mut self, version: &Version, checksum: Digest) -> (Digest, Vec<Rechained>) {
        let link = Link { key: version.canonical(), checksum, chain: Digest::ZERO, written: None };
        self.0.insert(version.clone(), link);
        self.relink(Bound::Included(version));
        let own = self.0.get_mut(version).map_or(Digest::ZERO, |link| {
            link.written = Some(link.chain);
            link.chain
        });
        (own, self.written_above(version))
    }

    /// What it makes that this one goes: the chains above it that the history has otherwise.
    pub(crate) fn take_away(&mut self, version: &Version) -> Vec<Rechained> {
        self.0.remove(version);
        self.relink(Bound::Excluded(version));
        self.written_above(version)
    }

    /// The chain of each, lowest version first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&Version, Digest)> + ExactSizeIterator {
        self.0.iter().map(|(version, link)| (version, link.chain))
    }

    fn relink(&mut self, from: Bound<&Version>) {
        let below = match from {
            Bound::Unbounded => None,
            Bound::Included(version) | Bound::Excluded(version) => self.0.range(..version).next_back(),
        };
        let mut before = below.map_or(Digest::ZERO, |(_, link)| link.chain);
        for (version, link) in self.0.range_mut::<Version, _>((from, Bound::Unbounded)) {
            before = Digest::of(&[&before.0, version.canonical().as_bytes(), &link.checksum.0]);
            link.chain = before;
        }
    }

    /// Those above a version that the history has otherwise; it is told of them.
    fn written_above(&mut self, version: &Version) -> Vec<Rechained> {
        let above = self.0.range_mut::<Version, _>((Bound::Excluded(version), Bound::Unbounded));
        let stale = above.map(|(_, link)| link).filter(|link| link.written != Some(link.chain));
        stale
            .map(|link| {
                link.written = Some(link.chain);
                (link.key.clone(), link.chain)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small numbers, always the same ones.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % end
        }
    }

    fn version(number: u64) -> Version {
        number.to_string().parse().unwrap()
    }

    fn checksum(text: u64) -> Digest {
        Digest::of(&[&text.to_le_bytes()])
    }

    /// As the history's table has it: what is completed, and each one's checksum and chain.
    type Table = BTreeMap<String, (Digest, Digest)>;

    fn write(table: &mut Table, rechained: Vec<Rechained>) {
        for (key, chain) in rechained {
            table.get_mut(&key).unwrap().1 = chain;
        }
    }

    /// A set of some of four versions, each with one of two texts; its last key, and its chain.
    struct Set {
        migrations: BTreeMap<String, Digest>,
        last: String,
        head: Digest,
    }

    fn sets() -> Vec<Set> {
        let all = (1..81_u64).map(|number| {
            let texts = (0..4).map(|at| (at + 1, number / 3_u64.pow(at) % 3)).filter(|(_, text)| *text > 0);
            let (mut chain, mut migrations) = (Chain::default(), BTreeMap::new());
            for (number, text) in texts {
                let version = version(u64::from(number));
                chain.complete(&version, checksum(text));
                migrations.insert(version.canonical(), checksum(text));
            }
            let (last, head) = chain.iter().next_back().unwrap();
            Set { migrations, last: last.canonical(), head }
        });
        all.collect()
    }

    #[test]
    fn an_equal_chain_and_an_equal_count_are_an_equal_set() {
        let (mut random, mut equal, sets) = (Random(7), 0, sets());
        for _ in 0..100 {
            let (mut chain, mut table) = (Chain::default(), Table::new());
            for _ in 0..12 {
                let (number, text) = (1 + random.below(4), 1 + random.below(2));
                let version = version(number);
                if table.remove(&version.canonical()).is_some() {
                    write(&mut table, chain.take_away(&version));
                } else {
                    let (own, rechained) = chain.complete(&version, checksum(text));
                    table.insert(version.canonical(), (checksum(text), own));
                    write(&mut table, rechained);
                }
                let completed: BTreeMap<_, _> = table.iter().map(|(key, (sum, _))| (key.clone(), *sum)).collect();
                for set in &sets {
                    let has_head = table.get(&set.last).is_some_and(|(_, chain)| *chain == set.head);
                    let is_found = has_head && table.len() == set.migrations.len();
                    assert_eq!(is_found, completed == set.migrations, "{:?} {table:?}", set.migrations);
                    equal += usize::from(is_found);
                }
            }
        }
        assert!(equal > 100, "{equal}");
    }

    #[test]
    fn in_order_it_is_the_chain_of_the_set() {
        use whimbrel_core::{Dialect, Migrations};
        let files = [("1_a.up.sql", "SELECT 1"), ("2_b.up.sql", "SELECT 2"), ("10_c.up.sql", "SELECT 3")];
        let files = files.into_iter().chain([("whimbrel.toml", "gaps = \"allow\"\ndialect = \"sqlite\"")]);
        let set = Migrations::from_files(files.map(|(path, text)| (path, text.as_bytes()))).unwrap();
        let mut chain = Chain::default();
        for (migration, expected) in set.iter().zip(set.chain(Dialect::Sqlite)) {
            let (own, rechained) = chain.complete(migration.version(), migration.checksum(Dialect::Sqlite));
            assert_eq!((own, rechained), (expected, Vec::new()));
        }
        assert_eq!(chain.iter().next_back().unwrap().1, set.head(Dialect::Sqlite));
    }
}
