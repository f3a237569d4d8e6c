//! The panes that can still take a trade, each with the ids that it has: trades are added up where they are
//! read.

use super::candle::TradeArrival;
use super::event_time::EventTime;
use super::ids::IdSet;
use super::looks::Looks;
use super::moments::Moments;
use super::prefetch::prefetch;
use super::sums::{GroupNumber, Positions, Sums};
use super::trade::Trade;
use super::windows::Interval;
use super::work::count;
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::Bound;

/// The open panes of a partition.
#[derive(Debug)]
pub struct OpenPanes {
    /// The open panes and the spare ones, each at a place of its own: none moves when others come and go.
    panes: Vec<Pane>,
    /// The places of the open panes, by the end of the pane.
    open: BTreeMap<EventTime, usize>,
    /// Where the last trade went: the next one mostly goes there too.
    last: usize,
    /// The panes where trades out of order went before, the latest in place of the oldest. Others are looked
    /// up.
    near: [KnownPane; NEAR],
    oldest: usize,
    /// The panes with something to hand over, by the look before which they must: look and end of the pane.
    looks: BinaryHeap<Reverse<(EventTime, EventTime)>>,
    /// Offset of the first trade and end of the panes that were opened before all open ones that end later.
    opened: VecDeque<(i64, EventTime)>,
    /// The least look of all panes that have something to hand over, or the first moment at which one closes.
    due: EventTime,
    /// The end of the last pane of which anything was handed over.
    handed_over: Option<EventTime>,
    /// The places of emptied panes; the first few keep their allocations.
    spare: Vec<usize>,
}

/// So many panes are found without a look at all that are open: mostly trades are out of order by a few of
/// them.
const NEAR: usize = 4;

/// A pane that is open, by its times; one that is gone holds none.
#[derive(Debug, Copy, Clone, Default)]
struct KnownPane {
    start: EventTime,
    end: EventTime,
    at: usize,
}

#[derive(Debug, Default)]
struct Pane {
    start: EventTime,
    end: EventTime,
    /// The sums of the trades that were not handed over yet, where there are any.
    new: Option<UnsentSums>,
    /// In `ids`.
    positions: Positions,
    ids: Vec<IdSet>,
    used: usize,
    /// Symbols and the hashes of ids that are no integers; only where there are such.
    hashed: Option<Box<HashSet<(u32, u128), RandomState>>>,
}

#[derive(Debug, Copy, Clone)]
struct UnsentSums {
    group: GroupNumber,
}

impl Default for OpenPanes {
    fn default() -> Self {
        OpenPanes {
            panes: Vec::new(),
            open: BTreeMap::new(),
            last: 0,
            near: [KnownPane::default(); NEAR],
            oldest: 0,
            looks: BinaryHeap::new(),
            opened: VecDeque::new(),
            due: EventTime::MAX,
            handed_over: None,
            spare: Vec::new(),
        }
    }
}

impl OpenPanes {
    /// The open pane that holds a time.
    #[inline]
    pub(super) fn find(&mut self, time: EventTime) -> Option<usize> {
        let found = self.look_up(time)?;
        if found != self.last {
            self.last = found;
            if !self.near.iter().any(|near| near.at == found && near.end > time) {
                let Pane { start, end, .. } = self.panes[found];
                self.near[self.oldest] = KnownPane { start, end, at: found };
                self.oldest = (self.oldest + 1) % NEAR;
            }
        }
        Some(found)
    }

    #[inline]
    fn look_up(&self, time: EventTime) -> Option<usize> {
        let holds = |pane: &Pane| time >= pane.start && time < pane.end;
        if self.panes.get(self.last).is_some_and(holds) {
            return Some(self.last);
        }
        if let Some(near) = self.near.iter().find(|near| time >= near.start && time < near.end) {
            return Some(near.at);
        }
        let (_, &at) = self.open.range((Bound::Excluded(time), Bound::Unbounded)).next()?;
        holds(&self.panes[at]).then_some(at)
    }

    /// Fetches what tells where the ids and the sums are that a trade will be added to.
    #[inline]
    pub(super) fn prefetch(&self, symbol: usize, time: EventTime, sums: &Sums) {
        let Some(pane) = self.look_up(time).map(|at| &self.panes[at]) else { return };
        pane.positions.prefetch(symbol);
        if let Some(new) = &pane.new {
            sums.prefetch(new.group, symbol);
        }
    }

    /// Fetches those ids and sums.
    #[inline]
    pub(super) fn prefetch_more(&self, symbol: usize, time: EventTime, sums: &Sums) {
        let Some(pane) = self.look_up(time).map(|at| &self.panes[at]) else { return };
        pane.ids(symbol).into_iter().for_each(prefetch);
        if let Some(new) = &pane.new {
            sums.prefetch_more(new.group, symbol);
        }
    }

    /// Fetches where the id will stand in a set that has been fetched.
    #[inline]
    pub(super) fn prefetch_id(&self, symbol: usize, trade: &Trade) {
        let Some(pane) = self.look_up(trade.time).map(|at| &self.panes[at]) else { return };
        pane.ids(symbol).into_iter().for_each(|ids| ids.prefetch(trade.id));
    }

    /// Opens a pane, for the trade at that offset.
    pub(super) fn open(&mut self, interval: Interval, offset: i64) -> usize {
        let Interval { start, end } = interval;
        let at = self.spare.pop().unwrap_or_else(|| {
            self.panes.push(Pane::default());
            self.panes.len() - 1
        });
        let pane = &mut self.panes[at];
        (pane.start, pane.end) = (start, end);
        self.open.insert(end, at);
        // Offsets rise: one that was opened before and ends later says from where to read for both.
        if self.opened.back().is_none_or(|(_, last)| *last < end) {
            self.opened.push_back((offset, end));
        }
        self.last = at;
        at
    }

    /// Notes that the pane has a trade with that id; false if it had it before.
    #[inline]
    pub(super) fn insert(&mut self, pane: usize, symbol: usize, id: u64) -> bool {
        let pane = &mut self.panes[pane];
        let ids = match pane.positions.get(symbol) {
            Some(at) => &mut pane.ids[at],
            None => pane.open_ids(symbol),
        };
        ids.insert(id)
    }

    /// The same of an id that is known by its hash.
    pub(super) fn insert_hashed(&mut self, pane: usize, symbol: usize, hash: u128) -> bool {
        self.panes[pane].hashed.get_or_insert_default().insert((symbol as u32, hash))
    }

    /// Adds a trade of a sequence, accepted at watermark `w`, to the sums of its pane.
    #[inline]
    pub(super) fn fold(
        &mut self,
        pane: usize,
        symbol: usize,
        (trade, hash): (&Trade, u64),
        sums: &mut Sums,
        (looks, w): (&Looks, EventTime),
    ) {
        let group = self.group(pane, sums, looks, w);
        sums.add_trade(group, symbol, trade, hash);
    }

    /// The same of a trade without a sequence.
    pub(super) fn fold_unnumbered(
        &mut self,
        pane: usize,
        symbol: usize,
        (trade, hash, arrival): (&Trade, u64, TradeArrival),
        sums: &mut Sums,
        (looks, w): (&Looks, EventTime),
    ) {
        let group = self.group(pane, sums, looks, w);
        sums.add_unnumbered(group, symbol, (trade, hash), arrival);
    }

    #[inline]
    fn group(&mut self, pane: usize, sums: &mut Sums, looks: &Looks, w: EventTime) -> GroupNumber {
        match &self.panes[pane].new {
            Some(new) => new.group,
            None => self.begin(pane, sums, looks, w),
        }
    }

    #[cold]
    fn begin(&mut self, pane: usize, sums: &mut Sums, looks: &Looks, w: EventTime) -> GroupNumber {
        let pane = &mut self.panes[pane];
        // All that comes before this look is handed over has the same first look: W has not passed it.
        let look = looks.first_look(pane.end, w);
        let group = sums.group(look.minus(1), pane.end);
        pane.new = Some(UnsentSums { group });
        self.looks.push(Reverse((look, pane.end)));
        self.due = self.due.min(look);
        group
    }

    /// The end of the earliest one.
    pub(super) fn first_end(&self) -> Option<EventTime> {
        self.open.first_key_value().map(|(end, _)| *end)
    }

    /// The offset from which reading again rebuilds all that is open; `None` where nothing is.
    pub(super) fn opened_at(&self) -> Option<i64> {
        self.opened.front().map(|(offset, _)| *offset)
    }

    /// Ends a rebuilding at watermark `w`, after all trades of the open panes were folded again: takes out
    /// what was handed over before, and notes which panes have other trades.
    pub(super) fn rebuilt<'a>(
        &mut self,
        handed_over: impl Iterator<Item = (usize, EventTime, &'a Moments)>,
        sums: &mut Sums,
        looks: &Looks,
        w: EventTime,
    ) {
        let date = |pane_end| looks.first_look(pane_end, w).minus(1);
        for (symbol, pane_end, moments) in handed_over {
            sums.subtract(date(pane_end), pane_end, symbol, moments);
        }
        self.looks.clear();
        for (&end, &at) in &self.open {
            let group = sums.group_with_trades(date(end), end);
            self.panes[at].new = group.map(|group| UnsentSums { group });
            self.looks.extend(group.map(|_| Reverse((looks.first_look(end, w), end))));
        }
        self.due = self.next_due(looks);
    }

    /// Whether a watermark of `w` makes [`OpenPanes::hand_over`] necessary.
    #[inline]
    pub(super) fn due(&self, w: EventTime) -> bool {
        w >= self.due
    }

    /// Leaves alone the sums that a look at or before `w` must see, and drops the panes that `w` made final.
    #[cold]
    pub(super) fn hand_over(&mut self, w: EventTime, looks: &Looks) {
        while let Some(Reverse((_, end))) = self.looks.peek().copied().filter(|due| due.0.0 <= w) {
            count(1);
            self.looks.pop();
            if let Some(&at) = self.open.get(&end) {
                self.panes[at].new = None;
            }
            self.handed_over = self.handed_over.max(Some(end));
        }
        while let Some(entry) = self.open.first_entry().filter(|entry| looks.final_at(*entry.key()) <= w) {
            count(1);
            let at = entry.remove();
            self.near.iter_mut().filter(|near| near.at == at).for_each(|near| *near = KnownPane::default());
            if self.spare.len() < 4 {
                self.panes[at].clear();
            } else {
                self.panes[at] = Pane::default();
            }
            self.spare.push(at);
        }
        while self.opened.front().is_some_and(|(_, end)| looks.final_at(*end) <= w) {
            self.opened.pop_front();
        }
        self.due = self.next_due(looks);
    }

    fn next_due(&self, looks: &Looks) -> EventTime {
        let handed_over = self.looks.peek().map_or(EventTime::MAX, |Reverse((look, _))| *look);
        let settled = self.open.first_key_value().map_or(EventTime::MAX, |(end, _)| looks.final_at(*end));
        handed_over.min(settled)
    }

    /// The end of the last pane of which anything was handed over.
    pub(super) fn handed_over(&self) -> Option<EventTime> {
        self.handed_over
    }
}

impl Pane {
    #[inline]
    fn ids(&self, symbol: usize) -> Option<&IdSet> {
        self.positions.get(symbol).map(|at| &self.ids[at])
    }

    #[cold]
    fn open_ids(&mut self, symbol: usize) -> &mut IdSet {
        let at = self.used;
        self.positions.set(symbol, at);
        self.used += 1;
        if self.ids.len() < self.used {
            self.ids.push(IdSet::default());
        }
        &mut self.ids[at]
    }

    fn clear(&mut self) {
        self.positions.clear();
        self.ids[..self.used].iter_mut().for_each(IdSet::clear);
        self.used = 0;
        self.hashed = None;
        self.new = None;
        // It holds no time.
        (self.start, self.end) = (EventTime::MIN, EventTime::MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_opened_in_any_order_are_found_and_the_earliest_is_known() {
        let at = EventTime::from_micros;
        let mut panes = OpenPanes::default();
        assert_eq!(panes.first_end(), None);
        let ends = [60, 30, 90, 20, 80, 70, 10, 50, 40];
        let pane = |end: u64| Interval { start: at(end - 10), end: at(end) };
        let places: Vec<usize> = ends.map(|end| panes.open(pane(end), 0)).to_vec();
        assert_eq!(panes.first_end(), Some(at(10)));
        for _ in 0..3 {
            for (end, place) in ends.into_iter().zip(&places) {
                assert_eq!(panes.find(at(end - 1)), Some(*place), "the pane that ends at {end}");
                assert_eq!(panes.find(at(end - 10)), Some(*place), "the pane that ends at {end}");
            }
        }
        assert_eq!(panes.find(at(90)), None);
    }
}
