//! Durations as texts: one number and one unit, such as `250ms`, `30s`, `5m` or `1h`. All values are
//! microseconds.

/// Units, the longest first, with their lengths.
pub(crate) const UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// A duration in the longest unit that holds it whole.
pub(crate) fn show(micros: u64) -> String {
    let whole = |(_, length): &&(&str, u64)| micros.is_multiple_of(*length);
    match UNITS.iter().find(whole) {
        Some((unit, length)) if micros > 0 => format!("{}{unit}", micros / length),
        _ => "0s".into(),
    }
}

/// The digits of a duration, and the length of its unit; `None` of any other text.
pub(crate) fn split(text: &str) -> Option<(&str, u64)> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    (!number.is_empty()).then_some((number, *length))
}

/// The duration of a text; `None` of any other text, and of what is more than 64 bits hold.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (number, length) = split(text)?;
    number.parse::<u64>().ok()?.checked_mul(length)
}

/// The longest `--delay` there may be.
pub(crate) const LONGEST_DELAY: u64 = 8_760 * 3_600_000_000;

/// A delay that is at least so long, as somebody would write it: whole milliseconds, seconds, minutes or
/// hours.
pub(crate) fn rounded_up(micros: u64) -> u64 {
    let unit = match micros {
        0..2_000_000 => 1_000,
        2_000_000..120_000_000 => 1_000_000,
        120_000_000..7_200_000_000 => 60_000_000,
        _ => 3_600_000_000,
    };
    micros.div_ceil(unit) * unit
}

/// A length of event time for people.
pub(crate) fn span(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0..120 => format!("{}.{:03} s", seconds, micros / 1_000 % 1_000),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_duration_parses_to_the_same_value() {
        for micros in [0, 1, 999, 1_500, 250_000, 30_000_000, 60_000_000, 3_600_000_000, 90_000_000] {
            assert_eq!(parse(&show(micros)), Some(micros), "{micros}");
        }
        assert_eq!([0, 90_000_000, 7_200_000_000].map(show), ["0s", "90s", "2h"]);
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in [
            "",
            "s",
            "10",
            "+1s",
            "1.5s",
            "1 s",
            "1h30m",
            "1S",
            "soon",
            "18446744073709551616us",
            "9999999999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
