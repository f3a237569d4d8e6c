//! How often a symbol has traded, by the steps of time at which paths are chosen
//! (`docs/semantics.md#assets`).
//!
//! Paths are chosen at the multiples of a step; the first one of an asset at the multiples of another one.
//! Counts are kept by cell: the stretch of time between two neighbouring multiples of either. Cells that no
//! later choice tells apart become one, so that a symbol has one count a step, and a few more.

use super::event_time::EventTime;
use super::windows::{multiple, next_multiple_from};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The steps at which paths are chosen, and how far back trades count; in microseconds.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Steps {
    /// Between choices.
    pub every: u64,
    /// Between choices of assets that have had no path yet.
    pub first_every: u64,
    /// How far back trades count.
    pub lookback: u64,
    /// How long after a pane's end its trades are final.
    pub grace: u64,
}

/// Which trades count at a choice: those in `[from, to)`.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct CountedRange {
    /// The first moment.
    pub from: EventTime,
    /// The first moment after.
    pub to: EventTime,
}

impl Steps {
    /// What counts at a choice at that moment.
    pub fn counted(&self, moment: EventTime) -> CountedRange {
        let to = multiple(moment.minus(self.grace), self.every).start;
        CountedRange { from: to.minus(self.lookback), to }
    }

    /// What counts at a first choice at that moment.
    pub fn counted_first(&self, moment: EventTime) -> CountedRange {
        let to = multiple(moment.minus(self.grace), self.first_every).start;
        CountedRange { from: multiple(to, self.every).start.minus(self.lookback), to }
    }

    /// The end of the cell that a pane lies in.
    pub fn cell(&self, pane_end: EventTime) -> EventTime {
        next_multiple_from(pane_end, self.every).min(next_multiple_from(pane_end, self.first_every))
    }

    /// The end of the step that a cell lies in.
    pub fn step_of(&self, cell: EventTime) -> EventTime {
        next_multiple_from(cell, self.every)
    }

    /// The first choice of assets without a path at which a cell counts.
    pub fn first_choice_with(&self, cell: EventTime) -> EventTime {
        next_multiple_from(next_multiple_from(cell, self.first_every).plus(self.grace), self.first_every)
    }
}

/// The trades of one symbol in one step, for a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsOfStep {
    /// Trades by the end of their cell.
    pub cells: Vec<(EventTime, u64)>,
}

/// The trades of one symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TradeCounts {
    /// By the end of their cell.
    cells: BTreeMap<EventTime, u64>,
}

impl TradeCounts {
    /// What a checkpoint holds.
    pub fn restored(steps: &BTreeMap<EventTime, CountsOfStep>) -> TradeCounts {
        let mut counts = TradeCounts::default();
        for step in steps.values() {
            counts.cells.extend(step.cells.iter().copied());
        }
        counts
    }

    /// Adds the trades of a pane, when they are final. Gives the end of a cell that is new.
    pub fn add(&mut self, pane_end: EventTime, trades: u64, steps: &Steps) -> Option<EventTime> {
        let cell = steps.cell(pane_end);
        if let Some(known) = self.cells.get_mut(&cell) {
            *known += trades;
            return None;
        }
        self.merge(pane_end.plus(steps.grace), steps);
        self.cells.insert(cell, trades);
        Some(cell)
    }

    /// Makes one of the cells that no choice at that moment or later tells apart.
    fn merge(&mut self, moment: EventTime, steps: &Steps) {
        let CountedRange { to, .. } = steps.counted_first(moment);
        let Some((&last, _)) = self.cells.range(..=to).next_back() else { return };
        let begin = steps.step_of(last).minus(steps.every);
        let mut trades = 0;
        // From the back: those before were merged when the last one came.
        while let Some((&end, &n)) = self.cells.range(begin.plus(1)..=last).next_back() {
            trades += n;
            self.cells.remove(&end);
        }
        self.cells.insert(last, trades);
    }

    /// The trades that count.
    pub fn weight(&self, counted: CountedRange) -> u64 {
        self.cells.range(counted.from.plus(1)..=counted.to).map(|(_, trades)| *trades).sum()
    }

    /// Forgets what lies before a moment; gives the steps that are gone.
    pub fn forget_until(&mut self, moment: EventTime, steps: &Steps) -> Vec<EventTime> {
        let mut gone = Vec::new();
        while let Some(entry) = self.cells.first_entry().filter(|entry| *entry.key() <= moment) {
            let step = steps.step_of(*entry.key());
            if gone.last() != Some(&step) {
                gone.push(step);
            }
            entry.remove();
        }
        gone
    }

    /// The ends of the cells.
    pub fn cells(&self) -> impl Iterator<Item = EventTime> + '_ {
        self.cells.keys().copied()
    }

    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The step that holds a cell, for a checkpoint.
    pub fn of_step(&self, cell: EventTime, steps: &Steps) -> (EventTime, CountsOfStep) {
        let step = steps.step_of(cell);
        let cells = self.cells.range(step.minus(steps.every).plus(1)..=step);
        (step, CountsOfStep { cells: cells.map(|(end, n)| (*end, *n)).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: u64) -> EventTime {
        EventTime::from_micros(micros)
    }

    proptest! {
        /// At every choice that comes, the weight is the number of trades in the interval that the text
        /// names, also of a run that was taken up in between.
        #[test]
        fn a_weight_is_the_number_of_trades_that_the_text_counts(
            (every, first_every, lookback, grace) in (1u64..40, 1u64..40, 1u64..5, 0u64..30),
            panes in prop::collection::vec((1u64..25, 1u64..4, any::<bool>()), 1..60),
        ) {
            let steps = Steps { every, first_every, lookback: lookback * every, grace };
            let (mut counts, mut trades, mut kept) = (TradeCounts::default(), Vec::new(), BTreeMap::new());
            let mut time = 1_000;
            for (gap, n, restart) in panes {
                // Panes end at the multiples of both steps, and anywhere else.
                time += gap;
                let ends = [time.next_multiple_of(every), time.next_multiple_of(first_every), time + 3];
                let pane_end = at(*ends.iter().min().unwrap());
                if trades.last().is_some_and(|(last, _)| *last >= pane_end) {
                    continue;
                }
                let first = counts.add(pane_end, n, &steps);
                trades.push((pane_end, n));
                let (step, of_step) = counts.of_step(first.unwrap_or_else(|| steps.cell(pane_end)), &steps);
                kept.insert(step, of_step);
                let now = pane_end.plus(grace);
                for moment in (now.micros()..now.micros() + 50).map(at) {
                    for counted in [steps.counted(moment), steps.counted_first(moment)] {
                        let is_in = |(end, _): &&(EventTime, u64)| *end > counted.from && *end <= counted.to;
                        let expected: u64 = trades.iter().filter(is_in).map(|(_, n)| n).sum();
                        prop_assert_eq!(counts.weight(counted), expected, "{:?} at {:?}", counted, moment);
                    }
                }
                let least = steps.counted(now).from.min(steps.counted_first(now).from);
                for step in counts.forget_until(least, &steps) {
                    kept.remove(&step);
                }
                // A count a step, and one for each cell that is not old enough.
                let fresh = 2 * every / first_every.min(every) + grace / first_every.min(every);
                prop_assert!(counts.cells.len() as u64 <= lookback + fresh + 6);
                if restart {
                    counts = TradeCounts::restored(&kept);
                }
            }
        }
    }
}
