//! What is a pair worth that is not traded directly?
//!
//! The rate of a cross in a window is the product of its legs' VWAPs there, inverse legs divided, rounded once.
//! Crosses are a collection, joined to the windows by leg: one cross or a thousand is the same graph.
//!
//! Missing: a leg without trades never gives a number by accident; the row says so, or an earlier window stands in (`carry`).
//! Empty: a window in which no leg traded has no row. Late: a corrected leg revises the cross while it is not final.

use crate::market::cross::{CrossState, LegState};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::resume::Resume;
use crate::market::row::{Occasion, Row, RowKind, Stage, cross_row};
use crate::market::trade::Symbol;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::revisions::{Emitted, stage_of};
use crate::symbol_windows::LegCollection;
use differential_dataflow::VecCollection;
use num_bigint::BigInt;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::OkErr;

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
pub fn cross_rates<'scope>(
    windows: LegCollection<'scope>,
    legs: CrossLegs<'scope>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> (StreamVec<'scope, EventTime, Row>, StreamVec<'scope, EventTime, Rate>) {
    let parts = windows.join_map(legs, |_, (end, state), (cross, leg)| ((*cross, *end), (*leg, *state)));
    let states = parts.reduce_named("Crosses", assemble(definition));
    let looks = states.inner.at_looks(Pipeline, "CrossRows", CrossRows::new(definition, resume.at));
    looks.ok_err(|output| match output {
        Output::Row(row) => Ok(row),
        Output::Rate(rate) => Err(rate),
    })
}

/// Puts the legs of a cross in one window together; nothing where there is no row.
fn assemble(
    definition: &Arc<Definition>,
) -> impl for<'a, 'b> FnMut(
    &(CrossNumber, EventTime),
    &'a [(&'b (u32, LegState), isize)],
    &mut Vec<(CrossState, isize)>,
) + use<> {
    let definition = Arc::clone(definition);
    move |(cross, _), parts, out| {
        let mut state = CrossState { legs: vec![None; definition.crosses[*cross as usize].legs.len()] };
        for ((leg, part), _) in parts {
            state.legs[*leg as usize] = Some(*part);
        }
        if state.shown(definition.missing_leg) {
            out.push((state, 1));
        }
    }
}

#[derive(Debug, Clone)]
enum Output {
    Row(Row),
    Rate(Rate),
}

type Change = (((CrossNumber, EventTime), CrossState), EventTime, isize);

struct CrossRows {
    definition: Arc<Definition>,
    /// Rows looked at until then are out.
    resumed_at: EventTime,
    looks: Looks,
    /// States of windows that come, and such that are taken back, which may be replaced at the same time.
    pending: BTreeMap<EventTime, Vec<(CrossNumber, EventTime, CrossState)>>,
    gone: BTreeMap<EventTime, Vec<(CrossNumber, EventTime, CrossState)>>,
    crosses: Vec<CrossWindows>,
    /// Ends of the windows that some cross has and that are not final.
    ends: BTreeSet<EventTime>,
    closed_to: EventTime,
}

#[derive(Default)]
struct CrossWindows {
    current: BTreeMap<EventTime, CrossState>,
    emitted: BTreeMap<EventTime, Emitted<CrossState>>,
}

impl CrossRows {
    fn new(definition: &Arc<Definition>, resumed_at: EventTime) -> Self {
        CrossRows {
            resumed_at,
            looks: Looks::of(definition),
            pending: BTreeMap::new(),
            gone: BTreeMap::new(),
            crosses: definition.crosses.iter().map(|_| CrossWindows::default()).collect(),
            ends: BTreeSet::new(),
            closed_to: EventTime::MIN,
            definition: Arc::clone(definition),
        }
    }

    fn look_at(
        &mut self,
        cross: CrossNumber,
        end: EventTime,
        look: EventTime,
        give: &mut dyn FnMut(EventTime, Output),
    ) {
        let windows = &mut self.crosses[cross as usize];
        let Some(state) = windows.current.get(&end) else {
            if look == self.looks.final_at(end) {
                windows.emitted.remove(&end);
            }
            return;
        };
        let cross_definition = &self.definition.crosses[cross as usize];
        let same = |a: &CrossState, b: &CrossState| a.gives_the_row_of(b, cross_definition);
        let Some(stage) = stage_of(&mut windows.emitted, end, look, state, &self.looks, same) else { return };
        let silent = look <= self.resumed_at;
        let rate = if silent { None } else { state.rate(cross_definition) };
        if self.definition.rows.has(RowKind::Cross) && !silent {
            let occasion = Occasion { look, start: self.looks.start(end), end, stage };
            give(look.minus(1), Output::Row(cross_row(cross_definition, state, rate.as_ref(), occasion)));
        }
        if let Stage::Closed { last: true, .. } = stage {
            windows.current.remove(&end);
            if let Some(rate) = rate.filter(|_| self.definition.rows.has(RowKind::Stats)) {
                give(look.minus(1), Output::Rate(Rate { cross, end, look, rate }));
            }
        }
    }

    fn look_at_all(&mut self, end: EventTime, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        for cross in 0..self.crosses.len() as CrossNumber {
            self.look_at(cross, end, look, give);
        }
    }
}

impl LookLogic for CrossRows {
    type Input = Change;
    type Output = Output;

    fn absorb(&mut self, (((cross, end), state), date, diff): Change) {
        if diff > 0 {
            self.ends.insert(end);
            self.pending.entry(date).or_default().push((cross, end, state));
        } else if date < self.looks.final_at(end) {
            self.gone.entry(date).or_default().push((cross, end, state));
        }
        // What is taken back later is final and forgotten already.
    }

    fn next_look(&self) -> Option<EventTime> {
        let news = self.pending.keys().chain(self.gone.keys()).min().map(|date| date.plus(1));
        let settled = self.ends.first().map(|end| self.looks.final_at(*end));
        let closing =
            if self.looks.changes { self.ends.range(self.closed_to.plus(1)..).next().copied() } else { None };
        [news, settled, closing].into_iter().flatten().min()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        // Where nothing takes its place, the window's trades were not all seen: it gives no row any more.
        while let Some(entry) = self.gone.first_entry().filter(|e| *e.key() < look) {
            for (cross, end, state) in entry.remove() {
                let current = &mut self.crosses[cross as usize].current;
                if current.get(&end) == Some(&state) {
                    current.remove(&end);
                }
            }
        }
        while let Some(entry) = self.pending.first_entry().filter(|e| *e.key() < look) {
            for (cross, end, state) in entry.remove() {
                self.crosses[cross as usize].current.insert(end, state);
                if self.looks.final_at(end) != look {
                    self.look_at(cross, end, look, give);
                }
            }
        }
        while let Some(end) = self.ends.first().copied().filter(|end| self.looks.final_at(*end) <= look) {
            self.look_at_all(end, look, give);
            self.ends.remove(&end);
        }
        if self.looks.changes && self.ends.contains(&look) {
            self.look_at_all(look, look, give);
        }
        self.closed_to = look;
    }
}
