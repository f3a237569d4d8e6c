//! What did each symbol do in each window?
//!
//! VWAP = Σpq/Σq and its volume-weighted variance, candle, missing ids and digest, of the trades whose event time
//! lies in `[start, end)`. A window without trades has no row. Partitions and workers are merged by differential:
//! panes are a collection whose difference is [`Moments`], arranged by symbol; windows are running sums of panes.
//!
//! Late: a correction within the grace revises the windows that are not final (`emit changes`); later ones never get here.
//! Missing: of a leg that did not trade the cross is told nothing; with `carry` it takes the leg's latest earlier window.
//! Work is by windows with trades, and at ticks by windows that changed: none is visited because time goes by.

use crate::market::agenda::Agenda;
use crate::market::candle::Candle;
use crate::market::cross::LegState;
use crate::market::definition::{Definition, MissingLeg};
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::moments::Moments;
use crate::market::panes::{Asked, Panes};
use crate::market::resume::{Lasting, Resume};
use crate::market::row::{Occasion, Row, RowKind, symbol_row};
use crate::market::trade::Symbol;
use crate::market::window::WindowState;
use crate::market::work::count;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::revisions::{Emitted, stage_of};
use crate::operators::sorted_runs::SortedRuns;
use differential_dataflow::VecCollection;
use differential_dataflow::batcher::merge::MergeBatcher;
use differential_dataflow::batcher::merge::vec::VecMerger;
use differential_dataflow::trace::implementations::ValSpine;
use differential_dataflow::trace::implementations::ord_neu::VecOrdValBuilder;
use differential_dataflow::trace::{Cursor, Navigable, SpanOf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::{Concat, Map, OkErr};

/// A pane's new trades in one partition: symbol, pane end and the candle there, weighted by the sums.
pub type PaneCollection<'scope> = VecCollection<'scope, EventTime, (Symbol, (EventTime, Candle)), Moments>;

/// What legs give to the windows of crosses, by symbol and window end; taken back when the window is final.
pub type LegCollection<'scope> = VecCollection<'scope, EventTime, (Symbol, (EventTime, LegState)), isize>;

/// What looks bring for the worker that writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Emission {
    /// A row.
    Row(Row),
    /// A window of a symbol that began before the run had seen all its trades.
    Withheld,
    /// For the checkpoint: a change at that look.
    Lasting(EventTime, Lasting),
}

/// Rows of symbols, and the states of those that are legs.
///
/// `withhold_before` says from which time on a window's trades have all been seen; the greatest one holds.
pub fn symbol_windows<'scope>(
    panes: PaneCollection<'scope>,
    withhold_before: StreamVec<'scope, EventTime, EventTime>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> (StreamVec<'scope, EventTime, Emission>, LegCollection<'scope>) {
    #[cfg(feature = "abomonation")]
    let panes = crate::operators::abomonated::by_symbol(panes);
    let panes = panes.arrange_named::<_, PaneTrace>("Panes", PaneBatcher::new).stream.map(Input::Panes);
    let known = withhold_before.map(Input::WithholdBefore);
    let states =
        panes.concat(known).at_looks(Pipeline, "SymbolWindows", SymbolWindows::new(definition, resume));
    let (rows, legs) = states.ok_err(|output| match output {
        Output::Emission(emission) => Ok(emission),
        Output::Leg(leg) => Err(leg),
    });
    (rows, VecCollection::new(legs))
}

/// What a pane's new trades are in the trace.
type PaneValue = (EventTime, Candle);
type PaneTrace = ValSpine<Symbol, PaneValue, EventTime, Moments>;
/// Panes come sorted from where they were gathered: there is nothing to merge but what several workers send.
type PaneBatcher = MergeBatcher<
    SortedRuns<(Symbol, PaneValue), EventTime, Moments>,
    VecMerger<(Symbol, PaneValue), EventTime, Moments>,
    VecOrdValBuilder<Symbol, PaneValue, EventTime, Moments>,
>;

#[derive(Clone)]
enum Input {
    Panes(SpanOf<PaneTrace>),
    WithholdBefore(EventTime),
}

/// So many symbols ahead panes are fetched from memory.
const AHEAD: usize = 4;

/// What came into a pane of a symbol, which has a number here.
#[derive(Debug)]
struct PaneTrades {
    symbol: usize,
    end: EventTime,
    candle: Candle,
    moments: Moments,
}

#[derive(Debug, Clone)]
enum Output {
    Emission(Emission),
    Leg(((Symbol, (EventTime, LegState)), EventTime, isize)),
}

struct SymbolWindows {
    definition: Arc<Definition>,
    resume: Arc<Resume>,
    looks: Looks,
    legs: HashSet<Symbol>,
    /// Whether a leg's earlier window may stand in for one without trades.
    carries: bool,
    withhold_before: EventTime,
    /// What was final until then is known by what it left; what became final later is worked out again.
    known_to: EventTime,
    pending: BTreeMap<EventTime, Vec<PaneTrades>>,
    numbers: HashMap<Symbol, usize, foldhash::fast::RandomState>,
    symbols: Vec<SymbolState>,
    /// The windows with trades that become final.
    settling: Agenda,
    /// Those that end; only where they are looked at then.
    ending: Agenda,
    /// Symbols with trades that no tick has seen yet; only where ticks are looked at.
    touched: Vec<usize>,
    tick_due: Option<EventTime>,
}

struct SymbolState {
    name: Symbol,
    is_leg: bool,
    panes: Panes,
    /// The windows that have changed since the last tick: the ends of the first and the last of each stretch.
    changed: Vec<(EventTime, EventTime)>,
    /// What crosses have been told, by window end.
    told: BTreeMap<EventTime, LegState>,
    /// What has left of windows that are not final.
    emitted: BTreeMap<EventTime, Emitted<WindowState>>,
}

type Give<'a> = &'a mut dyn FnMut(EventTime, Output);

impl SymbolWindows {
    fn new(definition: &Arc<Definition>, resume: &Arc<Resume>) -> Self {
        SymbolWindows {
            resume: Arc::clone(resume),
            looks: Looks::of(definition),
            known_to: resume.at.minus(Looks::of(definition).hindsight()),
            carries: definition.missing_leg == MissingLeg::Carry && definition.max_carry > 0,
            legs: definition.crosses.iter().flat_map(|c| &c.legs).map(|leg| leg.symbol.clone()).collect(),
            definition: Arc::clone(definition),
            withhold_before: EventTime::MIN,
            pending: BTreeMap::new(),
            numbers: HashMap::default(),
            symbols: Vec::new(),
            settling: Agenda::default(),
            ending: Agenda::default(),
            touched: Vec::new(),
            tick_due: None,
        }
    }

    fn number(&mut self, name: &Symbol) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        self.symbols.push(SymbolState {
            name: name.clone(),
            is_leg: self.legs.contains(name),
            panes: Panes::after(self.resume.greatest_ids.get(name).copied()),
            changed: Vec::new(),
            told: BTreeMap::new(),
            emitted: BTreeMap::new(),
        });
        self.numbers.insert(name.clone(), self.symbols.len() - 1);
        self.symbols.len() - 1
    }

    fn apply(&mut self, trades: &PaneTrades, look: EventTime) {
        let (number, windows) = (trades.symbol, self.looks.windows);
        let SymbolState { panes, changed, .. } = &mut self.symbols[number];
        let is_ticked = self.looks.changes || self.looks.provisional;
        if is_ticked && changed.is_empty() {
            self.touched.push(number);
        }
        panes.add(trades.end, &trades.moments, &trades.candle, &windows, |from, to| {
            if is_ticked && changed.last() != Some(&(from, to)) {
                changed.push((from, to));
            }
        });
        self.settling.add(number, trades.end);
        if self.looks.changes
            && let Some(next) = panes.first_window_from(trades.end.max(look), &windows)
        {
            self.ending.add(number, next);
        }
    }

    /// The look at one window of one symbol: tells crosses and emits a row, where there is news.
    fn look_at(&mut self, number: usize, (end, asked): (EventTime, Asked), look: EventTime, give: Give<'_>) {
        count(1);
        let Some(window) = self.tell(number, (end, asked), look, give) else { return };
        let state = &mut self.symbols[number];
        if look == self.looks.final_at(end) && state.is_leg && self.carries && look > self.known_to {
            let carried = Lasting::Carried(state.name.clone(), end, window.moments);
            give(look.minus(1), Output::Emission(Emission::Lasting(look, carried)));
        }
        if self.definition.makes(RowKind::Symbol)
            && let Some(stage) = stage_of(&mut state.emitted, end, look, &window, &self.looks, PartialEq::eq)
            && look > self.resume.at
        {
            let start = self.looks.start(end);
            let row = symbol_row(&state.name, &window, Occasion { look, start, end, stage });
            give(look.minus(1), Output::Emission(Emission::Row(row)));
        }
    }

    /// Tells crosses what a leg's window is now. Gives the window, where it has trades and is not withheld.
    fn tell(
        &mut self,
        number: usize,
        (end, asked): (EventTime, Asked),
        look: EventTime,
        give: Give<'_>,
    ) -> Option<WindowState> {
        let is_final = look == self.looks.final_at(end);
        let state = &mut self.symbols[number];
        let window = state.panes.window(end, &self.looks.windows, asked);
        let mut give_leg = |leg: LegState, date: EventTime, diff: isize| {
            give(date, Output::Leg(((state.name.clone(), (end, leg)), date, diff)));
        };
        if self.looks.start(end) < self.withhold_before {
            // Crosses may have been told while it was not known yet that trades are missing.
            if let Some(leg) = state.told.remove(&end) {
                give_leg(leg, look.minus(1), -1);
            }
            if is_final {
                state.emitted.remove(&end);
                if window.is_some() && look > self.resume.at {
                    give(look.minus(1), Output::Emission(Emission::Withheld));
                }
            }
            return None;
        }
        let window = window?;
        if !state.is_leg {
            return Some(window);
        }
        let leg = LegState { moments: window.moments, missing_ids: window.missing_ids, age: 0 };
        let told = if is_final { state.told.remove(&end) } else { state.told.insert(end, leg) };
        if told != Some(leg) {
            told.into_iter().for_each(|told| give_leg(told, look.minus(1), -1));
            give_leg(leg, look.minus(1), 1);
        }
        if is_final {
            // Taken off once it is final, at the first time that no look at this window sees.
            give_leg(leg, look, -1);
        }
        Some(window)
    }

    /// Tells crosses of the latest window of a leg that has ended: it may stand in although no look is due at it.
    fn tell_latest(&mut self, number: usize, look: EventTime, give: Give<'_>) {
        let state = &self.symbols[number];
        if !self.carries || !state.is_leg {
            return;
        }
        // A look need not be at the end of a window: those that have ended, some of them just now, are before the next end.
        let next_end = self.looks.pane_end(look);
        let latest = state.panes.latest_window_before(next_end, &self.looks.windows);
        if let Some(end) = latest.filter(|end| self.looks.final_at(*end) > look) {
            self.tell(number, (end, Asked::Ending), look, give);
        }
    }

    /// The looks at the windows that end then and become final.
    fn settle(&mut self, end: EventTime, look: EventTime, give: Give<'_>) {
        // The next window to become final ends at the next slide: what it does not hold is needed no more.
        let windows = self.looks.windows;
        let until = end.plus(windows.slide).minus(windows.size);
        let numbers = self.settling.take(end);
        let mut ahead = numbers.iter().skip(AHEAD);
        for &number in &numbers {
            if let Some(&ahead) = ahead.next() {
                self.symbols[ahead].panes.prefetch();
            }
            self.look_at(number, (end, Asked::Final), look, give);
            let panes = &mut self.symbols[number].panes;
            panes.forget(until);
            self.settling.set(number, panes.first_window_from(end.plus(windows.slide), &windows));
        }
    }

    /// The looks at the windows that end now.
    fn end(&mut self, look: EventTime, give: Give<'_>) {
        let windows = self.looks.windows;
        for number in self.ending.take(look) {
            self.look_at(number, (look, Asked::Ending), look, give);
            let panes = &self.symbols[number].panes;
            self.ending.set(number, panes.first_window_from(look.plus(windows.slide), &windows));
        }
    }

    /// The looks of a tick at the windows of one symbol that have changed since the last one.
    fn tick(&mut self, number: usize, look: EventTime, give: Give<'_>) {
        let windows = self.looks.windows;
        let mut changed = std::mem::take(&mut self.symbols[number].changed);
        changed.sort_unstable();
        let mut next = EventTime::MIN;
        for &(from, to) in &changed {
            next = next.max(from);
            while let Some(end) = self.symbols[number].panes.first_window_from(next, &windows)
                && end <= to
            {
                let due = if end > look {
                    self.looks.provisional
                } else {
                    self.looks.changes && end < look && self.looks.final_at(end) > look
                };
                if due {
                    self.look_at(number, (end, Asked::Changed), look, give);
                }
                next = end.plus(windows.slide);
            }
        }
        changed.clear();
        self.symbols[number].changed = changed;
        self.tell_latest(number, look, give);
    }
}

impl LookLogic for SymbolWindows {
    type Input = Input;
    type Output = Output;

    fn absorb(&mut self, input: Input) {
        match input {
            Input::WithholdBefore(time) => self.withhold_before = self.withhold_before.max(time),
            Input::Panes(span) => {
                let Some(batch) = &span.inner else { return };
                let mut cursor = batch.cursor();
                while let Some(symbol) = cursor.get_key(batch) {
                    let number = self.number(symbol);
                    while let Some((end, candle)) = cursor.get_val(batch) {
                        cursor.map_times(batch, |date, moments| {
                            let (candle, moments) = (*candle, *moments);
                            let trades = PaneTrades { symbol: number, end: *end, candle, moments };
                            self.pending.entry(*date).or_default().push(trades);
                        });
                        cursor.step_val(batch);
                    }
                    cursor.step_key(batch);
                }
            }
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        let news = self.pending.keys().next().map(|date| date.plus(1));
        let settled = self.settling.first().map(|end| self.looks.final_at(end));
        [news, settled, self.ending.first(), self.tick_due].into_iter().flatten().min()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        while let Some(entry) = self.pending.first_entry().filter(|e| *e.key() < look) {
            let trades = entry.remove();
            let mut ahead = trades.iter().map(|trades| trades.symbol).skip(AHEAD);
            for trades in &trades {
                if let Some(ahead) = ahead.next() {
                    self.symbols[ahead].panes.prefetch();
                }
                self.apply(trades, look);
            }
            if self.looks.changes {
                trades.iter().for_each(|trades| self.tell_latest(trades.symbol, look, give));
            }
        }
        while let Some(end) = self.settling.first().filter(|end| self.looks.final_at(*end) <= look) {
            self.settle(end, look, give);
        }
        self.end(look, give);
        self.tick_due = None;
        if self.touched.is_empty() {
            return;
        }
        if !self.looks.is_tick(look) {
            self.tick_due = Some(self.looks.next_tick(look));
            return;
        }
        for number in std::mem::take(&mut self.touched) {
            self.tick(number, look, give);
        }
    }
}
