//! Records that did not count, and where the frontier stood when they were refused: so that whoever comes
//! later can still be told. Bounded: of very many, the earliest are known by their number only.

use super::partition_news::PartitionNews;
use crossrate_dataflows::market::counts::Counts;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// Refusals that are remembered.
const MOST: usize = 2_000;
/// Refusals of a partition within so long are one.
const AS_ONE_MS: u64 = 1_000;

/// Records of a partition that were refused at about one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalGroup {
    /// The partition, as people know it.
    pub partition: String,
    /// Where the frontier stood, in milliseconds since the epoch.
    pub frontier_ms: u64,
    /// When it was told.
    pub told_ms: u64,
    /// Trades whose pane was final.
    pub late: u64,
    /// Records that are not what they should be.
    pub bad: u64,
    /// Records too far ahead.
    pub future: u64,
    /// Trades that came again.
    pub duplicate: u64,
}

impl RefusalGroup {
    fn is_none(&self) -> bool {
        self.late + self.bad + self.future + self.duplicate == 0
    }

    /// Whether another one is of the same time and partition; then it is added.
    fn takes(&mut self, other: &RefusalGroup) -> bool {
        let is_same = self.partition == other.partition && other.told_ms < self.told_ms + AS_ONE_MS;
        if is_same {
            self.late += other.late;
            self.bad += other.bad;
            self.future += other.future;
            self.duplicate += other.duplicate;
        }
        is_same
    }
}

/// The refusals since the server began.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    list: VecDeque<RefusalGroup>,
    /// How many of each class were told first, or are remembered no longer.
    before: Counts,
}

impl Refusals {
    /// Compares what became of records with what had become of them; `frontier_ms` is the last one known.
    pub fn absorb(
        &mut self,
        before: &BTreeMap<u32, PartitionNews>,
        now: &BTreeMap<u32, PartitionNews>,
        (frontier_ms, told_ms): (u64, u64),
    ) {
        for (number, partition) in now {
            let Some(past) = before.get(number).map(|past| past.counts) else {
                self.before.add(&partition.counts);
                continue;
            };
            let counts = &partition.counts;
            if *counts == past {
                continue;
            }
            let refusal = RefusalGroup {
                partition: partition.name.clone(),
                frontier_ms,
                told_ms,
                late: counts.late.saturating_sub(past.late),
                bad: counts.bad.saturating_sub(past.bad),
                future: counts.future.saturating_sub(past.future),
                duplicate: counts.duplicate.saturating_sub(past.duplicate),
            };
            if !refusal.is_none() {
                self.add(refusal);
            }
        }
    }

    fn add(&mut self, refusal: RefusalGroup) {
        let recent = self.list.iter_mut().rev().take(64);
        if recent.into_iter().any(|known| known.takes(&refusal)) {
            return;
        }
        self.list.push_back(refusal);
        if self.list.len() > MOST
            && let Some(RefusalGroup { late, bad, future, duplicate, .. }) = self.list.pop_front()
        {
            self.before.add(&Counts { late, bad, future, duplicate, ..Counts::default() });
        }
    }

    /// The refusals, the earliest first.
    pub fn list(&self) -> impl Iterator<Item = &RefusalGroup> {
        self.list.iter()
    }

    /// How many records of each class nothing else is known of.
    pub fn before(&self) -> &Counts {
        &self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::market::event_time::EventTime;

    fn partitions(late: u64, bad: u64) -> BTreeMap<u32, PartitionNews> {
        let counts = Counts { late, bad, accepted: 9, ..Counts::default() };
        let (name, watermark) = ("p0".to_owned(), EventTime::MIN);
        BTreeMap::from([(0, PartitionNews { name, watermark, counts, idle: false, ended: false })])
    }

    #[test]
    fn what_is_refused_is_known_by_its_time_and_what_was_before_by_its_number() {
        let mut refusals = Refusals::default();
        refusals.absorb(&BTreeMap::new(), &partitions(3, 1), (1_000, 5_000));
        refusals.absorb(&partitions(3, 1), &partitions(4, 1), (2_000, 6_000));
        refusals.absorb(&partitions(4, 1), &partitions(4, 1), (2_000, 6_500));
        refusals.absorb(&partitions(4, 1), &partitions(6, 2), (2_500, 6_999));
        refusals.absorb(&partitions(6, 2), &partitions(7, 2), (3_000, 7_000));
        assert_eq!((refusals.before().late, refusals.before().bad), (3, 1));
        let told: Vec<_> = refusals.list().map(|r| (r.frontier_ms, r.late, r.bad)).collect();
        assert_eq!(told, [(2_000, 3, 1), (3_000, 1, 0)]);
    }

    #[test]
    fn of_very_many_refusals_the_earliest_are_known_by_their_number() {
        let mut refusals = Refusals::default();
        let many = MOST as u64 + 10;
        for late in 0..many {
            let now = partitions(late + 1, 0);
            refusals.absorb(&partitions(late, 0), &now, (late, late * AS_ONE_MS));
        }
        assert_eq!(refusals.list().count(), MOST);
        assert_eq!(refusals.before().late + refusals.list().map(|r| r.late).sum::<u64>(), many);
    }
}
