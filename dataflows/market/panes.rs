//! The panes of one symbol, and the windows made of them: a running sum, so that a window of many panes
//! costs what entered and what left, never all panes again.

use super::candle::Candle;
use super::definition::Windows;
use super::event_time::EventTime;
use super::greatest_ids::GreatestIds;
use super::moments::Moments;
use super::prefetch::prefetch;
use super::running_window::RunningWindow;
use super::window::WindowState;
use differential_dataflow::difference::Semigroup;
use std::collections::VecDeque;

/// The panes that windows still need, in order of time; those without trades are not kept.
#[derive(Debug, Default)]
pub struct Panes {
    panes: VecDeque<Pane>,
    ids: GreatestIds,
    /// Of the windows that become final, which are asked for in order.
    head: RunningWindow,
    /// Of those that are open or may be corrected, and are asked for by themselves.
    others: Option<Box<[RunningWindow; 2]>>,
}

/// Which windows are asked for: each of these is asked for in order of time, so each has a running sum of its own.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Those that become final.
    Final,
    /// Those that end.
    Ending,
    /// Those that have changed since the last tick.
    Changed,
}

#[derive(Debug, Copy, Clone)]
pub(super) struct Pane {
    pub(super) end: EventTime,
    pub(super) moments: Moments,
    pub(super) candle: Candle,
}

impl Panes {
    /// None yet, after others with that greatest id.
    pub fn after(greatest_before: Option<u64>) -> Self {
        Panes { ids: GreatestIds::after(greatest_before), ..Panes::default() }
    }

    /// Fetches the panes that come and go: with thousands of symbols they are far away.
    pub fn prefetch(&self) {
        self.panes.front().into_iter().chain(self.panes.back()).for_each(prefetch);
    }

    /// Adds trades to a pane: their sums and their candle, which may be that of older ones there too. Gives `changed` the
    /// ends of the first and the last window of each stretch of windows that may have changed.
    pub fn add(
        &mut self,
        end: EventTime,
        moments: &Moments,
        candle: &Candle,
        windows: &Windows,
        mut changed: impl FnMut(EventTime, EventTime),
    ) {
        let at = self.panes.partition_point(|p| p.end < end);
        let Panes { panes, ids, head, others } = self;
        let heads = std::iter::once(head).chain(others.iter_mut().flat_map(|heads| heads.iter_mut()));
        match panes.get_mut(at).filter(|pane| pane.end == end) {
            Some(pane) => {
                pane.moments.plus_equals(moments);
                pane.candle.merge(candle);
                heads.filter(|head| head.holds(at)).for_each(|head| head.add(at, moments, candle));
            }
            None => {
                // A queue would take room for four at first, and a pane is large: of a million symbols that is a gigabyte.
                if panes.len() == panes.capacity() {
                    panes.reserve_exact(panes.len().max(1));
                }
                panes.insert(at, Pane { end, moments: *moments, candle: *candle });
                heads.for_each(|head| head.shift(at));
            }
        }
        // The windows that hold a pane.
        let mut holding = |end: EventTime| changed(end, end.plus(windows.size - windows.slide));
        holding(end);
        ids.note(end, candle.greatest_id, holding);
    }

    /// Whether no pane is kept.
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// The state of the window that ends then; `None` if it has no trades.
    pub fn window(&mut self, end: EventTime, windows: &Windows, asked: Asked) -> Option<WindowState> {
        let Panes { panes, ids, head, others } = self;
        let head = match asked {
            Asked::Final => head,
            Asked::Ending => &mut others.get_or_insert_default()[0],
            Asked::Changed => &mut others.get_or_insert_default()[1],
        };
        head.seek(panes, end, windows);
        let (moments, candle) = head.sums(panes)?;
        // Ids are below 2^63 and n is from 1 to below 2^63: in this order the differences fit.
        let at_start = match ids.until(end.minus(windows.size)) {
            Some(greatest) => greatest as i64,
            None => candle.least_id as i64 - 1,
        };
        let at_end = at_start.max(candle.greatest_id as i64);
        let missing_ids = at_end - moments.n - at_start;
        Some(WindowState { moments, candle, missing_ids })
    }

    /// The end of the first window with trades that ends then or later.
    pub fn first_window_from(&self, end: EventTime, windows: &Windows) -> Option<EventTime> {
        let end = EventTime::from_micros(end.micros().checked_next_multiple_of(windows.slide)?);
        let start = end.minus(windows.size);
        let pane = self.panes.get(self.panes.partition_point(|p| p.end <= start))?;
        Some(end.max(pane.end))
    }

    /// The end of the latest window before the one that ends then which has trades, as far as panes are kept. Windows do
    /// end then.
    pub fn latest_window_before(&self, end: EventTime, windows: &Windows) -> Option<EventTime> {
        debug_assert!(end.micros().is_multiple_of(windows.slide), "no window ends at {end:?}");
        let before = end.minus(windows.slide);
        let pane = self.panes.range(..self.panes.partition_point(|p| p.end <= before)).next_back()?;
        Some(before.min(pane.end.plus(windows.size - windows.slide)))
    }

    /// Drops the panes that end then or earlier: no window needs them any more.
    pub fn forget(&mut self, until: EventTime) {
        while self.panes.front().is_some_and(|pane| pane.end <= until) {
            let Panes { panes, head, others, .. } = self;
            let heads = std::iter::once(head).chain(others.iter_mut().flat_map(|heads| heads.iter_mut()));
            heads.for_each(|head| head.forget_first(panes));
            self.panes.pop_front();
        }
        self.ids.forget(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::trade::Trade;
    use crate::market::work::steps_of;
    use proptest::prelude::*;

    const SLIDE: u64 = 10;

    #[derive(Debug, Clone)]
    enum Step {
        Add { time: u64, id: u64, price: i64 },
        Window(u64, Asked),
        Forget(u64),
    }

    fn asked() -> impl Strategy<Value = Asked> {
        prop::sample::select(&[Asked::Final, Asked::Ending, Asked::Changed][..])
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = prop_oneof![20 => 0u64..400, 1 => Just(i64::MAX as u64)];
        prop_oneof![
            4 => (0u64..300, id, 1i64..9).prop_map(|(time, id, price)| Step::Add { time, id, price }),
            4 => (1u64..35, asked()).prop_map(|(pane, asked)| Step::Window(pane, asked)),
            1 => (1u64..20).prop_map(Step::Forget),
        ]
    }

    const ENDS: std::ops::Range<u64> = 1..35;

    /// The window of those trades that ends with that pane.
    fn window_of(trades: &[Trade], pane: u64, windows: &Windows) -> Option<WindowState> {
        let end = pane * SLIDE;
        let start = end.saturating_sub(windows.size);
        let mut sums: Option<(Moments, Candle)> = None;
        let mut before = None;
        for t in trades {
            let time = t.time.micros();
            if time < start {
                before = before.max(Some(t.id));
            } else if time < end {
                let (m, c) = sums.get_or_insert((Moments::default(), Candle::of(t)));
                m.add_trade(t, t.id);
                c.add_trade(t);
            }
        }
        sums.map(|(moments, candle)| {
            let h_start = before.map_or(candle.least_id as i64 - 1, |b| b as i64);
            let h_end = h_start.max(candle.greatest_id as i64);
            let missing = i128::from(h_end) - i128::from(h_start) - i128::from(moments.n);
            WindowState { moments, candle, missing_ids: missing as i64 }
        })
    }

    fn trade(time: u64, id: u64, price: i64) -> Trade {
        Trade {
            id,
            price: Price::from_scaled(price).unwrap(),
            quantity: Quantity::from_scaled(1).unwrap(),
            time: EventTime::from_micros(time),
        }
    }

    /// Adds a trade: the end of its pane, and the stretches of windows that may have changed.
    fn add(kept: &mut Panes, trade: &Trade, windows: &Windows) -> (EventTime, Vec<(EventTime, EventTime)>) {
        let mut moments = Moments::default();
        moments.add_trade(trade, trade.id);
        let end = EventTime::from_micros(trade.time.micros() / SLIDE * SLIDE + SLIDE);
        let mut changed = Vec::new();
        kept.add(end, &moments, &Candle::of(trade), windows, |from, to| changed.push((from, to)));
        (end, changed)
    }

    proptest! {
        /// In any order of additions and questions, a window is what its trades make it, and what an addition changes is told.
        #[test]
        fn windows_are_what_their_trades_make_them(panes in 1u64..6, steps in prop::collection::vec(step(), 1..120)) {
            let windows = Windows { size: SLIDE * panes, slide: SLIDE };
            let mut kept = Panes::default();
            let mut trades: Vec<Trade> = Vec::new();
            let mut forgotten = 0;
            for step in steps {
                match step {
                    Step::Add { time, id, price } if time >= forgotten => {
                        let before = ENDS.map(|pane| window_of(&trades, pane, &windows)).collect::<Vec<_>>();
                        let trade = trade(time, id, price);
                        let (_, changed) = add(&mut kept, &trade, &windows);
                        trades.push(trade);
                        for (pane, before) in ENDS.zip(before) {
                            let (end, start) = (pane * SLIDE, (pane * SLIDE).saturating_sub(windows.size));
                            if start >= forgotten && window_of(&trades, pane, &windows) != before {
                                let end = EventTime::from_micros(end);
                                let is_told = changed.iter().any(|(from, to)| (from..=to).contains(&&end));
                                prop_assert!(is_told, "{end:?} has changed, not only {changed:?}");
                            }
                        }
                    }
                    Step::Add { .. } => {}
                    Step::Forget(pane) => {
                        forgotten = forgotten.max(pane * SLIDE);
                        kept.forget(EventTime::from_micros(pane * SLIDE));
                    }
                    Step::Window(pane, asked) => {
                        let end = pane * SLIDE;
                        if end.saturating_sub(windows.size) < forgotten {
                            continue;
                        }
                        let at = EventTime::from_micros(end);
                        prop_assert_eq!(kept.window(at, &windows, asked), window_of(&trades, pane, &windows));
                        let with_trades = |pane: &u64| window_of(&trades, *pane, &windows).is_some();
                        let first = (pane..40).find(with_trades).map(|pane| EventTime::from_micros(pane * SLIDE));
                        prop_assert_eq!(kept.first_window_from(at.minus(SLIDE - 1), &windows), first);
                    }
                }
            }
        }
    }

    /// A window that slides costs what enters and what leaves, whatever it holds, also where the price rises for ever and the
    /// ids do, so that each pane that leaves held the least of both.
    #[test]
    fn a_window_of_ten_times_the_panes_costs_no_more_for_each() {
        let steps = |panes: u64| {
            let windows = Windows { size: SLIDE * panes, slide: SLIDE };
            steps_of(|| {
                let mut kept = Panes::default();
                for n in 1..=20_000 {
                    let (end, _) = add(&mut kept, &trade(n * SLIDE, n, n as i64), &windows);
                    let window = kept.window(end, &windows, Asked::Final).expect("trades");
                    assert_eq!(window.moments.n as u64, n.min(panes));
                    kept.forget(end.plus(SLIDE).minus(windows.size));
                }
            })
        };
        let (few, many) = (steps(100), steps(1_000));
        assert!(many <= 3 * 20_000 && few <= 3 * 20_000, "{few} and {many} steps for 20,000 windows");
    }
}
