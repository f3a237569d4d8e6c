//! Why a record is none of ours, in words: the slow second look at what [`super::decode`] has passed over.

use super::mapping::{MappedRecord, Mapping, MappingScratch};
use super::{Record, Scratch, capture_prefix, decode};
use crossrate_dataflows::market::decimal::Decimals;
use serde_json::Value;

/// Why a record was ignored, by its mapping where it has one.
pub fn ignored(bytes: &[u8], mapping: Option<&Mapping>) -> String {
    match mapping {
        _ if bytes.is_empty() => "it is empty".to_owned(),
        Some(mapping) => mapping.why_ignored(&bytes[prefix(bytes, mapping)..]),
        None => no_event(bytes),
    }
}

/// How much stands before a record of JSON.
fn prefix(bytes: &[u8], mapping: &Mapping) -> usize {
    if mapping.is_json() { capture_prefix(bytes) } else { 0 }
}

/// How much stands before the JSON of a capture line; nothing before any other.
pub fn capture(line: &[u8]) -> usize {
    capture_prefix(line)
}

/// Of the values that a mapping asks for in a record, how many are there and how many are asked for.
pub fn pointers_found(bytes: &[u8], mapping: &Mapping) -> (u64, u64) {
    mapping.pointers_found(&bytes[prefix(bytes, mapping)..])
}

fn no_event(bytes: &[u8]) -> String {
    let Ok(Value::Object(whole)) = serde_json::from_slice(&bytes[capture_prefix(bytes)..]) else {
        return "it is empty".to_owned();
    };
    let event = match (whole.get("stream"), whole.get("data")) {
        (Some(_), Some(Value::Object(data))) => data.get("e"),
        (Some(_), Some(_)) => return "its data is no event".to_owned(),
        _ => whole.get("e"),
    };
    match event {
        Some(Value::String(event)) => {
            let event: String = event.chars().take(64).flat_map(char::escape_debug).collect();
            format!("event {event} is none of trade, aggTrade and heartbeat")
        }
        Some(_) => "its event type e is no text".to_owned(),
        None => "it has no event type e".to_owned(),
    }
}

/// The symbol of a trade whose numbers have so many decimals, by the record's mapping where it has one; of
/// several trades that of the first.
pub fn symbol(bytes: &[u8], mapping: Option<&Mapping>, decimals: Decimals) -> Option<String> {
    let Some(mapping) = mapping else { return symbol_of_event(bytes, decimals) };
    let json = prefix(bytes, mapping);
    let mut symbol = None;
    mapping.decode(&bytes[json..], decimals, &mut MappingScratch::default(), |mapped| {
        if let MappedRecord::Trade(trade) = mapped {
            symbol.get_or_insert_with(|| String::from_utf8_lossy(trade.symbol).into_owned());
        }
    });
    symbol
}

fn symbol_of_event(bytes: &[u8], decimals: Decimals) -> Option<String> {
    let mut scratch = Scratch::of(decimals);
    match decode(&bytes[capture_prefix(bytes)..], &mut scratch) {
        Record::Trade { symbol, .. } => Some(String::from_utf8_lossy(symbol).into_owned()),
        _ => None,
    }
}
