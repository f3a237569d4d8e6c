//! The panes of one symbol, and the windows made of them: a running sum, so that a window of many panes
//! costs what entered and what left, never all panes again.

use super::candle::Candle;
use super::decimal::Price;
use super::definition::Windows;
use super::event_time::EventTime;
use super::moments::Moments;
use super::prefetch::prefetch;
use super::window::WindowState;
use differential_dataflow::difference::{Abelian, Semigroup};
use std::collections::VecDeque;

/// The panes that windows still need, in order of time; those without trades are not kept.
#[derive(Debug, Default)]
pub struct Panes {
    panes: VecDeque<Pane>,
    /// The greatest id among the panes that were forgotten.
    greatest_before: Option<u64>,
    head: Head,
}

#[derive(Debug, Copy, Clone)]
struct Pane {
    end: EventTime,
    moments: Moments,
    candle: Candle,
}

/// The window that was asked for last: where the running sum stands.
#[derive(Debug, Default)]
struct Head {
    end: EventTime,
    /// Positions of its panes in the queue: `from..to`.
    from: usize,
    to: usize,
    moments: Moments,
    /// Unknown after a pane that held one of them has left.
    extremes: Option<Extremes>,
}

/// What of a window cannot be had by subtraction nor from its first and last pane.
#[derive(Debug, Copy, Clone)]
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

    fn merge(&mut self, candle: &Candle) {
        self.high = self.high.max(candle.high);
        self.low = self.low.min(candle.low);
        self.least_id = self.least_id.min(candle.least_id);
        self.greatest_id = self.greatest_id.max(candle.greatest_id);
    }

    /// Whether they are the same without that pane, whatever the other panes hold.
    fn stand_without(&self, candle: &Candle) -> bool {
        candle.high < self.high
            && candle.low > self.low
            && candle.least_id > self.least_id
            && candle.greatest_id < self.greatest_id
    }
}

impl Panes {
    /// None yet, after others with that greatest id.
    pub fn after(greatest_before: Option<u64>) -> Self {
        Panes { greatest_before, ..Panes::default() }
    }

    /// Fetches the panes that come and go: with thousands of symbols they are far away.
    pub fn prefetch(&self) {
        self.panes.front().into_iter().chain(self.panes.back()).for_each(prefetch);
    }

    /// Adds trades to a pane: their sums and their candle, which may be that of older ones there too.
    pub fn add(&mut self, end: EventTime, moments: &Moments, candle: &Candle) {
        let at = self.panes.partition_point(|p| p.end < end);
        let in_head = at >= self.head.from && at < self.head.to;
        match self.panes.get_mut(at) {
            Some(pane) if pane.end == end => {
                pane.moments.plus_equals(moments);
                pane.candle.merge(candle);
                if in_head {
                    self.head.moments.plus_equals(moments);
                    if let Some(extremes) = &mut self.head.extremes {
                        extremes.merge(candle);
                    }
                }
            }
            _ => {
                self.panes.insert(at, Pane { end, moments: *moments, candle: *candle });
                // The head counts positions, which have moved; where it stands is found again when asked for.
                if at < self.head.to || self.head.from == self.head.to {
                    self.head = Head::default();
                }
            }
        }
    }

    /// Whether no pane is kept.
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// The state of the window that ends then; `None` if it has no trades.
    pub fn window(&mut self, end: EventTime, windows: &Windows) -> Option<WindowState> {
        self.seek(end, windows);
        let head = &mut self.head;
        if head.from == head.to {
            return None;
        }
        let inside = self.panes.range(head.from..head.to);
        let extremes = *head.extremes.get_or_insert_with(|| {
            let mut panes = inside;
            // The range is not empty.
            let mut extremes = panes.next().map(|p| Extremes::of(&p.candle)).expect("a pane");
            panes.for_each(|p| extremes.merge(&p.candle));
            extremes
        });
        let candle = Candle {
            first: self.panes[head.from].candle.first,
            last: self.panes[head.to - 1].candle.last,
            high: extremes.high,
            low: extremes.low,
            least_id: extremes.least_id,
            greatest_id: extremes.greatest_id,
        };
        let earlier = self.panes.range(..head.from).map(|p| p.candle.greatest_id).max();
        // Ids are below 2^63 and n is from 1 to below 2^63: in this order the differences fit.
        let at_start = match earlier.max(self.greatest_before) {
            Some(greatest) => greatest as i64,
            None => candle.least_id as i64 - 1,
        };
        let at_end = at_start.max(candle.greatest_id as i64);
        let missing_ids = at_end - head.moments.n - at_start;
        Some(WindowState { moments: head.moments, candle, missing_ids })
    }

    /// The end of the latest window before the one that ends then which has trades, as far as panes are kept.
    pub fn latest_window_before(&self, end: EventTime, windows: &Windows) -> Option<EventTime> {
        let before = end.minus(windows.slide);
        let pane = self.panes.range(..self.panes.partition_point(|p| p.end <= before)).next_back()?;
        Some(before.min(pane.end.plus(windows.size - windows.slide)))
    }

    /// Drops the panes that end then or earlier: no window needs them any more.
    pub fn forget(&mut self, until: EventTime) {
        while let Some(pane) = self.panes.front().filter(|p| p.end <= until).copied() {
            self.panes.pop_front();
            self.greatest_before = self.greatest_before.max(Some(pane.candle.greatest_id));
            let head = &mut self.head;
            if head.from == 0 && head.to > 0 {
                leave(head, &pane);
                head.to -= 1;
            } else {
                head.from = head.from.saturating_sub(1);
                head.to = head.to.saturating_sub(1);
            }
        }
    }

    fn seek(&mut self, end: EventTime, windows: &Windows) {
        let start = end.minus(windows.size);
        let head = &mut self.head;
        if end < head.end || head.to == 0 {
            // Backwards, or nowhere yet: begin at the window's first pane.
            let from = self.panes.partition_point(|p| p.end <= start);
            *head = Head { end, from, to: from, ..Head::default() };
        }
        head.end = end;
        while let Some(pane) = self.panes.get(head.to).filter(|p| p.end <= end) {
            head.moments.plus_equals(&pane.moments);
            if head.from == head.to {
                head.extremes = Some(Extremes::of(&pane.candle));
            } else if let Some(extremes) = &mut head.extremes {
                extremes.merge(&pane.candle);
            }
            head.to += 1;
        }
        while head.from < head.to && self.panes[head.from].end <= start {
            let pane = self.panes[head.from];
            leave(head, &pane);
            head.from += 1;
        }
    }
}

fn leave(head: &mut Head, pane: &Pane) {
    let mut gone = pane.moments;
    gone.negate();
    head.moments.plus_equals(&gone);
    if head.extremes.is_some_and(|e| !e.stand_without(&pane.candle)) {
        head.extremes = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::decimal::Quantity;
    use crate::market::trade::Trade;
    use proptest::prelude::*;

    const SLIDE: u64 = 10;

    #[derive(Debug, Clone)]
    enum Step {
        Add { time: u64, id: u64, price: i64 },
        Window(u64),
        Forget(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = prop_oneof![20 => 0u64..400, 1 => Just(i64::MAX as u64)];
        prop_oneof![
            4 => (0u64..300, id, 1i64..9).prop_map(|(time, id, price)| Step::Add { time, id, price }),
            4 => (1u64..35).prop_map(Step::Window),
            1 => (1u64..20).prop_map(Step::Forget),
        ]
    }

    proptest! {
        /// In any order of additions and questions, a window is what its trades make it.
        #[test]
        fn windows_are_what_their_trades_make_them(panes in 1u64..6, steps in prop::collection::vec(step(), 1..120)) {
            let windows = Windows { size: SLIDE * panes, slide: SLIDE };
            let mut kept = Panes::default();
            let mut trades: Vec<Trade> = Vec::new();
            let mut forgotten = 0;
            for step in steps {
                match step {
                    Step::Add { time, id, price } if time >= forgotten => {
                        let trade = Trade {
                            id,
                            price: Price::from_scaled(price).unwrap(),
                            quantity: Quantity::from_scaled(1).unwrap(),
                            time: EventTime::from_micros(time),
                        };
                        let mut moments = Moments::default();
                        moments.add_trade(&trade, id);
                        let end = time / SLIDE * SLIDE + SLIDE;
                        kept.add(EventTime::from_micros(end), &moments, &Candle::of(&trade));
                        trades.push(trade);
                    }
                    Step::Add { .. } => {}
                    Step::Forget(pane) => {
                        forgotten = forgotten.max(pane * SLIDE);
                        kept.forget(EventTime::from_micros(pane * SLIDE));
                    }
                    Step::Window(pane) => {
                        let end = pane * SLIDE;
                        let start = end.saturating_sub(windows.size);
                        if start < forgotten {
                            continue;
                        }
                        let mut expected: Option<(Moments, Candle)> = None;
                        let mut before = None;
                        for t in &trades {
                            let time = t.time.micros();
                            if time < start {
                                before = before.max(Some(t.id));
                            } else if time < end {
                                let (m, c) = expected.get_or_insert((Moments::default(), Candle::of(t)));
                                m.add_trade(t, t.id);
                                c.add_trade(t);
                            }
                        }
                        let expected = expected.map(|(moments, candle)| {
                            let h_start = before.map_or(candle.least_id as i64 - 1, |b| b as i64);
                            let h_end = h_start.max(candle.greatest_id as i64);
                            let missing = i128::from(h_end) - i128::from(h_start) - i128::from(moments.n);
                            WindowState { moments, candle, missing_ids: missing as i64 }
                        });
                        prop_assert_eq!(kept.window(EventTime::from_micros(end), &windows), expected);
                    }
                }
            }
        }
    }
}
