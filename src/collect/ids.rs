//! The trade ids of one symbol: which were seen, which are missing. They rise by one, so whatever jumps is a
//! gap.

use std::collections::BTreeMap;

/// Names a gap, over all symbols.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GapKey(pub u64);

/// Why ids below the next one were not seen.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum MissingCause {
    /// They are from before the collector began: nobody waits for them.
    Before,
    /// They are owed, and looked for.
    Gap(GapKey),
    /// They were given up.
    Lost,
}

/// What an id that arrives turns out to be.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IdArrival {
    /// The next one; or the first of all.
    Next,
    /// One past the next: the ids from `first` up to it, which stands for itself, are missing.
    Jump {
        /// The least missing id.
        first: u64,
    },
    /// One that was missing, and is no longer.
    Found(MissingCause),
    /// Seen before.
    Duplicate,
}

/// The ids of one symbol.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    /// One past the greatest id known of; `None` before there is any.
    next: Option<u64>,
    /// Ids below it that were not seen: first to (last, why). They never touch each other with the same
    /// reason, nor overlap.
    missing: BTreeMap<u64, (u64, MissingCause)>,
}

/// Ranges kept of a symbol. The oldest are forgotten first: what arrives of them counts as a duplicate.
const MOST_RANGES: usize = 1_000;

impl Ids {
    /// One past the greatest id known of.
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Takes note of an id.
    pub fn arrive(&mut self, id: u64) -> IdArrival {
        let Some(next) = self.next else {
            self.begin_after(id.checked_sub(1));
            self.next = Some(id + 1);
            return IdArrival::Next;
        };
        if id >= next {
            self.next = Some(id + 1);
            return if id == next { IdArrival::Next } else { IdArrival::Jump { first: next } };
        }
        match self.take(id) {
            Some(why) => IdArrival::Found(why),
            None => IdArrival::Duplicate,
        }
    }

    /// Ids up to this one, if any, are from before the collector began. For a symbol of which nothing is
    /// known yet.
    pub fn begin_after(&mut self, last: Option<u64>) {
        if let Some(last) = last {
            self.missing.insert(0, (last, MissingCause::Before));
        }
        self.next = Some(last.map_or(0, |last| last + 1));
    }

    /// These ids, none of them seen, are missing.
    pub fn miss(&mut self, first: u64, last: u64, gap: GapKey) {
        self.missing.insert(first, (last, MissingCause::Gap(gap)));
        self.next = self.next.max(Some(last + 1));
        while self.missing.len() > MOST_RANGES {
            // Ranges of gaps are few, since gaps are; those of lost ids add up over months.
            let oldest = self.missing.iter().find(|(_, (_, why))| !matches!(why, MissingCause::Gap(_)));
            let Some(oldest) = oldest.map(|(first, _)| *first) else { break };
            self.missing.remove(&oldest);
        }
    }

    /// Why an id below the next one was not seen; `None` if it was.
    pub fn why(&self, id: u64) -> Option<MissingCause> {
        self.range_of(id).map(|(_, (_, why))| why)
    }

    /// The least id of a gap that is still missing, and how many are.
    pub fn of_gap(&self, first: u64, last: u64, gap: GapKey) -> Option<(u64, u64)> {
        let mut least = None;
        let mut count = 0;
        for (from, (to, _)) in self.gap(first, last, gap) {
            least = least.or(Some(from));
            count += to - from + 1;
        }
        least.map(|least| (least, count))
    }

    /// Gives up what is still missing of a gap up to an id; how many ids that are.
    pub fn lose(&mut self, first: u64, last: u64, gap: GapKey, up_to: u64) -> u64 {
        let ranges: Vec<_> = self.gap(first, last, gap).filter(|(from, _)| *from <= up_to).collect();
        let mut lost = 0;
        for (from, (to, _)) in ranges {
            let end = to.min(up_to);
            self.missing.insert(from, (end, MissingCause::Lost));
            if to > end {
                self.missing.insert(end + 1, (to, MissingCause::Gap(gap)));
            }
            lost += end - from + 1;
        }
        lost
    }

    fn gap(
        &self,
        first: u64,
        last: u64,
        gap: GapKey,
    ) -> impl Iterator<Item = (u64, (u64, MissingCause))> + '_ {
        let ranges = self.missing.range(first..=last).map(|(from, range)| (*from, *range));
        ranges.filter(move |(_, (_, why))| *why == MissingCause::Gap(gap))
    }

    fn range_of(&self, id: u64) -> Option<(u64, (u64, MissingCause))> {
        let (first, (last, why)) = self.missing.range(..=id).next_back()?;
        (*last >= id).then_some((*first, (*last, *why)))
    }

    /// Takes an id out of the missing ones.
    fn take(&mut self, id: u64) -> Option<MissingCause> {
        let (first, (last, why)) = self.range_of(id)?;
        self.missing.remove(&first);
        if first < id {
            self.missing.insert(first, (id - 1, why));
        }
        if id < last {
            self.missing.insert(id + 1, (last, why));
        }
        Some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IdArrival::{Duplicate, Found, Jump, Next};

    const GAP: GapKey = GapKey(7);

    #[test]
    fn each_id_is_new_once() {
        let mut ids = Ids::default();
        assert_eq!(ids.arrive(10), Next);
        assert_eq!(ids.arrive(11), Next);
        assert_eq!(ids.arrive(11), Duplicate);
        assert_eq!(ids.arrive(15), Jump { first: 12 });
        ids.miss(12, 14, GAP);
        assert_eq!(ids.of_gap(12, 14, GAP), Some((12, 3)));
        assert_eq!(ids.arrive(13), Found(MissingCause::Gap(GAP)));
        assert_eq!(ids.arrive(13), Duplicate);
        assert_eq!(ids.of_gap(12, 14, GAP), Some((12, 2)));
        assert_eq!(ids.lose(12, 14, GAP, 13), 1);
        assert_eq!(ids.arrive(12), Found(MissingCause::Lost));
        assert_eq!(ids.of_gap(12, 14, GAP), Some((14, 1)));
        assert_eq!((ids.why(14), ids.why(12)), (Some(MissingCause::Gap(GAP)), None));
        assert_eq!(ids.arrive(14), Found(MissingCause::Gap(GAP)));
        assert_eq!(ids.of_gap(12, 14, GAP), None);
        assert_eq!(ids.next(), Some(16));
        // From before the beginning, but not seen yet.
        assert_eq!(ids.arrive(9), Found(MissingCause::Before));
        assert_eq!(ids.arrive(9), Duplicate);
    }

    #[test]
    fn a_beginning_may_be_known_before_the_first_trade() {
        let mut ids = Ids::default();
        ids.begin_after(Some(99));
        assert_eq!(
            ids.arrive(99),
            Found(MissingCause::Before),
            "it was on its way while the exchange was asked"
        );
        assert_eq!(ids.arrive(100), Next);
        let mut ids = Ids::default();
        ids.begin_after(None);
        assert_eq!(ids.arrive(1), Jump { first: 0 });
        ids.miss(0, 0, GAP);
        assert_eq!(ids.lose(0, 0, GAP, 0), 1);
    }

    #[test]
    fn old_losses_are_forgotten_and_gaps_are_not() {
        let mut ids = Ids::default();
        ids.arrive(0);
        for gap in 0..2_000 {
            let first = gap * 2 + 1;
            ids.arrive(first + 1);
            ids.miss(first, first, GapKey(gap));
            if gap != 5 {
                ids.lose(first, first, GapKey(gap), first);
            }
        }
        assert!(ids.missing.len() <= MOST_RANGES + 1);
        assert_eq!(ids.of_gap(11, 11, GapKey(5)), Some((11, 1)));
        assert_eq!(ids.why(1), None);
    }
}
