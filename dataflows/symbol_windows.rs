//! What did each symbol do in each window?
//!
//! VWAP = Σpq/Σq and its volume-weighted variance, candle, missing ids and digest, of the trades whose event time
//! lies in `[start, end)`. A window without trades has no row. Partitions and workers are merged by differential:
//! panes are a collection whose difference is [`Moments`], arranged by symbol; windows are running sums of panes.
//!
//! Late: a correction within the grace revises the windows that are not final (`emit changes`); later ones never get here.
//! Missing: a leg that did not trade gives the cross nothing, or with `carry` its latest earlier window with trades.

use crate::market::candle::Candle;
use crate::market::cross::LegState;
use crate::market::definition::{Definition, MissingLeg};
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::moments::Moments;
use crate::market::panes::Panes;
use crate::market::resume::{Lasting, Resume};
use crate::market::row::{Occasion, Row, RowKind, symbol_row};
use crate::market::trade::Symbol;
use crate::market::window::WindowState;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::revisions::{Emitted, stage_of};
use crate::operators::sorted_runs::SortedRuns;
use differential_dataflow::VecCollection;
use differential_dataflow::batcher::merge::MergeBatcher;
use differential_dataflow::batcher::merge::vec::VecMerger;
use differential_dataflow::hashable::Hashable;
use differential_dataflow::trace::implementations::ValSpine;
use differential_dataflow::trace::implementations::ord_neu::VecOrdValBuilder;
use differential_dataflow::trace::{Cursor, Navigable, SpanOf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// For the recovery point: a change at that look.
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
    let known_by = panes.scope();
    #[cfg(feature = "abomonation")]
    let panes = crate::operators::abomonated::by_symbol(panes);
    let panes = panes.arrange_named::<_, PaneTrace>("Panes", PaneBatcher::new).stream.map(Input::Panes);
    // As differential's exchange routes them.
    let (index, peers) = (known_by.index(), known_by.peers());
    let mine = move |symbol: &Symbol| symbol.hashed() % peers as u64 == index as u64;
    let known = withhold_before.map(Input::WithholdBefore);
    let states =
        panes.concat(known).at_looks(Pipeline, "SymbolWindows", SymbolWindows::new(definition, resume, mine));
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
    /// How long after a leg's window an empty one may be represented by it; 0 where nothing is carried.
    carry: u64,
    withhold_before: EventTime,
    /// What was final until then is known by what it left; what became final later is worked out again.
    known_to: EventTime,
    pending: BTreeMap<EventTime, Vec<PaneTrades>>,
    numbers: HashMap<Symbol, usize, foldhash::fast::RandomState>,
    symbols: Vec<SymbolState>,
    /// Symbols with panes, or with something to carry: all that a closing must visit.
    live: Vec<usize>,
    /// Symbols with trades that no tick has seen yet; only where ticks are looked at.
    touched: Vec<usize>,
    tick_due: Option<EventTime>,
    /// Ends of the windows that may get a row and are not final.
    ends: BTreeSet<EventTime>,
    /// Panes whose windows are in `ends`; those of legs reach further where something is carried.
    scheduled: BTreeSet<(EventTime, bool)>,
    /// Windows that end then or earlier have had their first look.
    closed_to: EventTime,
}

struct SymbolState {
    name: Symbol,
    is_leg: bool,
    live: bool,
    touched: bool,
    panes: Panes,
    /// The latest final window with trades, which may have to stand in for later ones.
    carried: Option<(EventTime, Moments)>,
    /// What crosses have been told, by window end.
    told: BTreeMap<EventTime, LegState>,
    /// What has left of windows that are not final.
    emitted: BTreeMap<EventTime, Emitted<WindowState>>,
}

impl SymbolWindows {
    fn new(definition: &Arc<Definition>, resume: &Arc<Resume>, mine: impl Fn(&Symbol) -> bool) -> Self {
        let mut windows = SymbolWindows {
            resume: Arc::clone(resume),
            looks: Looks::of(definition),
            known_to: resume.at.minus(Looks::of(definition).hindsight()),
            carry: if definition.missing_leg == MissingLeg::Carry { definition.max_carry } else { 0 },
            definition: Arc::clone(definition),
            withhold_before: EventTime::MIN,
            pending: BTreeMap::new(),
            numbers: HashMap::default(),
            symbols: Vec::new(),
            live: Vec::new(),
            touched: Vec::new(),
            tick_due: None,
            ends: BTreeSet::new(),
            scheduled: BTreeSet::new(),
            closed_to: EventTime::MIN,
        };
        windows.take_up(mine);
        windows
    }

    /// Legs that an earlier run left something to carry are visited although they have not traded here.
    fn take_up(&mut self, mine: impl Fn(&Symbol) -> bool) {
        let resume = Arc::clone(&self.resume);
        for (name, (end, _)) in resume.carried.iter().filter(|(name, _)| mine(name)) {
            let number = self.number(name);
            self.schedule(*end, true);
            self.symbols[number].live = true;
            self.live.push(number);
            if self.looks.changes || self.looks.provisional {
                // Crosses were told of it when it traded, and are told again before anything else is looked at.
                self.symbols[number].touched = true;
                self.touched.push(number);
                self.tick_due = Some(self.looks.next_tick(EventTime::MIN));
            }
        }
        // What is final at the recovery point is out; but panes that are handed over again may ask for those windows too.
        self.ends = self.ends.split_off(&self.resume.at.minus(self.looks.grace).plus(1));
        self.scheduled.clear();
    }

    fn number(&mut self, name: &Symbol) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let is_leg = self.definition.crosses.iter().any(|c| c.legs.iter().any(|l| l.symbol == *name));
        self.symbols.push(SymbolState {
            name: name.clone(),
            is_leg,
            live: false,
            touched: false,
            panes: Panes::after(self.resume.greatest_ids.get(name).copied()),
            carried: self.resume.carried.get(name).copied(),
            told: BTreeMap::new(),
            emitted: BTreeMap::new(),
        });
        self.numbers.insert(name.clone(), self.symbols.len() - 1);
        self.symbols.len() - 1
    }

    fn apply(&mut self, trades: &PaneTrades) {
        let number = trades.symbol;
        let state = &mut self.symbols[number];
        state.panes.add(trades.end, &trades.moments, &trades.candle);
        if !state.live {
            state.live = true;
            self.live.push(number);
        }
        if (self.looks.changes || self.looks.provisional) && !state.touched {
            state.touched = true;
            self.touched.push(number);
        }
    }

    /// Makes sure that the windows which a pane can touch will be looked at.
    fn schedule(&mut self, pane_end: EventTime, is_leg: bool) {
        let reach = if is_leg { self.carry } else { 0 };
        if !self.scheduled.insert((pane_end, reach > 0)) {
            return;
        }
        let slide = self.looks.windows.slide;
        let last = pane_end.plus(self.looks.windows.size - slide + reach);
        let mut end = pane_end;
        while end <= last && end < EventTime::MAX {
            self.ends.insert(end);
            end = end.plus(slide);
        }
    }

    /// The look at one window of one symbol: tells crosses and emits a row, where there is news.
    fn look_at(
        &mut self,
        number: usize,
        end: EventTime,
        look: EventTime,
        give: &mut dyn FnMut(EventTime, Output),
    ) {
        let final_look = look == self.looks.final_at(end);
        let windows = self.looks.windows;
        let state = &mut self.symbols[number];
        let window = state.panes.window(end, &windows);
        let start = self.looks.start(end);
        if start < self.withhold_before {
            if final_look && window.is_some() && look > self.resume.at {
                give(look.minus(1), Output::Emission(Emission::Withheld));
            }
            // Crosses may have been told while it was not known yet that trades are missing.
            if let Some(leg) = state.told.remove(&end) {
                give(look.minus(1), Output::Leg(((state.name.clone(), (end, leg)), look.minus(1), -1)));
            }
            return;
        }
        if state.is_leg {
            let leg = match &window {
                Some(own) => Some(LegState { moments: own.moments, missing_ids: own.missing_ids, age: 0 }),
                None if self.carry > 0 => carried(state, end, &self.looks, self.carry, self.withhold_before),
                None => None,
            };
            let told = state.told.get(&end).copied();
            if told != leg {
                for (leg, diff) in [(told, -1), (leg, 1)] {
                    if let Some(leg) = leg {
                        give(
                            look.minus(1),
                            Output::Leg(((state.name.clone(), (end, leg)), look.minus(1), diff)),
                        );
                    }
                }
                match leg {
                    Some(leg) => state.told.insert(end, leg),
                    None => state.told.remove(&end),
                };
            }
            if final_look {
                if let Some(leg) = state.told.remove(&end) {
                    // Taken off once it is final, at the first time that no look at this window sees.
                    give(look, Output::Leg(((state.name.clone(), (end, leg)), look, -1)));
                }
                if let Some(own) = &window
                    && self.carry > 0
                    && look > self.known_to
                {
                    state.carried = Some((end, own.moments));
                    let carried = Lasting::Carried(state.name.clone(), end, own.moments);
                    give(look.minus(1), Output::Emission(Emission::Lasting(look, carried)));
                }
            }
        }
        let Some(window) = window else { return };
        if self.definition.rows.has(RowKind::Symbol)
            && let Some(stage) = stage_of(&mut state.emitted, end, look, &window, &self.looks, PartialEq::eq)
            && look > self.resume.at
        {
            let row = symbol_row(&state.name, &window, Occasion { look, start, end, stage });
            give(look.minus(1), Output::Emission(Emission::Row(row)));
        }
    }

    fn finalize(&mut self, end: EventTime, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        // The next window to become final ends at the next slide: what it does not hold is needed no more.
        let windows = self.looks.windows;
        let until = end.plus(windows.slide).minus(windows.size);
        let mut live = std::mem::take(&mut self.live);
        let mut ahead = live.clone().into_iter().skip(AHEAD);
        live.retain(|&number| {
            if let Some(ahead) = ahead.next() {
                self.symbols[ahead].panes.prefetch();
            }
            self.look_at(number, end, look, give);
            let state = &mut self.symbols[number];
            state.panes.forget(until);
            let carries = state.carried.is_some_and(|(from, _)| end < from.plus(self.carry));
            // What crosses were told of windows to come may have to be taken back when these are withheld.
            state.live = !state.panes.is_empty() || (state.is_leg && (carries || !state.told.is_empty()));
            state.live
        });
        self.live = live;
        self.ends.remove(&end);
        self.scheduled.retain(|(pane, _)| *pane > end);
    }
}

/// The latest earlier window with trades that may stand in for the empty window that ends at `end`.
fn carried(
    state: &mut SymbolState,
    end: EventTime,
    looks: &Looks,
    max_age: u64,
    withhold_before: EventTime,
) -> Option<LegState> {
    let windows = looks.windows;
    // Of the windows that are not final the panes are kept; of the final ones the latest with trades.
    let (from, moments) = state
        .panes
        .latest_window_before(end, &windows)
        .map(|from| (from, state.panes.window(from, &windows).map(|w| w.moments).unwrap_or_default()))
        // A look that is repeated in silence may be at a window that has been final for long. Of the same window what is
        // known by value comes first: its panes may be gone from the recovery points of some partitions already.
        .max_by_end(state.carried.filter(|(from, _)| *from < end))?;
    let age = end.micros() - from.micros();
    (age <= max_age && looks.start(from) >= withhold_before).then_some(LegState {
        moments,
        missing_ids: 0,
        age,
    })
}

trait MaxByEnd {
    fn max_by_end(self, other: Self) -> Self;
}

impl MaxByEnd for Option<(EventTime, Moments)> {
    fn max_by_end(self, other: Self) -> Self {
        match (self, other) {
            (Some(a), Some(b)) => Some(if b.0 >= a.0 { b } else { a }),
            (a, b) => a.or(b),
        }
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
                    let is_leg = self.symbols[number].is_leg;
                    while let Some((end, candle)) = cursor.get_val(batch) {
                        self.schedule(*end, is_leg);
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
        let settled = self.ends.first().map(|end| self.looks.final_at(*end));
        let closing =
            if self.looks.changes { self.ends.range(self.closed_to.plus(1)..).next().copied() } else { None };
        [news, settled, closing, self.tick_due].into_iter().flatten().min()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        while let Some(entry) = self.pending.first_entry().filter(|e| *e.key() < look) {
            let trades = entry.remove();
            let mut ahead = trades.iter().map(|trades| trades.symbol).skip(AHEAD);
            for trades in &trades {
                if let Some(ahead) = ahead.next() {
                    self.symbols[ahead].panes.prefetch();
                }
                self.apply(trades);
            }
        }
        while let Some(end) = self.ends.first().copied().filter(|end| self.looks.final_at(*end) <= look) {
            self.finalize(end, look, give);
        }
        if self.looks.changes && self.ends.contains(&look) {
            for number in self.live.clone() {
                self.look_at(number, look, look, give);
            }
        }
        self.closed_to = look;
        self.tick_due = None;
        if self.touched.is_empty() {
            return;
        }
        if !self.looks.is_tick(look) {
            self.tick_due = Some(self.looks.next_tick(look));
            return;
        }
        let ends: Vec<EventTime> = self
            .ends
            .iter()
            .copied()
            .filter(
                |end| if *end > look { self.looks.provisional } else { self.looks.changes && *end < look },
            )
            .collect();
        for number in std::mem::take(&mut self.touched) {
            self.symbols[number].touched = false;
            for &end in &ends {
                self.look_at(number, end, look, give);
            }
        }
    }
}
