//! The greatest trade id of a symbol up to any moment: kept only where it rises, so that a late trade with a greater id
//! costs what it replaces and not a walk over all later panes.

use super::event_time::EventTime;
use super::work::count;
use std::collections::VecDeque;

/// The greatest ids of a symbol's panes and of all that were forgotten before them.
#[derive(Debug, Default)]
pub(super) struct GreatestIds {
    /// The greatest id of the panes that were forgotten.
    forgotten: Option<u64>,
    /// The ends of the panes that hold a greater id than all before them, with that id, in order of time.
    rises: VecDeque<(EventTime, u64)>,
}

impl GreatestIds {
    /// Those of no pane yet, after panes with that greatest id.
    pub(super) fn after(forgotten: Option<u64>) -> Self {
        GreatestIds { forgotten, rises: VecDeque::new() }
    }

    /// The greatest id of the panes that end then or earlier.
    pub(super) fn until(&self, end: EventTime) -> Option<u64> {
        let after = self.rises.partition_point(|(pane, _)| *pane <= end);
        after.checked_sub(1).map_or(self.forgotten, |last| Some(self.rises[last].1))
    }

    /// Notes the greatest id of a pane. Gives the ends of other panes to `risen`: a window that starts at this pane's
    /// end or later has other missing ids than before only if it holds one of those.
    pub(super) fn note(&mut self, end: EventTime, id: u64, mut risen: impl FnMut(EventTime)) {
        if self.until(end).is_some_and(|greatest| greatest >= id) {
            return;
        }
        let at = self.rises.partition_point(|(pane, _)| *pane < end);
        let replaced = self.rises.range(at..).take_while(|(_, greatest)| *greatest <= id).count();
        count(replaced + 1);
        // The first rise that stays is seen from a higher level now.
        let others = self.rises.range(at..).take(replaced + 1).filter(|(pane, _)| *pane > end);
        others.for_each(|(pane, _)| risen(*pane));
        match replaced {
            0 => self.rises.insert(at, (end, id)),
            _ => {
                self.rises[at] = (end, id);
                self.rises.drain(at + 1..at + replaced);
            }
        }
    }

    /// Forgets the panes that end then or earlier.
    pub(super) fn forget(&mut self, until: EventTime) {
        while let Some((_, id)) = self.rises.front().copied().filter(|(pane, _)| *pane <= until) {
            self.rises.pop_front();
            self.forgotten = Some(id);
        }
    }
}
