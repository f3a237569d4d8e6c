//! One execution, and the name of what was traded.

use super::decimal::{Price, Quantity};
use super::event_time::EventTime;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;

/// The exchange's name of a pair, such as `XVGBTC`; any non-empty text. Ordered by its UTF-8 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Symbol(CompactString);

impl Symbol {
    /// A symbol of that name.
    pub fn new(name: &str) -> Self {
        Symbol(CompactString::new(name))
    }

    /// Its name.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Symbol {
    #[inline]
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a symbol is counted by within a partition: the kind that came first (SPEC section 4).
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TradeKind {
    /// `trade` events.
    Trade,
    /// `aggTrade` events, each of which counts as one trade.
    Aggregate,
}

/// One execution of a symbol that is known from the context.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Trade {
    /// The exchange's number of the trade, below 2^63; rises by one within a symbol.
    pub id: u64,
    /// Quote asset for one unit of the base asset.
    pub price: Price,
    /// Units of the base asset.
    pub quantity: Quantity,
    /// When the exchange executed it.
    pub time: EventTime,
}
