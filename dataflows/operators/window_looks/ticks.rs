//! The looks at ticks: at windows that have changed since the last one.

use super::{EmitLook, WindowLooks};
use crate::market::event_time::EventTime;
use crate::market::slots::FiringKind;

impl WindowLooks {
    /// Tells crosses of the latest windows of a leg that have ended: one may stand in although no look is due
    /// at it, or be the beginning of one that grows.
    pub(super) fn report_latest(&mut self, number: usize, look: EventTime, emit: EmitLook<'_>) {
        if !self.symbols[number].is_leg {
            return;
        }
        for (place, window) in (0..).zip(self.looks.windows.clone().each()) {
            let latest = self.symbols[number].slots(place).latest_end_until(window, look);
            if let Some(end) = latest.filter(|end| self.looks.final_at(*end) > look)
                && (self.carries || window.grows())
            {
                self.report_leg(self.line(number, place), (end, FiringKind::Ending), look, emit);
            }
        }
    }

    /// The looks of a tick at the windows of one symbol that have changed since the last one.
    pub(super) fn tick(&mut self, number: usize, look: EventTime, emit: EmitLook<'_>) {
        if look < self.lives[number].from {
            self.await_life(number);
            return;
        }
        // When the first window that has trades already, but is not there yet, will be there.
        let mut early: Option<EventTime> = None;
        for (place, window) in (0..).zip(self.looks.windows.clone().each()) {
            let line = self.line(number, place);
            let changed = self.symbols[number].take_changed(place);
            let mut next = EventTime::MIN;
            for &(from, to) in &changed {
                next = next.max(from);
                while let Some(end) = self.symbols[number].slots(place).first_end_from(window, next)
                    && end <= to
                {
                    let is_early = self.looks.provisional && end > look && window.exists_from(end) > look;
                    if is_early {
                        self.symbols[number].note_changed(place, (end, end));
                        early = early.into_iter().chain([window.exists_from(end)]).min();
                    }
                    let is_due = match end > look {
                        true => self.looks.provisional && !is_early,
                        false => self.looks.changes && end < look && self.looks.final_at(end) > look,
                    };
                    if is_due {
                        self.look_at(line, (end, FiringKind::Changed), look, emit);
                    }
                    next = end.plus(1);
                }
            }
            self.symbols[number].give_back_changed(place, changed);
        }
        if let Some(exists_from) = early {
            self.touched.push(number);
            let tick = self.looks.next_tick(exists_from.minus(1));
            self.tick_due = self.tick_due.into_iter().chain([tick]).min();
        }
        self.report_latest(number, look, emit);
    }
}
