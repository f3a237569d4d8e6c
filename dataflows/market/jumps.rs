//! One wild clock among good ones (`docs/semantics.md#acceptance`, rule 2, `--max-jump`): a record far past
//! all that its partition has reached is refused, unless the record judged before it was refused so too and
//! lies near it. So one wrong clock moves nothing, and a true gap costs one record.
//!
//! [`super::acceptance`] asks; the rule knows no watermark but the one that it is given.

use super::event_time::EventTime;
use serde::{Deserialize, Serialize};

/// The rule of one partition, and what it must remember.
#[derive(Debug, Default)]
pub(super) struct Jumps {
    /// How far past what was reached a record may be; any distance when `None`.
    most: Option<u64>,
    memory: RefusedJumps,
}

/// What a checkpoint holds of the records that jumped; the default is that none did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedJumps {
    /// Event time of the record judged last, where that was refused for its jump.
    pub last: Option<EventTime>,
    /// Offsets of refused records, ascending, from the first record of an open pane on: whoever reads from
    /// there again must pass them over. No more of them than records that a restart reads again.
    pub offsets: Vec<i64>,
}

impl Jumps {
    pub(super) fn new(most: Option<u64>) -> Self {
        Jumps { most, memory: RefusedJumps::default() }
    }

    /// As an earlier run left it.
    pub(super) fn resume(&mut self, memory: RefusedJumps) {
        self.memory = memory;
    }

    /// Whether the record at this place is refused; it is the next one that rules 2 to 6 judge.
    #[inline]
    pub(super) fn refuses(
        &mut self,
        time: EventTime,
        (watermark, delay): (EventTime, u64),
        (offset, open_from): (i64, impl FnOnce() -> Option<i64>),
    ) -> bool {
        let Some(most) = self.most else { return false };
        if watermark == EventTime::MIN || time <= watermark.plus(delay).plus(most) {
            self.memory.last = None;
            return false;
        }
        self.far(time, most, offset, open_from())
    }

    #[cold]
    fn far(&mut self, time: EventTime, most: u64, offset: i64, open_from: Option<i64>) -> bool {
        if self.memory.last.is_some_and(|last| last.micros().abs_diff(time.micros()) <= most) {
            self.memory.last = None;
            return false;
        }
        self.memory.last = Some(time);
        let first = self.memory.first_from(open_from);
        // What is before is dropped in large portions, so that each is moved a few times at most.
        if 2 * first >= self.memory.offsets.len() {
            self.memory.offsets.drain(..first);
        }
        // Where nothing is open, nothing is read again.
        if open_from.is_some() {
            self.memory.offsets.push(offset);
        }
        true
    }

    /// A record was judged that another part of the rules has refused.
    #[inline]
    pub(super) fn passed(&mut self) {
        self.memory.last = None;
    }

    /// Whether the record at that offset, which is read again, was refused.
    pub(super) fn has_refused(&self, offset: i64) -> bool {
        self.memory.offsets.binary_search(&offset).is_ok()
    }

    /// What a later run must know that reads again from there.
    pub(super) fn memory(&self, rebuild_from: Option<i64>) -> RefusedJumps {
        let first = self.memory.first_from(rebuild_from);
        RefusedJumps { last: self.memory.last, offsets: self.memory.offsets[first..].to_vec() }
    }
}

impl RefusedJumps {
    /// The place of the first offset that is not before that one.
    fn first_from(&self, offset: Option<i64>) -> usize {
        offset.map_or(self.offsets.len(), |offset| self.offsets.partition_point(|other| *other < offset))
    }
}
