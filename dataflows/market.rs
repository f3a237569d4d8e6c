//! Values and sums: prices, trades, windows, acceptance, moments, rows. Knows no timely, no I/O and no clock.

pub mod decimal;
pub mod definition;
pub mod event_time;
pub mod trade;
