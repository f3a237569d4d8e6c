//! How far records are behind those before them, and what becomes of that where a wild clock among them is
//! refused (`--max-jump`): the rule is tried with several lengths at once.

use crossrate_dataflows::market::event_time::EventTime;

const MINUTE: u64 = 60_000_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The lengths that are tried; of those that do equally well the first is told.
const LENGTHS: [u64; 7] = [HOUR, 10 * MINUTE, MINUTE, 6 * HOUR, DAY, 7 * DAY, 30 * DAY];

/// What comes of one length.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub(super) struct ClockTally {
    /// Records that are refused.
    pub(super) refused: u64,
    /// Trades that are behind an earlier record, and how far the latest of them is.
    pub(super) behind: u64,
    pub(super) most_behind: u64,
}

/// The clocks of one partition, or what was told of several.
#[derive(Debug, Clone, Default)]
pub(super) struct Clocks {
    any_jump: Reach,
    by_length: [Reach; LENGTHS.len()],
}

/// How far a partition has come where jumps of more than a length are refused.
#[derive(Debug, Copy, Clone, Default)]
struct Reach {
    greatest: Option<EventTime>,
    /// Of the record judged last, where it was refused.
    last_refused: Option<EventTime>,
    tally: ClockTally,
}

impl Reach {
    fn take(&mut self, time: EventTime, is_trade: bool, most: u64) {
        let Some(greatest) = self.greatest else {
            self.greatest = Some(time);
            return;
        };
        if time.micros().saturating_sub(greatest.micros()) > most {
            let is_near = |last: EventTime| last.micros().abs_diff(time.micros()) <= most;
            if !self.last_refused.is_some_and(is_near) {
                self.last_refused = Some(time);
                self.tally.refused += 1;
                return;
            }
        }
        self.last_refused = None;
        self.greatest = Some(greatest.max(time));
        if is_trade && time < greatest {
            self.tally.behind += 1;
            self.tally.most_behind = self.tally.most_behind.max(greatest.micros() - time.micros());
        }
    }

    fn add(&mut self, other: &Reach) {
        self.tally.refused += other.tally.refused;
        self.tally.behind += other.tally.behind;
        self.tally.most_behind = self.tally.most_behind.max(other.tally.most_behind);
    }
}

impl Clocks {
    /// Notes the time of a trade, or of a heartbeat.
    pub(super) fn take(&mut self, time: EventTime, is_trade: bool) {
        self.any_jump.take(time, is_trade, u64::MAX);
        for (reach, length) in self.by_length.iter_mut().zip(LENGTHS) {
            reach.take(time, is_trade, length);
        }
    }

    /// Adds what was told of another partition.
    pub(super) fn add(&mut self, other: &Clocks) {
        self.any_jump.add(&other.any_jump);
        self.by_length.iter_mut().zip(&other.by_length).for_each(|(reach, other)| reach.add(other));
    }

    /// What comes of the records as they are.
    pub(super) fn as_they_are(&self) -> ClockTally {
        self.any_jump.tally
    }

    /// The length for `--max-jump` that brings back the most trades for a few that it refuses, and what comes
    /// of it; none where records are out of order for another reason than a wild clock.
    pub(super) fn cure(&self) -> Option<(u64, ClockTally)> {
        let now = self.any_jump.tally;
        let cures = LENGTHS.iter().zip(&self.by_length).map(|(length, reach)| (*length, reach.tally));
        let helping = cures.filter(|(_, tally)| {
            let brought_back = now.behind.saturating_sub(tally.behind);
            let is_cure = tally.refused > 0 && 2 * tally.refused <= brought_back;
            is_cure && tally.most_behind <= now.most_behind / 2
        });
        helping.min_by_key(|(_, tally)| (tally.refused, tally.most_behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(seconds: &[u64]) -> Clocks {
        let mut clocks = Clocks::default();
        for second in seconds {
            let micros = 1_525_022_020_000_000 + second * 1_000_000;
            clocks.take(EventTime::from_micros(micros), true);
        }
        clocks
    }

    #[test]
    fn a_wild_clock_is_refused_by_the_longest_jump_that_is_usual() {
        let wild = |ahead: u64| clocks(&[0, 1, 2, ahead, 3, 4, 5, 6]);
        let one = ClockTally { refused: 1, behind: 0, most_behind: 0 };
        for (ahead, cure) in [
            (2_500_000_000, Some((HOUR, one))),
            (3_500, Some((10 * MINUTE, one))),
            (300, Some((MINUTE, one))),
            (30, None),
            (2, None),
        ] {
            assert_eq!(wild(ahead).cure(), cure, "{ahead}");
        }
    }

    #[test]
    fn what_is_out_of_order_for_another_reason_has_no_cure() {
        // A later file before an earlier one; two writers of which one is late; a gap.
        for seconds in [
            &[0, 1, 200_000, 200_001, 200_002, 100_000, 100_001, 100_002][..],
            &[0, 7_200, 1, 7_201, 2, 7_202, 3, 7_203],
            &[0, 1, 2, 9_000, 9_001, 9_002],
        ] {
            assert_eq!(clocks(seconds).cure(), None, "{seconds:?}");
        }
    }
}
