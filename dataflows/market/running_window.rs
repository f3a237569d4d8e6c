//! The running sum of a window that slides over the slots of one symbol: a window costs what entered and what
//! left.

use super::candle::Candle;
use super::decimal::Price;
use super::event_time::EventTime;
use super::moments::Moments;
use super::slot::Slot;
use super::work::count;
use differential_dataflow::difference::{Abelian, Semigroup};
use std::collections::VecDeque;

/// The window that was asked for last: where the running sum stands.
#[derive(Debug, Default)]
pub(super) struct RunningWindow {
    end: EventTime,
    /// Positions of its slots in the queue: `from..to`.
    from: usize,
    to: usize,
    moments: Moments,
    rise: i128,
    /// Of the first slots: what each of them and those after it come to, up to the last of these; the first
    /// slot's lies on top. So a slot leaves without a look at the others.
    leaving: Vec<Extremes>,
    /// Of the slots after these.
    entered: Option<Extremes>,
}

/// What of a window cannot be had by subtraction nor from its first and last slot.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
struct Extremes {
    high: Price,
    low: Price,
    least_id: u64,
    greatest_id: u64,
}

impl Extremes {
    fn of(candle: &Candle) -> Self {
        Extremes {
            high: candle.high,
            low: candle.low,
            least_id: candle.least_id,
            greatest_id: candle.greatest_id,
        }
    }

    fn merge(&mut self, other: &Extremes) {
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.least_id = self.least_id.min(other.least_id);
        self.greatest_id = self.greatest_id.max(other.greatest_id);
    }
}

/// What both come to, where there is either.
fn merged(a: Option<Extremes>, b: Option<Extremes>) -> Option<Extremes> {
    match (a, b) {
        (Some(mut a), Some(b)) => {
            a.merge(&b);
            Some(a)
        }
        (a, b) => a.or(b),
    }
}

impl RunningWindow {
    /// A slot of the window, which has that position, has got more trades.
    pub(super) fn add(&mut self, at: usize, moments: &Moments, candle: &Candle) {
        self.moments.plus_equals(moments);
        let new = Extremes::of(candle);
        let place = at - self.from;
        if place >= self.leaving.len() {
            self.entered = merged(self.entered, Some(new));
            return;
        }
        // From that slot to the first: what holds it changes until one holds as much already.
        let top = self.leaving.len() - 1;
        for extremes in &mut self.leaving[top - place..] {
            count(1);
            let before = *extremes;
            extremes.merge(&new);
            if *extremes == before {
                break;
            }
        }
    }

    /// Ids rise further in a slot of the window than was known, or less far.
    pub(super) fn add_rise(&mut self, by: i128) {
        self.rise += by;
    }

    /// The next slot enters.
    fn enter(&mut self, slot: &Slot) {
        count(1);
        self.moments.plus_equals(&slot.moments);
        self.rise += slot.rise;
        self.entered = merged(self.entered, Some(Extremes::of(&slot.candle)));
        self.to += 1;
    }

    /// The first slot leaves. Its position is not counted away here.
    fn leave(&mut self, slots: &VecDeque<Slot>) {
        let mut gone = slots[self.from].moments;
        gone.negate();
        self.moments.plus_equals(&gone);
        self.rise -= slots[self.from].rise;
        if self.to == self.from + 1 {
            self.leaving.clear();
            self.entered = None;
            return;
        }
        if self.leaving.is_empty() {
            count(self.to - self.from);
            let mut after = None;
            self.leaving.extend(slots.range(self.from..self.to).rev().map(|slot| {
                let extremes = merged(after, Some(Extremes::of(&slot.candle)));
                after = extremes;
                extremes.expect("of a slot")
            }));
            self.entered = None;
        }
        self.leaving.pop();
    }

    /// Counts away the first slot of all, which is dropped next.
    pub(super) fn forget_first(&mut self, slots: &VecDeque<Slot>) {
        if self.from == 0 && self.to > 0 {
            self.leave(slots);
            self.to -= 1;
        } else {
            self.from = self.from.saturating_sub(1);
            self.to = self.to.saturating_sub(1);
        }
    }

    /// The first two slots of all have become one.
    pub(super) fn merge_first(&mut self) {
        if self.from == 0 && self.to >= 2 && self.leaving.is_empty() {
            self.to -= 1;
        } else {
            *self = RunningWindow { leaving: std::mem::take(&mut self.leaving), ..RunningWindow::default() };
            self.leaving.clear();
        }
    }

    /// Whether the window holds the slot at that position.
    pub(super) fn holds(&self, at: usize) -> bool {
        at >= self.from && at < self.to
    }

    /// A slot has got that position, which moves later ones. Where the window stands is found again when it
    /// is asked for.
    pub(super) fn shift(&mut self, at: usize) {
        if at < self.to || self.from == self.to {
            *self = RunningWindow { leaving: std::mem::take(&mut self.leaving), ..RunningWindow::default() };
        }
    }

    /// The sums and the candle of the window; `None` if it has no trades.
    pub(super) fn sums(&self, slots: &VecDeque<Slot>) -> Option<(Moments, Candle, i128)> {
        if self.from == self.to {
            return None;
        }
        let extremes = merged(self.leaving.last().copied(), self.entered).expect("of a slot");
        let candle = Candle {
            first: slots[self.from].candle.first,
            last: slots[self.to - 1].candle.last,
            high: extremes.high,
            low: extremes.low,
            least_id: extremes.least_id,
            greatest_id: extremes.greatest_id,
        };
        Some((self.moments, candle, self.rise))
    }

    /// Stands before the first slot that a window which starts then has.
    fn restart(&mut self, slots: &VecDeque<Slot>, start: EventTime) {
        let from = slots.partition_point(|p| p.end <= start);
        self.leaving.clear();
        (self.from, self.to, self.entered) = (from, from, None);
        (self.moments, self.rise) = (Moments::default(), 0);
    }

    /// Moves to the window `[start, end)`.
    pub(super) fn seek(&mut self, slots: &VecDeque<Slot>, start: EventTime, end: EventTime) {
        // Backwards, nowhere yet, or beyond all that it has: begin at the window's first slot.
        let beyond = || self.to > 0 && slots.get(self.to - 1).is_some_and(|last| last.end <= start);
        if end < self.end || self.to == 0 || beyond() {
            self.restart(slots, start);
        }
        self.end = end;
        while let Some(slot) = slots.get(self.to).filter(|p| p.end <= end) {
            self.enter(slot);
        }
        while self.from < self.to && slots[self.from].end <= start {
            self.leave(slots);
            self.from += 1;
        }
    }
}
