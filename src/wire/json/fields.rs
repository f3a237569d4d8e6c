//! The keys of a record that matter, and what stands under them.

use super::Value;

/// The fields of an object that matter. Of a repeated key the last counts.
#[derive(Debug, Copy, Clone, Default)]
pub(in crate::wire) struct Fields {
    pub(in crate::wire) event: Value,
    pub(in crate::wire) symbol: Value,
    pub(in crate::wire) trade_id: Value,
    pub(in crate::wire) aggregate_id: Value,
    pub(in crate::wire) price: Value,
    pub(in crate::wire) quantity: Value,
    pub(in crate::wire) time: Value,
    pub(in crate::wire) origin: Value,
    pub(in crate::wire) maker: Value,
    pub(in crate::wire) first_id: Value,
    pub(in crate::wire) last_id: Value,
}

/// The keys that matter.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Key {
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

impl Key {
    pub(super) fn of(text: &[u8]) -> Key {
        match text {
            b"e" => Key::Event,
            b"s" => Key::Symbol,
            b"t" => Key::TradeId,
            b"a" => Key::AggregateId,
            b"p" => Key::Price,
            b"q" => Key::Quantity,
            b"T" => Key::Time,
            b"X" => Key::Origin,
            b"m" => Key::Maker,
            b"f" => Key::FirstId,
            b"l" => Key::LastId,
            b"stream" => Key::Stream,
            b"data" => Key::Data,
            _ => Key::Other,
        }
    }
}

impl Fields {
    pub(super) fn set(&mut self, key: Key, value: Value) {
        match key {
            Key::Event => self.event = value,
            Key::Symbol => self.symbol = value,
            Key::TradeId => self.trade_id = value,
            Key::AggregateId => self.aggregate_id = value,
            Key::Price => self.price = value,
            Key::Quantity => self.quantity = value,
            Key::Time => self.time = value,
            Key::Origin => self.origin = value,
            Key::Maker => self.maker = value,
            Key::FirstId => self.first_id = value,
            Key::LastId => self.last_id = value,
            Key::Stream | Key::Data | Key::Other => {}
        }
    }
}
