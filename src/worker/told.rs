//! What workers tell the dataflow besides panes.

use crossrate_dataflows::market::changes::DatedChange;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::operators::closings::Note;

/// News of a partition, or of the job.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Note(Note),
    WithholdBefore(EventTime),
    Change(DatedChange),
}

impl Told {
    pub(super) fn withhold_before(self) -> Option<EventTime> {
        match self {
            Told::WithholdBefore(time) => Some(time),
            Told::Note(_) | Told::Change(_) => None,
        }
    }

    pub(super) fn change(self) -> Option<DatedChange> {
        match self {
            Told::Change(change) => Some(change),
            Told::Note(_) | Told::WithholdBefore(_) => None,
        }
    }
}
