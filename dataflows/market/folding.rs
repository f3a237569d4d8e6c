//! The panes that can still take a trade, each with the ids that it has: trades are added up where they are read.

use super::event_time::EventTime;
use super::ids::IdSet;
use super::looks::Looks;
use super::moments::Moments;
use super::prefetch::prefetch;
use super::sums::{GroupNumber, Positions, Sums};
use super::trade::Trade;

/// The open panes of a partition, in order of time.
#[derive(Debug)]
pub struct OpenPanes {
    panes: Vec<Pane>,
    /// Where the last trade went: the next one mostly goes there too.
    last: usize,
    /// The least look of all panes that have something to hand over, or the first moment at which one closes.
    due: EventTime,
    /// The end of the last pane of which anything was handed over.
    handed_over: Option<EventTime>,
    /// Emptied panes, kept for their allocations.
    spare: Vec<Pane>,
}

#[derive(Debug, Default)]
struct Pane {
    start: EventTime,
    end: EventTime,
    /// Offset of its first trade: reading again from there rebuilds it.
    opened_at: i64,
    /// The sums of the trades that were not handed over yet, where there are any.
    new: Option<New>,
    /// In `ids`.
    positions: Positions,
    ids: Vec<IdSet>,
    used: usize,
}

#[derive(Debug, Copy, Clone)]
struct New {
    /// The look before which they must be handed over.
    look: EventTime,
    group: GroupNumber,
}

impl Default for OpenPanes {
    fn default() -> Self {
        OpenPanes { panes: Vec::new(), last: 0, due: EventTime::MAX, handed_over: None, spare: Vec::new() }
    }
}

impl OpenPanes {
    /// The open pane that holds a time.
    #[inline]
    pub(super) fn find(&mut self, time: EventTime) -> Option<usize> {
        let found = self.look_up(time)?;
        self.last = found;
        Some(found)
    }

    #[inline]
    fn look_up(&self, time: EventTime) -> Option<usize> {
        let holds = |pane: &Pane| time >= pane.start && time < pane.end;
        if self.panes.get(self.last).is_some_and(holds) {
            return Some(self.last);
        }
        let at = self.panes.partition_point(|pane| pane.end <= time);
        self.panes.get(at).is_some_and(holds).then_some(at)
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

    /// Opens the pane that ends then, for the trade at that offset.
    pub(super) fn open(&mut self, end: EventTime, slide: u64, offset: i64) -> usize {
        let mut pane = self.spare.pop().unwrap_or_default();
        pane.start = end.minus(slide);
        pane.end = end;
        pane.opened_at = offset;
        let at = self.panes.partition_point(|p| p.end < end);
        self.panes.insert(at, pane);
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

    /// Adds a trade, accepted at watermark `w`, to the sums of its pane.
    #[inline]
    pub(super) fn fold(
        &mut self,
        pane: usize,
        symbol: usize,
        (trade, hash): (&Trade, u64),
        sums: &mut Sums,
        (looks, w): (&Looks, EventTime),
    ) {
        let group = match &self.panes[pane].new {
            Some(new) => new.group,
            None => self.begin(pane, sums, looks, w),
        };
        sums.add_trade(group, symbol, trade, hash);
    }

    #[cold]
    fn begin(&mut self, pane: usize, sums: &mut Sums, looks: &Looks, w: EventTime) -> GroupNumber {
        let pane = &mut self.panes[pane];
        // All that comes before this look is handed over has the same first look: W has not passed it.
        let look = looks.first_look(pane.end, w);
        let group = sums.group(look.minus(1), pane.end);
        pane.new = Some(New { look, group });
        self.due = self.due.min(look);
        group
    }

    /// The offset from which reading again rebuilds all that is open; `None` where nothing is.
    pub(super) fn opened_at(&self) -> Option<i64> {
        self.panes.iter().map(|pane| pane.opened_at).min()
    }

    /// Ends a rebuilding at watermark `w`, after all trades of the open panes were folded again: takes out what was
    /// handed over before, and notes which panes have other trades.
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
        self.due = EventTime::MAX;
        for pane in &mut self.panes {
            let group = sums.group_with_trades(date(pane.end), pane.end);
            pane.new = group.map(|group| New { look: looks.first_look(pane.end, w), group });
            self.due = self.due.min(pane.new.map_or_else(|| looks.final_at(pane.end), |new| new.look));
        }
    }

    /// Whether a watermark of `w` makes [`OpenPanes::hand_over`] necessary.
    #[inline]
    pub(super) fn due(&self, w: EventTime) -> bool {
        w >= self.due
    }

    /// Leaves alone the sums that a look at or before `w` must see, and drops the panes that `w` made final.
    #[cold]
    pub(super) fn hand_over(&mut self, w: EventTime, looks: &Looks) {
        let mut due = EventTime::MAX;
        for pane in &mut self.panes {
            if pane.new.is_some_and(|new| new.look <= w) {
                pane.new = None;
                self.handed_over = self.handed_over.max(Some(pane.end));
            }
            let settled = looks.final_at(pane.end);
            if settled > w {
                due = due.min(pane.new.map_or(settled, |new| new.look)).min(settled);
            }
        }
        let closed = self.panes.partition_point(|p| looks.final_at(p.end) <= w);
        for mut pane in self.panes.drain(..closed) {
            pane.clear();
            if self.spare.len() < 4 {
                self.spare.push(pane);
            }
        }
        self.last = 0;
        self.due = due;
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
        self.new = None;
    }
}
