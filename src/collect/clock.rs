//! Two clocks: ours, which only measures how much time has passed, and the exchange's, of which a lower bound
//! is known.

use crossrate_dataflows::market::event_time::EventTime;

/// Milliseconds since the collector began, by a clock that never steps.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// So many milliseconds after the beginning.
    pub const fn from_millis(millis: u64) -> Self {
        Moment(millis)
    }

    /// Milliseconds since the beginning.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// So many milliseconds later.
    pub const fn plus(self, millis: u64) -> Self {
        Moment(self.0.saturating_add(millis))
    }

    /// Milliseconds since an earlier moment; 0 if it is none.
    pub const fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A lower bound of the exchange's time at any of our moments. Whatever carries the exchange's time is a
/// bound when it arrives, and the best one seen is carried forward. It loses a millisecond a second on the
/// way, a hundred times what a clock of quartz is wrong by: so a bound that once was too high (its sender's
/// clock was set back) wears off, and ours running fast never makes it too high.
#[derive(Debug, Clone, Default)]
pub struct ExchangeClock {
    /// The exchange's time was this, at least, at that moment of ours.
    bound: Option<(EventTime, Moment)>,
    doubtful: bool,
}

/// An event may be ahead of the bound by so much, in microseconds, before it is not believed without asking.
const LEAP: u64 = 2_000_000;
/// What a bound loses, in microseconds a millisecond.
const WEAR: u64 = 1;

impl ExchangeClock {
    /// The exchange's time at the moment, at least. Nothing before the exchange was heard for the first time.
    pub fn at(&self, moment: Moment) -> Option<EventTime> {
        let (time, then) = self.bound?;
        if moment >= then {
            Some(time.plus(moment.since(then) * (1_000 - WEAR)))
        } else {
            Some(time.minus(then.since(moment) * (1_000 + WEAR)))
        }
    }

    /// An event of the exchange was stamped so and has arrived now. A stamp that is far ahead of everything
    /// known so far (microseconds for milliseconds, a broken sender) is not believed: the exchange must be
    /// asked.
    pub fn stamped(&mut self, time: EventTime, now: Moment) {
        match self.at(now) {
            Some(known) if time > known.plus(LEAP) => self.doubtful = true,
            Some(known) if time <= known => {}
            _ => self.bound = Some((time, now)),
        }
    }

    /// The exchange was asked for its time at one moment and the answer has arrived now. It settles every
    /// doubt.
    pub fn note_time(&mut self, time: EventTime, asked: Moment, now: Moment) {
        self.doubtful = false;
        // What is known may be ahead of the answer by its way here, but by no more.
        let highest = time.plus(now.since(asked) * 1_000 + LEAP);
        match self.at(now) {
            Some(known) if known >= time && known <= highest => {}
            _ => self.bound = Some((time, now)),
        }
    }

    /// Whether the exchange should be asked: an event did not fit, or nothing was heard for so many
    /// milliseconds.
    pub fn wants_asking(&self, now: Moment, after_millis: u64) -> bool {
        self.doubtful || self.bound.is_none_or(|(_, then)| now.since(then) >= after_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: EventTime = EventTime::from_micros(1_700_000_000_000_000);

    fn ms(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn the_best_bound_holds_and_wears_off() {
        let mut clock = ExchangeClock::default();
        assert_eq!(clock.at(ms(5)), None);
        clock.stamped(T, ms(100));
        assert_eq!(clock.at(ms(100)), Some(T));
        assert_eq!(clock.at(ms(1_100)), Some(T.plus(999_000)));
        assert_eq!(clock.at(ms(90)), Some(T.minus(10_010)));
        // An event that was long on its way says less than what is known.
        clock.stamped(T.plus(10_000), ms(200));
        assert_eq!(clock.at(ms(200)), Some(T.plus(99_900)));
        clock.stamped(T.plus(100_000), ms(200));
        assert_eq!(clock.at(ms(200)), Some(T.plus(100_000)));
    }

    #[test]
    fn a_stamp_from_far_ahead_is_not_believed_until_the_exchange_says_so() {
        let mut clock = ExchangeClock::default();
        clock.note_time(T, ms(0), ms(50));
        assert!(!clock.wants_asking(ms(60), 1_000));
        clock.stamped(T.plus(60_000_000), ms(60));
        assert!(clock.wants_asking(ms(60), 1_000));
        assert_eq!(clock.at(ms(60)), Some(T.plus(9_990)));
        clock.note_time(T.plus(60_000_000), ms(70), ms(90));
        assert_eq!(clock.at(ms(90)), Some(T.plus(60_000_000)));
        // And it is set back when the exchange says so.
        clock.note_time(T, ms(100), ms(120));
        assert_eq!(clock.at(ms(120)), Some(T));
        assert!(clock.wants_asking(ms(1_120), 1_000));
    }
}
