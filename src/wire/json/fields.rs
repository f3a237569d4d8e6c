//! The keys of a record that matter, and what stands under them.

use super::JsonValue;

/// The fields of an object that matter. Of a repeated key the last counts.
#[derive(Debug, Copy, Clone, Default)]
pub(in crate::wire) struct JsonFields {
    pub(in crate::wire) event: JsonValue,
    pub(in crate::wire) symbol: JsonValue,
    pub(in crate::wire) trade_id: JsonValue,
    pub(in crate::wire) aggregate_id: JsonValue,
    pub(in crate::wire) price: JsonValue,
    pub(in crate::wire) quantity: JsonValue,
    pub(in crate::wire) time: JsonValue,
    pub(in crate::wire) origin: JsonValue,
    pub(in crate::wire) maker: JsonValue,
    pub(in crate::wire) first_id: JsonValue,
    pub(in crate::wire) last_id: JsonValue,
}

/// The keys that matter.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum JsonKey {
    Event,
    Symbol,
    TradeId,
    AggregateId,
    Price,
    Quantity,
    Time,
    Origin,
    Maker,
    FirstId,
    LastId,
    Stream,
    Data,
    Other,
}

impl JsonKey {
    pub(super) fn of(text: &[u8]) -> JsonKey {
        match text {
            b"e" => JsonKey::Event,
            b"s" => JsonKey::Symbol,
            b"t" => JsonKey::TradeId,
            b"a" => JsonKey::AggregateId,
            b"p" => JsonKey::Price,
            b"q" => JsonKey::Quantity,
            b"T" => JsonKey::Time,
            b"X" => JsonKey::Origin,
            b"m" => JsonKey::Maker,
            b"f" => JsonKey::FirstId,
            b"l" => JsonKey::LastId,
            b"stream" => JsonKey::Stream,
            b"data" => JsonKey::Data,
            _ => JsonKey::Other,
        }
    }
}

impl JsonFields {
    pub(super) fn set(&mut self, key: JsonKey, value: JsonValue) {
        match key {
            JsonKey::Event => self.event = value,
            JsonKey::Symbol => self.symbol = value,
            JsonKey::TradeId => self.trade_id = value,
            JsonKey::AggregateId => self.aggregate_id = value,
            JsonKey::Price => self.price = value,
            JsonKey::Quantity => self.quantity = value,
            JsonKey::Time => self.time = value,
            JsonKey::Origin => self.origin = value,
            JsonKey::Maker => self.maker = value,
            JsonKey::FirstId => self.first_id = value,
            JsonKey::LastId => self.last_id = value,
            JsonKey::Stream | JsonKey::Data | JsonKey::Other => {}
        }
    }
}
