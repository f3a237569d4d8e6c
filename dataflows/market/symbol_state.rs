//! One symbol in the windows of all definitions: its slots, how far its trade ids rise, and what a checkpoint
//! needs of both.

use super::base::{Base, OpenPaneSums};
use super::candle::Candle;
use super::event_time::EventTime;
use super::id_rises::IdRises;
use super::looks::Looks;
use super::moments::Moments;
use super::prefetch::prefetch;
use super::resume::Resume;
use super::slots::{FiringKind, Slots};
use super::trade::Symbol;
use super::window::WindowState;
use super::windows::{Window, WindowName, WindowPlace, Windows, next_multiple_from};

/// A pane's place in the slots of all definitions. Asked for by thousands of symbols one after the other, it
/// is worked out once.
#[derive(Debug)]
pub struct PaneSlots {
    pane_end: EventTime,
    /// By definition; `None` before an anchor.
    slots: Box<[Option<SlotSpan>]>,
    base_step: Option<u64>,
    /// The definitions whose sums are kept by value.
    kept: Box<[WindowPlace]>,
}

/// A slot, and the last of the windows that hold it.
#[derive(Debug, Copy, Clone)]
pub struct SlotSpan {
    /// Where it ends, and the first window that holds it.
    pub end: EventTime,
    /// Where the last window that holds it ends.
    pub last_end: EventTime,
}

fn slot_of(window: &Window, pane_end: EventTime) -> Option<SlotSpan> {
    let end = window.slot(pane_end.minus(1))?.end;
    Some(SlotSpan { end, last_end: window.last_end_over(end) })
}

impl PaneSlots {
    /// Those of no pane yet.
    pub fn of(windows: &Windows) -> PaneSlots {
        let slots = windows.each().iter().map(|_| None).collect();
        let is_kept = |place: &WindowPlace| windows.is_long(*place) && windows.kept_with(*place).is_none();
        let kept = (0..windows.count()).filter(is_kept).collect();
        PaneSlots { pane_end: EventTime::MIN, slots, base_step: windows.base_step(), kept }
    }

    /// The same where no later run needs sums.
    pub fn without_kept(self) -> PaneSlots {
        PaneSlots { base_step: None, kept: Box::default(), ..self }
    }

    /// Turns to the pane that ends then.
    pub fn turn_to(&mut self, pane_end: EventTime, windows: &Windows) {
        if self.pane_end == pane_end {
            return;
        }
        self.pane_end = pane_end;
        for (slot, window) in self.slots.iter_mut().zip(windows.each()) {
            *slot = slot_of(window, pane_end);
        }
    }

    /// The slot of the pane in the windows of a definition; `None` before an anchor.
    pub fn at(&self, place: WindowPlace) -> Option<SlotSpan> {
        self.slots[usize::from(place)]
    }

    /// The definitions whose sums are kept by value.
    pub fn kept(&self) -> &[WindowPlace] {
        &self.kept
    }

    /// The moment at which the sums of long windows are kept by value, with the pane that ends then among
    /// them.
    pub fn kept_at(&self, pane_end: EventTime) -> Option<EventTime> {
        self.base_step.map(|step| next_multiple_from(pane_end, step))
    }
}

/// One symbol.
#[derive(Debug)]
pub struct SymbolState {
    /// Its name.
    pub name: Symbol,
    /// Whether crosses are told of it.
    pub is_leg: bool,
    ids: IdRises,
    windows: Box<[SymbolInWindows]>,
    /// Panes that may be corrected; only where long windows are looked at before they are final.
    open: OpenPaneSums,
}

/// One symbol in the windows of one definition.
#[derive(Debug, Default)]
struct SymbolInWindows {
    slots: Slots,
    /// The windows that have changed since the last tick: the ends of the first and the last of each stretch.
    changed: Vec<(EventTime, EventTime)>,
    /// What the slots were taken up with; panes until then are in it.
    restored_to: EventTime,
    /// The same slots of panes that are corrected no more; only where `open` is kept.
    settled: Slots,
}

impl SymbolState {
    /// One of which no pane was seen by this run.
    pub fn new(name: &Symbol, is_leg: bool, looks: &Looks, resume: &Resume) -> SymbolState {
        SymbolState {
            name: name.clone(),
            is_leg,
            ids: IdRises::after(resume.greatest_ids.get(name).copied(), resume.ids_anew.get(name).copied()),
            windows: looks.windows.each().iter().map(|_| SymbolInWindows::default()).collect(),
            open: OpenPaneSums::default(),
        }
    }

    /// Its slots in the windows of one definition.
    pub fn slots(&self, place: WindowPlace) -> &Slots {
        &self.windows[usize::from(place)].slots
    }

    /// In the windows of one definition, or of all.
    fn in_windows(&self, place: Option<WindowPlace>) -> &[SymbolInWindows] {
        place.map_or(&self.windows, |place| std::slice::from_ref(&self.windows[usize::from(place)]))
    }

    /// Fetches what tells where its slots are, some time before [`SymbolState::prefetch`].
    pub fn prefetch_places(&self, place: Option<WindowPlace>) {
        self.in_windows(place).iter().for_each(prefetch);
    }

    /// Fetches what trades are added to, and what windows are made of.
    pub fn prefetch(&self, place: Option<WindowPlace>) {
        self.in_windows(place).iter().for_each(|in_windows| in_windows.slots.prefetch());
        self.ids.prefetch();
    }

    /// The state of a window; `None` if it has no trades.
    pub fn window(
        &mut self,
        place: WindowPlace,
        window: &Window,
        end: EventTime,
        kind: FiringKind,
    ) -> Option<WindowState> {
        self.windows[usize::from(place)].slots.window(window, end, kind)
    }

    /// Adds trades to a pane: their sums and their candle, which may be that of older ones there too.
    pub fn add(&mut self, pane: &PaneSlots, moments: &Moments, candle: &Candle, looks: &Looks) {
        let (is_ticked, pane_end) = (looks.at_ticks(), pane.pane_end);
        for (in_windows, slot) in self.windows.iter_mut().zip(&pane.slots) {
            if let Some(slot) = slot
                && pane_end > in_windows.restored_to
            {
                in_windows.slots.add(slot.end, moments, candle);
                if is_ticked {
                    in_windows.change(*slot);
                }
            }
        }
        let keeps_open = is_ticked && pane.base_step.is_some();
        if keeps_open {
            self.open.add(pane_end, moments, candle);
        }
        let Some(of_sequence) = candle.ids() else { return };
        let SymbolState { ids, windows, open, .. } = self;
        ids.note(pane_end, of_sequence, |end, by| {
            if keeps_open {
                open.add_rise(end, by);
            }
            for (in_windows, (slot, window)) in
                windows.iter_mut().zip(pane.slots.iter().zip(looks.windows.each()))
            {
                let slot = if end == pane_end { *slot } else { slot_of(window, end) };
                if let Some(slot) = slot
                    && end > in_windows.restored_to
                    && in_windows.slots.add_rise(slot.end, by)
                    && is_ticked
                {
                    in_windows.change(slot);
                }
            }
        });
    }

    /// No pane that ends then or earlier is corrected any more.
    pub fn settle_ids(&mut self, until: EventTime) {
        self.ids.settle(until);
    }

    /// What a checkpoint must know of ids that began anew: see [`IdRises::take_anew`].
    pub fn take_ids_anew(&mut self) -> Vec<(EventTime, Option<u64>)> {
        self.ids.take_anew()
    }

    /// The window that ends then is final, and those before it.
    pub fn settle(&mut self, place: WindowPlace, window: &Window, end: EventTime) {
        self.windows[usize::from(place)].slots.settle(window, end);
        self.ids.settle(end);
    }

    /// What a checkpoint keeps of long windows at a moment: the sums of all panes until then, which are
    /// final, of these definitions.
    pub fn bases(
        &mut self,
        until: EventTime,
        kept: &[WindowPlace],
        looks: &Looks,
    ) -> Vec<(WindowName, Base)> {
        let SymbolState { windows, open, .. } = self;
        if looks.at_ticks() {
            while let Some(pane) = open.take_first(until) {
                for &place in kept {
                    let in_windows = &mut windows[usize::from(place)];
                    if let Some(slot) = slot_of(looks.windows.at(place), pane.end)
                        && pane.end > in_windows.restored_to
                    {
                        in_windows.settled.add(slot.end, &pane.moments, &pane.candle);
                        in_windows.settled.add_rise(slot.end, pane.rise);
                    }
                }
            }
        }
        let base = |&place: &WindowPlace| {
            let (in_windows, window) = (&mut windows[usize::from(place)], looks.windows.at(place));
            if looks.at_ticks()
                && let Some(slot) = window.slot(until)
            {
                // The last window that ended by then; of slots of a window that grows all before it are one.
                in_windows.settled.settle(window, slot.start);
            }
            let slots = if looks.at_ticks() { &in_windows.settled } else { &in_windows.slots };
            Base::of(slots, window, until).map(|base| (window.name_owned(), base))
        };
        let mut bases = Vec::with_capacity(kept.len());
        bases.extend(kept.iter().filter_map(base));
        bases
    }

    /// The end of the first pane that waits to be kept by value.
    pub fn first_open(&self) -> Option<EventTime> {
        self.open.first_end()
    }

    /// Goes on from what an earlier run kept of a long window, unless that was settled long ago. Gives the
    /// end of the first window that may be looked at.
    pub fn restore(
        &mut self,
        place: WindowPlace,
        base: Base,
        looks: &Looks,
        settled: EventTime,
    ) -> Option<EventTime> {
        let window = looks.windows.at(place);
        let in_windows = &mut self.windows[usize::from(place)];
        in_windows.restored_to = base.until;
        let is_open = |slot: &&super::slot::Slot| window.last_end_over(slot.end) > settled;
        let slots: Vec<_> = base.slots.iter().filter(is_open).copied().collect();
        let first = slots.iter().find(|slot| slot.end > settled).map(|slot| slot.end);
        if looks.at_ticks() {
            in_windows.settled = Slots::of(slots.clone());
            for slot in slots.iter().filter(|slot| slot.end > settled) {
                in_windows.change(SlotSpan { end: slot.end, last_end: window.last_end_over(slot.end) });
            }
        }
        in_windows.slots = Slots::of(slots);
        first
    }

    /// Whether windows have changed since the last tick.
    pub fn has_changed(&self) -> bool {
        self.windows.iter().any(|in_windows| !in_windows.changed.is_empty())
    }

    /// The stretches of windows that have changed since the last tick, in order.
    pub fn take_changed(&mut self, place: WindowPlace) -> Vec<(EventTime, EventTime)> {
        let mut changed = std::mem::take(&mut self.windows[usize::from(place)].changed);
        changed.sort_unstable();
        changed
    }

    /// Notes a stretch of windows that have changed.
    pub fn note_changed(&mut self, place: WindowPlace, stretch: (EventTime, EventTime)) {
        self.windows[usize::from(place)].changed.push(stretch);
    }

    /// Takes them back, for their allocation.
    pub fn give_back_changed(&mut self, place: WindowPlace, mut changed: Vec<(EventTime, EventTime)>) {
        changed.clear();
        let noted = &mut self.windows[usize::from(place)].changed;
        changed.append(noted);
        *noted = changed;
    }
}

impl SymbolInWindows {
    fn change(&mut self, slot: SlotSpan) {
        let stretch = (slot.end, slot.last_end);
        if self.changed.last() != Some(&stretch) {
            self.changed.push(stretch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::candle::TradeArrival;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::definition::{Definition, Emit};
    use crate::market::trade::{IdRange, Side, Trade};
    use crate::market::windows::{Period, WindowDefinition, Zone};
    use differential_dataflow::difference::Semigroup;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Debug, Clone)]
    enum Step {
        Add { time: u64, id: u64, price: i64, numbered: bool },
        Look { place: u8, time: u64, kind: FiringKind },
        Settle(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let kind = prop::sample::select(&[FiringKind::Final, FiringKind::Ending, FiringKind::Changed][..]);
        let id = prop_oneof![20 => 0u64..400, 6 => 1_000u64..3_000, 1 => Just(i64::MAX as u64)];
        prop_oneof![
            4 => (0u64..300, id, 1i64..9, prop::bool::weighted(0.8))
                .prop_map(|(time, id, price, numbered)| Step::Add { time, id, price, numbered }),
            4 => (0u8..8, 0u64..310, kind).prop_map(|(place, time, kind)| Step::Look { place, time, kind }),
            1 => (1u64..200).prop_map(Step::Settle),
        ]
    }

    fn definition() -> impl Strategy<Value = WindowDefinition> {
        let step = prop::sample::select(&[10u64, 15, 20][..]);
        let period = prop_oneof![
            Just(Period::All),
            (3u64..9).prop_map(|tens| Period::Length(10 * tens)),
            (0u64..20).prop_map(|tens| Period::From(EventTime::from_micros(5 * tens))),
        ];
        prop_oneof![
            (step.clone(), 1u64..5)
                .prop_map(|(slide, count)| WindowDefinition::Sliding { size: slide * count, slide }),
            (period, step).prop_map(|(period, step)| WindowDefinition::Anchored(period, step)),
        ]
    }

    fn summed(trade: &Trade) -> (Moments, Candle) {
        let mut moments = Moments::default();
        if trade.is_numbered() {
            moments.add_trade(trade, trade.id);
            return (moments, Candle::of(trade));
        }
        moments.add_unnumbered(trade, trade.id);
        (
            moments,
            Candle::arrived(
                trade,
                TradeArrival { offset: trade.time.micros() as i64, part: 0, partition: 0 },
            ),
        )
    }

    /// A window of those trades, by what the text says of it.
    fn expected(
        trades: &[Trade],
        windows: &Windows,
        start: EventTime,
        end: EventTime,
    ) -> Option<WindowState> {
        let mut sums: Option<(Moments, Candle)> = None;
        for trade in trades.iter().filter(|trade| trade.time >= start && trade.time < end) {
            let (new, of_trade) = summed(trade);
            let (moments, candle) = sums.get_or_insert((Moments::default(), of_trade));
            moments.plus_equals(&new);
            candle.merge(&of_trade);
        }
        let (moments, candle) = sums?;
        if moments.unnumbered > 0 {
            return Some(WindowState { moments, candle, missing_ids: 0 });
        }
        let numbered = || trades.iter().filter(|trade| trade.is_numbered());
        let pane_ends: BTreeSet<EventTime> = numbered().map(|trade| windows.pane(trade.time).end).collect();
        let (mut before, mut missing): (Option<u64>, i128) = (None, 0);
        for pane_end in pane_ends {
            let of_pane: Vec<&Trade> =
                numbered().filter(|trade| windows.pane(trade.time).end == pane_end).collect();
            let least = of_pane.iter().map(|trade| trade.ids.first).min().expect("a trade");
            let greatest = of_pane.iter().map(|trade| trade.ids.last).max().expect("a trade");
            if before.is_some_and(|before| before >= 1_000 && greatest < before - before / 2) {
                before = None;
            }
            let from = before.map_or(i128::from(least) - 1, i128::from);
            let to = before.unwrap_or(0).max(greatest);
            let ids =
                of_pane.iter().map(|trade| i128::from(trade.ids.last - trade.ids.first + 1)).sum::<i128>();
            if pane_end > start && pane_end <= end {
                missing += i128::from(to) - from - ids;
            }
            before = Some(to);
        }
        Some(WindowState { moments, candle, missing_ids: missing })
    }

    proptest! {
        /// In any order of trades and questions, the windows of all definitions are what their trades make
        /// them, and what a trade changes is told.
        #[test]
        fn windows_are_what_their_trades_make_them(
            definitions in prop::collection::vec(definition(), 1..4),
            steps in prop::collection::vec(step(), 1..100),
        ) {
            let windows = Windows::new(definitions);
            let looks = Looks::of(&Definition {
                windows: windows.clone(), grace: 50, emit: Emit::Changes, ..Definition::default()
            });
            let mut symbol = SymbolState::new(&Symbol::new("A"), true, &looks, &Resume::default());
            let mut pane = PaneSlots::of(&windows);
            let mut trades: Vec<Trade> = Vec::new();
            let (mut settled, mut last) = (EventTime::MIN, vec![EventTime::MIN; windows.each().len()]);
            for step in steps {
                match step {
                    Step::Add { time, id, price, numbered } => {
                        let time = EventTime::from_micros(time);
                        let interval = windows.pane(time);
                        if interval.end <= settled {
                            continue;
                        }
                        let (price, quantity) = (Price::from_scaled(price).unwrap(), Quantity::from_scaled(1).unwrap());
                        let ids = IdRange { first: id - id % 3, last: id };
                        let trade = Trade { ids, side: Side::Buy, ..Trade::new(id, price, quantity, time) };
                        let trade = if numbered { trade } else { trade.without_id() };
                        let before = all(&trades, &windows);
                        trades.push(trade);
                        let (moments, candle) = summed(&trade);
                        pane.turn_to(interval.end, &windows);
                        symbol.add(&pane, &moments, &candle, &looks);
                        for ((place, end, state), (.., was)) in all(&trades, &windows).into_iter().zip(before) {
                            let changed = symbol.take_changed(place);
                            let is_told = changed.iter().any(|(from, to)| (from..=to).contains(&&end));
                            symbol.windows[usize::from(place)].changed = changed;
                            prop_assert!(state == was || end <= settled || is_told, "{:?} {end:?} has changed", windows.at(place));
                        }
                    }
                    Step::Look { place, time, kind } => {
                        let place = place % windows.count();
                        let window = windows.at(place);
                        let end = window.next_end(EventTime::from_micros(time));
                        let has_row = |end: EventTime| match window.overlap() {
                            Some((size, _)) => trades.iter().any(|t| t.time < end && t.time.plus(size) >= end.max(EventTime::from_micros(size)) && t.time >= end.minus(size)),
                            None => trades.iter().any(|t| window.slot(t.time).is_some_and(|slot| slot.end == end)),
                        };
                        if end <= settled {
                            continue;
                        }
                        if has_row(end) {
                            let state = expected(&trades, &windows, window.start_of(end), end);
                            prop_assert_eq!(symbol.window(place, window, end, kind), state, "{:?} at {:?}", window, end);
                        }
                        let mut next = end;
                        while !has_row(next) && next.micros() < 1_000 {
                            next = window.next_end(next);
                        }
                        let next = (next.micros() < 1_000).then_some(next);
                        prop_assert_eq!(symbol.slots(place).first_end_from(window, end), next, "{:?} from {:?}", window, end);
                    }
                    Step::Settle(time) => {
                        settled = settled.max(EventTime::from_micros(time));
                        for place in 0..windows.count() {
                            let window = windows.at(place);
                            while let Some(end) = symbol.slots(place).first_end_from(window, last[usize::from(place)])
                                && end <= settled
                            {
                                symbol.settle(place, window, end);
                                last[usize::from(place)] = end.plus(1);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Of windows that are looked at before they are final, what is kept by value is added up a second time:
    /// of long windows alone, and of those what is open.
    #[test]
    fn what_is_kept_by_value_does_not_grow_with_the_panes() {
        let at = EventTime::from_micros;
        let definitions = ["10ms", "80ms/10ms", "1s", "anchored:1s/20ms", "anchored:all/10ms"];
        let parse = |text: &str| WindowDefinition::parse(text, &Zone::utc()).unwrap();
        let windows = Windows::new(definitions.map(parse));
        let looks = Looks::of(&Definition {
            windows: windows.clone(),
            grace: 5_000,
            emit: Emit::Changes,
            ..Definition::default()
        });
        let mut symbol = SymbolState::new(&Symbol::new("A"), true, &looks, &Resume::default());
        let mut pane = PaneSlots::of(&windows);
        for id in 1..=500 {
            let (price, quantity) = (Price::from_scaled(1).unwrap(), Quantity::from_scaled(1).unwrap());
            let trade = Trade::new(id, price, quantity, at(id * 10_000));
            let (moments, candle) = summed(&trade);
            let end = windows.pane(trade.time).end;
            pane.turn_to(end, &windows);
            symbol.add(&pane, &moments, &candle, &looks);
            for (place, window) in (0..).zip(windows.each()) {
                symbol.settle(place, window, end);
            }
            let moment = pane.kept_at(end).unwrap();
            let bases = symbol.bases(moment, pane.kept(), &looks);
            // Those of whole seconds are kept with those that grow in them.
            let names: Vec<&str> = bases.iter().map(|(name, _)| name.as_str()).collect();
            let expected: &[&str] = match id % 100 {
                99 => &["anchored:all/10ms"],
                _ => &["anchored:1s/20ms", "anchored:all/10ms"],
            };
            assert_eq!(names, expected, "{id}");
            let all = bases.last().map(|(_, base)| base.slots.iter().map(|slot| slot.moments.n).sum::<i64>());
            assert_eq!(all, Some(id as i64));
            let kept = symbol.windows.iter().map(|in_windows| in_windows.settled.each().count());
            assert!(kept.sum::<usize>() <= 4, "{id} panes");
        }
    }

    fn all(trades: &[Trade], windows: &Windows) -> Vec<(u8, EventTime, Option<WindowState>)> {
        let mut all = Vec::new();
        for place in 0..windows.count() {
            let window = windows.at(place);
            let mut end = window.next_end(EventTime::MIN);
            while end.micros() < 350 {
                all.push((place, end, expected(trades, windows, window.start_of(end), end)));
                end = window.next_end(end);
            }
        }
        all
    }
}
