//! Any bytes as one record of the exchange, and as a line of its archives.
#![no_main]

use crossrate_dataflows::market::decimal::Decimals;
use crossrate_dataflows::market::trade::TradeKind;
use crossrate_fuzz::{check, wire};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(&wire::decode(bytes, &mut wire::Scratch::default()));
    for kind in [TradeKind::Trade, TradeKind::Aggregate] {
        if let Some(record) = wire::archive::decode(bytes, "BTCUSDT", kind, Decimals::EIGHT) {
            check(&record);
        }
    }
});
