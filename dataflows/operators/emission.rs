//! What operators bring to the worker that writes.

use crate::market::event_time::EventTime;
use crate::market::resume::LastingChange;
use crate::market::row::Row;
use crate::market::trade::Symbol;
use serde::{Deserialize, Serialize};

/// The output of firings for the worker that writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Emission {
    /// A row.
    Row(Row),
    /// A window of a symbol that began before the run had seen all its trades.
    Withheld,
    /// For the checkpoint: a change at that look.
    Lasting(EventTime, LastingChange),
    /// A symbol that takes no part in rates of assets: nothing tells which assets it trades.
    Unpaired(Symbol),
}
