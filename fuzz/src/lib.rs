//! The decoder alone: it needs no broker, no database and no C library, and neither do its fuzz targets.
// Not all of the program's decoder is called from here.
#![allow(dead_code, unused_imports)]

#[path = "../../src"]
mod program {
    pub mod symbols;
    pub mod wire;
}

use program::symbols;
pub use program::wire;

use crossrate_dataflows::market::trade::is_name;
use wire::Record;
use wire::mapping::Mapped;

/// What holds of every trade that a decoder gives.
pub fn check(record: &Record<'_>) {
    if let Record::Trade { symbol, trade, .. } = record {
        assert!(is_name(symbol), "{symbol:?}");
        assert!(trade.id < 1 << 63 && trade.ids.first <= trade.ids.last);
    }
}

/// The same of a mapping.
pub fn check_mapped(mapped: &Mapped<'_>) {
    if let Mapped::Trade(trade) = mapped {
        assert!(is_name(trade.symbol), "{:?}", trade.symbol);
        assert!(trade.price > 0 && trade.quantity > 0, "{trade:?}");
    }
}
