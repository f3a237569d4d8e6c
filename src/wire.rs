//! Bytes to trades: pure functions on one record, without I/O.

use crossrate_dataflows::market::trade::{Trade, TradeKind};
use crossrate_dataflows::market::event_time::EventTime;

/// What one record is (SPEC section 4), before anybody asks whether its symbol is wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'a> {
    /// A trade.
    Trade {
        /// Its symbol: a slice of the record, or of the decoder's scratch where the record used escapes.
        symbol: &'a str,
        /// What it is counted by.
        kind: TradeKind,
        /// The trade.
        trade: Trade,
    },
    /// The writer has nothing older than this to write.
    Heartbeat(EventTime),
    /// Valid, but nothing that we count.
    Ignored,
    /// Not what it should be.
    Bad(BadRecord),
}

/// Why a record is bad: what was wrong and, where that is known, at which byte.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// A few words for people, such as `price: more than eight decimals`.
    pub reason: &'static str,
    /// Byte offset in the record.
    pub at: Option<usize>,
}
