//! What an exchange is asked over REST, and when nothing may be asked. What it allows, and what a question
//! weighs, it says itself ([`ExchangeLimits`]).

use super::clock::Moment;
use crossrate_dataflows::market::event_time::EventTime;

/// A question, by the numbers that the session gives to symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeQuestion {
    /// The exchange's time.
    Time,
    /// The id of the latest trade of each of these symbols.
    LastIds(Vec<usize>),
    /// The id of the latest trade of every symbol there is: for when one of ours is refused.
    AllLastIds,
    /// Trades from an id on, out of the exchange's database.
    Trades {
        /// Whose.
        symbol: usize,
        /// The first id.
        from: u64,
        /// How many at most; 1 to 1000.
        limit: u64,
    },
    /// The latest trades, out of the exchange's memory, which is ahead of the database.
    Recent {
        /// Whose.
        symbol: usize,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ExchangeAnswer {
    /// To [`ExchangeQuestion::Time`].
    Time(EventTime),
    /// To [`ExchangeQuestion::LastIds`] and [`ExchangeQuestion::AllLastIds`]; `None` where a symbol did not trade
    /// for a day.
    LastIds(Vec<(usize, Option<u64>)>),
    /// To [`ExchangeQuestion::Trades`] and [`ExchangeQuestion::Recent`]; ids rise.
    Trades(Vec<FoundTrade>),
    /// Asked too much: nothing may be asked for so many milliseconds.
    Limited {
        /// How long.
        wait: u64,
        /// It is a ban already.
        banned: bool,
    },
    /// The question was refused for what it asked.
    Refused(String),
    /// No answer, or one that cannot be read.
    Failed(String),
}

/// A trade in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTrade {
    /// Its number.
    pub id: u64,
    /// When it was executed.
    pub time: EventTime,
    /// As a websocket event, made of the answer's own texts.
    pub value: Box<[u8]>,
}

/// A question on its way.
#[derive(Debug)]
pub(super) struct RestRequest {
    pub number: u64,
    pub question: ExchangeQuestion,
}

/// An answer on its way back.
#[derive(Debug)]
pub(super) struct NumberedAnswer {
    pub number: u64,
    pub answer: ExchangeAnswer,
    /// What the exchange has counted in this minute.
    pub used: Option<u64>,
}

/// What an exchange allows.
#[derive(Debug, Clone)]
pub struct ExchangeLimits {
    /// Request weight in a minute.
    pub weight: u64,
    /// What it counts a question as.
    pub weight_of: fn(&ExchangeQuestion) -> u64,
    /// Most trades in one answer.
    pub trades: u64,
    /// Attempts to connect, from one address.
    pub attempts: usize,
    /// Within so many milliseconds.
    pub attempts_within: u64,
}

/// What may be asked.
#[derive(Debug)]
pub struct Quota {
    /// Weight that the exchange allows in a minute.
    limit: u64,
    used: u64,
    /// The minute that `used` is of.
    minute: u64,
    paused_until: Moment,
    failures: u32,
    in_flight: usize,
}

/// Others may ask from the same address, and the exchange's minute is not exactly ours.
const PERCENT: u64 = 80;
/// Questions at a time.
pub const MOST_IN_FLIGHT: usize = 4;
const FIRST_RETRY: u64 = 250;
const LONGEST_RETRY: u64 = 15_000;

impl Quota {
    /// Of so much weight a minute.
    pub fn new(limit: u64) -> Self {
        Quota {
            limit: limit * PERCENT / 100,
            used: 0,
            minute: 0,
            paused_until: Moment::default(),
            failures: 0,
            in_flight: 0,
        }
    }

    /// Whether a question of this weight may be asked now; if so, it counts. `time` is the exchange's.
    pub fn take(&mut self, weight: u64, now: Moment, time: Option<EventTime>) -> bool {
        let minute = time.map_or(now.millis(), EventTime::millis) / 60_000;
        if minute != self.minute {
            self.minute = minute;
            self.used = 0;
        }
        let allowed =
            now >= self.paused_until && self.in_flight < MOST_IN_FLIGHT && self.used + weight <= self.limit;
        if allowed {
            self.used += weight;
            self.in_flight += 1;
        }
        allowed
    }

    /// An answer came, and with it, perhaps, how much the exchange has counted in this minute.
    pub fn answered(&mut self, answer: &ExchangeAnswer, used: Option<u64>, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.used = self.used.max(used.unwrap_or(0));
        match answer {
            ExchangeAnswer::Limited { wait, .. } => {
                self.paused_until = self.paused_until.max(now.plus((*wait).max(1_000)));
            }
            ExchangeAnswer::Failed(_) => {
                let wait = (FIRST_RETRY << self.failures.min(6)).min(LONGEST_RETRY);
                self.failures = self.failures.saturating_add(1);
                self.paused_until = self.paused_until.max(now.plus(wait));
            }
            _ => self.failures = 0,
        }
    }

    /// Until when nothing may be asked.
    pub fn paused_until(&self) -> Moment {
        self.paused_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn a_minute_has_its_weight() {
        let mut quota = Quota::new(100);
        let answer = ExchangeAnswer::Trades(Vec::new());
        let mut asked = 0;
        for _ in 0..10 {
            if quota.take(25, ms(0), None) {
                asked += 1;
                quota.answered(&answer, None, ms(0));
            }
        }
        assert_eq!(asked, 3);
        assert!(quota.take(1, ms(0), None));
        quota.answered(&answer, Some(80), ms(0));
        assert!(!quota.take(1, ms(59_999), None), "the exchange has counted more");
        assert!(quota.take(25, ms(60_000), None));
    }

    #[test]
    fn who_asked_too_much_waits_and_few_ask_at_once() {
        let mut quota = Quota::new(6_000);
        for _ in 0..MOST_IN_FLIGHT {
            assert!(quota.take(1, ms(0), None));
        }
        assert!(!quota.take(1, ms(0), None));
        quota.answered(&ExchangeAnswer::Limited { wait: 7_000, banned: false }, None, ms(100));
        assert!(!quota.take(1, ms(7_099), None));
        assert!(quota.take(1, ms(7_100), None));
        quota.answered(&ExchangeAnswer::Failed(String::new()), None, ms(8_000));
        assert!(!quota.take(1, ms(8_249), None));
        assert!(quota.take(1, ms(8_250), None));
    }
}
