//! Moments as people write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The moment of `2018-04-29`, `2018-04-29T17:13`, `2018-04-29 17:13:40.5Z`, `2018-04-29T19:13:40+02:00`: in
/// UTC where no offset is given.
pub fn read(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    // A civil time may have an offset or a zone behind it, which its parser passes over.
    let civil = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | 'T' | 't' | ' ');
    let civil: DateTime = civil.parse().ok().filter(|_| civil.chars().all(is_part))?;
    TimeZone::UTC.to_timestamp(civil).ok()
}
