//! The slots of one symbol that windows of one definition are made of, and the windows: a running sum where
//! windows hold several slots, so that a window costs what entered and what left, never all slots again.

use super::candle::Candle;
use super::event_time::EventTime;
use super::moments::Moments;
use super::prefetch::prefetch;
use super::running_window::RunningWindow;
use super::slot::Slot;
use super::window::WindowState;
use super::windows::Window;
use differential_dataflow::difference::Semigroup;
use std::collections::VecDeque;

/// The slots that windows still need, in order of time; those without trades are not kept. Of windows that
/// grow, all slots before those that may still be corrected are one.
#[derive(Debug, Default)]
pub struct Slots {
    slots: VecDeque<Slot>,
    /// The running sums, by who asks; none where a window is a slot.
    heads: [Option<Box<RunningWindow>>; 3],
}

/// Which windows are asked for: each of these is asked for in order of time, so each has a running sum of its
/// own.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum FiringKind {
    /// Those that become final.
    Final,
    /// Those that end.
    Ending,
    /// Those that have changed since the last tick.
    Changed,
}

impl Slots {
    /// Those that an earlier run left, in order of time.
    pub fn of(slots: impl IntoIterator<Item = Slot>) -> Slots {
        Slots { slots: slots.into_iter().collect(), heads: Default::default() }
    }

    /// Fetches the slots that come and go, and the running sums: with thousands of symbols they are far away.
    pub fn prefetch(&self) {
        self.slots.front().into_iter().chain(self.slots.back()).for_each(prefetch);
        self.heads.iter().flatten().for_each(|head| prefetch(head.as_ref()));
    }

    /// Adds trades to a slot: their sums and their candle, which may be that of older ones there too.
    pub fn add(&mut self, end: EventTime, moments: &Moments, candle: &Candle) {
        let Slots { slots, heads } = self;
        // Trades mostly come to the last slot, or open the next one.
        let at = match slots.back() {
            Some(last) if last.end == end => slots.len() - 1,
            Some(last) if last.end > end => slots.partition_point(|slot| slot.end < end),
            _ => slots.len(),
        };
        match slots.get_mut(at).filter(|slot| slot.end == end) {
            Some(slot) => {
                slot.moments.plus_equals(moments);
                slot.candle.merge(candle);
                let holding = heads.iter_mut().flatten().filter(|head| head.holds(at));
                holding.for_each(|head| head.add(at, moments, candle));
            }
            None => {
                // A symbol mostly has one or two, and a queue that grows by itself takes room for four.
                if slots.len() == slots.capacity() && slots.len() < 4 {
                    slots.reserve_exact(1);
                }
                slots.insert(at, Slot { end, moments: *moments, candle: *candle, rise: 0 });
                heads.iter_mut().flatten().for_each(|head| head.shift(at));
            }
        }
    }

    /// Notes that ids rise further in a slot than was known, or less far. False where the slot is not kept.
    pub fn add_rise(&mut self, end: EventTime, by: i128) -> bool {
        let Slots { slots, heads } = self;
        let at = match slots.back() {
            Some(last) if last.end == end => slots.len() - 1,
            _ => slots.partition_point(|slot| slot.end < end),
        };
        let Some(slot) = slots.get_mut(at).filter(|slot| slot.end == end) else { return false };
        slot.rise += by;
        heads.iter_mut().flatten().filter(|head| head.holds(at)).for_each(|head| head.add_rise(by));
        true
    }

    /// Whether no slot is kept.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// All slots that are kept, in order of time.
    pub fn each(&self) -> impl DoubleEndedIterator<Item = &Slot> + Clone {
        self.slots.iter()
    }

    /// The state of the window that ends then; `None` if it has no trades.
    pub fn window(&mut self, window: &Window, end: EventTime, kind: FiringKind) -> Option<WindowState> {
        let Slots { slots, heads } = self;
        if window.overlap().is_none() && !window.grows() {
            let at = slots.partition_point(|slot| slot.end < end);
            let slot = slots.get(at).filter(|slot| slot.end == end)?;
            return Some(state(slot.moments, slot.candle, slot.rise));
        }
        let head = heads[kind as usize].get_or_insert_default();
        head.seek(slots, window.start_of(end), end);
        let (moments, candle, rise) = head.sums(slots)?;
        Some(state(moments, candle, rise))
    }

    /// The end of the first window that ends then or later and has a row.
    pub fn first_end_from(&self, window: &Window, from: EventTime) -> Option<EventTime> {
        let Some((size, slide)) = window.overlap() else {
            return self.slots.get(self.slots.partition_point(|slot| slot.end < from)).map(|slot| slot.end);
        };
        let end = EventTime::from_micros(from.micros().checked_next_multiple_of(slide)?);
        let start = end.minus(size);
        let slot = self.slots.get(self.slots.partition_point(|slot| slot.end <= start))?;
        Some(end.max(slot.end))
    }

    /// The end of the latest window that ends then or earlier and has a row, as far as slots are kept.
    pub fn latest_end_until(&self, window: &Window, until: EventTime) -> Option<EventTime> {
        let Some((size, slide)) = window.overlap() else {
            let after = self.slots.partition_point(|slot| slot.end <= until);
            return after.checked_sub(1).map(|last| self.slots[last].end);
        };
        let end = until.minus(until.micros() % slide);
        let after = self.slots.partition_point(|slot| slot.end <= end);
        let slot = after.checked_sub(1).map(|last| self.slots[last])?;
        Some(end.min(slot.end.plus(size - slide)))
    }

    /// The window that ends then will not be asked for again, nor one that ends earlier.
    pub fn settle(&mut self, window: &Window, end: EventTime) {
        match window.overlap() {
            // The next window does not hold what ends before it begins.
            Some((size, slide)) => self.forget(end.plus(slide).minus(size)),
            None if window.grows() && window.last_end_over(end) > end => {
                // Of the windows that grew before from another start.
                self.forget(window.start_of(end));
                self.merge(end);
            }
            None => self.forget(end),
        }
    }

    fn forget(&mut self, until: EventTime) {
        while self.slots.front().is_some_and(|slot| slot.end <= until) {
            let Slots { slots, heads } = self;
            heads.iter_mut().flatten().for_each(|head| head.forget_first(slots));
            self.slots.pop_front();
        }
    }

    /// Makes one of the slots that end then or earlier.
    fn merge(&mut self, until: EventTime) {
        while let [Some(first), Some(second)] = [self.slots.front(), self.slots.get(1)]
            && second.end <= until
        {
            let mut both = *first;
            both.merge_later(second);
            self.slots.pop_front();
            self.slots[0] = both;
            self.heads.iter_mut().flatten().for_each(|head| head.merge_first());
        }
    }
}

fn state(moments: Moments, candle: Candle, rise: i128) -> WindowState {
    let missing_ids = match moments.unnumbered {
        0 => rise - i128::from(moments.n) - moments.more_ids,
        // None is told, and nothing else tells two such states apart.
        _ => 0,
    };
    WindowState { moments, candle, missing_ids }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::trade::Trade;
    use crate::market::windows::Windows;
    use crate::market::work::steps_of;

    /// A window that slides costs what enters and what leaves, whatever it holds, also where the price rises
    /// for ever and the ids do, so that each slot that leaves held the least of both.
    #[test]
    fn a_window_of_ten_times_the_slots_costs_no_more_for_each() {
        const SLIDE: u64 = 10;
        let steps = |count: u64| {
            let windows = Windows::sliding(SLIDE * count, SLIDE);
            let window = windows.at(0);
            steps_of(|| {
                let mut kept = Slots::default();
                for n in 1..=20_000 {
                    let (price, quantity) =
                        (Price::from_scaled(n as i64).unwrap(), Quantity::from_scaled(1).unwrap());
                    let trade = Trade::new(n, price, quantity, EventTime::from_micros(n * SLIDE));
                    let mut moments = Moments::default();
                    moments.add_trade(&trade, n);
                    let end = trade.time.plus(SLIDE);
                    kept.add(end, &moments, &Candle::of(&trade));
                    let state = kept.window(window, end, FiringKind::Final).expect("trades");
                    assert_eq!(state.moments.n as u64, n.min(count));
                    kept.settle(window, end);
                }
            })
        };
        let (few, many) = (steps(100), steps(1_000));
        assert!(many <= 3 * 20_000 && few <= 3 * 20_000, "{few} and {many} steps for 20,000 windows");
    }
}
