//! The civil calendar as definitions name it: a unit, and the time zone that it is counted in. The time zone
//! database is the program's own.

use compact_str::CompactString;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

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
        let zone = time_zone(name)?;
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

/// The time zone of that name.
pub(super) fn time_zone(name: &str) -> Option<TimeZone> {
    static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    ZONES.get(name).ok()
}

/// The names of all time zones that the program knows.
pub fn zone_names() -> Vec<String> {
    TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
}
