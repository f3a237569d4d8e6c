//! Window definitions as they are written: `10s`, `1m/10s`, `1d@Europe/Berlin`, `anchored:1w/1h`.

use super::civil::{CivilUnit, Zone, zone_names};
use super::definition::{Period, WindowDefinition};
use super::lengths::{length, show_length};
use super::moments::parse_moment;
use super::{DAY, EventTime, MOST_SLOTS};

/// Why a text is no window definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongWindow {
    /// What was written.
    pub found: String,
    /// What can be.
    pub expected: String,
    /// What was perhaps meant.
    pub perhaps: Option<String>,
}

fn wrong<T>(found: &str, expected: &str, perhaps: Option<String>) -> Result<T, WrongWindow> {
    Err(WrongWindow { found: found.to_owned(), expected: expected.to_owned(), perhaps })
}

const FORMS: &str = "10s, 1m/10s, 1d, 1w, 1mo, or anchored:PERIOD/STEP with a period of a length, 1d, 1w, 1mo, a moment or all";

impl WindowDefinition {
    /// The definition that is written so; `zone` holds where none is named.
    pub fn parse(text: &str, zone: &Zone) -> Result<WindowDefinition, WrongWindow> {
        if let Some(anchored) = text.strip_prefix("anchored:") {
            return parse_anchored(text, anchored, zone);
        }
        if let Some(civil) = parse_civil(text, zone)? {
            return Ok(WindowDefinition::Civil(civil.0, civil.1));
        }
        let (size, slide) = text.split_once('/').map_or((text, text), |(size, slide)| (size, slide));
        let (Some(size), Some(slide)) = (length(size), length(slide)) else {
            return wrong(text, FORMS, perhaps(text));
        };
        WindowDefinition::sliding(size, slide)
    }

    /// Windows of that size, every so often.
    pub fn sliding(size: u64, slide: u64) -> Result<WindowDefinition, WrongWindow> {
        let text = format!("{}/{}", show_length(size), show_length(slide));
        if slide > size {
            let perhaps = Some(show_length(size));
            return wrong(&text, "a slide no longer than the window, which it divides", perhaps);
        }
        if !size.is_multiple_of(slide) {
            let divisor = nearest_divisor(size / 1_000, slide / 1_000) * 1_000;
            let perhaps = format!("{}/{}", show_length(size), show_length(divisor));
            return wrong(&text, "a slide that divides the window", Some(perhaps));
        }
        if size / slide > MOST_SLOTS {
            let least = show_length(size.div_ceil(MOST_SLOTS).next_multiple_of(1_000));
            let found = format!("{text}, {} slides a window", size / slide);
            let expected = format!("{MOST_SLOTS} slides a window at most, so a slide of {least} or more");
            return wrong(&found, &expected, None);
        }
        Ok(WindowDefinition::Sliding { size, slide })
    }
}

fn parse_anchored(text: &str, anchored: &str, zone: &Zone) -> Result<WindowDefinition, WrongWindow> {
    let Some((period, step)) = anchored.rsplit_once('/') else {
        return wrong(text, "anchored:PERIOD/STEP", Some(format!("{text}/1m")));
    };
    let Some(step) = length(step) else {
        // The slash may be that of a time zone.
        let perhaps = parse_civil(anchored, zone).ok().flatten().map(|_| format!("{text}/1m"));
        return wrong(text, "a step such as 10s or 1m after the last slash", perhaps);
    };
    let (period, longest) = if period == "all" {
        (Period::All, u64::MAX)
    } else if let Some((unit, zone)) = parse_civil(period, zone)? {
        let days = match unit {
            CivilUnit::Day => 1,
            CivilUnit::Week => 7,
            CivilUnit::Month => 28,
        };
        (Period::Civil(unit, zone), days * DAY)
    } else if let Some(length) = length(period) {
        (Period::Length(length), length)
    } else if let Some(moment) = parse_moment(period) {
        if moment >= EventTime::TOO_LATE {
            return wrong(text, "a moment before 2100, which trades can have", None);
        }
        if moment.micros() % 1_000 != 0 {
            return wrong(text, "a moment of a whole millisecond", None);
        }
        (Period::From(moment), u64::MAX)
    } else {
        return wrong(
            text,
            "anchored:PERIOD/STEP, with a period such as 1d, 1w, 1mo, 8h, all or 2026-01-02T14:30:00Z",
            None,
        );
    };
    if step > longest {
        return wrong(text, "a step no longer than the period", None);
    }
    Ok(WindowDefinition::Anchored(period, step))
}

/// A civil unit and its zone; nothing where the text begins with none.
fn parse_civil(text: &str, zone: &Zone) -> Result<Option<(CivilUnit, Zone)>, WrongWindow> {
    let (unit, named) = text.split_once('@').map_or((text, None), |(unit, zone)| (unit, Some(zone)));
    let Some(unit) = CivilUnit::parse(unit) else {
        return match (several(unit), named) {
            (Some(one), _) => wrong(text, "1d, 1w or 1mo: one day, week or month", Some(one)),
            (None, Some(_)) => wrong(text, "a time zone only of 1d, 1w and 1mo", Some(unit.to_owned())),
            (None, None) => Ok(None),
        };
    };
    let Some(named) = named else { return Ok(Some((unit, zone.clone()))) };
    match Zone::named(named) {
        Some(zone) => Ok(Some((unit, zone))),
        None => wrong(
            text,
            "a time zone by its IANA name, such as Europe/Berlin",
            nearest_zone(named).map(|zone| format!("{}@{zone}", unit.as_str())),
        ),
    }
}

/// For `2d`, `7d`, `day` and the like: what there is instead.
fn several(text: &str) -> Option<String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    let one = match unit {
        "d" | "day" | "days" | "D" if number == "7" => "1w",
        "d" | "day" | "days" | "D" if number == "30" || number == "31" => "1mo",
        "d" | "day" | "days" | "D" => "1d",
        "w" | "week" | "weeks" | "W" => "1w",
        "mo" | "month" | "months" | "M" => "1mo",
        _ => return None,
    };
    Some(one.to_owned())
}

fn perhaps(text: &str) -> Option<String> {
    let digits = text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty();
    if digits {
        return Some(format!("{text}s"));
    }
    let lower = text.to_ascii_lowercase();
    (lower != text && length(&lower).is_some()).then_some(lower)
}

/// The zone whose name is meant, perhaps: in another case, or the part after the slash.
pub fn nearest_zone(name: &str) -> Option<String> {
    let meant = name.to_ascii_lowercase().replace(' ', "_");
    let is_meant = |zone: &String| {
        let zone = zone.to_ascii_lowercase();
        zone == meant || zone.rsplit('/').next() == Some(meant.as_str())
    };
    zone_names().into_iter().find(is_meant)
}

/// The greatest divisor of a size that is a slide at most, both in milliseconds; in the unit that the slide
/// was given in where there is one, since nobody means 3750ms who writes 4s.
fn nearest_divisor(size: u64, slide: u64) -> u64 {
    let small = (1..).take_while(|d| d * d <= size).filter(|d| size.is_multiple_of(*d));
    let divisors: Vec<u64> = small.flat_map(|d| [d, size / d]).filter(|d| *d <= slide).collect();
    let units = [3_600_000, 60_000, 1_000, 1].into_iter().filter(|unit| slide.is_multiple_of(*unit));
    let of_unit = |unit| divisors.iter().copied().filter(|d| d.is_multiple_of(unit)).max();
    units.filter_map(of_unit).next().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::windows::LENGTH_UNITS;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<String, WrongWindow> {
        WindowDefinition::parse(text, &Zone::utc()).map(|definition| definition.to_string())
    }

    #[test]
    fn definitions_have_one_canonical_form() {
        for (text, canonical) in [
            ("60s", "1m"),
            ("24h", "24h"),
            ("10s/10s", "10s"),
            ("60s/10000ms", "1m/10s"),
            ("1d@UTC", "1d"),
            ("1d@europe/berlin", "1d@Europe/Berlin"),
            ("anchored:1d@Europe/Berlin/60s", "anchored:1d@Europe/Berlin/1m"),
            ("anchored:24h/1h", "anchored:24h/1h"),
            ("anchored:all/1000ms", "anchored:all/1s"),
            ("anchored:2026-01-02T15:30:00.500+01:00/1m", "anchored:2026-01-02T14:30:00.5Z/1m"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn what_is_none_comes_with_what_would_be() {
        for (text, perhaps) in [
            ("30", Some("30s")),
            ("10S", Some("10s")),
            ("2d", Some("1d")),
            ("7d", Some("1w")),
            ("month", Some("1mo")),
            ("1m/25s", Some("1m/20s")),
            ("10s/20s", Some("10s")),
            ("1d@Berlin", Some("1d@Europe/Berlin")),
            ("10s@Europe/Berlin", Some("10s")),
            ("anchored:1d", Some("anchored:1d/1m")),
            ("anchored:1h/2h", None),
            ("anchored:1d/25h", None),
            ("anchored:2100-01-01T00:00:00Z/1m", None),
            ("anchored:yesterday/1m", None),
            ("1h/1ms", None),
            ("", None),
            ("0s", None),
        ] {
            let wrong = parse(text).expect_err(text);
            assert_eq!(wrong.perhaps.as_deref(), perhaps, "{text}: {wrong:?}");
        }
    }

    proptest! {
        /// Whatever is read is printed in a form that is read as the same.
        #[test]
        fn what_is_printed_reads_back(
            length in 1u64..1_000, unit in 0usize..4, slides in 1u64..1_000, kind in 0u8..6,
        ) {
            let (name, _) = LENGTH_UNITS[unit];
            let text = match kind {
                0 => format!("{length}{name}"),
                1 => format!("{}{name}/{length}{name}", length * slides),
                2 => format!("anchored:all/{length}{name}"),
                3 => format!("anchored:{}{name}/{length}{name}", length * slides),
                4 => format!("anchored:2018-04-30T00:00:00.{:03}Z/{length}{name}", length % 1_000),
                _ => format!("anchored:1mo@Asia/Kolkata/{}s", 1 + length % 600),
            };
            let canonical = parse(&text).unwrap();
            prop_assert_eq!(parse(&canonical), Ok(canonical.clone()), "{}", text);
        }
    }
}
