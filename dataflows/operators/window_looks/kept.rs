//! What a checkpoint keeps of windows by value: the sums of long ones, and where ids began anew.

use super::{EmitLook, LookOutput, WindowLooks};
use crate::market::base::{Base, each_base};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::resume::{LastingChange, Resume};
use crate::market::trade::Symbol;
use crate::market::windows::WindowPlace;
use crate::operators::emission::Emission;
use crate::operators::given_once::given_once;
use differential_dataflow::hashable::Hashable;
use timely::dataflow::operators::core::Exchange;
use timely::dataflow::{Scope, StreamVec};

/// The sums of a symbol's long window, and their definition's place.
pub(super) type KeptBase = (Symbol, WindowPlace, Base);

/// What an earlier run kept of long windows, each on the worker of its symbol.
pub(crate) fn kept_bases<'scope>(
    scope: Scope<'scope, EventTime>,
    definition: &Definition,
    resume: &Resume,
) -> StreamVec<'scope, EventTime, KeptBase> {
    // An input that had ended was closed as far as time goes; its windows as far as rows do.
    let committed = resume.at.minus(definition.grace);
    let kept = each_base(&resume.bases, &definition.windows).map(|(symbol, place, base)| {
        (symbol.clone(), place, Base { until: base.until.min(committed), ..base })
    });
    // As panes are arranged.
    given_once(scope, kept).exchange(|(symbol, ..): &KeptBase| symbol.hashed())
}

impl WindowLooks {
    /// Goes on from what an earlier run kept of a long window.
    pub(super) fn restore(&mut self, (symbol, place, base): KeptBase) {
        let number = self.number(&symbol);
        let settled = self.known_to.minus(self.looks.grace);
        let Some(first) = self.symbols[number].restore(place, base, &self.looks, settled) else { return };
        if self.looks.changes {
            // Crosses had been told of its windows that have ended.
            self.turning.entry(self.known_to.plus(1)).or_default().insert(symbol);
        }
        if self.looks.at_ticks() {
            self.touched.push(number);
            self.tick_due = Some(self.looks.next_tick(self.known_to));
        }
        self.note_windows(number, place, first, self.known_to);
    }

    /// Keeps where ids began anew by value, for when the panes are needed no more.
    pub(super) fn keep_ids(&mut self, number: usize, emit: EmitLook<'_>) {
        let symbol = &mut self.symbols[number];
        for (pane_end, id) in symbol.take_ids_anew() {
            let needed = self.looks.windows.pane_needed_until(pane_end, self.kept_from);
            let look = self.looks.final_at(needed);
            if look > self.known_to {
                let kept = LastingChange::IdsAnew(symbol.name.clone(), id);
                emit(look.minus(1), LookOutput::Emission(Emission::Lasting(look, kept)));
            }
        }
    }

    /// Keeps the ids of panes with which no window ends and that are final.
    pub(super) fn leave_alone(&mut self, look: EventTime, emit: EmitLook<'_>) {
        while let Some(entry) =
            self.alone.first_entry().filter(|entry| self.looks.final_at(*entry.key()) <= look)
        {
            let (end, symbols) = entry.remove_entry();
            for number in symbols {
                self.symbols[number].settle_ids(end);
                self.keep_ids(number, emit);
            }
        }
    }

    /// Keeps the sums of long windows by value.
    pub(super) fn keep(&mut self, until: EventTime, look: EventTime, emit: EmitLook<'_>) {
        for number in self.basing.take(until) {
            let symbol = &mut self.symbols[number];
            let bases = symbol.bases(until, self.slots.kept(), &self.looks);
            if look > self.resume.at && !bases.is_empty() {
                let kept = LastingChange::Bases(symbol.name.clone(), bases);
                emit(look.minus(1), LookOutput::Emission(Emission::Lasting(look, kept)));
            }
            let next = self.symbols[number].first_open().and_then(|pane_end| self.slots.kept_at(pane_end));
            self.basing.set(number, next);
        }
    }
}
