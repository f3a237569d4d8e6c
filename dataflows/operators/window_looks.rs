//! The looks at the windows of symbols: at windows that become final, that end, and at ticks at those that
//! have changed. What of a symbol is asked is [`crate::market::symbol_state`]; [`kept`] is what a checkpoint
//! needs besides.

mod changing;
mod kept;
mod ticks;

use crate::market::agenda::Agenda;
use crate::market::candle::Candle;
use crate::market::changes::{CrossNumber, DatedChange, DefinitionTimeline, Life};
use crate::market::cross::LegState;
use crate::market::definition::{Definition, MissingLeg};
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::moments::Moments;
use crate::market::name_keys::name_of;
use crate::market::resume::{LastingChange, Resume};
use crate::market::row::{Occasion, RowKind, symbol_row};
use crate::market::slots::FiringKind;
use crate::market::symbol_state::{PaneSlots, SymbolState};
use crate::market::trade::Symbol;
use crate::market::window::WindowState;
use crate::market::windows::{WindowKey, WindowPlace};
use crate::market::work::count;
use crate::operators::at_looks::LookLogic;
use crate::operators::emission::Emission;
use crate::operators::pane_trace::PaneTrace;
use crate::operators::revisions::{EmittedValues, stage_of};
use differential_dataflow::trace::{Cursor, Navigable, SpanOf};
use kept::KeptBase;
pub(crate) use kept::kept_bases;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What the windows of symbols are made of.
#[derive(Clone)]
pub(crate) enum LookInput {
    Panes(SpanOf<PaneTrace>),
    WithholdBefore(EventTime),
    Change(DatedChange),
    Base(KeptBase),
}

/// So many symbols ahead panes are fetched from memory, and twice as many what tells where they are.
const AHEAD: usize = 4;

/// What came into a pane of a symbol, which has a number here.
#[derive(Debug)]
struct PaneTrades {
    symbol: usize,
    end: EventTime,
    candle: Candle,
    moments: Moments,
}

/// What looks at windows give.
#[derive(Debug, Clone)]
pub(crate) enum LookOutput {
    Emission(Emission),
    /// Apart, since it is larger than a row and most symbols are no legs.
    Leg(Box<((Symbol, (WindowKey, LegState)), EventTime, isize)>),
}

/// Looks at the windows of symbols.
pub(crate) struct WindowLooks {
    definition: Arc<Definition>,
    resume: Arc<Resume>,
    looks: Looks,
    changing: DefinitionTimeline,
    legs: HashSet<Symbol>,
    /// Whether crosses are told of all symbols, since each may become a leg.
    tells_all: bool,
    /// Legs of crosses that begin at that moment, symbols that are dropped, and those that were restored.
    turning: BTreeMap<EventTime, BTreeSet<Symbol>>,
    /// Whether a leg's earlier window may stand in for one without trades.
    carries: bool,
    withhold_before: EventTime,
    /// What was final until then is known by what it left; what became final later is worked out again.
    known_to: EventTime,
    /// From when on sums are kept by value.
    kept_from: EventTime,
    pending: BTreeMap<EventTime, Vec<PaneTrades>>,
    numbers: HashMap<Symbol, usize, foldhash::fast::RandomState>,
    symbols: Vec<SymbolState>,
    /// Of which windows each has rows.
    lives: Vec<Life>,
    /// What each symbol has told of its windows.
    reported: Vec<Box<[ReportedWindows]>>,
    /// The slots of the pane that came last.
    slots: PaneSlots,
    /// The windows with trades that become final: of each symbol and definition, by [`WindowLooks::line`].
    settling: Agenda,
    /// Those that end; only where they are looked at then.
    ending: Agenda,
    /// Symbols whose long windows are kept by value at that moment.
    basing: Agenda,
    /// Symbols with trades in a pane that ends then and with which no window ends: what their ids were is
    /// kept by value.
    alone: BTreeMap<EventTime, Vec<usize>>,
    /// Symbols with trades that no tick has seen yet; only where ticks are looked at.
    touched: Vec<usize>,
    tick_due: Option<EventTime>,
}

/// What has left of a symbol's windows of one definition that are not final.
#[derive(Default)]
struct ReportedWindows {
    /// What crosses have been told, by window end.
    legs: BTreeMap<EventTime, LegState>,
    /// The latest final window with trades; only where it may stand in.
    latest: Option<Box<(EventTime, LegState)>>,
    emitted: BTreeMap<EventTime, EmittedValues<WindowState>>,
}

type EmitLook<'a> = &'a mut dyn FnMut(EventTime, LookOutput);

impl WindowLooks {
    /// Those of a job.
    pub(crate) fn new(definition: &Arc<Definition>, resume: &Arc<Resume>) -> Self {
        let looks = Looks::of(definition);
        let known_to = resume.at.minus(looks.hindsight());
        let slots = PaneSlots::of(&looks.windows);
        let slots = if resume.is_last { slots.without_kept() } else { slots };
        let mut logic = WindowLooks {
            resume: Arc::clone(resume),
            known_to,
            kept_from: looks.kept_from(resume.at),
            slots,
            looks,
            carries: definition.missing_leg == MissingLeg::Carry,
            legs: HashSet::new(),
            tells_all: definition.holds_windows(),
            turning: BTreeMap::new(),
            changing: DefinitionTimeline::of(definition).after(&resume.changes()),
            lives: Vec::new(),
            definition: Arc::clone(definition),
            withhold_before: EventTime::MIN,
            pending: BTreeMap::new(),
            numbers: HashMap::default(),
            symbols: Vec::new(),
            reported: Vec::new(),
            settling: Agenda::default(),
            ending: Agenda::default(),
            basing: Agenda::default(),
            alone: BTreeMap::new(),
            touched: Vec::new(),
            tick_due: None,
        };
        let crosses = 0..logic.changing.crosses().len() as CrossNumber;
        crosses.for_each(|number| logic.note_legs(number));
        logic
    }

    fn number(&mut self, name: &Symbol) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let is_leg = self.tells_all || self.legs.contains(name);
        self.symbols.push(SymbolState::new(name, is_leg, &self.looks, &self.resume));
        self.lives.push(self.changing.life_of(name));
        let stood_in = |window| self.stood_in(name, window).map(Box::new);
        let reported = |window| ReportedWindows { latest: stood_in(window), ..ReportedWindows::default() };
        self.reported.push(self.looks.windows.each().iter().map(reported).collect());
        self.numbers.insert(name.clone(), self.symbols.len() - 1);
        self.symbols.len() - 1
    }

    /// Fetches the symbols that stand so far ahead, in the windows of one definition or of all.
    fn prefetch(&self, symbol_at: impl Fn(usize) -> Option<(usize, Option<WindowPlace>)>) {
        symbol_at(2 * AHEAD).into_iter().for_each(|(far, place)| self.symbols[far].prefetch_places(place));
        symbol_at(AHEAD).into_iter().for_each(|(near, place)| self.symbols[near].prefetch(place));
    }

    /// The number of a symbol's windows of one definition.
    fn line(&self, symbol: usize, place: WindowPlace) -> usize {
        symbol * self.looks.windows.each().len() + usize::from(place)
    }

    /// Symbol and definition of that number.
    fn of_line(&self, line: usize) -> (usize, WindowPlace) {
        let definitions = self.looks.windows.each().len();
        (line / definitions, (line % definitions) as WindowPlace)
    }

    fn apply(&mut self, trades: &PaneTrades, look: EventTime, emit: EmitLook<'_>) {
        let number = trades.symbol;
        self.slots.turn_to(trades.end, &self.looks.windows);
        let state = &mut self.symbols[number];
        if self.looks.at_ticks() && !state.has_changed() {
            self.touched.push(number);
        }
        state.add(&self.slots, &trades.moments, &trades.candle, &self.looks);
        state.settle_ids(look.minus(self.looks.grace + 1));
        self.keep_ids(number, emit);
        if let Some(moment) = self.slots.kept_at(trades.end.max(self.kept_from)) {
            self.basing.add(number, moment);
        }
        let mut ends_alone = true;
        for place in 0..self.looks.windows.count() {
            if let Some(slot) = self.slots.at(place) {
                self.note_windows(number, place, slot.end, look);
                ends_alone &= slot.end != trades.end;
            }
        }
        if ends_alone {
            self.alone.entry(trades.end).or_default().push(number);
        }
    }

    /// Notes when the windows that hold a slot are looked at next.
    fn note_windows(&mut self, number: usize, place: WindowPlace, slot_end: EventTime, look: EventTime) {
        let line = self.line(number, place);
        self.settling.add(line, slot_end);
        if self.looks.changes {
            let window = self.looks.windows.at(place);
            if let Some(next) = self.symbols[number].slots(place).first_end_from(window, slot_end.max(look)) {
                self.ending.add(line, next);
            }
        }
    }

    /// The look at one window of one symbol: tells crosses and emits a row, where there is news.
    fn look_at(&mut self, line: usize, firing: (EventTime, FiringKind), look: EventTime, emit: EmitLook<'_>) {
        count(1);
        let (number, place) = self.of_line(line);
        let Some(state) = self.report_leg(line, firing, look, emit) else { return };
        let (end, _) = firing;
        let (symbol, window) = (&self.symbols[number], self.looks.windows.at(place));
        let reported = &mut self.reported[number][usize::from(place)];
        // With `carry` any symbol may become a leg; the latest sums of one that grows are there.
        let stands_in = self.carries || symbol.is_leg && window.grows();
        if look == self.looks.final_at(end) && stands_in && look > self.known_to {
            let (leg, latest) = ((symbol.name.clone(), window.name_owned()), LegState::of(&state));
            reported.latest = self.carries.then(|| Box::new((end, latest)));
            let carried = LastingChange::Carried(leg, end, Box::new(latest));
            emit(look.minus(1), LookOutput::Emission(Emission::Lasting(look, carried)));
        }
        if look == self.looks.final_at(end) && self.tells_all && look > self.resume.at {
            let of = (symbol.name.clone(), window.name_owned());
            let held = LastingChange::Held(of, end, Box::new(LegState::of(&state)));
            emit(look.minus(1), LookOutput::Emission(Emission::Lasting(look, held)));
        }
        let emitted = &mut reported.emitted;
        if self.definition.makes(RowKind::Symbol)
            && let Some(stage) = stage_of(emitted, end, look, &state, &self.looks, PartialEq::eq)
            && look > self.resume.at
        {
            let occasion = Occasion { look, window, place, end, stage };
            let row = symbol_row(&name_of(&symbol.name), &state, self.definition.decimals(), occasion);
            emit(look.minus(1), LookOutput::Emission(Emission::Row(row)));
        }
    }

    /// Tells crosses what a leg's window is now. Gives the window, where it has trades and is not withheld.
    fn report_leg(
        &mut self,
        line: usize,
        (end, kind): (EventTime, FiringKind),
        look: EventTime,
        emit: EmitLook<'_>,
    ) -> Option<WindowState> {
        let (number, place) = self.of_line(line);
        self.await_drop(number, end, look);
        let is_final = look == self.looks.final_at(end);
        let window = self.looks.windows.at(place);
        let reported = &mut self.reported[number][usize::from(place)];
        let symbol = &mut self.symbols[number];
        let state = symbol.window(place, window, end, kind);
        let mut emit_leg = |leg: LegState, date: EventTime, diff: isize| {
            emit(date, LookOutput::Leg(Box::new(((symbol.name.clone(), ((place, end), leg)), date, diff))));
        };
        let lives = self.lives[number].gives(window, end, look);
        if !lives || window.start_of(end) < self.withhold_before {
            // Crosses may have been told while it was not known yet that trades are missing.
            if let Some(leg) = reported.legs.remove(&end) {
                emit_leg(leg, look.minus(1), -1);
            }
            if is_final {
                reported.emitted.remove(&end);
                if lives && state.is_some() && look > self.resume.at {
                    emit(look.minus(1), LookOutput::Emission(Emission::Withheld));
                }
            }
            return None;
        }
        let state = state?;
        if !symbol.is_leg {
            return Some(state);
        }
        let leg = LegState::of(&state);
        let before = if is_final { reported.legs.remove(&end) } else { reported.legs.insert(end, leg) };
        if before != Some(leg) {
            before.into_iter().for_each(|before| emit_leg(before, look.minus(1), -1));
            emit_leg(leg, look.minus(1), 1);
        }
        if is_final {
            // Taken off once it is final, at the first time that no look at this window sees.
            emit_leg(leg, look, -1);
        }
        Some(state)
    }

    /// The looks at the windows that end then and become final.
    fn settle(&mut self, end: EventTime, look: EventTime, emit: EmitLook<'_>) {
        let lines = self.settling.take(end);
        for (at, &line) in lines.iter().enumerate() {
            let line_at = |at: usize| lines.get(at).map(|line| self.of_line(*line));
            self.prefetch(|ahead| line_at(at + ahead).map(|(symbol, place)| (symbol, Some(place))));
            self.look_at(line, (end, FiringKind::Final), look, emit);
            let (number, place) = self.of_line(line);
            let (symbol, window) = (&mut self.symbols[number], self.looks.windows.at(place));
            symbol.settle(place, window, end);
            self.settling.set(line, symbol.slots(place).first_end_from(window, end.plus(1)));
            self.keep_ids(number, emit);
        }
    }

    /// The looks at the windows that end now.
    fn end(&mut self, look: EventTime, emit: EmitLook<'_>) {
        for line in self.ending.take(look) {
            self.look_at(line, (look, FiringKind::Ending), look, emit);
            let (number, place) = self.of_line(line);
            let window = self.looks.windows.at(place);
            self.ending.set(line, self.symbols[number].slots(place).first_end_from(window, look.plus(1)));
        }
    }
}

impl LookLogic for WindowLooks {
    type Input = LookInput;
    type Output = LookOutput;

    fn absorb(&mut self, input: LookInput) {
        match input {
            LookInput::WithholdBefore(time) => self.withhold_before = self.withhold_before.max(time),
            LookInput::Change(change) => self.change(&change),
            LookInput::Base(base) => self.restore(base),
            LookInput::Panes(span) => {
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
        let kept = self.basing.first().map(|until| self.looks.kept_at(until));
        let turning = self.turning.keys().next().copied();
        let alone = self.alone.keys().next().map(|end| self.looks.final_at(*end));
        let due = [news, settled, kept, alone, self.ending.first(), turning, self.tick_due];
        due.into_iter().flatten().min()
    }

    fn look(&mut self, look: EventTime, emit: &mut dyn FnMut(EventTime, LookOutput)) {
        while let Some(entry) = self.pending.first_entry().filter(|e| *e.key() < look) {
            let trades = entry.remove();
            for (at, of_pane) in trades.iter().enumerate() {
                self.prefetch(|ahead| trades.get(at + ahead).map(|trades| (trades.symbol, None)));
                self.apply(of_pane, look, emit);
            }
            if self.looks.changes {
                trades.iter().for_each(|trades| self.report_latest(trades.symbol, look, emit));
            }
        }
        while let Some(end) = self.settling.first().filter(|end| self.looks.final_at(*end) <= look) {
            self.settle(end, look, emit);
        }
        while let Some(until) = self.basing.first().filter(|until| self.looks.kept_at(*until) <= look) {
            self.keep(until, look, emit);
        }
        self.leave_alone(look, emit);
        self.end(look, emit);
        self.turn(look, emit);
        self.tick_due = None;
        if self.touched.is_empty() {
            return;
        }
        if !self.looks.is_tick(look) {
            self.tick_due = Some(self.looks.next_tick(look));
            return;
        }
        for number in std::mem::take(&mut self.touched) {
            self.tick(number, look, emit);
        }
    }
}
