//! The exact set of trade ids seen in one pane of one symbol.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use smallvec::SmallVec;

/// A set of ids: a bit each, 64 to a block. Blocks lie side by side from the first id's on, as far as ids are near
/// each other, however they are mixed up; what is far away lies in a hash map.
///
/// The hash is seeded at random, so that ids chosen by an adversary cannot pile up; nor can they make the blocks
/// that lie side by side more than a few times as many as themselves.
#[derive(Debug, Default, Clone)]
#[repr(align(64))]
pub struct IdSet {
    /// The number of the first block of `near`.
    first: u64,
    /// Few of them lie here, in one cache line with all the rest.
    near: SmallVec<[u64; AT_LEAST as usize]>,
    /// How many ids are in `near`.
    count: usize,
    /// By block number; none of them would have its place in `near`. Boxed, because it is mostly not there.
    far: Option<Box<HashMap<u64, u64, RandomState>>>,
}

/// So many blocks lie side by side whatever they hold.
const AT_LEAST: u64 = 4;

impl IdSet {
    /// Adds an id; false if it was there.
    #[inline]
    pub fn insert(&mut self, id: u64) -> bool {
        let block = id >> 6;
        let bit = 1u64 << (id & 63);
        let at = block.wrapping_sub(self.first) as usize;
        let Some(bits) = self.near.get_mut(at) else { return self.insert_outside(block, bit) };
        let new = *bits & bit == 0;
        *bits |= bit;
        self.count += usize::from(new);
        new
    }

    /// Adds an id whose block is not side by side with the others.
    #[cold]
    fn insert_outside(&mut self, block: u64, bit: u64) -> bool {
        if self.reach(block) {
            let bits = &mut self.near[(block - self.first) as usize];
            let new = *bits & bit == 0;
            *bits |= bit;
            self.count += usize::from(new);
            return new;
        }
        let bits = self.far.get_or_insert_default().entry(block).or_insert(0);
        let new = *bits & bit == 0;
        *bits |= bit;
        new
    }

    /// Makes `near` reach to a block, unless it would be too empty. Each time it at least doubles, so that all its
    /// moves together cost no more than its ids.
    fn reach(&mut self, block: u64) -> bool {
        let known = self.near.len() as u64;
        if known == 0 {
            // The next ids may lie on either side.
            self.first = block.saturating_sub(AT_LEAST / 4);
            self.near.resize(AT_LEAST as usize, 0);
        } else {
            let from = self.first.min(block);
            let span = (self.first + known).max(block + 1) - from;
            let most = AT_LEAST.max(self.count as u64);
            if span > most {
                return false;
            }
            let length = span.max(2 * known);
            if block < self.first {
                // Downwards, as far as there are numbers: the end stays.
                let first = (self.first + known).saturating_sub(length);
                let more = (self.first - first) as usize;
                self.near.insert_many(0, std::iter::repeat_n(0, more));
                self.first = first;
            } else {
                self.near.resize(length as usize, 0);
            }
        }
        self.fetch();
        true
    }

    /// Takes what has its place in `near` now out of `far`.
    fn fetch(&mut self) {
        let Some(far) = &mut self.far else { return };
        let (first, end) = (self.first, self.first + self.near.len() as u64);
        for (block, bits) in far.extract_if(|block, _| (first..end).contains(block)) {
            self.near[(block - first) as usize] = bits;
            self.count += bits.count_ones() as usize;
        }
    }

    /// Empties the set, keeping its allocation.
    pub fn clear(&mut self) {
        self.near.clear();
        (self.first, self.count, self.far) = (0, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set(ids in prop::collection::vec(prop_oneof![0u64..300, 20_000u64..30_000, (1u64 << 63) - 70..1u64 << 63], 0..1_500)) {
            let mut model = BTreeSet::new();
            let mut set = IdSet::default();
            for id in &ids {
                prop_assert_eq!(set.insert(*id), model.insert(*id));
                let blocks = set.near.len() + set.far.as_ref().map_or(0, |far| far.len());
                prop_assert!(blocks <= 2 * model.len().max(AT_LEAST as usize));
            }
            for id in ids {
                prop_assert!(!set.insert(id));
            }
            set.clear();
            prop_assert!(set.insert(7));
        }
    }
}
