//! The pure core of Crossrate: what a trade is, which trades count, and the dataflow that turns
//! them into rows. Nothing in this crate opens a file or a socket, or reads a clock.
//!
//! Read [`market`] first (values and sums, no timely), then [`operators`].
//! A file beside this one is a dataflow; a folder is vocabulary.

pub mod cross_rates;
pub mod job;
pub mod market;
pub mod operators;
pub mod series_stats;
pub mod symbol_windows;
