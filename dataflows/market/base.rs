//! The sums of long windows as a checkpoint holds them: by value at multiples of a step of event time, so
//! that the panes before such a moment are needed no more.
//!
//! Where every pane comes whole, a moment's sums are those of the windows' own slots then. Where windows are
//! looked at before they are final, trades of later panes are in these slots already; so panes are added up a
//! second time, when they are final.

use super::candle::Candle;
use super::event_time::EventTime;
use super::moments::Moments;
use super::slot::Slot;
use super::slots::Slots;
use super::trade::Symbol;
use super::windows::{InWindows, Window, WindowPlace, Windows};
use differential_dataflow::difference::Semigroup;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

/// The open slots of a symbol's window of one definition, of the trades in all panes that end at a moment or
/// earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The moment.
    pub until: EventTime,
    /// The slots as one, which ends with the last: no window that is open ends with another one. An earlier
    /// release kept two of windows that grow, those before the last as one.
    pub slots: Vec<Slot>,
}

impl Base {
    /// Those of slots that hold trades until that moment only; `None` where no window that is open then has
    /// any.
    pub fn of(slots: &Slots, window: &Window, until: EventTime) -> Option<Base> {
        let is_open = |slot: &&Slot| window.last_end_over(slot.end) > until;
        // A window that is kept so is one slot, or begins where all do that are open with it.
        let open = slots.each().filter(is_open).copied().reduce(|mut all, later| {
            all.merge_later(&later);
            all
        });
        Some(Base { until, slots: vec![open?] })
    }

    /// The base of windows that begin and end where those do that this is the base of, and do not grow.
    fn of_whole(&self, window: &Window) -> Option<Base> {
        let mut slots = self.slots.iter().copied();
        let mut whole = slots.next()?;
        slots.for_each(|slot| whole.merge_later(&slot));
        whole.end = window.slot(whole.end.minus(1))?.end;
        Some(Base { until: self.until, slots: vec![whole] })
    }
}

/// What a checkpoint holds of the windows of all definitions, also of those that are kept with another one.
pub fn each_base<'a>(
    kept: &'a HashMap<InWindows, Base>,
    windows: &Windows,
) -> impl Iterator<Item = (&'a Symbol, WindowPlace, Base)> {
    let holder = |place: WindowPlace| windows.kept_with(place).unwrap_or(place);
    kept.iter().flat_map(move |((symbol, name), base)| {
        // An earlier program kept each by itself. Of those that are kept with another that is passed over.
        let kept = windows.named(name).map(|(place, _)| place);
        let of_kept = (0..windows.count()).filter(move |place| kept == Some(holder(*place)));
        of_kept.filter_map(move |place| {
            let is_own = kept == Some(place);
            let base = if is_own { base.clone() } else { base.of_whole(windows.at(place))? };
            Some((symbol, place, base))
        })
    })
}

/// A symbol's panes that may be corrected, each by itself.
#[derive(Debug, Default)]
pub struct OpenPaneSums(VecDeque<Slot>);

impl OpenPaneSums {
    /// Adds trades to a pane.
    pub fn add(&mut self, end: EventTime, moments: &Moments, candle: &Candle) {
        let at = self.0.partition_point(|pane| pane.end < end);
        match self.0.get_mut(at).filter(|pane| pane.end == end) {
            Some(pane) => {
                pane.moments.plus_equals(moments);
                pane.candle.merge(candle);
            }
            None => self.0.insert(at, Slot { end, moments: *moments, candle: *candle, rise: 0 }),
        }
    }

    /// Notes that ids rise further in a pane than was known, or less far.
    pub fn add_rise(&mut self, end: EventTime, by: i128) {
        let at = self.0.partition_point(|pane| pane.end < end);
        if let Some(pane) = self.0.get_mut(at).filter(|pane| pane.end == end) {
            pane.rise += by;
        }
    }

    /// The end of the first pane.
    pub fn first_end(&self) -> Option<EventTime> {
        self.0.front().map(|pane| pane.end)
    }

    /// Takes out the first pane, if it ends then or earlier.
    pub fn take_first(&mut self, until: EventTime) -> Option<Slot> {
        self.0.front().filter(|pane| pane.end <= until)?;
        self.0.pop_front()
    }
}
