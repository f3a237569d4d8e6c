//! What is a pair worth that is not traded directly?
//!
//! The rate of a cross in a window is the product of its legs' VWAPs there, inverse legs divided, rounded
//! once. Crosses are a collection, joined to the windows by leg: one cross or a thousand is the same graph.
//! The join yields changes of legs, and a firing visits only the windows of crosses that a change can touch.
//!
//! Missing: a leg without trades never gives a number by accident; the row says so, or an earlier window
//! stands in (`carry`). Empty: a window in which no leg traded has no row. Late: a corrected leg revises the
//! cross while it is not final.

mod changing;
mod legs;
mod rate;
mod windows_of_cross;

use crate::market::changes::{CrossNumber, DatedChange, DefinitionTimeline, Life, LivingCross};
use crate::market::cross::{CrossState, LegState};
use crate::market::definition::{Definition, MissingLeg};
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::resume::{Resume, known_of};
use crate::market::row::{Occasion, Row, RowKind, Stage, cross_row};
use crate::market::trade::Symbol;
use crate::market::windows::{Window, WindowKey, WindowPlace};
use crate::market::work::count;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::revisions::stage_of;
use crate::symbol_windows::LegCollection;
use differential_dataflow::VecCollection;
use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::hashable::Hashable;
pub use legs::cross_legs;
pub use rate::Rate;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::{Concat, Exchange, Map, OkErr};
use windows_of_cross::{CrossWindows, LegWindows};

/// Which symbol is which leg of which cross.
pub type CrossLegs<'scope> = VecCollection<'scope, EventTime, (Symbol, (CrossNumber, u32)), isize>;

/// Rows of crosses, and the final rates for their statistics.
///
/// What is told is as of [`crate::symbol_windows::symbol_windows`].
pub fn cross_rates<'scope>(
    windows: LegCollection<'scope>,
    legs: CrossLegs<'scope>,
    (withhold_before, control): (
        StreamVec<'scope, EventTime, EventTime>,
        StreamVec<'scope, EventTime, DatedChange>,
    ),
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> (StreamVec<'scope, EventTime, Row>, StreamVec<'scope, EventTime, Rate>) {
    let changes =
        windows.join_map(legs, |_, (window, state), (cross, leg)| ((*cross, *leg), (*window, *state)));
    // All windows that a cross has by one definition meet on one worker: a leg of one may stand in for that
    // of another.
    let by_cross = |(((cross, _), ((place, _), _)), ..): &LegChange| (*cross, *place).hashed();
    let changes = changes.inner.exchange(by_cross).map(CrossInput::Change);
    let known = withhold_before.map(CrossInput::WithholdBefore);
    let control = control.map(CrossInput::Defined);
    let looks = changes.concat(known).concat(control).at_looks(
        Pipeline,
        "CrossRows",
        CrossRows::new(definition, resume),
    );
    looks.ok_err(|output| match output {
        CrossOutput::Row(row) => Ok(row),
        CrossOutput::Rate(rate) => Err(rate),
    })
}

/// A change of a leg of a cross: which, the window and its state there, when, and whether it comes or goes.
type LegChange = (((CrossNumber, u32), (WindowKey, LegState)), EventTime, isize);

#[derive(Debug, Clone)]
enum CrossInput {
    Change(LegChange),
    WithholdBefore(EventTime),
    Defined(DatedChange),
}

#[derive(Debug, Clone)]
enum CrossOutput {
    Row(Row),
    Rate(Rate),
}

struct CrossRows {
    definition: Arc<Definition>,
    changing: DefinitionTimeline,
    resume: Arc<Resume>,
    /// The restored state holds the legs that stand in from windows that were final until then.
    known_to: EventTime,
    looks: Looks,
    withhold_before: EventTime,
    /// Changes by date.
    pending: BTreeMap<EventTime, Vec<LegChange>>,
    /// By [`CrossRows::line`].
    crosses: Vec<CrossWindows>,
    /// The lines of crosses of which a leg traded in the windows that are not final, by their end.
    ends: BTreeMap<EventTime, Vec<CrossLine>>,
    /// Windows with changes of which the next tick must know.
    changed: BTreeSet<(CrossLine, EventTime)>,
    tick_due: Option<EventTime>,
    /// When crosses that were added begin.
    begins: BTreeSet<EventTime>,
    /// Windows that end then or earlier have had their first look.
    closed_to: EventTime,
    /// When paths that were left are forgotten.
    gone: BTreeMap<EventTime, Vec<CrossNumber>>,
}

/// The number of a cross in the windows of one definition.
type CrossLine = usize;

impl CrossRows {
    fn new(definition: &Arc<Definition>, resume: &Arc<Resume>) -> Self {
        let of_cross = |cross: &LivingCross, window: &Window| {
            CrossWindows::after(&cross.legs, |leg| known_of(&resume.carried, leg, window).copied())
        };
        let (looks, changing) =
            (Looks::of(definition), DefinitionTimeline::of(definition).after(&resume.changes()));
        let mut gone: BTreeMap<EventTime, Vec<CrossNumber>> = BTreeMap::new();
        for (number, cross) in (0..).zip(changing.crosses()).filter(|(_, cross)| cross.life.ends_as_path()) {
            gone.entry(legs::gone_at(cross.life, &looks).plus(1)).or_default().push(number);
        }
        let windows = definition.windows.each();
        let lines = changing.crosses().iter().flat_map(|c| windows.iter().map(move |window| (c, window)));
        CrossRows {
            resume: Arc::clone(resume),
            known_to: resume.at.minus(looks.hindsight()),
            looks,
            withhold_before: EventTime::MIN,
            pending: BTreeMap::new(),
            crosses: lines.map(|(cross, window)| of_cross(cross, window)).collect(),
            ends: BTreeMap::new(),
            changed: BTreeSet::new(),
            tick_due: None,
            begins: changing.crosses().iter().map(|living| living.life.from).collect(),
            closed_to: EventTime::MIN,
            gone,
            definition: Arc::clone(definition),
            changing,
        }
    }

    fn life_of(&self, line: CrossLine) -> Life {
        self.changing.cross(self.cross_of(line)).life
    }

    fn line(&self, cross: CrossNumber, place: WindowPlace) -> CrossLine {
        cross as usize * self.looks.windows.each().len() + usize::from(place)
    }

    fn place_of(&self, line: CrossLine) -> WindowPlace {
        (line % self.looks.windows.each().len()) as WindowPlace
    }

    fn cross_of(&self, line: CrossLine) -> CrossNumber {
        (line / self.looks.windows.each().len()) as CrossNumber
    }

    fn window_of(&self, line: CrossLine) -> &Window {
        self.looks.windows.at(self.place_of(line))
    }

    /// Applies changes of one date.
    fn apply(&mut self, mut changes: Vec<LegChange>, look: EventTime) {
        // A cross that begins is told at once of all that its legs' windows ever were: what they are is left
        // of that.
        if changes.first().is_some_and(|(_, date, _)| self.begins.contains(&date.plus(1))) {
            consolidate_updates(&mut changes);
        } else if self.definition.quotes.is_some() {
            changes.retain(|change| self.matters(change));
        }
        // Where nothing takes its place, the window's trades were not all seen: it gives no row any more.
        for (((cross, leg), ((place, end), state)), _, _) in changes.iter().filter(|change| change.2 < 0) {
            let line = self.line(*cross, *place);
            // A path that is forgotten has no legs: what comes and goes at once may still be told of it.
            let Some(leg) = self.crosses[line].legs.get_mut(*leg as usize) else { continue };
            if leg.own.get(end) == Some(state) {
                leg.own.remove(end);
            }
        }
        for &(((cross, leg), ((place, end), state)), date, diff) in &changes {
            count(1);
            let line = self.line(cross, place);
            if self.crosses[line].legs.is_empty() {
                continue;
            }
            if diff > 0 {
                // Of a path that was left, later windows are of no account.
                let (life, window) = (self.changing.cross(cross).life, self.looks.windows.at(place));
                let is_left = life.ends_as_path() && look >= life.until;
                if is_left && !window.is_endless() && window.start_of(end) >= life.until {
                    continue;
                }
                // Final already: the cross reaches back to it, or has begun later with that leg.
                let begins = || self.changing.cross(cross).life.from.minus(1);
                if date >= self.looks.final_at(end) && date != begins() {
                    continue;
                }
                let windows = &mut self.crosses[line];
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

    /// Notes the windows whose rows a changed window of a leg may change: itself, those in which it stands
    /// in, and those that have grown from it.
    fn note(&mut self, line: CrossLine, leg: u32, end: EventTime, look: EventTime) {
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
    fn state(&self, line: CrossLine, end: EventTime, look: EventTime) -> Option<CrossState> {
        let window = self.window_of(line);
        if window.start_of(end) < self.withhold_before || !self.life_of(line).gives(window, end, look) {
            return None;
        }
        let legs = &self.crosses[line].legs;
        let legs = legs.iter().map(|leg| leg.own.get(&end).copied().or_else(|| self.carried(line, leg, end)));
        let state = CrossState { legs: legs.collect() };
        state.shown(self.definition.missing_leg).then_some(state)
    }

    /// What a leg has of a window that has no row of its own: where the window has grown since, the leg's
    /// trades before that; else what stands in for it.
    fn carried(&self, line: CrossLine, leg: &LegWindows, end: EventTime) -> Option<LegState> {
        let (from, state) = leg.latest_before(end)?;
        if self.grows_into(line, from, end) {
            return Some(state);
        }
        let is_whole = self.window_of(line).start_of(from) >= self.withhold_before;
        let stands_in = self.stands_in(line, from, end) && is_whole;
        stands_in.then_some(LegState { missing_ids: 0, age: end.micros() - from.micros(), ..state })
    }

    /// Whether the window that ends at `end` has grown from the one that ends at `from`.
    fn grows_into(&self, line: CrossLine, from: EventTime, end: EventTime) -> bool {
        let window = self.window_of(line);
        window.grows() && window.last_end_over(from) >= end
    }

    /// Whether a leg's window that ends at `from` may stand in for that which ends at `end`.
    fn stands_in(&self, line: CrossLine, from: EventTime, end: EventTime) -> bool {
        let most = self.definition.most_carry(self.window_of(line).reach_at_least(end));
        self.definition.missing_leg == MissingLeg::Carry && end.micros() - from.micros() <= most
    }

    fn look_at(
        &mut self,
        line: CrossLine,
        end: EventTime,
        look: EventTime,
        give: &mut dyn FnMut(EventTime, CrossOutput),
    ) {
        count(1);
        let state = self.state(line, end, look);
        let place = self.place_of(line);
        let number = self.cross_of(line);
        let emitted = &mut self.crosses[line].emitted;
        let Some(state) = state else {
            if look >= self.looks.final_at(end) {
                emitted.remove(&end);
            }
            return;
        };
        let (cross, decimals) = (&self.changing.cross(number).cross, self.definition.decimals());
        let same = |a: &CrossState, b: &CrossState| a.gives_the_row_of(b, cross, decimals);
        let Some(stage) = stage_of(emitted, end, look, &state, &self.looks, same) else { return };
        if look <= self.resume.at {
            return;
        }
        let rate = state.rate(cross, decimals);
        if self.definition.makes(RowKind::Cross) {
            let occasion = Occasion { look, window: self.looks.windows.at(place), place, end, stage };
            let mut row = cross_row(cross, &state, rate.as_ref(), decimals, occasion);
            row.is_back_filled = row.is_final() && self.life_of(line).begins_at(look);
            give(look.minus(1), CrossOutput::Row(row));
        }
        if let Stage::Closed { last: true, .. } = stage
            && let Some(rate) = rate.filter(|_| self.definition.rows.has(RowKind::Stats))
        {
            let cross = self.changing.cross(number).series;
            give(look.minus(1), CrossOutput::Rate(Rate { cross, place, end, look, rate }));
        }
    }

    /// The looks at the windows that end then and become final, of which the latest is kept to stand in.
    fn settle(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, CrossOutput)) {
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
    fn tick(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, CrossOutput)) {
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
    type Input = CrossInput;
    type Output = CrossOutput;

    fn absorb(&mut self, input: CrossInput) {
        match input {
            CrossInput::WithholdBefore(time) => self.withhold_before = self.withhold_before.max(time),
            CrossInput::Defined(change) => self.change(&change),
            CrossInput::Change(change) => {
                // Which paths begin is known at the look, and not before.
                if self.definition.quotes.is_some() || self.matters(&change) {
                    self.pending.entry(change.1).or_default().push(change);
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

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, CrossOutput)) {
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
        self.forget_paths(look);
    }
}
