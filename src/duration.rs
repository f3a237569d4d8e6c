//! Durations as texts: one number and one unit, such as `250ms`, `30s`, `5m` or `1h`. All values are
//! microseconds.

pub(crate) use crossrate_dataflows::market::windows::show_length as show;
use crossrate_dataflows::market::windows::split_length;

/// The duration of a text; `None` of any other text, and of what is more than 64 bits hold.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (number, length) = split_length(text)?;
    number.parse::<u64>().ok()?.checked_mul(length)
}

/// The longest duration that can be asked for: a year. Longer ones are slips, and sums of a few of them stay
/// far from 2^63 µs.
pub(crate) const LONGEST: u64 = 8_760 * 3_600_000_000;

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
