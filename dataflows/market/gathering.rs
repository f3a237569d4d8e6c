//! What the partitions of one worker hand over, gathered until all of them have passed it: one update for each symbol of a
//! pane, in order, where otherwise there was one for each partition, in none.
//!
//! Differential would merge and sort them as well. Here it costs less: symbols are still numbers, and the order of
//! thousands of names is worked out once and not for every pane.

use super::event_time::EventTime;
use super::folding::PaneUpdate;
use super::trade::Symbol;
use super::{acceptance::SymbolNumber, candle::Candle, moments::Moments};
use differential_dataflow::difference::Semigroup;
use std::collections::BTreeMap;

/// An update of the collection of panes.
pub type PaneItem = ((Symbol, (EventTime, Candle)), EventTime, Moments);

/// Updates that wait for the slowest partition of a worker.
#[derive(Debug, Default)]
pub struct Gathering {
    /// By date and pane.
    groups: BTreeMap<(EventTime, EventTime), Vec<PaneUpdate>>,
    /// The place of each symbol among all, by name.
    ranks: Vec<u32>,
    /// Scratch: rank and position of each update of a group.
    order: Vec<u64>,
    /// Emptied groups, kept for their allocations.
    spare: Vec<Vec<PaneUpdate>>,
}

impl Gathering {
    /// Takes what a partition hands over.
    pub fn add(&mut self, updates: &mut Vec<PaneUpdate>) {
        let mut updates = updates.drain(..).peekable();
        while let Some(first) = updates.next() {
            let key = (first.date, first.pane_end);
            let group = self.groups.entry(key).or_insert_with(|| self.spare.pop().unwrap_or_default());
            group.push(first);
            while let Some(next) = updates.next_if(|next| (next.date, next.pane_end) == key) {
                group.push(next);
            }
        }
    }

    /// Whether there is anything dated before `until`.
    pub fn has_before(&self, until: EventTime) -> bool {
        self.groups.first_key_value().is_some_and(|((date, _), _)| *date < until)
    }

    /// Takes out what is dated before `until`: pane by pane in order of dates, each in order of the names.
    pub fn take(&mut self, until: EventTime, names: &[Symbol], mut each: impl FnMut(Vec<PaneItem>)) {
        while let Some(entry) = self.groups.first_entry().filter(|entry| entry.key().0 < until) {
            let ((date, pane_end), mut group) = entry.remove_entry();
            each(self.in_order(date, pane_end, &group, names));
            group.clear();
            if self.spare.len() < 4 {
                self.spare.push(group);
            }
        }
    }

    fn in_order(
        &mut self,
        date: EventTime,
        pane_end: EventTime,
        group: &[PaneUpdate],
        names: &[Symbol],
    ) -> Vec<PaneItem> {
        self.rank(names);
        let rank = |symbol: SymbolNumber| u64::from(self.ranks[symbol.0 as usize]);
        self.order.clear();
        // Positions are below 2^32: a pane has at most as many updates as there are partitions and symbols.
        self.order.extend((0u64..).zip(group).map(|(at, update)| rank(update.symbol) << 32 | at));
        self.order.sort_unstable();
        let mut items: Vec<PaneItem> = Vec::with_capacity(group.len());
        let mut last = None;
        for key in &self.order {
            let update = &group[(*key & 0xFFFF_FFFF) as usize];
            if last == Some(update.symbol)
                && let Some(((_, (_, candle)), _, moments)) = items.last_mut()
            {
                candle.merge(&update.candle);
                moments.plus_equals(&update.moments);
                continue;
            }
            last = Some(update.symbol);
            let name = names[update.symbol.0 as usize].clone();
            items.push(((name, (pane_end, update.candle)), date, update.moments));
        }
        items
    }

    fn rank(&mut self, names: &[Symbol]) {
        if self.ranks.len() == names.len() {
            return;
        }
        let mut numbers: Vec<u32> = (0u32..).zip(names).map(|(number, _)| number).collect();
        numbers.sort_unstable_by_key(|number| &names[*number as usize]);
        self.ranks.resize(names.len(), 0);
        for (rank, number) in (0u32..).zip(numbers) {
            self.ranks[number as usize] = rank;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::trade::Trade;
    use proptest::prelude::*;

    type Handed = (u64, u64, u32, u64);

    fn update((date, pane, symbol, id): Handed) -> PaneUpdate {
        let trade = Trade {
            id,
            price: Price::from_scaled(1 + id as i64).unwrap(),
            quantity: Quantity::from_scaled(1).unwrap(),
            time: EventTime::from_micros(pane),
        };
        let mut moments = Moments::default();
        moments.add_trade(&trade, id);
        PaneUpdate {
            date: EventTime::from_micros(date),
            symbol: SymbolNumber(symbol),
            pane_end: EventTime::from_micros(pane),
            moments,
            candle: Candle::of(&trade),
        }
    }

    proptest! {
        /// Nothing is lost, nothing comes too early, and what comes is merged and in order.
        #[test]
        fn gives_all_that_is_due_merged_and_in_order(
            rounds in prop::collection::vec(
                (prop::collection::vec((0u64..6, 0u64..3, 0u32..5, 0u64..50), 0..20), 0u64..8), 1..6)
        ) {
            let names = ["E", "A", "D", "B", "C"].map(Symbol::new);
            let mut gathering = Gathering::default();
            let mut model: BTreeMap<(u64, u64), BTreeMap<Symbol, (Candle, Moments)>> = BTreeMap::new();
            let mut known = 0;
            for (handed, until) in rounds {
                // Symbols appear one after the other.
                known = names.len().min(known + 2);
                let handed: Vec<Handed> = handed.into_iter().filter(|h| (h.2 as usize) < known).collect();
                for h in &handed {
                    let update = update(*h);
                    let sums = model.entry((h.0, h.1)).or_default();
                    sums.entry(names[h.2 as usize].clone())
                        .and_modify(|(candle, moments)| {
                            candle.merge(&update.candle);
                            moments.plus_equals(&update.moments);
                        })
                        .or_insert((update.candle, update.moments));
                }
                gathering.add(&mut handed.into_iter().map(update).collect());
                let later = model.split_off(&(until, 0));
                let mut expected = Vec::new();
                for ((date, pane), sums) in std::mem::replace(&mut model, later) {
                    let (date, pane) = (EventTime::from_micros(date), EventTime::from_micros(pane));
                    expected.push(sums.into_iter().map(|(name, (c, m))| ((name, (pane, c)), date, m)).collect::<Vec<_>>());
                }
                let mut got = Vec::new();
                gathering.take(EventTime::from_micros(until), &names[..known], |items| got.push(items));
                prop_assert_eq!(got, expected);
            }
        }
    }
}
