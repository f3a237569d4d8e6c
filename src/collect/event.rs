//! What comes over a connection, whatever the exchange's own words for it are. What is published is the
//! exchange's own bytes of the event.

use crossrate_dataflows::market::event_time::EventTime;

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameEvent {
    /// A trade.
    Trade(TradeEvent),
    /// The server is about to go: connect anew.
    Shutdown,
    /// Something else that is no mistake: the answer to a subscription, another kind of event.
    Other,
    /// Nothing that can be understood; why, in a few words.
    Bad(&'static str),
}

/// A trade as the exchange told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeEvent {
    /// What was traded.
    pub symbol: String,
    /// Its number.
    pub id: u64,
    /// When it was executed.
    pub time: EventTime,
    /// When the exchange stamped the event, where it did.
    pub stamped: Option<EventTime>,
    /// The event's own bytes, without the wrapping of a combined stream.
    pub value: Box<[u8]>,
}
