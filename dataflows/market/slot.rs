//! What windows are made of: the trades of a symbol between two boundaries of their definition.

use super::candle::Candle;
use super::event_time::EventTime;
use super::moments::Moments;
use differential_dataflow::difference::Semigroup;
use serde::{Deserialize, Serialize};

/// The trades of a symbol in a slot.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Where it ends.
    pub end: EventTime,
    /// The sums of its trades.
    pub moments: Moments,
    /// First, last, greatest, least.
    pub candle: Candle,
    /// How far trade ids rise there: see [`super::id_rises`].
    pub rise: i128,
}

impl Slot {
    /// Makes one of this slot and a later one.
    pub(super) fn merge_later(&mut self, later: &Slot) {
        self.end = later.end;
        self.moments.plus_equals(&later.moments);
        self.candle.merge(&later.candle);
        self.rise += later.rise;
    }
}
