//! The windows of a job: any number of definitions, whose boundaries together make the panes.
//!
//! Every window is a run of slots of its definition, and every slot a run of panes. A definition whose
//! windows share trades only with windows that begin at the same moment keeps one sum of all slots before the
//! current one; only sliding windows keep their slots apart. Read [`definition`] for what can be asked for,
//! [`periods`] for the civil calendar.

pub mod boundaries;
pub mod civil;
pub mod definition;
mod kept;
mod keys;
mod lengths;
pub mod moments;
pub mod periods;
mod text;

use super::event_time::EventTime;
pub use civil::{CivilUnit, Zone};
use compact_str::CompactString;
pub use definition::{Period, WindowDefinition};
pub use keys::{InWindows, WindowKey, WindowName, WindowPlace};
pub use lengths::{LENGTH_UNITS, length, show_length, split_length};
use periods::{CivilCalendar, Periods};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
pub use text::{WrongWindow, nearest_zone};

/// The most window definitions of one job.
pub const MOST_DEFINITIONS: usize = 16;

/// The most slots that a sliding window is made of.
pub const MOST_SLOTS: u64 = 100_000;

/// Panes are no longer than this where boundaries are further apart.
const DAY: u64 = 86_400_000_000;

const HOUR: u64 = 3_600_000_000;

/// All window definitions of a job, in the order in which they were asked for.
#[derive(Clone)]
pub struct Windows {
    each: Arc<[Window]>,
    /// Panes end at the multiples of these too; 0 where there is none.
    steps: [u64; 2],
}

/// One window definition, ready to be asked where its windows lie.
#[derive(Clone)]
pub struct Window {
    definition: WindowDefinition,
    name: CompactString,
    grid: Grid,
}

#[derive(Clone)]
enum Grid {
    Sliding { size: u64, slide: u64 },
    Periods(Periods),
    Anchored { periods: Periods, step: u64 },
    From { moment: EventTime, step: u64 },
    All { step: u64 },
}

/// An interval `[start, end)`.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The first moment that it holds.
    pub start: EventTime,
    /// The first moment after it.
    pub end: EventTime,
}

impl Windows {
    /// Those of these definitions, one at least.
    pub fn new(definitions: impl IntoIterator<Item = WindowDefinition>) -> Windows {
        let each: Vec<Window> = definitions.into_iter().map(Window::new).collect();
        assert!(!each.is_empty() && each.len() <= MOST_DEFINITIONS, "{} window definitions", each.len());
        Windows { each: each.into(), steps: [0; 2] }
    }

    /// The same windows, of panes that end at the multiples of these steps too.
    #[must_use]
    pub fn with_steps(self, steps: [u64; 2]) -> Windows {
        Windows { steps, ..self }
    }

    fn steps(&self) -> impl Iterator<Item = u64> + '_ {
        self.steps.into_iter().filter(|step| *step > 0)
    }

    /// One definition of windows of that size, every so often; both in microseconds.
    pub fn sliding(size: u64, slide: u64) -> Windows {
        Windows::new([WindowDefinition::Sliding { size, slide }])
    }

    /// Each definition, in order.
    pub fn each(&self) -> &[Window] {
        &self.each
    }

    /// How many definitions there are.
    #[inline]
    pub fn count(&self) -> WindowPlace {
        self.each.len() as WindowPlace
    }

    /// The definition at that place.
    #[inline]
    pub fn at(&self, place: WindowPlace) -> &Window {
        &self.each[usize::from(place)]
    }

    /// The definition of that name, and its place.
    pub fn named(&self, name: &str) -> Option<(WindowPlace, &Window)> {
        (0..).zip(self.each.iter()).find(|(_, window)| window.name() == name)
    }

    /// The pane that holds a time: it lies between the two nearest boundaries of all windows, and holds no
    /// midnight of UTC inside where these are more than a day apart.
    pub fn pane(&self, time: EventTime) -> Interval {
        let (mut start, mut end) = (EventTime::MIN, EventTime::MAX);
        for window in self.each.iter() {
            let slot = window.between(time);
            (start, end) = (start.max(slot.start), end.min(slot.end));
        }
        for step in self.steps() {
            let slot = multiple(time, step);
            (start, end) = (start.max(slot.start), end.min(slot.end));
        }
        if end.micros() - start.micros() > DAY {
            let midnight = EventTime::from_micros(time.micros() - time.micros() % DAY);
            (start, end) = (start.max(midnight), end.min(midnight.plus(DAY)));
        }
        Interval { start, end }
    }

    /// The first end of a window after a moment.
    pub fn next_end(&self, after: EventTime) -> EventTime {
        self.each.iter().map(|window| window.next_end(after)).min().expect("a definition")
    }

    /// How long a window is at most, of those whose length has a bound by itself.
    pub fn longest(&self) -> u64 {
        self.each.iter().map(Window::span).max().expect("a definition")
    }

    /// The least distance of two boundaries of one definition or step, about.
    pub fn finest(&self) -> u64 {
        self.each.iter().map(Window::slot_length).chain(self.steps()).min().expect("a definition")
    }

    /// The longest slide or step of the definitions; a civil window counts as an hour.
    pub fn longest_step(&self) -> u64 {
        let step = |window: &Window| match window.grid {
            Grid::Periods(_) => HOUR,
            _ => window.slot_length(),
        };
        self.each.iter().map(step).max().expect("a definition")
    }

    /// The end of the last window that starts before a moment, or of those with one start the last one that
    /// ends by then.
    pub fn last_end_of_start_before(&self, moment: EventTime) -> EventTime {
        let last = |window: &Window| match window.slot(moment.minus(1)) {
            Some(_) if window.is_endless() => moment,
            Some(slot) => window.last_end_over(slot.end),
            None => moment,
        };
        self.each.iter().map(last).max().expect("a definition")
    }

    /// When the last window that has a row because of trades in the pane ends.
    pub fn last_row_end(&self, pane: Interval) -> EventTime {
        let ends = self.each.iter().filter_map(|window| {
            let slot = window.slot(pane.start)?;
            Some(match window.grid {
                Grid::Sliding { size, slide } => slot.end.plus(size - slide),
                _ => slot.end,
            })
        });
        ends.max().unwrap_or(pane.end)
    }
}

impl Window {
    fn new(definition: WindowDefinition) -> Window {
        let grid = match &definition {
            WindowDefinition::Sliding { size, slide } => Grid::Sliding { size: *size, slide: *slide },
            WindowDefinition::Civil(unit, zone) => Grid::Periods(CivilCalendar::of(*unit, zone)),
            WindowDefinition::Anchored(period, step) => match period {
                Period::Length(length) => Grid::Anchored { periods: Periods::every(*length, 0), step: *step },
                Period::Civil(unit, zone) => {
                    Grid::Anchored { periods: CivilCalendar::of(*unit, zone), step: *step }
                }
                Period::From(moment) => Grid::From { moment: *moment, step: *step },
                Period::All => Grid::All { step: *step },
            },
        };
        let name = CompactString::from(definition.to_string());
        Window { definition, name, grid }
    }

    /// What was asked for.
    pub fn definition(&self) -> &WindowDefinition {
        &self.definition
    }

    /// The definition in its canonical form, as rows have it.
    #[inline]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name, to be kept.
    #[inline]
    pub fn name_owned(&self) -> CompactString {
        self.name.clone()
    }

    /// The slot that holds a time; none before an anchor. Windows end where slots end, and nowhere else.
    pub fn slot(&self, time: EventTime) -> Option<Interval> {
        match self.grid {
            Grid::From { moment, .. } if time < moment => None,
            _ => Some(self.between(time)),
        }
    }

    /// The nearest boundaries at or before a time, and after it.
    #[inline]
    fn between(&self, time: EventTime) -> Interval {
        match &self.grid {
            Grid::Sliding { slide: step, .. } | Grid::All { step } => multiple(time, *step),
            Grid::Periods(periods) => periods.holding(time),
            Grid::Anchored { periods, step } => {
                let period = periods.holding(time);
                let slot = stepped(period.start, time, *step);
                Interval { start: slot.start, end: slot.end.min(period.end) }
            }
            Grid::From { moment, .. } if time < *moment => Interval { start: EventTime::MIN, end: *moment },
            Grid::From { moment, step } => stepped(*moment, time, *step),
        }
    }

    /// The start of the window that ends then.
    #[inline]
    pub fn start_of(&self, end: EventTime) -> EventTime {
        match &self.grid {
            Grid::Sliding { size, .. } => end.minus(*size),
            Grid::Periods(periods) | Grid::Anchored { periods, .. } => periods.holding(end.minus(1)).start,
            Grid::From { moment, .. } => *moment,
            Grid::All { .. } => EventTime::MIN,
        }
    }

    /// The end of the last window that holds the slot which ends then; [`EventTime::MAX`] where none is the
    /// last.
    #[inline]
    pub fn last_end_over(&self, slot_end: EventTime) -> EventTime {
        match &self.grid {
            Grid::Sliding { size, slide } => slot_end.plus(size - slide),
            Grid::Periods(_) => slot_end,
            Grid::Anchored { periods, .. } => periods.holding(slot_end.minus(1)).end,
            Grid::From { .. } | Grid::All { .. } => EventTime::MAX,
        }
    }

    /// The first end of a window after a moment.
    pub fn next_end(&self, after: EventTime) -> EventTime {
        match self.grid {
            Grid::From { moment, step } if after < moment => moment.plus(step),
            _ => self.between(after).end,
        }
    }

    /// Size and slide of windows that are made of slots which other windows hold too, but not from the same
    /// start on.
    #[inline]
    pub fn overlap(&self) -> Option<(u64, u64)> {
        match self.grid {
            Grid::Sliding { size, slide } if size > slide => Some((size, slide)),
            _ => None,
        }
    }

    /// Whether windows grow from one start: each holds those that ended before it.
    #[inline]
    pub fn grows(&self) -> bool {
        matches!(self.grid, Grid::Anchored { .. } | Grid::From { .. } | Grid::All { .. })
    }

    /// Whether its windows have one start and no last end.
    #[inline]
    pub fn is_endless(&self) -> bool {
        matches!(self.grid, Grid::From { .. } | Grid::All { .. })
    }

    /// From when on the window that ends then is there: of windows that grow from one start the next one
    /// begins to exist when the one before it has ended.
    pub fn exists_from(&self, end: EventTime) -> EventTime {
        let slot = self.between(end.minus(1));
        if self.grows() && slot.start > self.start_of(end) { slot.start } else { EventTime::MIN }
    }

    /// How old an earlier window may be that stands in for this one or fills it, by both ends, where nothing
    /// is said: the length of the window itself at least, of windows that grow the distance to the one that
    /// ends next.
    pub fn reach_at_least(&self, end: EventTime) -> u64 {
        match &self.grid {
            Grid::Sliding { size, .. } => *size,
            Grid::Periods(_) => end.micros() - self.start_of(end).micros(),
            Grid::Anchored { step, .. } | Grid::From { step, .. } | Grid::All { step } => *step,
        }
    }

    /// How long a window is at most; of those that grow without an end, how far their ends are apart.
    pub fn span(&self) -> u64 {
        match &self.grid {
            Grid::Sliding { size, .. } => *size,
            Grid::Periods(periods) | Grid::Anchored { periods, .. } => periods.longest(),
            Grid::From { step, .. } | Grid::All { step } => *step,
        }
    }

    /// How far two ends are apart, about.
    pub fn slot_length(&self) -> u64 {
        match &self.grid {
            Grid::Sliding { slide: step, .. }
            | Grid::Anchored { step, .. }
            | Grid::From { step, .. }
            | Grid::All { step } => *step,
            Grid::Periods(periods) => periods.longest(),
        }
    }
}

/// The first multiple of a step that is not before a time.
pub(crate) fn next_multiple_from(time: EventTime, step: u64) -> EventTime {
    time.micros().checked_next_multiple_of(step).map_or(EventTime::MAX, EventTime::from_micros)
}

/// The multiple of a step at or before a time, and the next one.
#[inline]
pub(crate) fn multiple(time: EventTime, step: u64) -> Interval {
    let start = EventTime::from_micros(time.micros() - time.micros() % step);
    Interval { start, end: start.plus(step) }
}

/// The same of steps from an origin that is not after the time.
#[inline]
fn stepped(origin: EventTime, time: EventTime, step: u64) -> Interval {
    let start = time.minus((time.micros() - origin.micros()) % step);
    Interval { start, end: start.plus(step) }
}

/// By their definitions: steps follow from other entries of a job's definition.
impl PartialEq for Windows {
    fn eq(&self, other: &Windows) -> bool {
        let definitions =
            |windows: &Windows| windows.each.iter().map(|w| w.definition.clone()).collect::<Vec<_>>();
        Arc::ptr_eq(&self.each, &other.each) || definitions(self) == definitions(other)
    }
}

impl Eq for Windows {}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.each.iter().map(Window::name)).finish()
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As the canonical forms.
impl Serialize for Windows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.each.iter().map(Window::name))
    }
}

impl<'de> Deserialize<'de> for Windows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parse = |text: &String| WindowDefinition::parse(text, &Zone::utc()).map_err(|wrong| wrong.found);
        let definitions = texts.iter().map(parse).collect::<Result<Vec<_>, _>>().map_err(D::Error::custom)?;
        if definitions.is_empty() || definitions.len() > MOST_DEFINITIONS {
            return Err(D::Error::custom("no window definition, or too many"));
        }
        Ok(Windows::new(definitions))
    }
}
