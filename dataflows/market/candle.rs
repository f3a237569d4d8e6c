//! What of a set of trades can only be merged, never subtracted: first, last, greatest, least.

use super::decimal::Price;
use super::event_time::EventTime;
use super::trade::Trade;
use serde::{Deserialize, Serialize};

/// Where a trade came from, by which trades without a sequence are ordered.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct TradeArrival {
    /// The offset of its record, not negative.
    pub offset: i64,
    /// Its place in the record.
    pub part: u32,
    /// The number of its partition.
    pub partition: u32,
}

/// A trade's place in its symbol's order: event time; then the trades of a sequence by id and price; then the
/// others by offset, place in the record and partition.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TradePosition {
    /// Event time.
    pub time: EventTime,
    /// The trade's id, below 2^63; of one without a sequence the offset, and 2^63.
    pub id: u64,
    /// Of one without a sequence, its place in the record and its partition; else 0.
    pub tie: u64,
    /// Price.
    pub price: Price,
}

/// More than any id.
const NO_SEQUENCE: u64 = 1 << 63;

impl TradePosition {
    /// Of a trade without a sequence.
    fn arrived(trade: &Trade, arrival: TradeArrival) -> TradePosition {
        let id = NO_SEQUENCE | arrival.offset.unsigned_abs();
        let tie = u64::from(arrival.part) << 32 | u64::from(arrival.partition);
        TradePosition { time: trade.time, id, tie, price: trade.price }
    }
}

/// A place in some order of trades.
pub trait TradePlace: Copy + Ord {
    /// That of a trade of a sequence.
    fn of(trade: &Trade) -> Self;
}

impl TradePlace for TradePosition {
    #[inline]
    fn of(trade: &Trade) -> TradePosition {
        TradePosition { time: trade.time, id: trade.id, tie: 0, price: trade.price }
    }
}

/// Open, high, low, close, and the least and greatest trade id of a non-empty set of trades.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Candle<P = TradePosition> {
    /// The first trade.
    pub first: P,
    /// The last trade.
    pub last: P,
    /// Greatest price.
    pub high: Price,
    /// Least price.
    pub low: Price,
    /// Least id of a sequence: more than the greatest where no trade has such a one.
    pub least_id: u64,
    /// Greatest id of a sequence.
    pub greatest_id: u64,
}

impl<P: TradePlace> Candle<P> {
    /// Of one trade of a sequence.
    #[inline]
    pub fn of(trade: &Trade) -> Self {
        let place = P::of(trade);
        Candle {
            first: place,
            last: place,
            high: trade.price,
            low: trade.price,
            least_id: trade.ids.first,
            greatest_id: trade.ids.last,
        }
    }

    /// Of both sets together.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.least_id = self.least_id.min(other.least_id);
        self.greatest_id = self.greatest_id.max(other.greatest_id);
    }

    /// Of the set and one more trade of a sequence.
    #[inline]
    pub fn add_trade(&mut self, trade: &Trade) {
        let place = P::of(trade);
        if place > self.last {
            self.last = place;
        }
        if place < self.first {
            self.first = place;
        }
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.least_id = self.least_id.min(trade.ids.first);
        self.greatest_id = self.greatest_id.max(trade.ids.last);
    }
}

impl Candle {
    /// Of one trade without a sequence.
    pub fn arrived(trade: &Trade, arrival: TradeArrival) -> Self {
        let place = TradePosition::arrived(trade, arrival);
        let (high, low) = (trade.price, trade.price);
        Candle { first: place, last: place, high, low, least_id: u64::MAX, greatest_id: 0 }
    }

    /// The least and the greatest id, where some trade is of a sequence.
    #[inline]
    pub fn ids(&self) -> Option<(u64, u64)> {
        (self.least_id <= self.greatest_id).then_some((self.least_id, self.greatest_id))
    }
}

/// A candle of trades of a sequence alone, which need no ties; of none too. What each trade is added to is
/// smaller by it.
pub(super) type NumberedCandle = Candle<NumberedPlace>;

/// The place of a trade of a sequence among others of it.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NumberedPlace {
    time: EventTime,
    id: u64,
    price: Price,
}

impl TradePlace for NumberedPlace {
    #[inline]
    fn of(trade: &Trade) -> NumberedPlace {
        NumberedPlace { time: trade.time, id: trade.id, price: trade.price }
    }
}

impl NumberedPlace {
    fn place(self) -> TradePosition {
        TradePosition { time: self.time, id: self.id, tie: 0, price: self.price }
    }

    /// The same without the tie.
    fn of_place(place: TradePosition) -> NumberedPlace {
        NumberedPlace { time: place.time, id: place.id, price: place.price }
    }
}

impl NumberedCandle {
    /// Of no trade: whatever is merged with it stays as it is.
    pub(super) const EMPTY: NumberedCandle = Candle {
        first: NumberedPlace { time: EventTime::MAX, id: u64::MAX, price: Price::GREATEST },
        last: NumberedPlace { time: EventTime::MIN, id: 0, price: Price::LEAST },
        high: Price::LEAST,
        low: Price::GREATEST,
        least_id: u64::MAX,
        greatest_id: 0,
    };

    /// A candle that can be one: neither its first nor its last trade is without a sequence.
    pub(super) fn try_of(candle: &Candle) -> Option<Self> {
        let Candle { first, last, high, low, least_id, greatest_id } = *candle;
        let is_numbered = (first.id | last.id) & NO_SEQUENCE == 0;
        let (first, last) = (NumberedPlace::of_place(first), NumberedPlace::of_place(last));
        is_numbered.then_some(Candle { first, last, high, low, least_id, greatest_id })
    }

    /// With ties, which are none.
    pub(super) fn candle(&self) -> Candle {
        let Candle { first, last, high, low, least_id, greatest_id } = *self;
        Candle { first: first.place(), last: last.place(), high, low, least_id, greatest_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::decimal::Quantity;

    fn trade(time: u64, id: u64, price: i64) -> Trade {
        let quantity = Quantity::from_scaled(1).unwrap();
        Trade::new(id, Price::from_scaled(price).unwrap(), quantity, EventTime::from_micros(time))
    }

    #[test]
    fn at_one_time_a_sequence_comes_first_then_offset_part_and_partition() {
        let arrived = |price, offset, part, partition| {
            Candle::arrived(&trade(5, 0, price).without_id(), TradeArrival { offset, part, partition })
        };
        let in_order = [
            Candle::of(&trade(4, 9, 8)),
            Candle::of(&trade(5, 1, 7)),
            Candle::of(&trade(5, 2, 6)),
            arrived(5, 0, 0, 0),
            arrived(4, 0, 0, 1 << 20),
            arrived(3, 0, 1, 0),
            arrived(2, 1, 0, 0),
            Candle::of(&trade(6, 0, 1)),
        ];
        for (at, earlier) in in_order.iter().enumerate() {
            for later in &in_order[at + 1..] {
                for (a, b) in [(earlier, later), (later, earlier)] {
                    let mut both = *a;
                    both.merge(b);
                    assert_eq!((both.first, both.last), (earlier.first, later.last));
                }
            }
        }
        let mut all = in_order[3];
        all.merge(&in_order[5]);
        assert_eq!(all.ids(), None);
        all.merge(&in_order[1]);
        assert_eq!(all.ids(), Some((1, 1)));
    }

    #[test]
    fn an_empty_candle_changes_nothing() {
        for trade in [trade(0, 0, 1), trade(u64::MAX, i64::MAX as u64, i64::MAX)] {
            let mut candle = NumberedCandle::EMPTY;
            candle.add_trade(&trade);
            assert_eq!(candle, NumberedCandle::of(&trade));
            let mut other = Candle::arrived(&trade, TradeArrival { offset: 7, part: 0, partition: 0 });
            let alone = other;
            other.merge(&NumberedCandle::EMPTY.candle());
            assert_eq!(other, alone);
        }
    }
}
