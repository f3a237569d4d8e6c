//! The running sum of a window that slides over the panes of one symbol: a window costs what entered and what left.

use super::candle::Candle;
use super::decimal::Price;
use super::definition::Windows;
use super::event_time::EventTime;
use super::moments::Moments;
use super::panes::Pane;
use super::work::count;
use differential_dataflow::difference::{Abelian, Semigroup};
use std::collections::VecDeque;

/// The window that was asked for last: where the running sum stands.
#[derive(Debug, Default)]
pub(super) struct RunningWindow {
    end: EventTime,
    /// Positions of its panes in the queue: `from..to`.
    from: usize,
    to: usize,
    moments: Moments,
    /// Of the first panes: what each of them and those after it come to, up to the last of these; the first pane's lies on
    /// top. So a pane leaves without a look at the others.
    leaving: Vec<Extremes>,
    /// Of the panes after these.
    entered: Option<Extremes>,
}

/// What of a window cannot be had by subtraction nor from its first and last pane.
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
    /// A pane of the window, which has that position, has got more trades.
    pub(super) fn add(&mut self, at: usize, moments: &Moments, candle: &Candle) {
        self.moments.plus_equals(moments);
        let new = Extremes::of(candle);
        let place = at - self.from;
        if place >= self.leaving.len() {
            self.entered = merged(self.entered, Some(new));
            return;
        }
        // From that pane to the first: what holds it changes until one holds as much already.
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

    /// The next pane enters.
    fn enter(&mut self, pane: &Pane) {
        count(1);
        self.moments.plus_equals(&pane.moments);
        self.entered = merged(self.entered, Some(Extremes::of(&pane.candle)));
        self.to += 1;
    }

    /// The first pane leaves. Its position is not counted away here.
    fn leave(&mut self, panes: &VecDeque<Pane>) {
        let mut gone = panes[self.from].moments;
        gone.negate();
        self.moments.plus_equals(&gone);
        if self.to == self.from + 1 {
            self.leaving.clear();
            self.entered = None;
            return;
        }
        if self.leaving.is_empty() {
            count(self.to - self.from);
            let mut after = None;
            self.leaving.extend(panes.range(self.from..self.to).rev().map(|pane| {
                let extremes = merged(after, Some(Extremes::of(&pane.candle)));
                after = extremes;
                extremes.expect("of a pane")
            }));
            self.entered = None;
        }
        self.leaving.pop();
    }

    /// Counts away the first pane of all, which is dropped next.
    pub(super) fn forget_first(&mut self, panes: &VecDeque<Pane>) {
        if self.from == 0 && self.to > 0 {
            self.leave(panes);
            self.to -= 1;
        } else {
            self.from = self.from.saturating_sub(1);
            self.to = self.to.saturating_sub(1);
        }
    }

    /// Whether the window holds the pane at that position.
    pub(super) fn holds(&self, at: usize) -> bool {
        at >= self.from && at < self.to
    }

    /// A pane has got that position, which moves later ones. Where the window stands is found again when it is asked for.
    pub(super) fn shift(&mut self, at: usize) {
        if at < self.to || self.from == self.to {
            *self = RunningWindow { leaving: std::mem::take(&mut self.leaving), ..RunningWindow::default() };
        }
    }

    /// The sums and the candle of the window; `None` if it has no trades.
    pub(super) fn sums(&self, panes: &VecDeque<Pane>) -> Option<(Moments, Candle)> {
        if self.from == self.to {
            return None;
        }
        let extremes = merged(self.leaving.last().copied(), self.entered).expect("of a pane");
        let candle = Candle {
            first: panes[self.from].candle.first,
            last: panes[self.to - 1].candle.last,
            high: extremes.high,
            low: extremes.low,
            least_id: extremes.least_id,
            greatest_id: extremes.greatest_id,
        };
        Some((self.moments, candle))
    }

    /// Stands before the first pane that a window which starts then has.
    fn restart(&mut self, panes: &VecDeque<Pane>, start: EventTime) {
        let from = panes.partition_point(|p| p.end <= start);
        self.leaving.clear();
        (self.from, self.to, self.moments, self.entered) = (from, from, Moments::default(), None);
    }

    /// Moves to the window that ends then.
    pub(super) fn seek(&mut self, panes: &VecDeque<Pane>, end: EventTime, windows: &Windows) {
        let start = end.minus(windows.size);
        // Backwards, nowhere yet, or beyond all that it has: begin at the window's first pane.
        let beyond = || self.to > 0 && panes.get(self.to - 1).is_some_and(|last| last.end <= start);
        if end < self.end || self.to == 0 || beyond() {
            self.restart(panes, start);
        }
        self.end = end;
        while let Some(pane) = panes.get(self.to).filter(|p| p.end <= end) {
            self.enter(pane);
        }
        while self.from < self.to && panes[self.from].end <= start {
            self.leave(panes);
            self.from += 1;
        }
    }
}
