//! Periods that follow each other without a gap: of a fixed length, or of the civil calendar of a time zone.
//!
//! A civil period begins at the first moment that has its date, or a later one: a day whose midnight is
//! skipped begins after the skip, and a date that a zone skips altogether has no day.

use super::super::event_time::EventTime;
use super::Interval;
use super::civil::{CivilUnit, Zone, time_zone};
use jiff::civil::{Date, Time, Weekday, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Periods that follow each other.
#[derive(Debug, Clone)]
pub enum Periods {
    /// Of one length, in microseconds, of which one begins so long after the epoch.
    Every {
        /// Their length.
        length: u64,
        /// Below the length.
        offset: u64,
    },
    /// Whose beginnings are listed.
    Listed(Arc<ListedPeriods>),
}

/// Periods by their beginnings, in order.
#[derive(Debug)]
pub struct ListedPeriods {
    starts: Vec<EventTime>,
    /// The dates that they begin with, in days since the epoch.
    dates: Vec<i32>,
    longest: u64,
}

/// Where a civil period begins: its date in days since the epoch, and the moment.
pub type PeriodStart = (i32, EventTime);

impl ListedPeriods {
    pub(super) fn of(beginnings: impl IntoIterator<Item = PeriodStart>) -> ListedPeriods {
        let (dates, starts): (Vec<i32>, Vec<EventTime>) = beginnings.into_iter().unzip();
        let lengths = starts.windows(2).map(|pair| pair[1].micros() - pair[0].micros());
        let longest = lengths.max().unwrap_or(u64::MAX);
        ListedPeriods { starts, dates, longest }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = PeriodStart> + '_ {
        self.dates.iter().copied().zip(self.starts.iter().copied())
    }

    /// From the beginning of the period that holds a time to the first one after another time.
    pub(super) fn beginnings(&self, from: EventTime, until: EventTime) -> Vec<PeriodStart> {
        let first = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        let after = self.starts.partition_point(|start| *start <= until.max(from)) + 1;
        self.each().take(after).skip(first).collect()
    }

    /// These periods where others are known to have begun, and to end, as an earlier database had it:
    /// `None` where that is the same. The period that follows the last one of those is that of the next
    /// date, so that no date has two.
    pub(super) fn going_on_from(&self, known: &[PeriodStart]) -> Option<ListedPeriods> {
        let (first, last) = (*known.first()?, *known.last()?);
        let at = self.starts.partition_point(|start| *start < first.1);
        if self.each().skip(at).take(known.len()).eq(known.iter().copied()) {
            return None;
        }
        let before = self.each().filter(|(date, start)| *date < first.0 && *start < first.1);
        let after = self.each().filter(|(date, start)| *date > last.0 && *start > last.1);
        Some(ListedPeriods::of(before.chain(known.iter().copied()).chain(after)))
    }
}

impl Periods {
    /// Those of one length, of which one begins so long after the epoch.
    pub fn every(length: u64, offset: u64) -> Periods {
        Periods::Every { length, offset: offset % length }
    }

    /// The period that holds a time.
    #[inline]
    pub fn holding(&self, time: EventTime) -> Interval {
        match self {
            Periods::Every { length, offset } => {
                let into = (time.micros() % length + length - offset) % length;
                let start = time.minus(into);
                // The first one after the epoch may have begun before it.
                let end = time.plus(length - into);
                Interval { start, end }
            }
            Periods::Listed(listed) => {
                let starts = &listed.starts;
                let after = starts.partition_point(|start| *start <= time);
                let start = after.checked_sub(1).map_or(EventTime::MIN, |at| starts[at]);
                Interval { start, end: starts.get(after).copied().unwrap_or(EventTime::MAX) }
            }
        }
    }

    /// How long one of them is at most.
    pub fn longest(&self) -> u64 {
        match self {
            Periods::Every { length, .. } => *length,
            Periods::Listed(listed) => listed.longest,
        }
    }
}

/// The civil periods of time zones: worked out once for each, over all times that a trade can have.
#[derive(Debug)]
pub struct CivilCalendar;

type PeriodCache = HashMap<(CivilUnit, Zone), Arc<ListedPeriods>>;
static KNOWN: LazyLock<Mutex<PeriodCache>> = LazyLock::new(Mutex::default);

impl CivilCalendar {
    /// The periods of a unit in a zone.
    pub fn of(unit: CivilUnit, zone: &Zone) -> Periods {
        const DAY: u64 = 86_400_000_000;
        match unit {
            CivilUnit::Day if zone.is_utc() => return Periods::every(DAY, 0),
            // The epoch was a Thursday.
            CivilUnit::Week if zone.is_utc() => return Periods::every(7 * DAY, 4 * DAY),
            _ => {}
        }
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let of_zone = || {
            let time_zone = time_zone(zone.as_str()).unwrap_or(TimeZone::UTC);
            Arc::new(ListedPeriods::of(beginnings(unit, &time_zone)))
        };
        Periods::Listed(Arc::clone(known.entry((unit, zone.clone())).or_insert_with(of_zone)))
    }
}

/// The beginnings of all periods that can hold a trade, and some before and after.
pub(super) fn beginnings(unit: CivilUnit, zone: &TimeZone) -> Vec<PeriodStart> {
    let mut day = match unit {
        CivilUnit::Week => first_monday(date(2008, 11, 1)),
        _ => date(2008, 11, 1),
    };
    let mut beginnings: Vec<PeriodStart> = Vec::new();
    while day.year() < 2101 {
        if let Some(start) = first_moment(day, zone)
            // A date that is skipped has no moment of its own.
            && beginnings.last().is_none_or(|(_, last)| *last != start)
        {
            beginnings.push((date_number(day), start));
        }
        let next = match unit {
            CivilUnit::Day => day.tomorrow(),
            CivilUnit::Week => day.checked_add(jiff::Span::new().days(7)),
            CivilUnit::Month => day.checked_add(jiff::Span::new().months(1)),
        };
        let Ok(next) = next else { break };
        day = next;
    }
    beginnings
}

/// Days since the epoch.
fn date_number(day: Date) -> i32 {
    date(1970, 1, 1).until(day).map_or(0, |span| span.get_days())
}

/// The first moment that has that date in the zone, or a later one.
fn first_moment(day: Date, zone: &TimeZone) -> Option<EventTime> {
    let midnight = zone.to_ambiguous_timestamp(day.to_datetime(Time::midnight()));
    let start = match midnight.offset() {
        // Midnight may come twice, of which the first has the date, be it for a minute.
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => midnight.earlier().ok()?,
        // The moment at which clocks leap over it.
        AmbiguousOffset::Gap { .. } => zone.following(midnight.earlier().ok()?).next()?.timestamp(),
    };
    let micros = u64::try_from(start.as_microsecond()).ok()?;
    Some(EventTime::from_micros(micros))
}

fn first_monday(mut day: Date) -> Date {
    while day.weekday() != Weekday::Monday {
        day = day.tomorrow().unwrap_or(day);
    }
    day
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::windows::civil::CivilUnit::{Day, Month, Week};
    use crate::market::windows::moments::{parse_moment, show_moment};

    fn at(text: &str) -> EventTime {
        parse_moment(text).expect("a moment")
    }

    /// The period that holds a moment, as moments of UTC.
    fn holding(unit: CivilUnit, zone: &str, moment: &str) -> (String, String) {
        let zone = Zone::named(zone).expect("a zone");
        let Interval { start, end } = CivilCalendar::of(unit, &zone).holding(at(moment));
        (show_moment(start), show_moment(end))
    }

    #[test]
    fn a_period_begins_at_the_first_moment_that_has_its_date_or_a_later_one() {
        for (unit, zone, moment, start, end) in [
            (Day, "UTC", "2026-01-02T14:30:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"),
            // From a Monday on.
            (Week, "UTC", "2026-11-29T12:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Month, "UTC", "2024-02-29T23:59:59Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            // Days of 23 and of 25 hours.
            (Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // Midnight is leapt over.
            (
                Day,
                "America/Sao_Paulo",
                "2018-11-04T12:00:00Z",
                "2018-11-04T03:00:00Z",
                "2018-11-05T02:00:00Z",
            ),
            // Midnight comes twice, the second time for good: the day began with the first.
            (Day, "America/St_Johns", "2010-11-07T12:00:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"),
            // Half an hour of summer time.
            (
                Day,
                "Australia/Lord_Howe",
                "2026-04-05T00:00:00Z",
                "2026-04-04T13:00:00Z",
                "2026-04-05T13:30:00Z",
            ),
            // The 30th of December 2011 was skipped: the 29th is followed by the 31st.
            (Day, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
            (Day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
        ] {
            let expected = (start.to_owned(), end.to_owned());
            assert_eq!(holding(unit, zone, moment), expected, "{unit:?} {zone} {moment}");
        }
    }

    #[test]
    fn listed_periods_are_those_of_a_length_where_both_are() {
        let zone = Zone::utc();
        for unit in [Day, Week] {
            let listed = Periods::Listed(Arc::new(ListedPeriods::of(beginnings(unit, &TimeZone::UTC))));
            let by_length = CivilCalendar::of(unit, &zone);
            for day in (14_300..47_000).step_by(97) {
                let moment = EventTime::from_micros(day * 86_400_000_000 + 3_600_000_000);
                assert_eq!(listed.holding(moment), by_length.holding(moment), "{unit:?} {moment:?}");
            }
            assert_eq!(listed.longest(), by_length.longest());
        }
    }
}
