//! Makes [`EventTime`] the one timestamp of the dataflow: timely's and differential's duties, nothing else.

use crate::market::event_time::EventTime;
use differential_dataflow::lattice::{Lattice, Maximum};
use timely::order::{PartialOrder, TotalOrder};
use timely::progress::Timestamp;
use timely::progress::timestamp::{PathSummary, Refines};

impl PartialOrder for EventTime {
    #[inline]
    fn less_equal(&self, other: &Self) -> bool {
        self <= other
    }
}

impl TotalOrder for EventTime {}

impl Timestamp for EventTime {
    type Summary = EventTime;
    fn minimum() -> Self {
        EventTime::MIN
    }
}

impl PathSummary<EventTime> for EventTime {
    #[inline]
    fn results_in(&self, src: &EventTime) -> Option<EventTime> {
        self.micros().checked_add(src.micros()).map(EventTime::from_micros)
    }

    #[inline]
    fn followed_by(&self, other: &EventTime) -> Option<EventTime> {
        self.results_in(other)
    }
}

impl Lattice for EventTime {
    #[inline]
    fn join(&self, other: &Self) -> Self {
        *self.max(other)
    }

    #[inline]
    fn meet(&self, other: &Self) -> Self {
        *self.min(other)
    }
}

impl Maximum for EventTime {
    fn maximum() -> Self {
        EventTime::MAX
    }
}

impl Refines<()> for EventTime {
    fn to_inner(_: ()) -> Self {
        EventTime::MIN
    }

    fn to_outer(self) {}

    fn summarize(_: EventTime) {}
}
