//! Times as venues write them, to event time: epochs of any unit and RFC 3339. What is finer than a
//! microsecond is cut off.

use super::decimal::{DecimalParts, Excess};
use super::fault::Fault;
use crossrate_dataflows::market::event_time::EventTime;
use jiff::civil::Date;

/// How a time is written.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    /// Since the epoch, in units of ten to that power of a microsecond: 6 for seconds, -3 for nanoseconds.
    Epoch(i32),
    /// RFC 3339; a time without an offset is one of that many seconds east of UTC, where that is said.
    Rfc3339(Option<i32>),
}

/// The day that was asked for last, and its seconds since the epoch: trades come in order of time.
#[derive(Debug, Default, Clone)]
pub(super) struct LastDay {
    text: [u8; 10],
    seconds: i64,
}

/// Reads a time.
#[inline]
pub(super) fn read(text: &[u8], unit: Unit, last: &mut LastDay) -> Result<EventTime, Fault> {
    let micros = match unit {
        Unit::Epoch(places) => {
            DecimalParts::parse(text).ok_or(Fault::Grammar)?.scaled(places, Excess::Cut)?
        }
        Unit::Rfc3339(offset) => rfc3339(text, offset, last).ok_or(Fault::Grammar)?,
    };
    of_micros(micros).ok_or(Fault::OutOfRange)
}

/// The time so many microseconds after the epoch, where it is one of a trade.
#[inline]
pub(super) fn of_micros(micros: u64) -> Option<EventTime> {
    let time = EventTime::from_micros(micros);
    (EventTime::EARLIEST..EventTime::TOO_LATE).contains(&time).then_some(time)
}

/// Microseconds since the epoch, 0 for what is before it.
fn rfc3339(text: &[u8], offset: Option<i32>, last: &mut LastDay) -> Option<u64> {
    let (day, rest) = text.split_first_chunk::<10>()?;
    let (clock, rest) = rest.split_first_chunk::<9>()?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *clock else { return None };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, rest) = fraction(rest)?;
    let east = match rest {
        [b'Z' | b'z'] => 0,
        [] => offset?,
        _ => offset_of(rest)?,
    };
    if *day != last.text {
        *last = LastDay { text: *day, seconds: seconds_of(day)? };
    }
    let seconds = last.seconds + (hour * 60 + minute) * 60 + second - i64::from(east);
    Some(u64::try_from(seconds * 1_000_000 + micros).unwrap_or(0))
}

fn two(a: u8, b: u8) -> Option<i64> {
    (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
}

/// The microseconds of a fraction of a second, where there is one, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', text @ ..] = text else { return Some((0, text)) };
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let digits = text[..count].iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((digits.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), &text[count..]))
}

/// The seconds that an offset such as `+09:00` is east of UTC.
pub(super) fn offset_of(text: &[u8]) -> Option<i32> {
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = *text else { return None };
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) as i32 * 60;
    Some(if sign == b'-' { -seconds } else { seconds })
}

/// When a day such as `2026-07-07` begins.
fn seconds_of(day: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *day else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let date = Date::new(year as i16, two(m1, m2)? as i8, two(d1, d2)? as i8).ok()?;
    let days = Date::constant(1970, 1, 1).until(date).ok()?.get_days();
    Some(i64::from(days) * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(text: &str, unit: Unit) -> Result<u64, Fault> {
        read(text.as_bytes(), unit, &mut LastDay::default()).map(EventTime::micros)
    }

    #[test]
    fn each_form_of_a_time_gives_its_microsecond() {
        let utc = Unit::Rfc3339(None);
        let seoul = Unit::Rfc3339(offset_of(b"+09:00"));
        let cases = [
            ("2026-07-07T22:58:16.156605Z", utc, Ok(1_783_465_096_156_605)),
            ("2026-07-07t22:58:16.1566059999z", utc, Ok(1_783_465_096_156_605)),
            ("2026-07-08 07:58:16.156605+09:00", utc, Ok(1_783_465_096_156_605)),
            ("2026-07-08T07:58:16.156605", seoul, Ok(1_783_465_096_156_605)),
            ("2026-07-07T22:58:16Z", seoul, Ok(1_783_465_096_000_000)),
            ("2026-07-07T22:58:16", utc, Err(Fault::Grammar)),
            ("2026-02-29T00:00:00Z", utc, Err(Fault::Grammar)),
            ("2026-07-07T24:00:00Z", utc, Err(Fault::Grammar)),
            ("2026-07-07T22:58:16.Z", utc, Err(Fault::Grammar)),
            ("2026-07-07T22:58:16+9:00", utc, Err(Fault::Grammar)),
            ("2008-12-31T23:59:59.999Z", utc, Err(Fault::OutOfRange)),
            ("1969-12-31T23:59:59Z", utc, Err(Fault::OutOfRange)),
            ("2100-01-01T00:00:00Z", utc, Err(Fault::OutOfRange)),
            ("1626992741.421", Unit::Epoch(6), Ok(1_626_992_741_421_000)),
            ("1762795433.9717445", Unit::Epoch(6), Ok(1_762_795_433_971_744)),
            ("1619093543708.2642", Unit::Epoch(3), Ok(1_619_093_543_708_264)),
            ("1619378327739050725", Unit::Epoch(-3), Ok(1_619_378_327_739_050)),
            ("1741046401271497", Unit::Epoch(0), Ok(1_741_046_401_271_497)),
            ("1741046401271", Unit::Epoch(0), Err(Fault::OutOfRange)),
            ("1e99", Unit::Epoch(6), Err(Fault::TooLarge)),
            ("-1", Unit::Epoch(6), Err(Fault::Grammar)),
        ];
        for (text, unit, expected) in cases {
            assert_eq!(micros(text, unit), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn rfc3339_is_read_as_jiff_reads_it(
            micros in 1_230_768_000_000_000i64..4_102_444_799_999_999, hours in -23i8..24, digits in 0usize..10,
        ) {
            let at = jiff::Timestamp::from_microsecond(micros).unwrap();
            let local = at.to_zoned_datetime(jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(hours)));
            let text = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let fraction = format!("{:06}0000", micros.rem_euclid(1_000_000));
            let (sign, hours) = (if hours < 0 { '-' } else { '+' }, hours.unsigned_abs());
            let text = match digits {
                0 => format!("{text}{sign}{hours:02}:00"),
                _ => format!("{text}.{}{sign}{hours:02}:00", &fraction[..digits]),
            };
            let kept = 10i64.pow(6 - digits.min(6) as u32);
            let got = read(text.as_bytes(), Unit::Rfc3339(None), &mut LastDay::default());
            prop_assert_eq!(got.map(|t| t.micros() as i64), Ok(micros / kept * kept), "{}", text);
        }
    }
}
