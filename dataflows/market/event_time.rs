//! Event time: when the exchange executed a trade.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Microseconds since the Unix epoch. The timestamp of the dataflow.
#[derive(Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(u64);

impl EventTime {
    /// The least time: before every trade.
    pub const MIN: EventTime = EventTime(0);
    /// The greatest time: after every trade; the watermark of an input that has ended.
    pub const MAX: EventTime = EventTime(u64::MAX);
    /// 2009-01-01T00:00:00Z. Earlier times in a record are refused.
    pub const EARLIEST: EventTime = EventTime(1_230_768_000_000_000);
    /// 2100-01-01T00:00:00Z. This time and later ones in a record are refused.
    pub const TOO_LATE: EventTime = EventTime(4_102_444_800_000_000);

    /// A time of so many microseconds since the epoch.
    pub const fn from_micros(micros: u64) -> Self {
        EventTime(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000
    }

    /// The time so many microseconds later, [`EventTime::MAX`] at most.
    pub const fn plus(self, micros: u64) -> Self {
        EventTime(self.0.saturating_add(micros))
    }

    /// The time so many microseconds earlier, [`EventTime::MIN`] at least.
    pub const fn minus(self, micros: u64) -> Self {
        EventTime(self.0.saturating_sub(micros))
    }

    /// A record's `T`, in milliseconds or microseconds, told apart by its magnitude
    /// (`docs/semantics.md#input`): the two ranges of [2009, 2100) do not touch. `None` outside both.
    pub const fn from_exchange(t: u64) -> Option<Self> {
        const MS_MIN: u64 = EventTime::EARLIEST.0 / 1_000;
        const MS_END: u64 = EventTime::TOO_LATE.0 / 1_000;
        if t >= MS_MIN && t < MS_END {
            Some(EventTime(t * 1_000))
        } else if t >= EventTime::EARLIEST.0 && t < EventTime::TOO_LATE.0 {
            Some(EventTime(t))
        } else {
            None
        }
    }
}

impl fmt::Display for EventTime {
    /// As ISO 8601 has it, in UTC; as microseconds where its year has more than four digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.millis()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        match ms {
            Some(moment) => write!(f, "{moment:.3}"),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millis_are_printed_as_rfc3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_525_022_020_361, "2018-04-29T17:13:40.361Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(EventTime::from_micros(ms * 1_000).to_string(), text);
        }
        assert_eq!(EventTime::MAX.to_string(), "18446744073709551615us");
    }

    #[test]
    fn unit_is_told_by_magnitude() {
        let cases = [
            (1_525_022_020_361, Some(1_525_022_020_361_000)),
            (1_741_046_401_271_497, Some(1_741_046_401_271_497)),
            (1_230_768_000_000, Some(1_230_768_000_000_000)),
            (1_230_767_999_999, None),
            (4_102_444_799_999, Some(4_102_444_799_999_000)),
            (4_102_444_800_000, None),
            (1_230_767_999_999_999, None),
            (1_230_768_000_000_000, Some(1_230_768_000_000_000)),
            (4_102_444_800_000_000, None),
            (0, None),
            (u64::MAX, None),
        ];
        for (given, expected) in cases {
            assert_eq!(EventTime::from_exchange(given).map(EventTime::micros), expected, "{given}");
        }
    }
}
