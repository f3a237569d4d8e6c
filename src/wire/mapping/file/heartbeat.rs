//! A record that makes heartbeats: nothing but its time is read.

use crate::wire::mapping::decimal::Excess;
use crate::wire::mapping::paths::TargetCell;
use crate::wire::mapping::record::{IdMapping, RecordMapping, SymbolMapping};
use crate::wire::mapping::time::Unit;

impl RecordMapping {
    /// One whose place, conditions and elements are still to be said.
    pub(super) fn heartbeat(time: TargetCell, unit: Unit) -> Self {
        let none = TargetCell { table: 0, column: 0 };
        RecordMapping {
            conditions: Vec::new(),
            elements: None,
            is_heartbeat: true,
            symbol: SymbolMapping::Fixed(String::new()),
            venue: String::new(),
            contracts: Vec::new(),
            id: IdMapping::None,
            price: none,
            quantity: none,
            sign_is_side: false,
            excess: Excess::Refuse,
            time,
            unit,
            side: None,
        }
    }
}
