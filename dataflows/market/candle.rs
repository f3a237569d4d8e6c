//! What of a set of trades can only be merged, never subtracted: first, last, greatest, least.

use super::decimal::Price;
use super::event_time::EventTime;
use super::trade::Trade;
use serde::{Deserialize, Serialize};

/// A trade's place in its symbol's order: event time, then id, then price.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Event time.
    pub time: EventTime,
    /// Trade id.
    pub id: u64,
    /// Price.
    pub price: Price,
}

/// Open, high, low, close, and the least and greatest trade id of a non-empty set of trades.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Candle {
    /// The first trade.
    pub first: Place,
    /// The last trade.
    pub last: Place,
    /// Greatest price.
    pub high: Price,
    /// Least price.
    pub low: Price,
    /// Least id.
    pub least_id: u64,
    /// Greatest id.
    pub greatest_id: u64,
}

impl Candle {
    /// Of one trade.
    #[inline]
    pub fn of(trade: &Trade) -> Self {
        let place = Place { time: trade.time, id: trade.id, price: trade.price };
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
    pub fn merge(&mut self, other: &Candle) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.least_id = self.least_id.min(other.least_id);
        self.greatest_id = self.greatest_id.max(other.greatest_id);
    }

    /// Of the set and one more trade.
    #[inline]
    pub fn add_trade(&mut self, trade: &Trade) {
        let place = Place { time: trade.time, id: trade.id, price: trade.price };
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
