//! The boundaries of civil windows that a job goes on with.
//!
//! A newer time zone database may move a midnight that lies ahead. A window that is open then keeps the end
//! that it had, as its trades were judged by it, and the window after it begins there; later windows follow
//! the newer database. So a checkpoint holds, for each calendar but that of UTC, the boundaries from the
//! earliest window that is not final to the first one after all trades. One without them goes on with what
//! the database says.

use super::periods::{ListedPeriods, PeriodStart, Periods};
use super::{CivilUnit, EventTime, Grid, Period, Window, WindowDefinition, Windows, Zone};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where the periods of a calendar begin, one after the other, as a run had them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBoundaries {
    /// Days, weeks or months.
    pub unit: CivilUnit,
    /// Of that zone.
    pub zone: Zone,
    /// In order.
    pub beginnings: Vec<PeriodStart>,
}

impl Windows {
    /// Before which moment no window begins; none where windows reach back without end.
    pub fn first_start(&self) -> Option<EventTime> {
        let start = |window: &Window| match window.grid {
            Grid::From { moment, .. } => Some(moment),
            _ => None,
        };
        self.each.iter().map(start).min()?
    }

    /// The boundaries of each calendar from that of the period that holds a time to the first one after
    /// another time.
    pub fn boundaries(&self, from: EventTime, until: EventTime) -> Vec<KnownBoundaries> {
        let mut found: Vec<KnownBoundaries> = Vec::new();
        for window in self.each() {
            let (Some((unit, zone)), Some(listed)) = (window.calendar(), window.listed()) else { continue };
            if !found.iter().any(|known| known.unit == unit && known.zone == *zone) {
                let beginnings = listed.beginnings(from, until);
                found.push(KnownBoundaries { unit, zone: zone.clone(), beginnings });
            }
        }
        found
    }

    /// These windows with the boundaries that earlier runs had, of several partitions perhaps.
    pub fn going_on_from(&self, known: &[KnownBoundaries]) -> Windows {
        let mut of_calendar: HashMap<(CivilUnit, &Zone), BTreeMap<i32, EventTime>> = HashMap::new();
        for KnownBoundaries { unit, zone, beginnings } in known {
            of_calendar.entry((*unit, zone)).or_default().extend(beginnings.iter().copied());
        }
        let mut each: Vec<Window> = self.each().to_vec();
        let mut changed: HashMap<(CivilUnit, Zone), Arc<ListedPeriods>> = HashMap::new();
        for window in &mut each {
            let Some((unit, zone)) = window.calendar().map(|(unit, zone)| (unit, zone.clone())) else {
                continue;
            };
            let Some(known) = of_calendar.get(&(unit, &zone)) else { continue };
            let known: Vec<PeriodStart> = known.iter().map(|(date, start)| (*date, *start)).collect();
            let Some(listed) = window.listed().and_then(|listed| listed.going_on_from(&known)) else {
                continue;
            };
            let listed = changed.entry((unit, zone)).or_insert_with(|| Arc::new(listed));
            if let Grid::Periods(periods) | Grid::Anchored { periods, .. } = &mut window.grid {
                *periods = Periods::Listed(Arc::clone(listed));
            }
        }
        if changed.is_empty() { self.clone() } else { Windows { each: each.into(), steps: self.steps } }
    }
}

impl Window {
    /// The calendar that a newer database may change; none of UTC.
    fn calendar(&self) -> Option<(CivilUnit, &Zone)> {
        match &self.definition {
            WindowDefinition::Civil(unit, zone)
            | WindowDefinition::Anchored(Period::Civil(unit, zone), _)
                if !zone.is_utc() =>
            {
                Some((*unit, zone))
            }
            _ => None,
        }
    }

    fn listed(&self) -> Option<&ListedPeriods> {
        match &self.grid {
            Grid::Periods(Periods::Listed(listed))
            | Grid::Anchored { periods: Periods::Listed(listed), .. } => Some(listed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::moments::parse_moment;
    use super::super::periods::beginnings;
    use super::*;
    use crate::market::windows::Interval;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    /// A job's windows with one database's view of its zone.
    fn by(unit: CivilUnit, database: &str) -> Windows {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let definitions = [
            WindowDefinition::Sliding { size: 10_000_000, slide: 10_000_000 },
            WindowDefinition::Civil(unit, zone.clone()),
            WindowDefinition::Anchored(Period::Civil(unit, zone), 3_600_000_000),
            WindowDefinition::Civil(CivilUnit::Day, Zone::utc()),
        ];
        let listed = ListedPeriods::of(beginnings(unit, &TimeZone::posix(database).unwrap()));
        let periods = Periods::Listed(Arc::new(listed));
        let mut each: Vec<Window> = definitions.map(Window::new).to_vec();
        each[1].grid = Grid::Periods(periods.clone());
        each[2].grid = Grid::Anchored { periods, step: 3_600_000_000 };
        Windows { each: each.into(), steps: [0; 2] }
    }

    fn at(text: &str) -> EventTime {
        parse_moment(text).unwrap()
    }

    #[test]
    fn an_open_day_keeps_its_end_and_the_next_one_begins_there() {
        // The older database has no summer time; by the newer one clocks are an hour ahead from May on.
        let (older, newer) = (by(CivilUnit::Day, "CET-1"), by(CivilUnit::Day, "CET-1CEST,120/0,M10.5.0/3"));
        let known = older.boundaries(at("2018-04-30T12:00:00Z"), at("2018-05-01T12:00:00Z"));
        let windows = newer.going_on_from(&known);
        for (window, moment, start, end) in [
            (1, "2018-04-30T12:00:00Z", "2018-04-29T23:00:00Z", "2018-04-30T23:00:00Z"),
            // Open then: by the newer database it would end an hour earlier.
            (1, "2018-05-01T12:00:00Z", "2018-04-30T23:00:00Z", "2018-05-01T23:00:00Z"),
            (1, "2018-05-01T23:30:00Z", "2018-05-01T23:00:00Z", "2018-05-02T22:00:00Z"),
            (1, "2018-05-03T12:00:00Z", "2018-05-02T22:00:00Z", "2018-05-03T22:00:00Z"),
            (2, "2018-05-01T22:30:00Z", "2018-05-01T22:00:00Z", "2018-05-01T23:00:00Z"),
            (2, "2018-05-02T21:30:00Z", "2018-05-02T21:00:00Z", "2018-05-02T22:00:00Z"),
            (3, "2018-05-01T23:30:00Z", "2018-05-01T00:00:00Z", "2018-05-02T00:00:00Z"),
        ] {
            let found = windows.at(window).slot(at(moment));
            assert_eq!(found, Some(Interval { start: at(start), end: at(end) }), "{window} {moment}");
        }
        // What an older program left out is as the database has it.
        assert_eq!(
            newer.going_on_from(&[]).at(1).slot(at("2018-05-01T22:30:00Z")).unwrap().end,
            at("2018-05-02T22:00:00Z")
        );
    }

    const DATABASES: [&str; 8] = [
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EET-2EEST,M3.5.0/3,M10.5.0/4",
        "<-03>3<-02>,M10.3.0/0,M2.3.0/0",
        "LHST-10:30LHDT-11,M10.1.0,M4.1.0",
        "NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01",
        "IST-5:30",
        "<+13>-13",
        "<-11>11",
    ];

    proptest! {
        /// Whatever a newer database says, what was open is as it was, nothing overlaps, no date comes
        /// twice, and what is later is as that says.
        #[test]
        fn open_windows_are_as_they_were_and_later_ones_as_the_newer_database_says(
            older in prop::sample::select(&DATABASES), newer in prop::sample::select(&DATABASES),
            unit in prop::sample::select(&CivilUnit::ALL),
            hour in 300_000u64..800_000, ahead in 0u64..100, further in 0u64..2_000,
            times in prop::collection::vec(0u64..5_000, 1..20),
        ) {
            const HOUR: u64 = 3_600_000_000;
            let (from, until) = (hour * HOUR, (hour + ahead) * HOUR);
            let (from, until) = (EventTime::from_micros(from), EventTime::from_micros(until));
            let (older, newer) = (by(unit, older), by(unit, newer));
            // Of two partitions, one of which is ahead of the other.
            let known = [
                older.boundaries(from, until), older.boundaries(from.minus(further * HOUR), from),
            ].concat();
            let windows = newer.going_on_from(&known);
            let last = known.iter().flat_map(|known| &known.beginnings).max().unwrap().1;
            prop_assert!(last > until);
            let each: Vec<PeriodStart> = windows.at(1).listed().unwrap().each().collect();
            prop_assert!(each.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
            for place in [1, 2] {
                let (was, is, says) = (older.at(place), windows.at(place), newer.at(place));
                for time in &times {
                    let open = EventTime::from_micros(from.micros() + time % (ahead + 1) * HOUR);
                    prop_assert_eq!(is.slot(open), was.slot(open));
                    let start = |window: &Window| window.start_of(window.slot(open).unwrap().end);
                    prop_assert_eq!(start(is), start(was));
                    // The period that begins with the last boundary ends by the newer database.
                    let after = windows.at(1).slot(last).unwrap().end;
                    let later = EventTime::from_micros(after.micros() + time * HOUR);
                    prop_assert_eq!(is.slot(later), says.slot(later));
                }
            }
            // A run that goes on from that hands on the same.
            let again = newer.going_on_from(&windows.boundaries(from, until));
            for time in &times {
                let time = EventTime::from_micros(from.micros() + time * HOUR);
                prop_assert_eq!(again.pane(time), windows.pane(time));
            }
        }
    }
}
