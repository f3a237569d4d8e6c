//! What is Binance's own: where its streams and its REST are, how its messages are written, what it allows
//! and how it counts. All of it in the words that the rest of the collector has for any exchange (events,
//! questions, answers, limits).

pub mod addresses;
pub mod info;
pub mod limits;
pub mod messages;
pub mod rest;
