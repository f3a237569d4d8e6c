//! Definitions of windows, and the panes of all of them (`docs/semantics.md#windows`, `#terms`).
//!
//! Where the text leaves something open, this decides, and says so:
//! * Before the first boundary of a job (all its definitions begin at a moment) every midnight UTC is a
//!   boundary, as between boundaries that are more than a day apart.
//! * `10s/10s` is `10s`. A zone other than `UTC` is named as the database writes it; `Etc/UTC` is another
//!   zone.
//! * The own length of a civil definition is that of the window in question, so that by default the window
//!   just before is always near enough.
//! * An anchored window of a period, its first, may be looked at before the period begins, as any window may;
//!   one that follows another, from the end of that one on. No row carries a window that is not there yet.
//! * A basis row stands on the rows of its two sides: an anchored window in whose last step the direct pair
//!   did not trade has no row of it, so it is `direct_missing`.

use super::calendar::{Unit, Zone, date_of};
use jiff::Timestamp;
use std::cmp::{max, min};

const SECOND: i64 = 1_000_000;
pub const DAY: i64 = 86_400 * SECOND;

/// Lengths are in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// Tumbling where both are the same.
    Sliding {
        size: i64,
        slide: i64,
    },
    Civil(Unit, Zone),
    Anchored(Period, i64),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Period {
    Fixed(i64),
    Civil(Unit, Zone),
    Moment(i64),
    All,
}

/// A window of a definition, in the order of ends.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    pub end: i64,
    pub start: i64,
    /// A symbol has a row if it traded from here on: the start, or where the anchored window before it ended.
    pub last_step: i64,
}

impl Window {
    fn whole(start: i64, end: i64) -> Window {
        Window { end, start, last_step: start }
    }

    /// Whether it begins to exist when another one ends.
    pub fn follows(&self) -> bool {
        self.last_step > self.start
    }
}

impl Definition {
    /// As it is written, `zone` and `slide` where it names none.
    pub fn read(text: &str, zone: &Zone, slide: Option<i64>) -> Definition {
        if let Some(rest) = text.strip_prefix("anchored:") {
            let (period, step) = rest.rsplit_once('/').unwrap_or_else(|| panic!("the window {text}"));
            return Definition::Anchored(Period::read(period, zone), duration(step));
        }
        if let Some((unit, zone)) = civil(text, zone) {
            return Definition::Civil(unit, zone);
        }
        let (size, own) = text.split_once('/').map_or((text, None), |(size, own)| (size, Some(own)));
        let size = duration(size);
        let slide = own.map(duration).or(slide).unwrap_or(size);
        assert!(size % slide == 0, "the window {text}");
        Definition::Sliding { size, slide }
    }

    /// As rows have it.
    pub fn canonical(&self) -> String {
        match self {
            Definition::Sliding { size, slide } if size == slide => length(*size),
            Definition::Sliding { size, slide } => format!("{}/{}", length(*size), length(*slide)),
            Definition::Civil(unit, zone) => civil_text(*unit, zone),
            Definition::Anchored(period, step) => {
                let period = match period {
                    Period::Fixed(size) => length(*size),
                    Period::Civil(unit, zone) => civil_text(*unit, zone),
                    Period::Moment(moment) => moment_text(*moment),
                    Period::All => "all".to_owned(),
                };
                format!("anchored:{period}/{}", length(*step))
            }
        }
    }

    /// The windows in which a trade of this time makes a row.
    pub fn windows_of(&self, time: i64) -> Vec<Window> {
        match self {
            Definition::Sliding { size, slide } => {
                let last = time.div_euclid(*slide) * slide;
                (0..size / slide)
                    .map(|pane| last - pane * slide)
                    .map(|s| Window::whole(s, s + size))
                    .collect()
            }
            Definition::Civil(unit, zone) => {
                let (start, end) = civil_period(*unit, zone, time);
                vec![Window::whole(start, end)]
            }
            Definition::Anchored(period, step) => {
                let Some((start, period_ends)) = period.holding(time) else { return Vec::new() };
                let last_step = start + (time - start).div_euclid(*step) * step;
                vec![Window { start, last_step, end: min(last_step + step, period_ends) }]
            }
        }
    }

    /// The greatest start or end at or before this time, and the least after it.
    pub fn boundaries_about(&self, time: i64) -> (Option<i64>, i64) {
        match self {
            Definition::Sliding { slide, .. } => {
                let before = time.div_euclid(*slide) * slide;
                (Some(before), before + slide)
            }
            Definition::Anchored(Period::Moment(moment), _) if time < *moment => (None, *moment),
            _ => {
                let window = self.windows_of(time)[0];
                (Some(window.last_step), window.end)
            }
        }
    }

    /// The window after this one; of anchored ones nobody asks.
    pub fn next(&self, window: Window) -> Window {
        match self {
            Definition::Sliding { slide, .. } => Window::whole(window.start + slide, window.end + slide),
            _ => self.windows_of(window.end)[0],
        }
    }

    /// What `--max-carry` and `--max-fill` are at least, where they are not given.
    pub fn own_length(&self, window: Window) -> i64 {
        match self {
            Definition::Anchored(_, step) => *step,
            _ => window.end - window.start,
        }
    }

    /// Whether what is part of the job from this moment on has rows of the window: it starts then or later,
    /// or it is of those that all start at one moment and ends later.
    pub fn begins_with(&self, window: Window, from: i64) -> bool {
        if self.begin_together() { window.end > from } else { window.start >= from }
    }

    /// Whether all of its windows start at one moment.
    pub fn begin_together(&self) -> bool {
        matches!(self, Definition::Anchored(Period::All | Period::Moment(_), _))
    }

    pub fn is_anchored(&self) -> bool {
        matches!(self, Definition::Anchored(..))
    }

    /// Whether its windows are one after the other, so that those within an interval make it up.
    pub fn is_disjoint(&self) -> bool {
        match self {
            Definition::Sliding { size, slide } => size == slide,
            Definition::Civil(..) => true,
            Definition::Anchored(..) => false,
        }
    }
}

impl Period {
    fn read(text: &str, zone: &Zone) -> Period {
        if text == "all" {
            return Period::All;
        }
        if let Some((unit, zone)) = civil(text, zone) {
            return Period::Civil(unit, zone);
        }
        match text.parse::<Timestamp>() {
            Ok(moment) => Period::Moment(moment.as_microsecond()),
            Err(_) => Period::Fixed(duration(text)),
        }
    }

    /// Where the period that holds this time begins and ends.
    fn holding(&self, time: i64) -> Option<(i64, i64)> {
        match self {
            Period::Fixed(size) => {
                let start = time.div_euclid(*size) * size;
                Some((start, start + size))
            }
            Period::Civil(unit, zone) => Some(civil_period(*unit, zone, time)),
            Period::Moment(moment) => (*moment <= time).then_some((*moment, i64::MAX)),
            Period::All => Some((0, i64::MAX)),
        }
    }
}

/// The pane of this time: between two neighbouring boundaries of all definitions, and midnights UTC where
/// these are far apart.
pub fn pane(definitions: &[Definition], time: i64) -> (i64, i64) {
    let about: Vec<_> = definitions.iter().map(|definition| definition.boundaries_about(time)).collect();
    let before = about.iter().filter_map(|(before, _)| *before).max();
    let after = about.iter().map(|(_, after)| *after).min().expect("a job has a window");
    if before.is_some_and(|before| after - before <= DAY) {
        return (before.expect("a boundary"), after);
    }
    let midnight = time.div_euclid(DAY) * DAY;
    (before.map_or(midnight, |before| max(before, midnight)), min(after, midnight + DAY))
}

fn civil(text: &str, zone: &Zone) -> Option<(Unit, Zone)> {
    let (unit, zone) = match text.split_once('@') {
        Some((unit, name)) => (unit, Zone::named(name)),
        None => (text, zone.clone()),
    };
    let unit = match unit {
        "1d" => Unit::Day,
        "1w" => Unit::Week,
        "1mo" => Unit::Month,
        _ => return None,
    };
    Some((unit, zone))
}

fn civil_period(unit: Unit, zone: &Zone, time: i64) -> (i64, i64) {
    let (begins, ends) = zone.period(unit, time.div_euclid(SECOND));
    (begins * SECOND, ends * SECOND)
}

fn civil_text(unit: Unit, zone: &Zone) -> String {
    let unit = match unit {
        Unit::Day => "1d",
        Unit::Week => "1w",
        Unit::Month => "1mo",
    };
    if zone.name == "UTC" { unit.to_owned() } else { format!("{unit}@{}", zone.name) }
}

/// In UTC, with so many digits of a second as it needs.
fn moment_text(moment: i64) -> String {
    let (year, month, day) = date_of(moment.div_euclid(DAY));
    let within = moment.rem_euclid(DAY);
    let (second, micros) = (within / SECOND, within % SECOND);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let time = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{time}{}Z", fraction.trim_end_matches('0'))
}

/// With the largest unit that divides it.
fn length(micros: i64) -> String {
    let units = [("h", 3_600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", 1_000)];
    let (name, unit) = units.into_iter().find(|(_, unit)| micros % unit == 0).expect("whole milliseconds");
    format!("{}{name}", micros / unit)
}

/// In microseconds.
pub fn duration(text: &str) -> i64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().unwrap_or_else(|_| panic!("the duration {text}"));
    number
        * match &text[digits.len()..] {
            "ms" => 1_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3_600 * SECOND,
            _ => panic!("the duration {text}"),
        }
}

#[cfg(test)]
fn read(text: &str) -> Definition {
    Definition::read(text, &Zone::named("UTC"), None)
}

#[test]
fn definitions_have_one_form() {
    for (written, canonical) in [
        ("60s", "1m"),
        ("24h", "24h"),
        ("90m", "90m"),
        ("1500ms", "1500ms"),
        ("60s/10000ms", "1m/10s"),
        ("10s/10s", "10s"),
        ("1d", "1d"),
        ("1w@UTC", "1w"),
        ("1mo@europe/berlin", "1mo@Europe/Berlin"),
        ("anchored:1d/60s", "anchored:1d/1m"),
        ("anchored:1d@Europe/Berlin/1m", "anchored:1d@Europe/Berlin/1m"),
        ("anchored:3600s/600s", "anchored:1h/10m"),
        ("anchored:all/10s", "anchored:all/10s"),
        ("anchored:2026-01-02T14:30:00Z/1m", "anchored:2026-01-02T14:30:00Z/1m"),
        ("anchored:2026-01-02T15:30:00.500+01:00/1m", "anchored:2026-01-02T14:30:00.5Z/1m"),
    ] {
        assert_eq!(read(written).canonical(), canonical, "{written}");
    }
    let berlin = Zone::named("Europe/Berlin");
    assert_eq!(Definition::read("1d", &berlin, None).canonical(), "1d@Europe/Berlin");
    assert_eq!(Definition::read("10s", &berlin, Some(2 * SECOND)).canonical(), "10s/2s");
}

#[test]
fn panes_are_the_refinement_of_all_boundaries() {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time").as_microsecond();
    for (written, time, begins, ends) in [
        (&["10s"][..], "2019-01-01T00:00:25Z", "2019-01-01T00:00:20Z", "2019-01-01T00:00:30Z"),
        (&["10s", "4s"], "2019-01-01T00:00:25Z", "2019-01-01T00:00:24Z", "2019-01-01T00:00:28Z"),
        (&["10s", "4s"], "2019-01-01T00:00:29Z", "2019-01-01T00:00:28Z", "2019-01-01T00:00:30Z"),
        // Boundaries a day apart need no midnight, those of a day of 25 hours have one.
        (&["24h"], "2019-01-01T23:00:00Z", "2019-01-01T00:00:00Z", "2019-01-02T00:00:00Z"),
        (&["1d@Europe/Berlin"], "2019-10-26T12:00:00Z", "2019-10-25T22:00:00Z", "2019-10-26T22:00:00Z"),
        (&["1d@Europe/Berlin"], "2019-10-26T22:00:00Z", "2019-10-26T22:00:00Z", "2019-10-27T00:00:00Z"),
        (&["1d@Europe/Berlin"], "2019-10-27T22:00:00Z", "2019-10-27T00:00:00Z", "2019-10-27T23:00:00Z"),
        (&["1w"], "2019-01-02T12:00:00Z", "2019-01-02T00:00:00Z", "2019-01-03T00:00:00Z"),
        (&["1mo@Asia/Tokyo"], "2018-12-31T16:00:00Z", "2018-12-31T15:00:00Z", "2019-01-01T00:00:00Z"),
        // The last step of an hour that seven minutes do not divide.
        (&["anchored:1h/7m"], "2019-01-01T00:58:00Z", "2019-01-01T00:56:00Z", "2019-01-01T01:00:00Z"),
        (
            &["anchored:2019-01-01T14:30:00Z/1h"],
            "2019-01-01T14:00:00Z",
            "2019-01-01T00:00:00Z",
            "2019-01-01T14:30:00Z",
        ),
        (
            &["anchored:2019-01-01T14:30:00Z/1h"],
            "2019-01-01T15:00:00Z",
            "2019-01-01T14:30:00Z",
            "2019-01-01T15:30:00Z",
        ),
        (&["anchored:all/36h"], "2019-01-01T01:00:00Z", "2019-01-01T00:00:00Z", "2019-01-02T00:00:00Z"),
    ] {
        let definitions: Vec<Definition> = written.iter().map(|text| read(text)).collect();
        assert_eq!(pane(&definitions, at(time)), (at(begins), at(ends)), "{written:?} {time}");
    }
}
