//! What changes of the definition mean for the windows of symbols.

use super::{EmitLook, LookOutput, WindowLooks};
use crate::market::changes::{CrossNumber, DatedChange, DefinitionTurn};
use crate::market::cross::LegState;
use crate::market::event_time::EventTime;
use crate::market::resume::{LastingChange, known_of};
use crate::market::slots::FiringKind;
use crate::market::trade::Symbol;
use crate::market::windows::{Window, WindowPlace};
use crate::operators::emission::Emission;

impl WindowLooks {
    /// Takes a change, before any look that it could matter to.
    pub(super) fn change(&mut self, change: &DatedChange) {
        match self.changing.apply(change) {
            Some(DefinitionTurn::CrossBegins(number)) => self.note_legs(number),
            Some(DefinitionTurn::SymbolBegins(key) | DefinitionTurn::SymbolEnds(key)) => {
                let Some(&number) = self.numbers.get(&key) else { return };
                self.lives[number] = self.changing.life_of(&key);
                if self.reported[number].iter().any(|reported| !reported.legs.is_empty()) {
                    self.turning.entry(change.from).or_default().insert(key);
                }
            }
            Some(DefinitionTurn::CrossEnds(_)) | None => {}
        }
    }

    /// Notes the legs of a cross: crosses are told of them from now on, and of the latest window of each when
    /// it begins.
    pub(super) fn note_legs(&mut self, number: CrossNumber) {
        let cross = self.changing.cross(number);
        for leg in &cross.legs {
            if self.legs.insert(leg.clone())
                && let Some(&number) = self.numbers.get(leg)
            {
                self.symbols[number].is_leg = true;
            }
        }
        let from = cross.life.from;
        if from > self.known_to && self.looks.windows.each().iter().any(|window| self.needs_latest(window)) {
            self.turning.entry(from).or_default().extend(cross.legs.iter().cloned());
        }
    }

    /// Whether a cross that begins takes something of windows before it.
    fn needs_latest(&self, window: &Window) -> bool {
        self.carries || window.is_endless()
    }

    /// What an earlier run left of a symbol to stand in for later windows.
    pub(super) fn stood_in(&self, symbol: &Symbol, window: &Window) -> Option<(EventTime, LegState)> {
        let known = known_of(&self.resume.carried, symbol, window).filter(|_| self.carries);
        known.copied()
    }

    /// A symbol that was added has rows later than it has trades: the tick at which it may have some looks
    /// again.
    pub(super) fn await_life(&mut self, number: usize) {
        self.touched.push(number);
        let tick = self.looks.next_tick(self.lives[number].from.minus(1));
        self.tick_due = self.tick_due.into_iter().chain([tick]).min();
    }

    /// Tells crosses anew of the symbols that a change of this moment is about, or of which a run knows more
    /// from now on than their panes.
    pub(super) fn turn(&mut self, look: EventTime, emit: EmitLook<'_>) {
        while let Some(entry) = self.turning.first_entry().filter(|entry| *entry.key() <= look) {
            for symbol in entry.remove() {
                let Some(&number) = self.numbers.get(&symbol) else { continue };
                for place in 0..self.looks.windows.count() {
                    self.take_back(number, place, look, emit);
                    if self.needs_latest(self.looks.windows.at(place)) {
                        self.report_as_of(number, place, look, emit);
                    }
                }
                if self.looks.changes {
                    self.report_latest(number, look, emit);
                }
            }
        }
    }

    /// Notes when a symbol is dropped of whose window crosses are told that is open then.
    pub(super) fn await_drop(&mut self, number: usize, end: EventTime, look: EventTime) {
        let until = self.lives[number].until;
        if look < until && until < end {
            let name = self.symbols[number].name.clone();
            self.turning.entry(until).or_default().insert(name);
        }
    }

    /// Takes back what crosses were told of windows that are open when their symbol is dropped.
    fn take_back(&mut self, number: usize, place: WindowPlace, look: EventTime, emit: EmitLook<'_>) {
        let (life, window) = (self.lives[number], self.looks.windows.at(place));
        let name = &self.symbols[number].name;
        self.reported[number][usize::from(place)].legs.retain(|end, leg| {
            let lives = life.gives(window, *end, look);
            if !lives {
                let leg = (name.clone(), ((place, *end), *leg));
                emit(look.minus(1), LookOutput::Leg(Box::new((leg, look.minus(1), -1))));
            }
            lives
        });
    }

    /// Tells crosses of a leg's latest window that has ended, and if that is not final of the latest final
    /// one.
    fn report_as_of(&mut self, number: usize, place: WindowPlace, look: EventTime, emit: EmitLook<'_>) {
        let line = self.line(number, place);
        let windows = self.looks.windows.clone();
        let window = windows.at(place);
        let latest = self.symbols[number].slots(place).latest_end_until(window, look);
        let grace = self.looks.grace;
        let is_open = |end: &EventTime| end.plus(grace) > look;
        if let Some(end) = latest.filter(is_open) {
            self.report_leg(line, (end, FiringKind::Ending), look, emit);
        }
        let known = match latest.filter(|end| !is_open(end) && window.is_endless()) {
            Some(end) => {
                let state = self.symbols[number].window(place, window, end, FiringKind::Changed);
                state.map(|state| (end, LegState::of(&state)))
            }
            None => self.reported[number][usize::from(place)].latest.as_deref().copied(),
        };
        let Some((end, leg)) = known else { return };
        let lives = self.lives[number].gives(window, end, look);
        if !lives || window.start_of(end) < self.withhold_before {
            return;
        }
        let name = self.symbols[number].name.clone();
        for (date, diff) in [(look.minus(1), 1), (look, -1)] {
            emit(date, LookOutput::Leg(Box::new(((name.clone(), ((place, end), leg)), date, diff))));
        }
        let carried = LastingChange::Carried((name, window.name_owned()), end, Box::new(leg));
        emit(look.minus(1), LookOutput::Emission(Emission::Lasting(look, carried)));
    }
}
