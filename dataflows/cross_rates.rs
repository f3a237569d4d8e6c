//! What is a pair worth that is not traded directly?
//!
//! The rate of a cross in a window is the product of its legs' VWAPs there, inverse legs divided, rounded once.
//! Crosses are a collection, joined to the windows by leg: one cross or a thousand is the same graph. What comes of the
//! join are changes of legs; only the windows of crosses that a change can touch are looked at.
//!
//! Missing: a leg without trades never gives a number by accident; the row says so, or an earlier window stands in (`carry`).
//! Empty: a window in which no leg traded has no row. Late: a corrected leg revises the cross while it is not final.

use crate::market::cross::{CrossState, LegState};
use crate::market::definition::{Cross, Definition, Leg, MissingLeg};
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::resume::{Resume, known_of};
use crate::market::row::{Occasion, Row, RowKind, Stage, cross_row};
use crate::market::trade::Symbol;
use crate::market::windows::{Window, WindowPlace};
use crate::market::work::count;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::revisions::{Emitted, stage_of};
use crate::symbol_windows::{LegCollection, WindowKey};
use differential_dataflow::VecCollection;
use differential_dataflow::hashable::Hashable;
use num_bigint::BigInt;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::{Concat, Exchange, Map, OkErr};

/// Place of a cross in the definition.
pub type CrossNumber = u32;

/// Which symbol is which leg of which cross.
pub type CrossLegs<'scope> = VecCollection<'scope, EventTime, (Symbol, (CrossNumber, u32)), isize>;

/// The final rate of a cross in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The cross.
    pub cross: CrossNumber,
    /// The place of the window's definition.
    pub place: WindowPlace,
    /// The window's end.
    pub end: EventTime,
    /// When it became final.
    pub look: EventTime,
    /// In steps of 1e-18.
    pub rate: BigInt,
}

/// The updates that make [`CrossLegs`] of a definition.
pub fn legs_of(definition: &Definition) -> Vec<(Symbol, (CrossNumber, u32))> {
    let numbered = (0u32..).zip(&definition.crosses);
    numbered
        .flat_map(|(cross, c)| (0u32..).zip(&c.legs).map(move |(leg, l)| (l.symbol.clone(), (cross, leg))))
        .collect()
}

/// Rows of crosses, and the final rates for their statistics.
///
/// `withhold_before` is as of [`crate::symbol_windows::symbol_windows`], and has been told to every worker.
pub fn cross_rates<'scope>(
    windows: LegCollection<'scope>,
    legs: CrossLegs<'scope>,
    withhold_before: StreamVec<'scope, EventTime, EventTime>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> (StreamVec<'scope, EventTime, Row>, StreamVec<'scope, EventTime, Rate>) {
    let changes =
        windows.join_map(legs, |_, (window, state), (cross, leg)| ((*cross, *leg), (*window, *state)));
    // All windows that a cross has by one definition meet on one worker: a leg of one may stand in for that of another.
    let by_cross = |(((cross, _), ((place, _), _)), ..): &Change| (*cross, *place).hashed();
    let changes = changes.inner.exchange(by_cross).map(Input::Change);
    let known = withhold_before.map(Input::WithholdBefore);
    let looks = changes.concat(known).at_looks(Pipeline, "CrossRows", CrossRows::new(definition, resume));
    looks.ok_err(|output| match output {
        Output::Row(row) => Ok(row),
        Output::Rate(rate) => Err(rate),
    })
}

/// A change of a leg of a cross: which, the window and its state there, when, and whether it comes or goes.
type Change = (((CrossNumber, u32), (WindowKey, LegState)), EventTime, isize);

#[derive(Debug, Clone)]
enum Input {
    Change(Change),
    WithholdBefore(EventTime),
}

#[derive(Debug, Clone)]
enum Output {
    Row(Row),
    Rate(Rate),
}

struct CrossRows {
    definition: Arc<Definition>,
    /// Rows looked at until then are out.
    resumed_at: EventTime,
    /// What stands in from windows that were final until then is known by what an earlier run left.
    known_to: EventTime,
    looks: Looks,
    withhold_before: EventTime,
    /// Changes by date.
    pending: BTreeMap<EventTime, Vec<Change>>,
    /// By [`CrossRows::line`].
    crosses: Vec<CrossWindows>,
    /// The lines of crosses of which a leg traded in the windows that are not final, by their end.
    ends: BTreeMap<EventTime, Vec<Line>>,
    /// Windows with changes of which the next tick must know.
    changed: BTreeSet<(Line, EventTime)>,
    tick_due: Option<EventTime>,
    /// Windows that end then or earlier have had their first look.
    closed_to: EventTime,
}

/// The number of a cross in the windows of one definition.
type Line = usize;

#[derive(Default)]
struct CrossWindows {
    legs: Vec<LegWindows>,
    /// Those of `ends`.
    ends: BTreeSet<EventTime>,
    emitted: BTreeMap<EventTime, Emitted<CrossState>>,
}

#[derive(Default)]
struct LegWindows {
    /// In which the leg traded and that are not final, by their end.
    own: BTreeMap<EventTime, LegState>,
    /// The latest final one in which it traded, as far as it may have to stand in.
    before: Option<(EventTime, LegState)>,
}

impl LegWindows {
    /// The latest window with trades before the one that ends then.
    fn latest_before(&self, end: EventTime) -> Option<(EventTime, LegState)> {
        let own = self.own.range(..end).next_back().map(|(from, state)| (*from, *state));
        // A look that is repeated in silence may be at a window that has been final for long. Of the same window what is
        // known by value comes first: its panes may be gone from the checkpoints of some partitions already.
        let before = self.before.filter(|(from, _)| *from < end);
        match (own, before) {
            (Some(own), Some(before)) => Some(if before.0 >= own.0 { before } else { own }),
            (own, before) => own.or(before),
        }
    }
}

impl CrossRows {
    fn new(definition: &Arc<Definition>, resume: &Resume) -> Self {
        let of_leg = |leg: &Leg, place: WindowPlace| LegWindows {
            before: known_of(&resume.carried, &leg.symbol, definition.windows.at(place)).copied(),
            ..LegWindows::default()
        };
        let of_cross = |cross: &Cross, place: WindowPlace| CrossWindows {
            legs: cross.legs.iter().map(|leg| of_leg(leg, place)).collect(),
            ..CrossWindows::default()
        };
        let places = 0..definition.windows.count();
        let lines = definition.crosses.iter().flat_map(|c| places.clone().map(move |place| (c, place)));
        CrossRows {
            resumed_at: resume.at,
            known_to: resume.at.minus(Looks::of(definition).hindsight()),
            looks: Looks::of(definition),
            withhold_before: EventTime::MIN,
            pending: BTreeMap::new(),
            crosses: lines.map(|(cross, place)| of_cross(cross, place)).collect(),
            ends: BTreeMap::new(),
            changed: BTreeSet::new(),
            tick_due: None,
            closed_to: EventTime::MIN,
            definition: Arc::clone(definition),
        }
    }

    fn line(&self, cross: CrossNumber, place: WindowPlace) -> Line {
        cross as usize * self.looks.windows.each().len() + usize::from(place)
    }

    fn place_of(&self, line: Line) -> WindowPlace {
        (line % self.looks.windows.each().len()) as WindowPlace
    }

    fn cross_of(&self, line: Line) -> CrossNumber {
        (line / self.looks.windows.each().len()) as CrossNumber
    }

    fn window_of(&self, line: Line) -> &Window {
        self.looks.windows.at(self.place_of(line))
    }

    /// Applies changes of one date.
    fn apply(&mut self, changes: Vec<Change>, look: EventTime) {
        // Where nothing takes its place, the window's trades were not all seen: it gives no row any more.
        for (((cross, leg), ((place, end), state)), _, _) in changes.iter().filter(|change| change.2 < 0) {
            let line = self.line(*cross, *place);
            let own = &mut self.crosses[line].legs[*leg as usize].own;
            if own.get(end) == Some(state) {
                own.remove(end);
            }
        }
        for &(((cross, leg), ((place, end), state)), _, diff) in &changes {
            count(1);
            let line = self.line(cross, place);
            let windows = &mut self.crosses[line];
            if diff > 0 {
                windows.legs[leg as usize].own.insert(end, state);
                if windows.ends.insert(end) {
                    self.ends.entry(end).or_default().push(line);
                }
            }
            if self.looks.changes || self.looks.provisional {
                self.note(line, leg, end, look);
            }
        }
    }

    /// Notes the windows whose rows a changed window of a leg may change: itself, those in which it stands in, and those
    /// that have grown from it.
    fn note(&mut self, line: Line, leg: u32, end: EventTime, look: EventTime) {
        let windows = &self.crosses[line];
        // These are looked at without being asked, now.
        if end != look && self.looks.final_at(end) != look {
            self.changed.insert((line, end));
        }
        if self.definition.missing_leg != MissingLeg::Carry && !self.window_of(line).grows() {
            return;
        }
        let next_own = windows.legs[leg as usize].own.range(end.plus(1)..).next().map(|(next, _)| *next);
        let takes = |later: EventTime| {
            next_own.is_none_or(|next| later < next)
                && (self.grows_into(line, end, later) || self.stands_in(line, end, later))
        };
        let carried = windows.ends.range(end.plus(1)..).take_while(|later| takes(**later));
        let carried = carried.inspect(|_| count(1)).map(|end| (line, *end)).collect::<Vec<_>>();
        self.changed.extend(carried);
    }

    /// The state of a cross in a window; nothing where there is no row.
    fn state(&self, line: Line, end: EventTime) -> Option<CrossState> {
        if self.window_of(line).start_of(end) < self.withhold_before {
            return None;
        }
        let legs = &self.crosses[line].legs;
        let legs = legs.iter().map(|leg| leg.own.get(&end).copied().or_else(|| self.carried(line, leg, end)));
        let state = CrossState { legs: legs.collect() };
        state.shown(self.definition.missing_leg).then_some(state)
    }

    /// What a leg has of a window that has no row of its own: where the window has grown since, the leg's trades before
    /// that; else what stands in for it.
    fn carried(&self, line: Line, leg: &LegWindows, end: EventTime) -> Option<LegState> {
        let (from, state) = leg.latest_before(end)?;
        if self.grows_into(line, from, end) {
            return Some(state);
        }
        let is_whole = self.window_of(line).start_of(from) >= self.withhold_before;
        let stands_in = self.stands_in(line, from, end) && is_whole;
        stands_in.then_some(LegState { missing_ids: 0, age: end.micros() - from.micros(), ..state })
    }

    /// Whether the window that ends at `end` has grown from the one that ends at `from`.
    fn grows_into(&self, line: Line, from: EventTime, end: EventTime) -> bool {
        let window = self.window_of(line);
        window.grows() && window.last_end_over(from) >= end
    }

    /// Whether a leg's window that ends at `from` may stand in for that which ends at `end`.
    fn stands_in(&self, line: Line, from: EventTime, end: EventTime) -> bool {
        const FIVE_MINUTES: u64 = 300_000_000;
        let most = match self.definition.max_carry {
            Some(most) => most,
            None => self.window_of(line).reach_at_least(end).max(FIVE_MINUTES),
        };
        self.definition.missing_leg == MissingLeg::Carry && end.micros() - from.micros() <= most
    }

    fn look_at(
        &mut self,
        line: Line,
        end: EventTime,
        look: EventTime,
        give: &mut dyn FnMut(EventTime, Output),
    ) {
        count(1);
        let state = self.state(line, end);
        let place = self.place_of(line);
        let of_line = self.cross_of(line) as usize;
        let emitted = &mut self.crosses[line].emitted;
        let Some(state) = state else {
            if look == self.looks.final_at(end) {
                emitted.remove(&end);
            }
            return;
        };
        let (cross, decimals) = (&self.definition.crosses[of_line], self.definition.decimals());
        let same = |a: &CrossState, b: &CrossState| a.gives_the_row_of(b, cross, decimals);
        let Some(stage) = stage_of(emitted, end, look, &state, &self.looks, same) else { return };
        if look <= self.resumed_at {
            return;
        }
        let rate = state.rate(cross, decimals);
        if self.definition.makes(RowKind::Cross) {
            let occasion = Occasion { look, window: self.looks.windows.at(place), place, end, stage };
            give(look.minus(1), Output::Row(cross_row(cross, &state, rate.as_ref(), decimals, occasion)));
        }
        if let Stage::Closed { last: true, .. } = stage
            && let Some(rate) = rate.filter(|_| self.definition.rows.has(RowKind::Stats))
        {
            let cross = self.cross_of(line);
            give(look.minus(1), Output::Rate(Rate { cross, place, end, look, rate }));
        }
    }

    /// The looks at the windows that end then and become final, of which the latest is kept to stand in.
    fn settle(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        let Some((end, lines)) = self.ends.pop_first() else { return };
        for line in lines {
            self.look_at(line, end, look, give);
            let windows = &mut self.crosses[line];
            windows.ends.remove(&end);
            for leg in &mut windows.legs {
                if let Some(own) = leg.own.remove(&end)
                    && look > self.known_to
                {
                    leg.before = Some((end, own));
                }
            }
        }
    }

    /// The looks of a tick at the windows that changed.
    fn tick(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        for (line, end) in std::mem::take(&mut self.changed) {
            let due = if end > look {
                self.looks.provisional
            } else {
                self.looks.changes && end < look && self.looks.final_at(end) > look
            };
            if due {
                self.look_at(line, end, look, give);
            }
        }
    }
}

impl LookLogic for CrossRows {
    type Input = Input;
    type Output = Output;

    fn absorb(&mut self, input: Input) {
        match input {
            Input::WithholdBefore(time) => self.withhold_before = self.withhold_before.max(time),
            Input::Change(change) => {
                let ((_, ((_, end), _)), date, _) = change;
                // What is taken back later is final and forgotten already.
                if date < self.looks.final_at(end) {
                    self.pending.entry(date).or_default().push(change);
                }
            }
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        let news = self.pending.keys().next().map(|date| date.plus(1));
        let settled = self.ends.keys().next().map(|end| self.looks.final_at(*end));
        let closing = match self.looks.changes {
            true => self.ends.range(self.closed_to.plus(1)..).next().map(|(end, _)| *end),
            false => None,
        };
        [news, settled, closing, self.tick_due].into_iter().flatten().min()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        while let Some(entry) = self.pending.first_entry().filter(|e| *e.key() < look) {
            let changes = entry.remove();
            self.apply(changes, look);
        }
        while self.ends.keys().next().is_some_and(|end| self.looks.final_at(*end) <= look) {
            self.settle(look, give);
        }
        if self.looks.changes {
            for line in self.ends.get(&look).cloned().unwrap_or_default() {
                self.look_at(line, look, look, give);
            }
        }
        self.closed_to = look;
        self.tick_due = None;
        if self.looks.is_tick(look) {
            self.tick(look, give);
        } else if !self.changed.is_empty() {
            self.tick_due = Some(self.looks.next_tick(look));
        }
    }
}
