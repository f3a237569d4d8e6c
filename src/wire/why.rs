//! Why a record is none of ours, in words: the slow second look at what [`super::decode`] has passed over.

use super::{Record, Scratch, capture_prefix, decode};
use serde_json::Value;

/// Why a record was ignored.
pub fn ignored(bytes: &[u8]) -> String {
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

/// The symbol of a trade.
pub fn symbol(bytes: &[u8]) -> Option<String> {
    let mut scratch = Scratch::default();
    match decode(&bytes[capture_prefix(bytes)..], &mut scratch) {
        Record::Trade { symbol, .. } => Some(String::from_utf8_lossy(symbol).into_owned()),
        _ => None,
    }
}
