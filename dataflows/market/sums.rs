//! Trades added up by pane and symbol, until everybody has passed them: one update leaves for each symbol of
//! a pane, whatever the number of trades and of partitions that they came from.
//!
//! The partitions of a worker add to the same sums. Where there is a ledger each has its own first, since the
//! checkpoint knows what every partition has handed over; those are then added here.
//!
//! Differential would add up and sort updates as well. Here it costs less: symbols are still numbers, and the
//! order of thousands of names is worked out once and not for every pane.

use super::candle::{Candle, NumberedCandle, TradeArrival};
use super::event_time::EventTime;
use super::moments::Moments;
use super::prefetch::prefetch;
use super::trade::{Symbol, SymbolNumber, Trade};
use super::work::count;
use differential_dataflow::difference::{Abelian, Semigroup};
use std::collections::{BTreeMap, HashMap};

/// A group of one in so many of all symbols, or fewer, is sorted by its names.
const FEW: usize = 64;

/// An update of the collection of panes.
pub type PaneItem = ((Symbol, (EventTime, Candle)), EventTime, Moments);

/// What a partition hands over: the trades of one symbol that came into one pane since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneUpdate {
    /// When: just before the first look that must see it.
    pub date: EventTime,
    /// The symbol.
    pub symbol: SymbolNumber,
    /// The pane, by its end.
    pub pane_end: EventTime,
    /// The sums of the new trades.
    pub moments: Moments,
    /// First, last, greatest and least of the new trades; they may be older ones of the same pane and
    /// partition.
    pub candle: Candle,
}

/// Sums that wait until everybody has passed their date.
#[derive(Debug, Default)]
pub struct Sums {
    groups: Vec<Group>,
    /// The open groups by date and pane.
    open: BTreeMap<(EventTime, EventTime), GroupNumber>,
    /// Groups that are not open, kept for their allocations.
    spare: Vec<GroupNumber>,
    /// The place of each symbol among all, by name.
    ranks: Vec<u32>,
    /// Scratch: rank and position of each sum of a group.
    order: Vec<u64>,
}

/// The trades of one pane that share their first look: an index into [`Sums::groups`], good until it is taken
/// out.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct GroupNumber(usize);

/// Positions by symbol number, of those symbols that have a trade. What a pane holds of them has a bound, and
/// beyond it grows with the symbols that trade in the pane, not with all that are known.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// Those of the first symbols, which are mostly those that are traded most.
    first: Vec<u32>,
    others: HashMap<u32, u32, foldhash::fast::RandomState>,
}

impl Positions {
    const NONE: u32 = u32::MAX;
    /// So many symbols are looked up without hashing.
    const FIRST: usize = 4_096;

    #[inline]
    pub(super) fn get(&self, symbol: usize) -> Option<usize> {
        match self.first.get(symbol) {
            Some(&Self::NONE) => None,
            Some(&at) => Some(at as usize),
            None if symbol < Self::FIRST => None,
            None => self.others.get(&(symbol as u32)).map(|at| *at as usize),
        }
    }

    /// Sets the position of a symbol; there are fewer than 2^32.
    pub(super) fn set(&mut self, symbol: usize, at: usize) {
        if symbol >= Self::FIRST {
            self.others.insert(symbol as u32, at as u32);
            return;
        }
        if self.first.len() <= symbol {
            self.first.resize(symbol + 1, Self::NONE);
        }
        self.first[symbol] = at as u32;
    }

    /// Fetches what [`Positions::get`] will read.
    #[inline]
    pub(super) fn prefetch(&self, symbol: usize) {
        self.first.get(symbol).into_iter().for_each(prefetch);
    }

    pub(super) fn clear(&mut self) {
        self.first.fill(Self::NONE);
        if !self.others.is_empty() {
            self.others = HashMap::default();
        }
    }
}

#[derive(Debug, Default)]
struct Group {
    /// In `sums`.
    positions: Positions,
    /// The symbols of `sums`.
    symbols: Vec<SymbolNumber>,
    sums: Vec<Sum>,
    /// The candles of the trades without a sequence, at the same positions; as many as there must be.
    others: Vec<Candle>,
}

/// Four whole cache lines.
#[derive(Debug)]
#[repr(align(64))]
struct Sum {
    moments: Moments,
    /// Of the trades of a sequence.
    candle: NumberedCandle,
}

impl Group {
    /// Gives the position of a symbol that has none.
    #[cold]
    fn open(&mut self, symbol: SymbolNumber, moments: Moments, candle: NumberedCandle) -> usize {
        let at = self.sums.len();
        self.positions.set(symbol.0 as usize, at);
        self.symbols.push(symbol);
        self.sums.push(Sum { moments, candle });
        at
    }

    /// The position of a symbol, opened where it has none.
    fn at(&mut self, symbol: SymbolNumber) -> usize {
        match self.positions.get(symbol.0 as usize) {
            Some(at) => at,
            None => self.open(symbol, Moments::default(), NumberedCandle::EMPTY),
        }
    }

    /// Merges a candle with that of a position.
    fn merge(&mut self, at: usize, candle: &Candle) {
        match NumberedCandle::try_of(candle) {
            Some(numbered) => self.sums[at].candle.merge(&numbered),
            None => self.merge_other(at, candle),
        }
    }

    fn merge_other(&mut self, at: usize, candle: &Candle) {
        if self.others.len() <= at {
            self.others.resize(at + 1, NumberedCandle::EMPTY.candle());
        }
        self.others[at].merge(candle);
    }

    /// The candle of all trades at a position.
    fn candle(&self, at: usize) -> Candle {
        let mut candle = self.sums[at].candle.candle();
        self.others.get(at).into_iter().for_each(|other| candle.merge(other));
        candle
    }

    fn clear(&mut self) {
        self.positions.clear();
        self.symbols.clear();
        self.sums.clear();
        self.others.clear();
    }
}

impl Sums {
    /// The group of a pane's trades with that date.
    pub fn group(&mut self, date: EventTime, pane_end: EventTime) -> GroupNumber {
        let Sums { groups, open, spare, .. } = self;
        *open.entry((date, pane_end)).or_insert_with(|| {
            spare.pop().unwrap_or_else(|| {
                groups.push(Group::default());
                GroupNumber(groups.len() - 1)
            })
        })
    }

    /// Adds a trade of a sequence, whose hash is given.
    #[inline]
    pub(super) fn add_trade(&mut self, group: GroupNumber, symbol: usize, trade: &Trade, hash: u64) {
        let group = &mut self.groups[group.0];
        match group.positions.get(symbol) {
            Some(at) => {
                let sum = &mut group.sums[at];
                sum.moments.add_trade(trade, hash);
                sum.candle.add_trade(trade);
            }
            None => {
                let mut moments = Moments::default();
                moments.add_trade(trade, hash);
                group.open(SymbolNumber(symbol as u32), moments, NumberedCandle::of(trade));
            }
        }
    }

    /// Adds a trade without a sequence, whose hash is given.
    pub(super) fn add_unnumbered(
        &mut self,
        group: GroupNumber,
        symbol: usize,
        (trade, hash): (&Trade, u64),
        arrival: TradeArrival,
    ) {
        let group = &mut self.groups[group.0];
        let at = group.at(SymbolNumber(symbol as u32));
        group.sums[at].moments.add_unnumbered(trade, hash);
        group.merge_other(at, &Candle::arrived(trade, arrival));
    }

    /// Fetches what tells where the sum is that a trade will be added to.
    #[inline]
    pub(super) fn prefetch(&self, group: GroupNumber, symbol: usize) {
        if let Some(group) = self.groups.get(group.0) {
            group.positions.prefetch(symbol);
        }
    }

    /// Fetches that sum.
    #[inline]
    pub(super) fn prefetch_more(&self, group: GroupNumber, symbol: usize) {
        if let Some(group) = self.groups.get(group.0)
            && let Some(at) = group.positions.get(symbol)
        {
            prefetch(&group.sums[at]);
        }
    }

    /// Adds what a partition has handed over.
    pub fn add(&mut self, update: &PaneUpdate) {
        let group = self.group(update.date, update.pane_end);
        let group = &mut self.groups[group.0];
        let at = group.at(update.symbol);
        group.sums[at].moments.plus_equals(&update.moments);
        group.merge(at, &update.candle);
    }

    /// Takes sums of a pane's trades out again. They are a group: what is left is exactly what else there is.
    pub(super) fn subtract(&mut self, date: EventTime, pane_end: EventTime, symbol: usize, gone: &Moments) {
        let Some(group) = self.open.get(&(date, pane_end)) else { return };
        let group = &mut self.groups[group.0];
        let Some(at) = group.positions.get(symbol) else { return };
        let mut gone = *gone;
        gone.negate();
        group.sums[at].moments.plus_equals(&gone);
    }

    /// The group of a pane's trades with that date, if it has any trade.
    pub(super) fn group_with_trades(&self, date: EventTime, pane_end: EventTime) -> Option<GroupNumber> {
        let group = self.open.get(&(date, pane_end)).copied()?;
        self.groups[group.0].sums.iter().any(|sum| sum.moments.n > 0).then_some(group)
    }

    /// Whether there is anything dated before `until`.
    pub fn has_before(&self, until: EventTime) -> bool {
        self.open.first_key_value().is_some_and(|((date, _), _)| *date < until)
    }

    /// Takes out what is dated before `until`: pane by pane in order of dates, each in order of the names.
    pub fn take(&mut self, until: EventTime, names: &[Symbol], mut each: impl FnMut(Vec<PaneItem>)) {
        while let Some((date, pane_end, group)) = self.take_group(until) {
            each(self.in_order(date, pane_end, group, names));
            self.close(group);
        }
    }

    /// Takes out what is dated before `until`: pane by pane in order of dates.
    pub fn hand_over(&mut self, until: EventTime, out: &mut Vec<PaneUpdate>) {
        while let Some((date, pane_end, number)) = self.take_group(until) {
            let group = &self.groups[number.0];
            // Of what was subtracted nothing may be left.
            let sums = group.symbols.iter().zip(&group.sums).enumerate();
            out.extend(sums.filter(|(_, (_, sum))| sum.moments.n > 0).map(|(at, (symbol, sum))| {
                let (symbol, moments, candle) = (*symbol, sum.moments, group.candle(at));
                PaneUpdate { date, symbol, pane_end, moments, candle }
            }));
            self.close(number);
        }
    }

    fn close(&mut self, group: GroupNumber) {
        // A burst of groups does not leave its memory behind.
        if self.spare.len() < 4 {
            self.groups[group.0].clear();
        } else {
            self.groups[group.0] = Group::default();
        }
        self.spare.push(group);
    }

    fn take_group(&mut self, until: EventTime) -> Option<(EventTime, EventTime, GroupNumber)> {
        let first = self.open.first_entry().filter(|entry| entry.key().0 < until)?;
        let ((date, pane_end), group) = first.remove_entry();
        Some((date, pane_end, group))
    }

    fn in_order(
        &mut self,
        date: EventTime,
        pane_end: EventTime,
        group: GroupNumber,
        names: &[Symbol],
    ) -> Vec<PaneItem> {
        // Ranks of all names are worked out again when there are more names: not for a few of them.
        if self.groups[group.0].sums.len() * FEW < names.len() {
            return self.in_order_of_few(date, pane_end, group, names);
        }
        self.rank(names);
        let group = &self.groups[group.0];
        self.order.clear();
        // Positions are below 2^32: there are no more than symbols.
        let ranked = (0u64..).zip(&group.symbols);
        self.order.extend(ranked.map(|(at, symbol)| u64::from(self.ranks[symbol.0 as usize]) << 32 | at));
        self.order.sort_unstable();
        let places = self.order.iter().map(|key| (*key & 0xFFFF_FFFF) as usize);
        places
            .map(|at| {
                let (name, sum) = (&names[group.symbols[at].0 as usize], &group.sums[at]);
                ((name.clone(), (pane_end, group.candle(at))), date, sum.moments)
            })
            .collect()
    }

    fn in_order_of_few(
        &self,
        date: EventTime,
        pane_end: EventTime,
        group: GroupNumber,
        names: &[Symbol],
    ) -> Vec<PaneItem> {
        let group = &self.groups[group.0];
        count(group.sums.len());
        let sums = group.symbols.iter().zip(&group.sums).enumerate();
        let mut items: Vec<PaneItem> = sums
            .map(|(at, (symbol, sum))| {
                ((names[symbol.0 as usize].clone(), (pane_end, group.candle(at))), date, sum.moments)
            })
            .collect();
        items.sort_unstable_by(|((a, _), ..), ((b, _), ..)| a.cmp(b));
        items
    }

    fn rank(&mut self, names: &[Symbol]) {
        if self.ranks.len() == names.len() {
            return;
        }
        count(names.len());
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

    /// Of a trade; each third one is without a sequence.
    fn update((date, pane, symbol, id): Handed) -> PaneUpdate {
        let price = Price::from_scaled(1 + id as i64).unwrap();
        let trade = Trade::new(id, price, Quantity::from_scaled(1).unwrap(), EventTime::from_micros(pane));
        let mut moments = Moments::default();
        let candle = if id % 3 == 1 {
            moments.add_unnumbered(&trade, id);
            Candle::arrived(&trade, arrival(id))
        } else {
            moments.add_trade(&trade, id);
            Candle::of(&trade)
        };
        PaneUpdate {
            date: EventTime::from_micros(date),
            symbol: SymbolNumber(symbol),
            pane_end: EventTime::from_micros(pane),
            moments,
            candle,
        }
    }

    fn arrival(id: u64) -> TradeArrival {
        TradeArrival { offset: id as i64, part: 0, partition: 1 }
    }

    #[test]
    fn a_sum_takes_four_cache_lines() {
        assert_eq!(size_of::<Sum>(), 256);
    }

    #[test]
    fn trades_of_both_sorts_are_one_sum() {
        let at = EventTime::from_micros;
        let (price, quantity) = (Price::from_scaled(3).unwrap(), Quantity::from_scaled(1).unwrap());
        let trade = |id| Trade::new(id, price, quantity, at(7));
        let mut sums = Sums::default();
        let group = sums.group(at(3), at(9));
        sums.add_unnumbered(group, 5, (&trade(0).without_id(), 2), arrival(4));
        sums.add_trade(group, 5, &trade(8), 1);
        let mut out = Vec::new();
        sums.hand_over(at(4), &mut out);
        let mut candle = Candle::of(&trade(8));
        candle.merge(&Candle::arrived(&trade(0), arrival(4)));
        let [update] = &out[..] else { panic!("{out:?}") };
        assert_eq!((update.candle, update.moments.n, update.moments.unnumbered), (candle, 2, 1));
        assert_eq!((update.moments.digest, update.moments.more_ids, candle.ids()), (3, 0, Some((8, 8))));
        let mut others = Sums::default();
        others.add(update);
        let mut again = Vec::new();
        others.hand_over(at(4), &mut again);
        assert_eq!(again, out);
    }

    #[test]
    fn what_is_subtracted_is_not_handed_over() {
        let mut sums = Sums::default();
        let (old, new, later) = (update((3, 7, 1, 5)), update((3, 7, 1, 6)), update((4, 7, 1, 7)));
        let gone = update((3, 7, 0, 9));
        for update in [&old, &new, &later, &gone] {
            sums.add(update);
        }
        let at = EventTime::from_micros;
        sums.subtract(at(3), at(7), 1, &old.moments);
        sums.subtract(at(3), at(7), 0, &gone.moments);
        // Of another pane, date or symbol there is nothing to take out.
        sums.subtract(at(3), at(8), 1, &old.moments);
        sums.subtract(at(2), at(7), 1, &old.moments);
        sums.subtract(at(3), at(7), 9, &old.moments);
        assert!(sums.group_with_trades(at(3), at(7)).is_some());
        sums.subtract(at(4), at(7), 1, &later.moments);
        assert!(sums.group_with_trades(at(4), at(7)).is_none());
        let mut out = Vec::new();
        sums.hand_over(at(3), &mut out);
        assert_eq!(out, []);
        sums.hand_over(at(5), &mut out);
        let mut candle = old.candle;
        candle.merge(&new.candle);
        assert_eq!(out, [PaneUpdate { candle, ..new }]);
        assert!(!sums.has_before(EventTime::MAX));
    }

    proptest! {
        /// Nothing is lost, nothing comes too early, and what comes is merged and in order.
        #[test]
        fn gives_all_that_is_due_merged_and_in_order(
            rounds in prop::collection::vec(
                (prop::collection::vec((0u64..6, 0u64..3, 0u32..5, 0u64..50), 0..20), 0u64..8), 1..6)
        ) {
            let names = ["E", "A", "D", "B", "C"].map(Symbol::new);
            let mut sums = Sums::default();
            let mut model: BTreeMap<(u64, u64), BTreeMap<Symbol, (Candle, Moments)>> = BTreeMap::new();
            let mut known = 0;
            for (handed, until) in rounds {
                // Symbols appear one after the other.
                known = names.len().min(known + 2);
                let handed: Vec<Handed> = handed.into_iter().filter(|h| (h.2 as usize) < known).collect();
                for h in &handed {
                    let update = update(*h);
                    let symbols = model.entry((h.0, h.1)).or_default();
                    symbols.entry(names[h.2 as usize].clone())
                        .and_modify(|(candle, moments)| {
                            candle.merge(&update.candle);
                            moments.plus_equals(&update.moments);
                        })
                        .or_insert((update.candle, update.moments));
                }
                handed.into_iter().map(update).for_each(|update| sums.add(&update));
                let later = model.split_off(&(until, 0));
                let mut expected = Vec::new();
                for ((date, pane), sums) in std::mem::replace(&mut model, later) {
                    let (date, pane) = (EventTime::from_micros(date), EventTime::from_micros(pane));
                    expected.push(sums.into_iter().map(|(name, (c, m))| ((name, (pane, c)), date, m)).collect::<Vec<_>>());
                }
                let mut got = Vec::new();
                sums.take(EventTime::from_micros(until), &names[..known], |items| got.push(items));
                prop_assert_eq!(got, expected);
            }
        }
    }
}
