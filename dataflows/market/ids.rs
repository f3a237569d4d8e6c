//! The exact set of trade ids seen in one pane of one symbol.

use super::prefetch::prefetch;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// A set of ids. Most symbols have but a few in a pane: as long as all lie within 64 of each other, a bit
/// each is all there is. A set is one cache line, and where it is wide all that is read besides is a word.
#[derive(Debug, Default, Clone)]
#[repr(align(64))]
pub struct IdSet {
    /// The id of the first bit.
    base: u64,
    bits: u64,
    /// Where they are spread wider: all of them. Else empty.
    wide: Blocks,
}

impl IdSet {
    /// Adds an id; false if it was there.
    #[inline]
    pub fn insert(&mut self, id: u64) -> bool {
        if !self.wide.is_empty() {
            return self.wide.insert(id);
        }
        let at = id.wrapping_sub(self.base);
        if at >= 64 {
            return self.insert_outside(id);
        }
        let bit = 1 << at;
        let new = self.bits & bit == 0;
        self.bits |= bit;
        new
    }

    /// Adds an id that is not there and has no bit.
    #[cold]
    fn insert_outside(&mut self, id: u64) -> bool {
        if self.bits == 0 {
            // The next ones may lie on either side.
            self.base = id.saturating_sub(24);
            self.bits = 1 << (id - self.base);
            return true;
        }
        let least = self.base + u64::from(self.bits.trailing_zeros());
        let greatest = self.base + u64::from(63 - self.bits.leading_zeros());
        let (from, to) = (least.min(id), greatest.max(id));
        if to - from < 64 {
            // All have a bit where the room is shared out to both sides.
            let base = from.saturating_sub((63 - (to - from)) / 2);
            self.bits = if base > self.base {
                self.bits >> (base - self.base)
            } else {
                self.bits << (self.base - base)
            };
            self.base = base;
            self.bits |= 1 << (id - base);
            return true;
        }
        let mut bits = self.bits;
        while bits != 0 {
            self.wide.insert(self.base + u64::from(bits.trailing_zeros()));
            bits &= bits - 1;
        }
        self.wide.insert(id)
    }

    /// Fetches what adding the id will change, where that is not the set itself.
    #[inline]
    pub fn prefetch(&self, id: u64) {
        self.wide.near.get(self.wide.place(id >> 6)).into_iter().for_each(prefetch);
    }

    /// Empties the set, keeping its allocation.
    pub fn clear(&mut self) {
        (self.base, self.bits) = (0, 0);
        self.wide.clear();
    }
}

/// Ids of a wider range: a bit each, 64 to a block. Blocks lie side by side from the first id's on, as far as
/// ids are near each other, however they are mixed up; what is far away lies in a hash map.
///
/// The hash is seeded at random, so that ids chosen by an adversary cannot pile up; nor can they make the
/// blocks that lie side by side more than a few times as many as themselves.
#[derive(Debug, Default, Clone)]
struct Blocks {
    /// The number of the first block of `near`.
    first: u64,
    near: Vec<u64>,
    /// How many ids are in `near`.
    count: usize,
    /// By block number; none of them would have its place in `near`.
    far: Option<Box<HashMap<u64, u64, RandomState>>>,
}

/// So many blocks lie side by side whatever they hold.
const AT_LEAST: u64 = 4;

impl Blocks {
    /// Whether there is none: the first id that is added is in `near`.
    #[inline]
    fn is_empty(&self) -> bool {
        self.near.is_empty()
    }

    /// The place of a block in `near`; beyond its end where it is not there.
    #[inline]
    fn place(&self, block: u64) -> usize {
        block.wrapping_sub(self.first) as usize
    }

    #[inline]
    fn insert(&mut self, id: u64) -> bool {
        let block = id >> 6;
        let bit = 1u64 << (id & 63);
        let at = self.place(block);
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

    /// Makes `near` reach to a block, unless it would be too empty. Each time it at least doubles, so that
    /// all its moves together cost no more than its ids.
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
                self.near.splice(0..0, std::iter::repeat_n(0, more));
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

    fn clear(&mut self) {
        self.near.clear();
        (self.first, self.count, self.far) = (0, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_set_takes_one_cache_line() {
        assert_eq!(size_of::<IdSet>(), 64);
    }

    proptest! {
        #[test]
        fn any_insertions_agree_with_a_plain_set(
            ids in prop::collection::vec(
                prop_oneof![0u64..40, 0u64..300, 20_000u64..30_000, (1u64 << 63) - 70..1u64 << 63], 0..1_500)
        ) {
            let mut model = BTreeSet::new();
            let mut set = IdSet::default();
            for id in &ids {
                prop_assert_eq!(set.insert(*id), model.insert(*id));
                let blocks = set.wide.near.len() + set.wide.far.as_ref().map_or(0, |far| far.len());
                prop_assert!(blocks <= 2 * model.len().max(AT_LEAST as usize));
            }
            for id in ids {
                prop_assert!(!set.insert(id));
            }
            set.clear();
            prop_assert!(set.insert(7));
        }

        /// Few ids need no more than their bits, wherever they lie.
        #[test]
        fn a_few_ids_near_each_other_are_a_set(
            base in prop_oneof![0u64..100, (1u64 << 63) - 100..1u64 << 63, 0u64..1 << 63],
            rounds in prop::collection::vec(prop::collection::vec(0u64..64, 1..40), 1..3),
        ) {
            let mut set = IdSet::default();
            for ids in rounds {
                set.clear();
                let mut model = BTreeSet::new();
                for id in ids {
                    prop_assert_eq!(set.insert(base + id), model.insert(id));
                }
                prop_assert!(set.wide.is_empty());
            }
        }
    }
}
