//! What took the watermarks past a moment: every partition's own records, idleness or adoption, or the end of
//! the input.

use crate::market::event_time::EventTime;
use crate::market::row::ClosedBy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A partition's watermark went from the first time to the second by something else than its own records.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkMove {
    /// Where it stood.
    pub from: EventTime,
    /// Where it went.
    pub to: EventTime,
    /// By what.
    pub by: ClosedBy,
}

/// Where watermarks were moved by something else than records.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// By idleness or adoption: intervals `(from, to]`, disjoint, by `from`.
    idle: BTreeMap<EventTime, EventTime>,
    /// The least watermark at which a partition ended.
    ended: Option<EventTime>,
}

impl Moves {
    /// Those of an earlier run, as far as rows may still ask.
    pub(crate) fn after(idle: &[(EventTime, EventTime)]) -> Moves {
        Moves { idle: idle.iter().copied().collect(), ended: None }
    }

    pub(crate) fn add(&mut self, WatermarkMove { mut from, mut to, by }: WatermarkMove) {
        match by {
            ClosedBy::Event => {}
            ClosedBy::Eof => self.ended = Some(self.ended.map_or(from, |e| e.min(from))),
            ClosedBy::Idle => {
                // Merge with what overlaps or touches, so that a long idleness stays one interval.
                while let Some((&f, &t)) = self.idle.range(..=to).next_back().filter(|(_, t)| **t >= from) {
                    self.idle.remove(&f);
                    from = from.min(f);
                    to = to.max(t);
                }
                self.idle.insert(from, to);
            }
        }
    }

    pub(crate) fn closed_by(&self, point: EventTime) -> ClosedBy {
        if self.idle.range(..point).next_back().is_some_and(|(_, to)| point <= *to) {
            ClosedBy::Idle
        } else if self.ended.is_some_and(|from| from < point) {
            ClosedBy::Eof
        } else {
            ClosedBy::Event
        }
    }

    /// The last moment that something else than an end of the input reached; none where no input has ended.
    pub(crate) fn last_without_end(&self) -> Option<EventTime> {
        let ended = self.ended?;
        Some(self.idle.values().next_back().map_or(ended, |to| ended.max(*to)))
    }

    /// The intervals of idleness or adoption.
    pub(crate) fn idle(&self) -> Vec<(EventTime, EventTime)> {
        self.idle.iter().map(|(from, to)| (*from, *to)).collect()
    }

    /// Whether there was anything to forget.
    pub(crate) fn forget(&mut self, before: EventTime) -> bool {
        let known = self.idle.len();
        while let Some(entry) = self.idle.first_entry().filter(|e| *e.get() < before) {
            entry.remove();
        }
        self.idle.len() < known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(t: u64) -> EventTime {
        EventTime::from_micros(t)
    }

    #[test]
    fn a_window_is_closed_by_the_move_that_passed_its_end() {
        let mut moves = Moves::default();
        assert_eq!(moves.closed_by(at(5)), ClosedBy::Event);
        moves.add(WatermarkMove { from: at(10), to: at(20), by: ClosedBy::Idle });
        moves.add(WatermarkMove { from: at(20), to: at(25), by: ClosedBy::Idle });
        moves.add(WatermarkMove { from: at(40), to: at(50), by: ClosedBy::Idle });
        moves.add(WatermarkMove { from: at(60), to: EventTime::MAX, by: ClosedBy::Eof });
        for (point, expected) in [
            (10, ClosedBy::Event),
            (11, ClosedBy::Idle),
            (25, ClosedBy::Idle),
            (26, ClosedBy::Event),
            (50, ClosedBy::Idle),
            (60, ClosedBy::Event),
            (61, ClosedBy::Eof),
        ] {
            assert_eq!(moves.closed_by(at(point)), expected, "{point}");
        }
        assert_eq!(moves.idle.len(), 2);
        assert!(moves.forget(at(26)));
        assert!(!moves.forget(at(26)));
        assert_eq!(moves.idle.len(), 1);
    }
}
