//! The exact set of trade ids seen in one pane of one symbol.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// A set of ids, small where they are dense: one run that grows at its end without allocating,
/// and 64-id blocks for whatever does not continue it.
///
/// The hash is seeded at random, so that ids chosen by an adversary cannot pile up.
#[derive(Debug, Default, Clone)]
pub struct IdSet {
    run_start: u64,
    /// One past the last id of the run; equal to `run_start` where there is none.
    run_end: u64,
    blocks: HashMap<u64, u64, RandomState>,
}

impl IdSet {
    /// Adds an id; false if it was there.
    #[inline]
    pub fn insert(&mut self, id: u64) -> bool {
        if id >= self.run_start && id < self.run_end {
            return false;
        }
        if self.blocks.is_empty() {
            if self.run_start == self.run_end {
                // Ids are below 2^63, so one past the id is no overflow.
                (self.run_start, self.run_end) = (id, id + 1);
                return true;
            }
            if id == self.run_end {
                self.run_end += 1;
                return true;
            }
        }
        let bit = 1u64 << (id & 63);
        let block = self.blocks.entry(id >> 6).or_insert(0);
        let new = *block & bit == 0;
        *block |= bit;
        new
    }

    /// Empties the set, keeping its allocation.
    pub fn clear(&mut self) {
        (self.run_start, self.run_end) = (0, 0);
        self.blocks.clear();
    }

    /// The ids, as runs `[start, end)` in ascending order that do not touch.
    pub fn runs(&self) -> Vec<(u64, u64)> {
        let mut pieces = Vec::with_capacity(self.blocks.len() + 1);
        if self.run_start < self.run_end {
            pieces.push((self.run_start, self.run_end));
        }
        for (&high, &bits) in &self.blocks {
            let mut rest = bits;
            while rest != 0 {
                let from = rest.trailing_zeros();
                let length = (rest >> from).trailing_ones();
                let start = (high << 6) + u64::from(from);
                pieces.push((start, start + u64::from(length)));
                rest &= !(((1u128 << length) - 1) << from) as u64;
            }
        }
        pieces.sort_unstable();
        let mut runs: Vec<(u64, u64)> = Vec::with_capacity(pieces.len());
        for (start, end) in pieces {
            match runs.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => runs.push((start, end)),
            }
        }
        runs
    }

    /// The set of those runs' ids.
    pub fn from_runs(runs: &[(u64, u64)]) -> Self {
        let mut set = IdSet::default();
        let longest = runs.iter().max_by_key(|(start, end)| end - start);
        if let Some(&(start, end)) = longest {
            (set.run_start, set.run_end) = (start, end);
            for &(from, to) in runs {
                if from != start {
                    for id in from..to {
                        *set.blocks.entry(id >> 6).or_insert(0) |= 1 << (id & 63);
                    }
                }
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set(ids in prop::collection::vec(prop_oneof![0u64..300, (1u64 << 63) - 70..1u64 << 63], 0..400)) {
            let mut model = BTreeSet::new();
            let mut set = IdSet::default();
            for id in ids {
                prop_assert_eq!(set.insert(id), model.insert(id));
            }
            let mut restored = IdSet::from_runs(&set.runs());
            let flat: Vec<u64> = set.runs().into_iter().flat_map(|(a, b)| a..b).collect();
            prop_assert_eq!(&flat, &model.iter().copied().collect::<Vec<_>>());
            for &id in &model {
                prop_assert!(!restored.insert(id));
            }
            prop_assert!(restored.insert(1_000_000));
        }
    }
}
