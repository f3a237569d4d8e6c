//! When a window's state is looked at, and until when a trade may wait before somebody looks.

use super::definition::{Definition, Emit};
use super::event_time::EventTime;
use super::windows::{Interval, Windows, multiple};

/// The moments of event time at which rows may leave (`docs/semantics.md#windows`), worked out from the
/// definition once.
///
/// A look at `x` sees the trades that were accepted while their partition's watermark was below `x`. In the
/// dataflow such a trade carries a date below `x`, and the look happens when the frontier has reached `x`.
#[derive(Debug, Clone)]
pub struct Looks {
    /// The windows.
    pub windows: Windows,
    /// Microseconds from a window's end to its last correction.
    pub grace: u64,
    /// Microseconds between two ticks.
    pub tick: u64,
    /// Corrections are shown.
    pub changes: bool,
    /// Open windows are shown.
    pub provisional: bool,
}

impl Looks {
    /// Those of a job.
    pub fn of(definition: &Definition) -> Self {
        Looks {
            windows: definition.windows.clone(),
            grace: definition.grace,
            tick: definition.tick,
            changes: definition.emit == Emit::Changes && definition.grace > 0,
            provisional: definition.provisional,
        }
    }

    /// Whether windows are looked at before they are final.
    #[inline]
    pub fn at_ticks(&self) -> bool {
        self.changes || self.provisional
    }

    /// The pane that holds a time.
    #[inline]
    pub fn pane(&self, time: EventTime) -> Interval {
        self.windows.pane(time)
    }

    /// When the window or the pane that ends then is final.
    #[inline]
    pub fn final_at(&self, end: EventTime) -> EventTime {
        end.plus(self.grace)
    }

    /// Whether that moment is a tick.
    #[inline]
    pub fn is_tick(&self, x: EventTime) -> bool {
        x.micros().is_multiple_of(self.tick)
    }

    /// The first tick after a moment.
    #[inline]
    pub fn next_tick(&self, after: EventTime) -> EventTime {
        multiple(after, self.tick).end
    }

    /// How long before a moment the first look lies, at most, that must be repeated in silence by a run that
    /// is taken up at that moment, so that it knows what its rows were; of all that they saw it needs the
    /// state of then. Of a window that has closed every look since its end has counted a revision; of one
    /// that is open only the latest tick matters.
    pub fn hindsight(&self) -> u64 {
        let closed = if self.changes || self.provisional { self.grace } else { 0 };
        // A trade that was the last of its pane is seen by the next tick, which may come when the pane is
        // final.
        if self.provisional { closed + self.tick } else { closed }
    }

    /// When the sums of all panes until a moment are kept by value: these are corrected no more, and no look
    /// that a run repeats which is taken up from then on must do without one of them.
    pub fn kept_at(&self, until: EventTime) -> EventTime {
        self.final_at(until).plus(self.hindsight())
    }

    /// From when on a run that is taken up at a moment keeps sums by value. What an earlier run has handed
    /// over and not kept is among the first of them: that run may have kept sums at other moments.
    pub fn kept_from(&self, taken_up_at: EventTime) -> EventTime {
        taken_up_at.minus(self.hindsight() + self.grace).plus(1)
    }

    /// The first look that could see a trade of the pane that ends at `pane_end`, accepted at watermark `w`.
    /// Always after `w`; a trade handed over with the date just before it is seen by every look that must see
    /// it.
    pub fn first_look(&self, pane_end: EventTime, w: EventTime) -> EventTime {
        let last = self.final_at(pane_end);
        if self.provisional {
            return self.any_look(w).min(last);
        }
        if !self.changes {
            return last;
        }
        if w < pane_end { pane_end } else { self.any_look(w).min(last) }
    }

    /// The first look at anything after `w`: a tick, the end of a window, or its end and grace.
    fn any_look(&self, w: EventTime) -> EventTime {
        let (tick, end) = (self.next_tick(w), self.windows.next_end(w));
        let settled = match w.micros().checked_sub(self.grace) {
            Some(base) => self.final_at(self.windows.next_end(EventTime::from_micros(base))),
            // No window ends before the epoch.
            None => EventTime::from_micros(self.grace).max(w.plus(1)),
        };
        tick.min(end).min(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: u64) -> EventTime {
        EventTime::from_micros(micros)
    }

    proptest! {
        /// No look that must see the trade lies before the one that is named, and the named one is after w.
        #[test]
        fn no_look_that_must_see_a_trade_comes_before_the_first_look(
            slide in 1u64..20, panes in 1u64..4, grace in 0u64..30, tick in 1u64..12,
            pane in 0u64..5, w in 0u64..150, changes: bool, provisional: bool,
        ) {
            let looks = Looks { windows: Windows::sliding(slide * panes, slide), grace, tick, changes, provisional };
            let pane_end = (pane + 1) * slide;
            prop_assume!(w < pane_end + grace);
            let named = looks.first_look(at(pane_end), at(w)).micros();
            prop_assert!(named > w);
            for k in 0..panes {
                let end = pane_end + k * slide;
                prop_assert!(named <= end + grace);
                for x in w + 1..=end + grace {
                    let seen = x == end + grace
                        || changes && (x == end || x > end && x % tick == 0)
                        || provisional && x < end && x % tick == 0;
                    if seen {
                        prop_assert!(named <= x, "look at {x} of window {end}, named {named}");
                    }
                }
            }
        }
    }
}
