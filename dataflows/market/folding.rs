//! Trades folded into (pane, symbol) sums where they are read: one update leaves per pane and symbol,
//! whatever the number of trades.

use super::acceptance::SymbolNumber;
use super::candle::Candle;
use super::event_time::EventTime;
use super::ids::IdSet;
use super::looks::Looks;
use super::moments::{Moments, trade_hash};
use super::trade::{Symbol, Trade};
use differential_dataflow::difference::{Abelian, Semigroup};
use std::hint::black_box;

/// What a partition hands to the dataflow: the trades of one symbol that came into one pane since the last time.
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
    /// First, last, greatest and least of all the pane's trades so far in this partition.
    pub candle: Candle,
}

/// The panes that can still take a trade, in order of time.
#[derive(Debug)]
pub struct OpenPanes {
    panes: Vec<Pane>,
    /// Where the last trade went: the next one mostly goes there too.
    last: usize,
    /// The least look of all panes that have something to hand over, or the first moment at which one closes.
    due: EventTime,
    /// Emptied panes, kept for their allocations.
    spare: Vec<Pane>,
}

#[derive(Debug, Default)]
struct Pane {
    start: EventTime,
    end: EventTime,
    /// Offset of its first trade: reading again from there rebuilds it.
    opened_at: i64,
    /// The look before which the new trades must be handed over; none are new when `None`.
    look: Option<EventTime>,
    /// Index into `slots` by symbol number; [`NONE`] where the symbol has no trade here.
    index: Vec<u32>,
    slots: Vec<Slot>,
    used: usize,
}

const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
struct Slot {
    symbol: u32,
    ids: IdSet,
    new: Moments,
    candle: Option<Candle>,
}

impl Default for OpenPanes {
    fn default() -> Self {
        OpenPanes { panes: Vec::new(), last: 0, due: EventTime::MAX, spare: Vec::new() }
    }
}

impl OpenPanes {
    /// The open pane that holds a time.
    #[inline]
    pub(super) fn find(&mut self, time: EventTime) -> Option<usize> {
        if let Some(pane) = self.panes.get(self.last)
            && time >= pane.start
            && time < pane.end
        {
            return Some(self.last);
        }
        let at = self.panes.partition_point(|p| p.end <= time);
        let found = self.panes.get(at).is_some_and(|p| time >= p.start);
        if found {
            self.last = at;
            Some(at)
        } else {
            None
        }
    }

    /// Fetches the sums that a trade will be added to, if its pane is the one of the last trade.
    #[inline]
    pub(super) fn prefetch(&self, symbol: usize, time: EventTime) {
        if let Some(pane) = self.panes.get(self.last)
            && time >= pane.start
            && time < pane.end
            && let Some(&at) = pane.index.get(symbol)
            && at != NONE
        {
            // A plain load of each cache line, of which nobody needs the value: what is fetched is up to the processor,
            // and there is nothing to go wrong.
            let slot = &pane.slots[at as usize];
            black_box((slot.symbol, slot.new.q, slot.new.digest));
            black_box(slot.candle.as_ref().map(|candle| candle.greatest_id));
            slot.ids.prefetch();
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

    /// Adds a trade to a pane; false if `dedup` found that its id is there.
    #[inline]
    pub(super) fn fold(
        &mut self,
        pane: usize,
        symbol: usize,
        names: &[Symbol],
        trade: &Trade,
        dedup: bool,
    ) -> bool {
        let pane = &mut self.panes[pane];
        let slot = match pane.index.get(symbol) {
            Some(&at) if at != NONE => &mut pane.slots[at as usize],
            _ => pane.new_slot(symbol),
        };
        if dedup && !slot.ids.insert(trade.id) {
            return false;
        }
        slot.new.add_trade(trade, trade_hash(&names[symbol], trade));
        match &mut slot.candle {
            Some(candle) => candle.add_trade(trade),
            none => *none = Some(Candle::of(trade)),
        }
        true
    }

    /// Notes that the pane has new trades, accepted at watermark `w`.
    #[inline]
    pub(super) fn mark(&mut self, pane: usize, looks: &Looks, w: EventTime) {
        let pane = &mut self.panes[pane];
        if pane.look.is_none() {
            // All that comes before this look is handed over has the same first look: W has not passed it.
            let look = looks.first_look(pane.end, w);
            pane.look = Some(look);
            self.due = self.due.min(look);
        }
    }

    /// The offset from which reading again rebuilds all that is open; `None` where nothing is.
    pub(super) fn opened_at(&self) -> Option<i64> {
        self.panes.iter().map(|pane| pane.opened_at).min()
    }

    /// Takes out of an open pane what was handed over before, after its trades were all folded again.
    /// The sums are a group: what is left is exactly what was new.
    pub(super) fn without_handed_over(&mut self, symbol: usize, pane_end: EventTime, moments: &Moments) {
        let at = self.panes.partition_point(|p| p.end < pane_end);
        let Some(pane) = self.panes.get_mut(at).filter(|p| p.end == pane_end) else { return };
        let Some(slot) = pane.index.get(symbol).filter(|slot| **slot != NONE) else { return };
        let mut gone = *moments;
        gone.negate();
        pane.slots[*slot as usize].new.plus_equals(&gone);
    }

    /// Notes which panes have new trades, after a rebuilding; their first look is after `w`.
    pub(super) fn mark_rebuilt(&mut self, looks: &Looks, w: EventTime) {
        self.due = EventTime::MAX;
        for pane in &mut self.panes {
            let new = pane.slots[..pane.used].iter().any(|slot| slot.new.n > 0);
            pane.look = new.then(|| looks.first_look(pane.end, w));
            self.due = self.due.min(pane.look.unwrap_or_else(|| looks.final_at(pane.end)));
        }
    }

    /// Whether a watermark of `w` makes [`OpenPanes::hand_over`] necessary.
    #[inline]
    pub(super) fn due(&self, w: EventTime) -> bool {
        w >= self.due
    }

    /// Hands over what a look at or before `w` must see, and drops the panes that `w` made final.
    #[cold]
    pub(super) fn hand_over(&mut self, w: EventTime, looks: &Looks, out: &mut Vec<PaneUpdate>) {
        let mut due = EventTime::MAX;
        for pane in &mut self.panes {
            if pane.look.is_some_and(|look| look <= w) {
                pane.hand_over(out);
            }
            let settled = looks.final_at(pane.end);
            if settled > w {
                due = due.min(pane.look.unwrap_or(settled)).min(settled);
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
}

impl Pane {
    #[cold]
    fn new_slot(&mut self, symbol: usize) -> &mut Slot {
        if self.index.len() <= symbol {
            self.index.resize(symbol + 1, NONE);
        }
        let at = self.used;
        self.index[symbol] = at as u32;
        self.used += 1;
        if self.slots.len() < self.used {
            self.slots.push(Slot::default());
        }
        let slot = &mut self.slots[at];
        slot.symbol = symbol as u32;
        slot
    }

    fn hand_over(&mut self, out: &mut Vec<PaneUpdate>) {
        let Some(look) = self.look.take() else { return };
        for slot in &mut self.slots[..self.used] {
            if let Some(candle) = slot.candle
                && slot.new.n > 0
            {
                out.push(PaneUpdate {
                    date: look.minus(1),
                    symbol: SymbolNumber(slot.symbol),
                    pane_end: self.end,
                    moments: std::mem::take(&mut slot.new),
                    candle,
                });
            }
        }
    }

    fn clear(&mut self) {
        self.index.fill(NONE);
        for slot in &mut self.slots[..self.used] {
            slot.ids.clear();
            slot.new = Moments::default();
            slot.candle = None;
        }
        self.used = 0;
        self.look = None;
    }
}
