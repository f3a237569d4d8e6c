//! What crosses give to their statistics.

use crate::market::changes::CrossNumber;
use crate::market::event_time::EventTime;
use crate::market::windows::WindowPlace;
use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

/// The final rate of a cross in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The cross.
    pub cross: CrossNumber,
    /// The place of the window's definition.
    pub place: WindowPlace,
    /// The window's end.
    pub end: EventTime,
    /// When it became final.
    pub look: EventTime,
    /// In steps of 1e-18.
    pub rate: BigInt,
}
