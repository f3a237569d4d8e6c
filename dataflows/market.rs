//! Values and sums: prices, trades, windows, acceptance, moments, rows. This folder knows no timely, no I/O
//! and no clock.

pub mod acceptance;
pub mod agenda;
pub mod assets;
pub mod base;
pub mod candle;
pub mod changes;
pub mod counts;
pub mod cross;
pub mod decimal;
pub mod definition;
pub mod event_time;
pub mod folding;
pub mod formula;
pub mod id_rises;
pub mod ids;
pub mod jumps;
pub mod looks;
pub mod moments;
pub mod movers;
pub mod name_keys;

pub mod prefetch;
mod quotient;
pub mod ratio;
pub mod resume;
pub mod row;
mod running_window;
pub mod schema;
pub mod series;
pub mod slot;
pub mod slots;
pub mod sums;
pub mod symbol_state;
pub mod trade;
pub mod trade_counts;
pub mod value;
pub mod wide;
pub mod window;
pub mod windows;
pub(crate) mod work;
