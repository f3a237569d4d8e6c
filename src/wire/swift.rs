//! The fast way for records as the exchange writes them: compact JSON, keys in any order, plain values.
//! Trades, and what else comes in the same streams: best quotes, changes of the order book.
//!
//! Eight bytes at a time, without a branch per character. Whatever is not exactly of that kind (white space,
//! an escape, a deeper value, an unusual number, a repeated oddity, a fault of any sort) gives `None`, and
//! the slow and sure way decides: this module accepts, it never refuses. So all that has to hold is that what
//! it accepts is valid and means the same there, which a property test compares.

use super::binance::{MOST_BYTES, counts_contracts, ids};
use super::numbers::load;
use super::scanning::{boolean, four, integer, is_usual_name, literal, plain, text};
use super::{Record, numbers, ordered};
use crossrate_dataflows::market::decimal::{Price, Quantity};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{Side, Trade, TradeKind, is_name};

/// The record that begins at `at`, and where it ends: one past its last brace. It may reach over the end of
/// its message into the next one if it has none of its own: the caller compares.
#[inline]
pub(super) fn decode(bytes: &[u8], at: usize) -> Option<(Record<'_>, usize)> {
    // Given on as it was written: a copy would be read in other pieces than it was written in, and wait for
    // them.
    if load(bytes, at)? == word(b"{\"stream") { combined(bytes, at) } else { event(bytes, at) }
}

/// `{"stream":"..","data":{..}}`
fn combined(bytes: &[u8], begin: usize) -> Option<(Record<'_>, usize)> {
    let at = literal(bytes, begin + 8, b"\":\"")?;
    let (_, at) = text(bytes, at)?;
    let at = literal(bytes, at, b",\"data\":")?;
    let (record, at) = event(bytes, at)?;
    let end = literal(bytes, at, b"}")?;
    (end - begin <= MOST_BYTES).then_some((record, end))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Trade,
    Aggregate,
    Heartbeat,
    Unknown,
}

/// `{"e":"trade","E":1,"s":"BTCUSDT","t":2,"p":"1.0","q":"1.0",..}`
#[inline]
fn event(bytes: &[u8], at: usize) -> Option<(Record<'_>, usize)> {
    ordered::decode(bytes, at).or_else(|| any_order(bytes, at))
}

/// The same with its keys in any order.
#[inline(never)]
fn any_order(bytes: &[u8], begin: usize) -> Option<(Record<'_>, usize)> {
    let mut at = literal(bytes, begin, b"{")?;
    let mut event = None;
    let mut symbol: &[u8] = &[];
    let (mut trade_id, mut aggregate_id, mut price, mut quantity, mut time) = (None, None, 0, 0, 0);
    let (mut buyer_is_maker, mut first_id, mut last_id) = (None, None, None);
    loop {
        let key = four(bytes, at)?;
        if key & 0xFFFF_00FF != KEY {
            at = longer(bytes, at)?;
            match bytes.get(at)? {
                b',' => at += 1,
                b'}' => break,
                _ => return None,
            }
            continue;
        }
        at += 4;
        match (key >> 8) as u8 {
            b'e' => {
                let name = load(bytes, at)?;
                if name << 8 == word(b"\"trade\"\0") << 8 {
                    event = Some(Event::Trade);
                    at += 7;
                } else if name == word(b"\"aggTrad") {
                    at = literal(bytes, at + 8, b"e\"")?;
                    event = Some(Event::Aggregate);
                } else if name == word(b"\"heartbe") {
                    at = literal(bytes, at + 8, b"at\"")?;
                    event = Some(Event::Heartbeat);
                } else {
                    (_, at) = text(bytes, literal(bytes, at, b"\"")?)?;
                    event = Some(Event::Unknown);
                }
            }
            b's' => (symbol, at) = text(bytes, literal(bytes, at, b"\"")?)?,
            b't' => (trade_id, at) = some(integer(bytes, at)?),
            b'a' if bytes.get(at)?.is_ascii_digit() => (aggregate_id, at) = some(integer(bytes, at)?),
            b'a' => {
                at = plain(bytes, at)?;
                aggregate_id = None;
            }
            b'f' => (first_id, at) = end_id(bytes, at, first_id)?,
            b'l' => (last_id, at) = end_id(bytes, at, last_id)?,
            b'p' => (price, at) = decimal(bytes, at)?,
            b'q' => (quantity, at) = decimal(bytes, at)?,
            b'T' => (time, at) = integer(bytes, at)?,
            b'E' => (_, at) = integer(bytes, at)?,
            b'M' => (_, at) = boolean(bytes, at)?,
            // Another one is of a trade that is ignored.
            b'X' => at = literal(bytes, at, b"\"MARKET\"")?,
            b'm' => {
                let is_true;
                (is_true, at) = boolean(bytes, at)?;
                buyer_is_maker = Some(is_true);
            }
            // A backslash would begin an escape, a quote end the key.
            b'\\' | b'"' | 0..=0x1f | 0x80.. => return None,
            _ => at = plain(bytes, at)?,
        }
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => break,
            _ => return None,
        }
    }
    at += 1;
    if at - begin > MOST_BYTES {
        return None;
    }
    let (kind, id) = match event {
        Some(Event::Trade) => (TradeKind::Trade, trade_id?),
        Some(Event::Aggregate) => (TradeKind::Aggregate, aggregate_id?),
        Some(Event::Heartbeat) => return Some((Record::Heartbeat(EventTime::from_exchange(time)?), at)),
        Some(Event::Unknown) | None => return Some((Record::Ignored, at)),
    };
    let time = EventTime::from_exchange(time)?;
    if !is_usual_name(symbol) && (!is_name(symbol) || counts_contracts(symbol)) {
        return None;
    }
    let (price, quantity) = (Price::from_scaled(price)?, Quantity::from_scaled(quantity)?);
    let ids = ids(kind, id, (first_id, last_id));
    let trade = Trade { ids, side: Side::of_maker(buyer_is_maker), ..Trade::new(id, price, quantity, time) };
    Some((Record::Trade { symbol, kind, trade }, at))
}

/// What was found, and where it ends.
#[inline]
fn some<T>((found, at): (T, usize)) -> (Option<T>, usize) {
    (Some(found), at)
}

/// A key of several letters and its value, of which nothing matters but that it is not one of those that turn
/// an object into another.
fn longer(bytes: &[u8], at: usize) -> Option<usize> {
    let (key, at) = text(bytes, literal(bytes, at, b"\"")?)?;
    if matches!(key, b"stream" | b"data") {
        return None;
    }
    plain(bytes, literal(bytes, at, b":")?)
}

/// `"x":`, but for the letter.
const KEY: u32 = u32::from_le_bytes([b'"', 0, b'"', b':']);
const fn word(text: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*text)
}

/// The first or the last id of an aggregate; none where it is no id. Of a repeated key the last counts: such
/// a record is judged the other way.
#[inline]
fn end_id(bytes: &[u8], at: usize, before: Option<u64>) -> Option<(Option<u64>, usize)> {
    if before.is_some() {
        return None;
    }
    if !bytes.get(at)?.is_ascii_digit() {
        return Some((None, plain(bytes, at)?));
    }
    let (id, at) = integer(bytes, at)?;
    Some((Some(id).filter(|id| *id < 1 << 63), at))
}

/// A decimal text with up to seven digits before the point and one to eight behind it, scaled by 1e8.
#[inline]
fn decimal(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let (scaled, at) = numbers::decimal(bytes, literal(bytes, at, b"\"")?)?;
    Some((scaled, literal(bytes, at, b"\"")?))
}
