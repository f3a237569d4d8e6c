//! The records that moved a partition's watermark furthest at once: only such a record can make all that
//! follows late. [`super::acceptance`] notes them; no judgement depends on them.

use super::event_time::EventTime;

/// The latest ones are kept, however far they went.
const LATEST: usize = 4;
/// And of the earlier ones those that went furthest.
const FURTHEST: usize = 4;

/// A record that moved the watermark far.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Mover {
    /// Its offset.
    pub offset: i64,
    /// Where the partition's own records had taken the watermark before it.
    pub from: EventTime,
    /// And where it took it.
    pub to: EventTime,
    /// How many were accepted with it.
    pub accepted: u64,
}

/// Those of one partition, in their order.
#[derive(Debug, Default)]
pub struct Movers {
    kept: Vec<Mover>,
}

impl Movers {
    /// Notes the next one.
    #[inline(never)]
    pub fn note(&mut self, mover: Mover) {
        self.kept.push(mover);
        if self.kept.len() <= LATEST + FURTHEST {
            return;
        }
        let distance = |mover: &Mover| mover.to.micros() - mover.from.micros();
        let earlier = (0..).zip(&self.kept[..=FURTHEST]);
        if let Some((least, _)) = earlier.min_by_key(|(_, mover)| distance(mover)) {
            self.kept.remove(least);
        }
    }

    /// Which of them made a pane final, at that time, as far as it is known.
    pub fn made_final(&self, settled: EventTime) -> Option<Mover> {
        self.kept.iter().find(|mover| mover.from < settled && settled <= mover.to).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> EventTime {
        EventTime::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_far_move_is_known_behind_any_number_of_short_ones() {
        let mut movers = Movers::default();
        let note = |movers: &mut Movers, offset: i64, from: u64, to: u64| {
            movers.note(Mover { offset, from: seconds(from), to: seconds(to), accepted: 0 });
        };
        note(&mut movers, 0, 0, 10);
        note(&mut movers, 1, 20, 5_000);
        (2..1_000).for_each(|n| note(&mut movers, n, n as u64 * 10_000, n as u64 * 10_000 + 10));
        let who = |settled| movers.made_final(seconds(settled)).map(|mover| mover.offset);
        assert_eq!((who(21), who(5_000), who(20)), (Some(1), Some(1), None));
        assert_eq!(who(9_990_005), Some(999));
        assert!(movers.kept.len() <= LATEST + FURTHEST);
    }
}
