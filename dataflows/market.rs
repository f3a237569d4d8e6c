//! Values and sums: prices, trades, windows, acceptance, moments, rows. Knows no timely, no I/O and no clock.

pub mod acceptance;
pub mod candle;
pub mod cross;
pub mod decimal;
pub mod definition;
pub mod event_time;
pub mod folding;
pub mod ids;
pub mod jumps;
pub mod looks;
pub mod moments;
pub mod panes;
pub mod prefetch;
mod quotient;
pub mod ratio;
pub mod resume;
pub mod row;
pub mod schema;
pub mod series;
pub mod sums;
pub mod trade;
pub mod value;
pub mod wide;
pub mod window;
