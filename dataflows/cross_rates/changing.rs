//! What changes of the definition, and of the paths in force, mean for the windows of crosses.

use super::windows_of_cross::CrossWindows;
use super::{CrossRows, LegChange, legs};
use crate::market::changes::{DatedChange, DefinitionTurn};
use crate::market::event_time::EventTime;
use crate::market::resume::known_of;
use crate::market::trade::Symbol;

impl CrossRows {
    /// Takes a change, before any look that it could matter to.
    pub(super) fn change(&mut self, change: &DatedChange) {
        match self.changing.apply(change) {
            Some(DefinitionTurn::CrossBegins(number)) => {
                self.begins.insert(change.from);
                // A path that is chosen again begins where no look tells it of its legs any more.
                let is_known = change.from <= self.known_to;
                for window in self.definition.windows.each() {
                    let before = |leg: &Symbol| known_of(&self.resume.carried, leg, window).copied();
                    let legs = &self.changing.cross(number).legs;
                    self.crosses.push(CrossWindows::after(legs, |leg| before(leg).filter(|_| is_known)));
                }
            }
            Some(DefinitionTurn::CrossEnds(number)) => {
                let life = self.changing.cross(number).life;
                if life.ends_as_path() {
                    // The updates that take its legs away come at that moment.
                    self.gone.entry(legs::gone_at(life, &self.looks).plus(1)).or_default().push(number);
                }
            }
            Some(DefinitionTurn::SymbolBegins(_) | DefinitionTurn::SymbolEnds(_)) | None => {}
        }
    }

    /// What is taken off because it is final is forgotten already, but where a cross begins at that moment.
    pub(super) fn matters(&self, ((_, ((_, end), _)), date, diff): &LegChange) -> bool {
        let is_last = *diff < 0 && *date == self.looks.final_at(*end);
        !is_last || self.begins.contains(&date.plus(1))
    }

    /// Forgets paths whose last window is final.
    pub(super) fn forget_paths(&mut self, look: EventTime) {
        while let Some(entry) = self.gone.first_entry().filter(|entry| *entry.key() <= look) {
            for number in entry.remove() {
                for place in 0..self.looks.windows.count() {
                    let line = self.line(number, place);
                    self.crosses[line] = CrossWindows::default();
                }
            }
        }
    }
}
