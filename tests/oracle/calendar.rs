//! Civil days, weeks and months of a time zone, by their definition: a day begins at the first moment that
//! has its date, or a later one.
//!
//! Of the time zone library this asks one thing only: how far a zone's clocks are from UTC at an instant. All
//! else is counted here, and the first moment is looked for, minute by minute, where the clocks change.
//! `zones.rs` holds it against Python's.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// No clock is further from UTC than this.
const FAR: i64 = 16 * HOUR;

#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    Day,
    Week,
    Month,
}

/// The clocks of a zone.
#[derive(Debug, Clone)]
pub struct Zone {
    /// As the database writes it.
    pub name: String,
    clocks: TimeZone,
    /// The seconds at which days begin, by the number of the day since 1970-01-01.
    begun: Rc<RefCell<HashMap<i64, i64>>>,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Zone {
    pub fn named(name: &str) -> Zone {
        let clocks = TimeZoneDatabase::bundled().get(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let name = clocks.iana_name().unwrap_or(name).to_owned();
        Zone { name, clocks, begun: Rc::default() }
    }

    /// How many seconds local clocks are ahead of UTC.
    fn offset(&self, second: i64) -> i64 {
        let instant = Timestamp::from_second(second).expect("a time that jiff knows");
        i64::from(self.clocks.to_offset(instant).seconds())
    }

    /// The date on the wall at this second, as a number of days since 1970-01-01.
    fn date(&self, second: i64) -> i64 {
        (second + self.offset(second)).div_euclid(DAY)
    }

    /// The first second that has this date or a later one.
    pub fn day_begins(&self, day: i64) -> i64 {
        if let Some(second) = self.begun.borrow().get(&day) {
            return *second;
        }
        let begins = self.first_second_of(day);
        self.begun.borrow_mut().insert(day, begins);
        begins
    }

    fn first_second_of(&self, day: i64) -> i64 {
        let midnight = day * DAY;
        let offset = self.offset(midnight);
        let hours = (midnight - FAR..=midnight + FAR).step_by(HOUR as usize);
        if hours.clone().all(|second| self.offset(second) == offset) {
            return midnight - offset;
        }
        // The clocks change about then. Both the changes and the clocks are at whole minutes since 1972.
        // A date that a zone leaves out is followed by the next within a day.
        let mut minutes = (midnight - FAR..=midnight + FAR + DAY).step_by(60);
        let first = minutes.find(|second| self.date(*second) >= day).expect("a day begins");
        assert!(first > midnight - FAR && self.date(first - 1) < day, "{}: day {day}", self.name);
        first
    }

    /// The civil day, week or month that holds this second: where it begins, and where the next one does.
    pub fn period(&self, unit: Unit, second: i64) -> (i64, i64) {
        let mut first_day = first_day(unit, self.date(second));
        // What the wall shows may be a date that has been before: clocks were set back over midnight.
        loop {
            let next = next_first_day(unit, first_day);
            let (begins, ends) = (self.day_begins(first_day), self.day_begins(next));
            if second < ends {
                assert!(begins <= second, "{}: the day of {second}", self.name);
                return (begins, ends);
            }
            first_day = next;
        }
    }
}

/// The first day of the week or month that this day is of.
fn first_day(unit: Unit, day: i64) -> i64 {
    match unit {
        Unit::Day => day,
        // The first of January 1970 was a Thursday.
        Unit::Week => day - (day + 3).rem_euclid(7),
        Unit::Month => day - i64::from(date_of(day).2) + 1,
    }
}

fn next_first_day(unit: Unit, first: i64) -> i64 {
    match unit {
        Unit::Day => first + 1,
        Unit::Week => first + 7,
        // No month has more than 31 days, and none fewer than 4.
        Unit::Month => first_day(unit, first + 31),
    }
}

/// Year, month and day of the number of a day, by counting off the days of years and months.
pub fn date_of(day: i64) -> (i64, u32, u32) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1970, day);
    while left < 0 {
        year -= 1;
        left += if is_leap(year) { 366 } else { 365 };
    }
    loop {
        let days = if is_leap(year) { 366 } else { 365 };
        if left < days {
            break;
        }
        left -= days;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    for (month, days) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if left < days {
            return (year, month, u32::try_from(left + 1).expect("a day of a month"));
        }
        left -= days;
    }
    unreachable!("twelve months are a year")
}

#[test]
fn days_weeks_and_months_begin_where_the_date_does() {
    let second = |text: &str| text.parse::<Timestamp>().expect("a time").as_second();
    let period = |zone: &str, unit, at: &str, begins: &str, ends: &str| {
        let found = Zone::named(zone).period(unit, second(at));
        assert_eq!(found, (second(begins), second(ends)), "{zone} {unit:?} {at}");
    };
    use Unit::{Day, Month, Week};
    // Summer time begins and ends: 23 and 25 hours.
    period("Europe/Berlin", Day, "2019-03-31T12:00:00Z", "2019-03-30T23:00:00Z", "2019-03-31T22:00:00Z");
    period("Europe/Berlin", Day, "2019-10-27T12:00:00Z", "2019-10-26T22:00:00Z", "2019-10-27T23:00:00Z");
    period("Europe/Berlin", Week, "2019-03-31T21:59:59Z", "2019-03-24T23:00:00Z", "2019-03-31T22:00:00Z");
    period("Europe/Berlin", Month, "2019-03-01T00:00:00Z", "2019-02-28T23:00:00Z", "2019-03-31T22:00:00Z");
    // A day without midnight, and one whose last hour comes twice.
    period("America/Sao_Paulo", Day, "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
    period("America/Sao_Paulo", Day, "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z");
    // Clocks are set back a minute after midnight: what then shows the date before is of the new day.
    period("America/St_Johns", Day, "2010-11-07T02:31:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z");
    period("America/St_Johns", Day, "2010-11-07T02:29:59Z", "2010-11-06T02:30:00Z", "2010-11-07T02:30:00Z");
    // A date that was not.
    period("Pacific/Apia", Day, "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    period("Pacific/Apia", Day, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
    period("UTC", Month, "2024-02-29T23:59:59Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    assert_eq!(date_of(0), (1970, 1, 1));
    assert_eq!(date_of(-1), (1969, 12, 31));
    assert_eq!(date_of(19_782), (2024, 2, 29));
}
