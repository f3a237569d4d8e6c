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
use crate::market::moments::Moments;
use crate::market::resume::Resume;
use crate::market::row::{Occasion, Row, RowKind, Stage, cross_row};
use crate::market::trade::Symbol;
use crate::market::work::count;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::revisions::{Emitted, stage_of};
use crate::symbol_windows::LegCollection;
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
    let changes = windows.join_map(legs, |_, (end, state), (cross, leg)| ((*cross, *leg), (*end, *state)));
    // All windows of a cross meet on one worker: a leg of one may stand in for that of another.
    let changes = changes.inner.exchange(|(((cross, _), _), ..)| cross.hashed()).map(Input::Change);
    let known = withhold_before.map(Input::WithholdBefore);
    let looks = changes.concat(known).at_looks(Pipeline, "CrossRows", CrossRows::new(definition, resume));
    looks.ok_err(|output| match output {
        Output::Row(row) => Ok(row),
        Output::Rate(rate) => Err(rate),
    })
}

/// A change of a leg of a cross: which, the window's end and its state, when, and whether it comes or goes.
type Change = (((CrossNumber, u32), (EventTime, LegState)), EventTime, isize);

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
    crosses: Vec<CrossWindows>,
    /// The crosses of which a leg traded in the windows that are not final, by their end.
    ends: BTreeMap<EventTime, Vec<CrossNumber>>,
    /// Windows with changes of which the next tick must know.
    changed: BTreeSet<(CrossNumber, EventTime)>,
    tick_due: Option<EventTime>,
    /// Windows that end then or earlier have had their first look.
    closed_to: EventTime,
}

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
    before: Option<(EventTime, Moments)>,
}

impl LegWindows {
    /// The latest window with trades before the one that ends then.
    fn latest_before(&self, end: EventTime) -> Option<(EventTime, Moments)> {
        let own = self.own.range(..end).next_back().map(|(from, state)| (*from, state.moments));
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
        let carries = definition.missing_leg == MissingLeg::Carry;
        let of_leg = |leg: &Leg| LegWindows {
            before: resume.carried.get(&leg.symbol).copied().filter(|_| carries),
            ..LegWindows::default()
        };
        let of_cross = |cross: &Cross| CrossWindows {
            legs: cross.legs.iter().map(of_leg).collect(),
            ..CrossWindows::default()
        };
        CrossRows {
            resumed_at: resume.at,
            known_to: resume.at.minus(Looks::of(definition).hindsight()),
            looks: Looks::of(definition),
            withhold_before: EventTime::MIN,
            pending: BTreeMap::new(),
            crosses: definition.crosses.iter().map(of_cross).collect(),
            ends: BTreeMap::new(),
            changed: BTreeSet::new(),
            tick_due: None,
            closed_to: EventTime::MIN,
            definition: Arc::clone(definition),
        }
    }

    /// Applies changes of one date.
    fn apply(&mut self, changes: Vec<Change>, look: EventTime) {
        // Where nothing takes its place, the window's trades were not all seen: it gives no row any more.
        for (((cross, leg), (end, state)), _, _) in changes.iter().filter(|change| change.2 < 0) {
            let own = &mut self.crosses[*cross as usize].legs[*leg as usize].own;
            if own.get(end) == Some(state) {
                own.remove(end);
            }
        }
        for &(((cross, leg), (end, state)), _, diff) in &changes {
            count(1);
            let windows = &mut self.crosses[cross as usize];
            if diff > 0 {
                windows.legs[leg as usize].own.insert(end, state);
                if windows.ends.insert(end) {
                    self.ends.entry(end).or_default().push(cross);
                }
            }
            if self.looks.changes || self.looks.provisional {
                self.note(cross, leg, end, look);
            }
        }
    }

    /// Notes the windows whose rows a changed window of a leg may change: itself, and those in which it stands in.
    fn note(&mut self, cross: CrossNumber, leg: u32, end: EventTime, look: EventTime) {
        let windows = &self.crosses[cross as usize];
        // These are looked at without being asked, now.
        if end != look && self.looks.final_at(end) != look {
            self.changed.insert((cross, end));
        }
        if self.definition.missing_leg != MissingLeg::Carry {
            return;
        }
        let next_own = windows.legs[leg as usize].own.range(end.plus(1)..).next().map(|(next, _)| *next);
        let last = end.plus(self.definition.max_carry);
        let carried = windows.ends.range(end.plus(1)..);
        let carried = carried.take_while(|end| **end <= last && next_own.is_none_or(|next| **end < next));
        let carried = carried.inspect(|_| count(1)).map(|end| (cross, *end));
        self.changed.extend(carried);
    }

    /// The state of a cross in a window; nothing where there is no row.
    fn state(&self, cross: CrossNumber, end: EventTime) -> Option<CrossState> {
        if self.looks.start(end) < self.withhold_before {
            return None;
        }
        let legs = &self.crosses[cross as usize].legs;
        let legs = legs.iter().map(|leg| leg.own.get(&end).copied().or_else(|| self.carried(leg, end)));
        let state = CrossState { legs: legs.collect() };
        state.shown(self.definition.missing_leg).then_some(state)
    }

    /// What stands in for a leg in a window in which it did not trade.
    fn carried(&self, leg: &LegWindows, end: EventTime) -> Option<LegState> {
        if self.definition.missing_leg != MissingLeg::Carry {
            return None;
        }
        let (from, moments) = leg.latest_before(end)?;
        let age = end.micros() - from.micros();
        let stands_in = age <= self.definition.max_carry && self.looks.start(from) >= self.withhold_before;
        stands_in.then_some(LegState { moments, missing_ids: 0, age })
    }

    fn look_at(
        &mut self,
        cross: CrossNumber,
        end: EventTime,
        look: EventTime,
        give: &mut dyn FnMut(EventTime, Output),
    ) {
        count(1);
        let state = self.state(cross, end);
        let emitted = &mut self.crosses[cross as usize].emitted;
        let Some(state) = state else {
            if look == self.looks.final_at(end) {
                emitted.remove(&end);
            }
            return;
        };
        let cross_definition = &self.definition.crosses[cross as usize];
        let same = |a: &CrossState, b: &CrossState| a.gives_the_row_of(b, cross_definition);
        let Some(stage) = stage_of(emitted, end, look, &state, &self.looks, same) else { return };
        if look <= self.resumed_at {
            return;
        }
        let rate = state.rate(cross_definition);
        if self.definition.makes(RowKind::Cross) {
            let occasion = Occasion { look, start: self.looks.start(end), end, stage };
            give(look.minus(1), Output::Row(cross_row(cross_definition, &state, rate.as_ref(), occasion)));
        }
        if let Stage::Closed { last: true, .. } = stage
            && let Some(rate) = rate.filter(|_| self.definition.rows.has(RowKind::Stats))
        {
            give(look.minus(1), Output::Rate(Rate { cross, end, look, rate }));
        }
    }

    /// The looks at the windows that end then and become final, of which the latest is kept to stand in.
    fn settle(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        let Some((end, crosses)) = self.ends.pop_first() else { return };
        for cross in crosses {
            self.look_at(cross, end, look, give);
            let windows = &mut self.crosses[cross as usize];
            windows.ends.remove(&end);
            for leg in &mut windows.legs {
                if let Some(own) = leg.own.remove(&end)
                    && look > self.known_to
                {
                    leg.before = Some((end, own.moments));
                }
            }
        }
    }

    /// The looks of a tick at the windows that changed.
    fn tick(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        for (cross, end) in std::mem::take(&mut self.changed) {
            let due = if end > look {
                self.looks.provisional
            } else {
                self.looks.changes && end < look && self.looks.final_at(end) > look
            };
            if due {
                self.look_at(cross, end, look, give);
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
                let ((_, (end, _)), date, _) = change;
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
            for cross in self.ends.get(&look).cloned().unwrap_or_default() {
                self.look_at(cross, look, look, give);
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
