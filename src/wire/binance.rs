//! Binance's trade events, raw or of a combined stream, and our own heartbeats (`docs/semantics.md#input`).

use super::json::{Data, JsonFields, JsonValue, scan, unescape};
use super::{BadRecord, Record, Scratch};
use crossrate_dataflows::market::decimal::{self, DecimalError, Decimals, Price, Quantity};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{IdRange, Side, Trade, TradeKind, is_name};

/// The longest record that is accepted.
pub(super) const MOST_BYTES: usize = 16 << 20;

/// What a record is. The slow and sure way; [`super::swift`] is the other.
pub(super) fn decode<'a>(bytes: &'a [u8], scratch: &'a mut Scratch) -> Record<'a> {
    if bytes.len() > MOST_BYTES {
        return Record::Bad(BadRecord { reason: "longer than 16 MiB", at: None });
    }
    let object = match scan(bytes) {
        Ok(object) => object,
        Err(bad) => return Record::Bad(bad),
    };
    let fields = match object.data {
        Data::Object(data) if object.stream => data,
        Data::Other if object.stream => return Record::Ignored,
        _ => object.fields,
    };
    let JsonValue::Text { from, to, escaped } = fields.event else { return Record::Ignored };
    let mut room = String::new();
    let event = text(bytes, from, to, escaped, &mut room);
    let result = match event {
        b"trade" if is_of_no_book(bytes, &fields, &mut scratch.text) => Ok(Record::Ignored),
        b"trade" => trade(bytes, &fields, fields.trade_id, "t", TradeKind::Trade, scratch),
        b"aggTrade" => trade(bytes, &fields, fields.aggregate_id, "a", TradeKind::Aggregate, scratch),
        b"heartbeat" => time(bytes, fields.time).map(Record::Heartbeat),
        _ => Ok(Record::Ignored),
    };
    result.unwrap_or_else(Record::Bad)
}

/// Whether a trade of futures was made by no order book: insurance fund, auto-deleveraging.
fn is_of_no_book(bytes: &[u8], fields: &JsonFields, room: &mut String) -> bool {
    match fields.origin {
        JsonValue::Absent => false,
        JsonValue::Text { from, to, escaped } => text(bytes, from, to, escaped, room) != b"MARKET",
        JsonValue::Integer { .. } | JsonValue::Other { .. } => true,
    }
}

fn trade<'a>(
    bytes: &'a [u8],
    fields: &JsonFields,
    id: JsonValue,
    id_key: &str,
    kind: TradeKind,
    scratch: &'a mut Scratch,
) -> Result<Record<'a>, BadRecord> {
    let decimals = scratch.decimals;
    let price = decimal_text(bytes, fields.price, (&PRICE, decimals.price), &mut scratch.text)?;
    let price = Price::from_scaled(price).ok_or_else(|| bad(PRICE.zero, fields.price))?;
    let quantity = decimal_text(bytes, fields.quantity, (&QUANTITY, decimals.quantity), &mut scratch.text)?;
    let quantity = Quantity::from_scaled(quantity).ok_or_else(|| bad(QUANTITY.zero, fields.quantity))?;
    let time = time(bytes, fields.time)?;
    let reasons = if id_key == "t" { &TRADE_ID } else { &AGGREGATE_ID };
    let JsonValue::Integer { from, to } = id else { return Err(bad(reasons.0, id)) };
    let id = integer(&bytes[from..to]).filter(|n| *n < 1 << 63).ok_or_else(|| bad(reasons.1, id))?;
    let JsonValue::Text { from, to, escaped } = fields.symbol else {
        return Err(bad("s: not a text", fields.symbol));
    };
    let symbol = text(bytes, from, to, escaped, &mut scratch.text);
    if !is_name(symbol) {
        return Err(bad(NO_NAME, fields.symbol));
    }
    if counts_contracts(symbol) {
        return Err(bad("s: contracts, whose quantities are no coins", fields.symbol));
    }
    let whole = |value: JsonValue| match value {
        JsonValue::Integer { from, to } => integer(&bytes[from..to]).filter(|n| *n < 1 << 63),
        _ => None,
    };
    let ids = ids(kind, id, (whole(fields.first_id), whole(fields.last_id)));
    let trade = Trade { ids, side: side(bytes, fields.maker), ..Trade::new(id, price, quantity, time) };
    Ok(Record::Trade { symbol, kind, trade })
}

/// The trades that a record stands for: of an aggregate from `f` to `l`, where both are ids in that order.
#[inline]
pub(super) fn ids(kind: TradeKind, id: u64, ends: (Option<u64>, Option<u64>)) -> IdRange {
    match (kind, ends) {
        (TradeKind::Aggregate, (Some(first), Some(last))) if first <= last => IdRange { first, last },
        _ => IdRange::one(id),
    }
}

/// What the taker did, where the record tells it: `m` needs not be there, and may be of any kind.
fn side(bytes: &[u8], maker: JsonValue) -> Side {
    let JsonValue::Other { from } = maker else { return Side::Untold };
    match &bytes[from..] {
        [b't', ..] => Side::Sell,
        [b'f', ..] => Side::Buy,
        _ => Side::Untold,
    }
}

/// Whether a symbol is one of coin-margined futures: it ends in `USD_PERP`, or in `USD_` and six digits.
pub(crate) fn counts_contracts(symbol: &[u8]) -> bool {
    let dated = |(rest, date): (&[u8], &[u8])| rest.ends_with(b"USD_") && date.iter().all(u8::is_ascii_digit);
    symbol.ends_with(b"USD_PERP") || symbol.len() >= 10 && dated(symbol.split_at(symbol.len() - 6))
}

const NO_NAME: &str =
    "s: not a name of 1 to 64 bytes without white space, control characters and * / = , | \"";

/// What may be wrong with an id: its kind, its size.
const TRADE_ID: (&str, &str) = ("t: not a plain integer", "t: 2^63 or more");
const AGGREGATE_ID: (&str, &str) = ("a: not a plain integer", "a: 2^63 or more");

/// What may be wrong with a decimal.
struct DecimalReasons {
    no_text: &'static str,
    grammar: &'static str,
    too_precise: &'static str,
    zero: &'static str,
    too_large: &'static str,
    beyond_scale: &'static str,
}

const PRICE: DecimalReasons = DecimalReasons {
    no_text: "p: not a text",
    grammar: "p: not a plain decimal number",
    too_precise: "p: more than eight decimals",
    zero: "p: zero",
    too_large: "p: too large",
    beyond_scale: "p: more decimals than --price-decimals",
};
const QUANTITY: DecimalReasons = DecimalReasons {
    no_text: "q: not a text",
    grammar: "q: not a plain decimal number",
    too_precise: "q: more than eight decimals",
    zero: "q: zero",
    too_large: "q: too large",
    beyond_scale: "q: more decimals than --quantity-decimals",
};

fn decimal_text(
    bytes: &[u8],
    value: JsonValue,
    (reasons, places): (&DecimalReasons, u8),
    scratch: &mut String,
) -> Result<i64, BadRecord> {
    let JsonValue::Text { from, to, escaped } = value else { return Err(bad(reasons.no_text, value)) };
    decimal::parse_scaled(text(bytes, from, to, escaped, scratch), places).map_err(|error| {
        let reason = match error {
            DecimalError::Grammar => reasons.grammar,
            DecimalError::TooPrecise if places == Decimals::EIGHT.price => reasons.too_precise,
            DecimalError::TooPrecise => reasons.beyond_scale,
            DecimalError::Zero => reasons.zero,
            DecimalError::TooLarge => reasons.too_large,
        };
        bad(reason, value)
    })
}

fn time(bytes: &[u8], value: JsonValue) -> Result<EventTime, BadRecord> {
    let JsonValue::Integer { from, to } = value else { return Err(bad("T: not a plain integer", value)) };
    let time = integer(&bytes[from..to]).and_then(EventTime::from_exchange);
    time.ok_or_else(|| bad("T: no time from 2009 to 2099 in milliseconds or microseconds", value))
}

/// The value of a run of digits; `None` if it is 2^64 or more.
fn integer(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |n, digit| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

fn text<'a>(bytes: &'a [u8], from: usize, to: usize, escaped: bool, scratch: &'a mut String) -> &'a [u8] {
    let inside = &bytes[from..to];
    if escaped {
        unescape(inside, scratch);
        scratch.as_bytes()
    } else {
        inside
    }
}

fn bad(reason: &'static str, value: JsonValue) -> BadRecord {
    let at = match value {
        JsonValue::Absent => None,
        JsonValue::Text { from, .. } | JsonValue::Integer { from, .. } | JsonValue::Other { from } => {
            Some(from)
        }
    };
    BadRecord { reason, at }
}
