//! What workers tell the dataflow besides panes.

use crossrate_dataflows::market::changes::DatedChange;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::operators::closings::PartitionReport;

/// News of a partition, or of the job.
#[derive(Debug, Clone)]
pub(super) enum ControlMessage {
    Note(PartitionReport),
    WithholdBefore(EventTime),
    Change(DatedChange),
}

impl ControlMessage {
    pub(super) fn withhold_before(self) -> Option<EventTime> {
        match self {
            ControlMessage::WithholdBefore(time) => Some(time),
            ControlMessage::Note(_) | ControlMessage::Change(_) => None,
        }
    }

    pub(super) fn change(self) -> Option<DatedChange> {
        match self {
            ControlMessage::Change(change) => Some(change),
            ControlMessage::Note(_) | ControlMessage::WithholdBefore(_) => None,
        }
    }
}
