//! The collector: Binance's spot trades from its websocket to Kafka, a file or standard output.
//!
//! All that is decided is decided by the [`session`], which knows no socket and no clock: it is told what came and
//! when, and says what is to be published, connected, asked and closed. So its promises can be tried over any number
//! of imagined days (`simulation`). Around it stand the edges: websockets (`link`), REST (`rest`) and the log that is
//! written (`publish`).
//!
//! The promises, which SPEC section 4 leans on:
//! * every trade of the exchange from the first one seen on is published once, or counted as unfilled;
//! * a heartbeat T in a partition is followed there by no trade before T, but for those that were missing and came
//!   after their hold, or that the exchange itself swallowed: these are counted as overtaken.

pub mod clock;
pub mod enquiry;
pub mod event;
pub mod hold;
pub mod ids;
pub mod info;
mod link;
pub mod place;
pub mod rest;
pub mod session;
pub mod shard;
