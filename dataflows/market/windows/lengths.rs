//! Lengths of time as they are written: `10s`, `250ms`.

use super::EventTime;

/// The units of all lengths of time that are written, the longest first, in microseconds.
pub const LENGTH_UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// A length in the largest unit that divides it.
pub fn show_length(micros: u64) -> String {
    match LENGTH_UNITS.iter().find(|(_, unit)| micros > 0 && micros.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", micros / unit),
        None => "0s".to_owned(),
    }
}

/// The digits of a length, and its unit in microseconds; `None` of any other text.
pub fn split_length(text: &str) -> Option<(&str, u64)> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, micros) = LENGTH_UNITS.iter().find(|(name, _)| *name == unit)?;
    (!number.is_empty()).then_some((number, *micros))
}

/// The length that is written so, in microseconds: a positive number and one of `ms`, `s`, `m` and `h`.
pub fn length(text: &str) -> Option<u64> {
    let (number, unit) = split_length(text).filter(|(_, unit)| *unit >= 1_000)?;
    // No window is longer than all times that trades can have.
    let longest = EventTime::TOO_LATE.micros();
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|length| (1..=longest).contains(length))
}
