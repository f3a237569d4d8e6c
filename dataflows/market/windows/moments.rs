//! Moments as they are written: RFC 3339.

use super::EventTime;
use jiff::Timestamp;

/// A moment as RFC 3339 has it, in UTC.
pub fn show_moment(moment: EventTime) -> String {
    let micros = i64::try_from(moment.micros()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).map_or_else(|_| moment.micros().to_string(), |t| t.to_string())
}

/// The moment that is written so: RFC 3339, with `Z` or an offset.
pub fn parse_moment(text: &str) -> Option<EventTime> {
    let moment: Timestamp = text.parse().ok()?;
    u64::try_from(moment.as_microsecond()).ok().map(EventTime::from_micros)
}
