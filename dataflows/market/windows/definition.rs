//! What windows can be asked for (`docs/semantics.md#windows`).

use super::super::event_time::EventTime;
use super::civil::{CivilUnit, Zone};
use super::lengths::show_length;
use super::moments::show_moment;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Windows of one kind and length. All lengths are microseconds, and whole milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WindowDefinition {
    /// `[k * slide, k * slide + size)` from the epoch on; the size is a positive whole multiple of the slide.
    Sliding {
        /// Length of a window.
        size: u64,
        /// Distance of two windows; tumbling windows have that of their size.
        slide: u64,
    },
    /// Days, weeks from Monday on, or months, of a time zone.
    Civil(CivilUnit, Zone),
    /// Windows that begin where a period begins, and end a step after that, two steps, .., and where the
    /// period ends.
    Anchored(Period, u64),
}

/// Where windows that grow begin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Period {
    /// At each multiple of a length since the epoch.
    Length(u64),
    /// At each beginning of a day, week or month of a time zone.
    Civil(CivilUnit, Zone),
    /// At that moment.
    From(EventTime),
    /// Before all trades.
    All,
}

/// The canonical form: the largest unit that divides, and the zone where it is not UTC.
impl fmt::Display for WindowDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WindowDefinition::Sliding { size, slide } if size == slide => f.write_str(&show_length(*size)),
            WindowDefinition::Sliding { size, slide } => {
                write!(f, "{}/{}", show_length(*size), show_length(*slide))
            }
            WindowDefinition::Civil(unit, zone) => write_civil(f, *unit, zone),
            WindowDefinition::Anchored(period, step) => {
                write!(f, "anchored:{period}/{}", show_length(*step))
            }
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Length(length) => f.write_str(&show_length(*length)),
            Period::Civil(unit, zone) => write_civil(f, *unit, zone),
            Period::From(moment) => f.write_str(&show_moment(*moment)),
            Period::All => f.write_str("all"),
        }
    }
}

fn write_civil(f: &mut fmt::Formatter<'_>, unit: CivilUnit, zone: &Zone) -> fmt::Result {
    f.write_str(unit.as_str())?;
    if zone.is_utc() { Ok(()) } else { write!(f, "@{}", zone.as_str()) }
}
