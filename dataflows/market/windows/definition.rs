//! What windows can be asked for (`docs/semantics.md#windows`).

use super::super::event_time::EventTime;
use super::text::show_length;
use compact_str::CompactString;
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

/// A unit of the civil calendar.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CivilUnit {
    /// From the first moment of a date to that of the next one.
    Day,
    /// From a Monday to the next one.
    Week,
    /// From the first of a month to that of the next one.
    Month,
}

impl CivilUnit {
    /// All of them.
    pub const ALL: [CivilUnit; 3] = [CivilUnit::Day, CivilUnit::Week, CivilUnit::Month];

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            CivilUnit::Day => "1d",
            CivilUnit::Week => "1w",
            CivilUnit::Month => "1mo",
        }
    }

    /// What is written so.
    pub fn parse(text: &str) -> Option<CivilUnit> {
        CivilUnit::ALL.into_iter().find(|unit| unit.as_str() == text)
    }
}

/// A time zone that the program's database knows, by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct Zone(CompactString);

impl Zone {
    /// That of UTC.
    pub fn utc() -> Zone {
        Zone(CompactString::const_new("UTC"))
    }

    /// The zone of that name, whatever its case; `None` where the database has none.
    pub fn named(name: &str) -> Option<Zone> {
        if name == "UTC" {
            return Some(Zone::utc());
        }
        let zone = super::periods::time_zone(name)?;
        zone.iana_name().map(|name| Zone(name.into()))
    }

    /// Its IANA name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is UTC.
    pub fn is_utc(&self) -> bool {
        self.0 == "UTC"
    }
}

impl TryFrom<CompactString> for Zone {
    type Error = String;

    fn try_from(name: CompactString) -> Result<Zone, String> {
        Zone::named(&name).ok_or_else(|| format!("no time zone `{name}`"))
    }
}

impl From<Zone> for CompactString {
    fn from(zone: Zone) -> CompactString {
        zone.0
    }
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
            Period::From(moment) => f.write_str(&super::periods::show_moment(*moment)),
            Period::All => f.write_str("all"),
        }
    }
}

fn write_civil(f: &mut fmt::Formatter<'_>, unit: CivilUnit, zone: &Zone) -> fmt::Result {
    f.write_str(unit.as_str())?;
    if zone.is_utc() { Ok(()) } else { write!(f, "@{}", zone.as_str()) }
}
