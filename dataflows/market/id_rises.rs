//! How far the trade ids of a symbol rise in each pane: what the trades of a window are held against.
//!
//! `rise = greatest id after the pane - greatest id before it`, and the missing ids of a window are the sum
//! of its panes' rises less the ids that came. Before the first pane with trades, the pane's least id less
//! one stands for the greatest id before it. Ids begin anew where the greatest id before is 1,000 or more and
//! a pane's own greatest id is less than half of it: that pane counts as a first one.
//!
//! Only panes that may still be corrected are kept. A correction changes its own pane and those behind it as
//! far as the greatest id before them is another one than it was; panes that neither raise it nor begin anew
//! are leapt over.

use super::event_time::EventTime;
use super::prefetch::prefetch;
use super::work::count;
use std::collections::VecDeque;

/// Below this ids do not begin anew.
const OLD_IDS: u64 = 1_000;

/// The rises of a symbol's panes that may be corrected, after all that were settled.
#[derive(Debug, Default)]
pub struct IdRises {
    /// The greatest id after the panes that were settled.
    settled: Option<u64>,
    /// The panes with trades, in order of time.
    panes: VecDeque<PaneIds>,
    /// Those of them after which the greatest id is another one than before, with that id and the rise.
    rises: VecDeque<Rise>,
    /// No pane that is kept has a lesser greatest id than this.
    least_greatest: u64,
    /// The greatest id of all panes that were settled, also before ids began anew.
    ever: Option<u64>,
    /// What was settled where both differ, and was not taken.
    anew: Vec<(EventTime, Option<u64>)>,
}

#[derive(Debug, Copy, Clone)]
struct PaneIds {
    end: EventTime,
    least: u64,
    greatest: u64,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
struct Rise {
    end: EventTime,
    after: u64,
    by: i128,
}

/// The greatest id after a pane, and how far it rose there.
fn after(before: Option<u64>, pane: &PaneIds) -> (u64, i128) {
    match before {
        Some(before) if !begins_anew(before, pane.greatest) => {
            let after = before.max(pane.greatest);
            (after, i128::from(after - before))
        }
        _ => (pane.greatest, i128::from(pane.greatest) + 1 - i128::from(pane.least)),
    }
}

fn begins_anew(before: u64, greatest: u64) -> bool {
    before >= OLD_IDS && greatest < before.div_ceil(2)
}

impl IdRises {
    /// Those of no pane yet, after panes with that greatest id; `anew` is the greatest one since ids began
    /// anew, where that is another one.
    pub fn after(ever: Option<u64>, anew: Option<u64>) -> Self {
        IdRises { settled: anew.or(ever), ever, ..IdRises::default() }
    }

    /// The ends of settled panes after which the greatest id since ids began anew was that one and not the
    /// greatest of all, or where it has become that again.
    pub fn take_anew(&mut self) -> Vec<(EventTime, Option<u64>)> {
        std::mem::take(&mut self.anew)
    }

    /// Notes ids of a pane; gives the ends of the panes whose rise becomes another one, and by how much.
    pub fn note(
        &mut self,
        end: EventTime,
        (least, greatest): (u64, u64),
        changed: impl FnMut(EventTime, i128),
    ) {
        if self.panes.is_empty() {
            self.least_greatest = u64::MAX;
        }
        self.least_greatest = self.least_greatest.min(greatest);
        let at = self.panes.partition_point(|pane| pane.end < end);
        match self.panes.get_mut(at).filter(|pane| pane.end == end) {
            Some(pane) if pane.least <= least && pane.greatest >= greatest => return,
            Some(pane) => (pane.least, pane.greatest) = (pane.least.min(least), pane.greatest.max(greatest)),
            None => self.panes.insert(at, PaneIds { end, least, greatest }),
        }
        self.work_out(at, changed);
    }

    /// Fetches what ids of the latest pane are added to.
    pub fn prefetch(&self) {
        self.panes.front().into_iter().chain(self.panes.back()).for_each(prefetch);
        self.rises.front().into_iter().chain(self.rises.back()).for_each(prefetch);
    }

    /// Works out the rises from a pane on, until the greatest id is what it was.
    fn work_out(&mut self, mut at: usize, mut changed: impl FnMut(EventTime, i128)) {
        let from = self.rises.partition_point(|rise| rise.end < self.panes[at].end);
        let mut level = from.checked_sub(1).map_or(self.settled, |last| Some(self.rises[last].after));
        let mut level_was = level;
        let mut to = from;
        let mut rises = Vec::new();
        while let Some(pane) = self.panes.get(at) {
            count(1);
            let mut by_was = 0;
            if let Some(was) = self.rises.get(to).filter(|rise| rise.end == pane.end) {
                (level_was, by_was) = (Some(was.after), was.by);
                to += 1;
            }
            let (greatest, by) = after(level, pane);
            if level != Some(greatest) || by != 0 {
                rises.push(Rise { end: pane.end, after: greatest, by });
            }
            level = Some(greatest);
            if by != by_was {
                changed(pane.end, by - by_was);
            }
            if level == level_was {
                break;
            }
            at = self.next_to_visit(at, to, greatest, level_was);
        }
        self.replace(from, to, rises);
    }

    /// The next pane whose rise may be another one, where the greatest id before it has become `level`.
    fn next_to_visit(&self, at: usize, next_rise: usize, level: u64, level_was: Option<u64>) -> usize {
        // Where no pane begins anew at either level, one that did not rise does not rise now that more came
        // before it.
        let none_anew = |level| !begins_anew(level, self.least_greatest);
        let leaps = level_was.is_some_and(|was| was <= level && none_anew(was)) && none_anew(level);
        if !leaps {
            return at + 1;
        }
        let Some(rise) = self.rises.get(next_rise) else { return self.panes.len() };
        self.panes.partition_point(|pane| pane.end < rise.end)
    }

    fn replace(&mut self, from: usize, to: usize, rises: Vec<Rise>) {
        if to - from == rises.len() {
            for (at, rise) in (from..).zip(rises) {
                self.rises[at] = rise;
            }
        } else if to == self.rises.len() {
            self.rises.truncate(from);
            self.rises.extend(rises);
        } else {
            let rest = self.rises.split_off(to);
            self.rises.truncate(from);
            self.rises.extend(rises);
            self.rises.extend(rest);
        }
    }

    /// The panes that end then or earlier are corrected no more.
    pub fn settle(&mut self, until: EventTime) {
        while self.panes.front().is_some_and(|pane| pane.end <= until) {
            self.panes.pop_front();
        }
        while let Some(rise) = self.rises.front().copied().filter(|rise| rise.end <= until) {
            self.rises.pop_front();
            let was_anew = self.settled != self.ever;
            self.settled = Some(rise.after);
            self.ever = self.ever.max(self.settled);
            let is_anew = self.settled != self.ever;
            if was_anew || is_anew {
                self.anew.push((rise.end, self.settled.filter(|_| is_anew)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::work::steps_of;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(end: u64) -> EventTime {
        EventTime::from_micros(end)
    }

    /// As the text has it: pane by pane, from all ids.
    fn rises(panes: &BTreeMap<u64, Vec<u64>>) -> BTreeMap<u64, i128> {
        let mut before: Option<u64> = None;
        let mut rises = BTreeMap::new();
        for (end, ids) in panes {
            let (least, greatest) = (*ids.iter().min().unwrap(), *ids.iter().max().unwrap());
            if before.is_some_and(|before| before >= 1_000 && 2 * u128::from(greatest) < u128::from(before)) {
                before = None;
            }
            let from = before.map_or(i128::from(least) - 1, i128::from);
            let to = before.unwrap_or(0).max(greatest);
            rises.insert(*end, i128::from(to) - from);
            before = Some(to);
        }
        rises
    }

    fn id() -> impl Strategy<Value = u64> {
        let top = i64::MAX as u64;
        prop_oneof![10 => 0u64..4_000, 4 => 990u64..1_010, 2 => 1_990u64..2_010, 1 => Just(top), 1 => top / 2 - 2..top / 2 + 2]
    }

    proptest! {
        /// In whatever order ids come: the changes add up to the rises of the text.
        #[test]
        fn changes_add_up_to_the_rises(
            ids in prop::collection::vec((1u64..12, id(), 0u64..3), 1..60),
        ) {
            let mut kept = IdRises::default();
            let mut panes: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let mut changes: BTreeMap<u64, i128> = BTreeMap::new();
            let mut settled = 0;
            for (end, id, settle) in ids {
                if end > settled {
                    panes.entry(end).or_default().push(id);
                    kept.note(at(end), (id, id), |end, by| *changes.entry(end.micros()).or_default() += by);
                    let wanted: BTreeMap<_, _> = rises(&panes).into_iter().filter(|rise| rise.1 != 0).collect();
                    changes.retain(|_, by| *by != 0);
                    prop_assert_eq!(&changes, &wanted, "after {} in {}", id, end);
                }
                if settle == 0 {
                    settled = settled.max(end.saturating_sub(4));
                    kept.settle(at(settled));
                }
            }
        }
    }

    #[test]
    fn corrections_from_behind_cost_what_they_change() {
        for first in [0, 10_000, 1_000_000] {
            let steps = |n: u64| {
                steps_of(|| {
                    let mut kept = IdRises::default();
                    (1..=n).for_each(|k| kept.note(at(k), (10_000 + k, 10_000 + k), |_, _| {}));
                    (1..=n).for_each(|k| kept.note(at(1), (first + n + k, first + n + k), |_, _| {}));
                })
            };
            assert!(steps(5_000) <= 4 * 5_000, "{} steps, first {first}", steps(5_000));
        }
    }
}
