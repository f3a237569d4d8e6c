//! What is kept of the windows of one cross, of one definition.

use crate::market::cross::{CrossState, LegState};
use crate::market::event_time::EventTime;
use crate::market::trade::Symbol;
use crate::operators::revisions::EmittedValues;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct CrossWindows {
    pub(super) legs: Vec<LegWindows>,
    /// Those of `ends`.
    pub(super) ends: BTreeSet<EventTime>,
    pub(super) emitted: BTreeMap<EventTime, EmittedValues<CrossState>>,
}

#[derive(Default)]
pub(super) struct LegWindows {
    /// In which the leg traded and that are not final, by their end.
    pub(super) own: BTreeMap<EventTime, LegState>,
    /// The latest final one in which it traded, as far as it may have to stand in.
    pub(super) before: Option<(EventTime, LegState)>,
}

impl CrossWindows {
    /// Those of a cross whose legs had these windows before.
    pub(super) fn after<'a>(
        legs: impl IntoIterator<Item = &'a Symbol>,
        before: impl Fn(&Symbol) -> Option<(EventTime, LegState)>,
    ) -> CrossWindows {
        let of_leg = |leg| LegWindows { before: before(leg), ..LegWindows::default() };
        CrossWindows { legs: legs.into_iter().map(of_leg).collect(), ..CrossWindows::default() }
    }
}

impl LegWindows {
    /// The latest window with trades before the one that ends then.
    pub(super) fn latest_before(&self, end: EventTime) -> Option<(EventTime, LegState)> {
        let own = self.own.range(..end).next_back().map(|(from, state)| (*from, *state));
        // A look that is repeated in silence may be at a window that has been final for long. Of the same
        // window what is known by value comes first: its panes may be gone from the checkpoints of some
        // partitions already.
        let before = self.before.filter(|(from, _)| *from < end);
        match (own, before) {
            (Some(own), Some(before)) => Some(if before.0 >= own.0 { before } else { own }),
            (own, before) => own.or(before),
        }
    }
}
