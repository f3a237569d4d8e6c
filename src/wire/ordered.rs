//! The fastest way, for trades whose keys stand in the order in which the exchange writes them: what comes
//! next is known, so that nothing branches on it.
//!
//! Whatever is not exactly so gives `None`, and [`super::swift`] takes it key by key.

use super::Record;
use super::binance::{MOST_BYTES, ids};
use super::numbers::{decimal, integer, load};
use super::scanning::{boolean, four, is_usual_name, literal, text};
use crossrate_dataflows::market::decimal::{Price, Quantity};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{Side, Trade, TradeKind};

/// The trade that begins at `at`, and where it ends: one past its last brace.
///
/// `{"e":"trade","E":1,"s":"BTCUSDT","t":2,"p":"1.0","q":"1.0","b":3,"a":4,"T":1,"m":true,"M":true}`, where
/// `b` and `a`, and `M`, may lack; and
/// `{"e":"aggTrade","E":1,"s":"BTCUSDT","a":2,"p":"1.0","q":"1.0","f":3,"l":4,"T":1,..}`.
#[inline]
pub(super) fn decode(bytes: &[u8], begin: usize) -> Option<(Record<'_>, usize)> {
    let at = literal(bytes, begin, b"{\"e\":\"")?;
    let (kind, at) = match four(bytes, at)? {
        TRADE => (TradeKind::Trade, literal(bytes, at + 4, b"e\",\"E\":")?),
        AGGREGATE => (TradeKind::Aggregate, literal(bytes, at + 4, b"rade\",\"E\":")?),
        _ => return None,
    };
    let (_, at) = integer(bytes, at)?;
    let (symbol, at) = text(bytes, literal(bytes, at, b",\"s\":\"")?)?;
    if !is_usual_name(symbol) {
        return None;
    }
    let at = literal(bytes, at, if kind == TradeKind::Trade { b",\"t\":" } else { b",\"a\":" })?;
    let (id, at) = integer(bytes, at)?;
    let (price, at) = decimal(bytes, literal(bytes, at, b",\"p\":\"")?)?;
    let (quantity, mut at) = decimal(bytes, literal(bytes, at, b"\",\"q\":\"")?)?;
    let mut ends = (None, None);
    if load(bytes, at)? << 16 != TIME << 16 {
        // Of a trade the orders, which do not matter; of an aggregate its first and last id.
        let (of_trade, of_aggregate) = ((b"\",\"b\":", b",\"a\":"), (b"\",\"f\":", b",\"l\":"));
        let (first_key, last_key) = if kind == TradeKind::Trade { of_trade } else { of_aggregate };
        let (first, after) = integer(bytes, literal(bytes, at, first_key)?)?;
        let (last, after) = integer(bytes, literal(bytes, after, last_key)?)?;
        if kind == TradeKind::Aggregate {
            ends = (Some(first), Some(last));
        }
        at = literal(bytes, after, b",\"T\":")?;
    } else {
        at += 6;
    }
    let (time, at) = integer(bytes, at)?;
    let (buyer_is_maker, at) = boolean(bytes, literal(bytes, at, b",\"m\":")?)?;
    let at = match bytes.get(at)? {
        b'}' => at + 1,
        _ => literal(bytes, boolean(bytes, literal(bytes, at, b",\"M\":")?)?.1, b"}")?,
    };
    if at - begin > MOST_BYTES {
        return None;
    }
    let time = EventTime::from_exchange(time)?;
    let (price, quantity) = (Price::from_scaled(price)?, Quantity::from_scaled(quantity)?);
    let (ids, side) = (ids(kind, id, ends), Side::of_maker(Some(buyer_is_maker)));
    let trade = Trade { ids, side, ..Trade::new(id, price, quantity, time) };
    Some((Record::Trade { symbol, kind, trade }, at))
}

const TRADE: u32 = u32::from_le_bytes(*b"trad");
const AGGREGATE: u32 = u32::from_le_bytes(*b"aggT");
/// What stands before the time; the two bytes behind it are not compared.
const TIME: u64 = u64::from_le_bytes(*b"\",\"T\":\0\0");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Scratch, binance};
    use proptest::prelude::*;

    /// A record as the exchange writes it.
    fn record() -> impl Strategy<Value = String> {
        let number = || prop_oneof![1u64..100, 1u64..10_000_000_000_000_000];
        let decimal =
            || (0u32..10_000_000, "[0-9]{1,8}").prop_map(|(whole, fraction)| format!("{whole}.{fraction}"));
        let time = || prop_oneof![1u64..4_000_000_000_000, 1_525_022_020_361_000u64..1_800_000_000_000_000];
        let fields = (time(), "[A-Z0-9]{4,16}", number(), decimal(), decimal(), time());
        let others = (prop::option::of((number(), number())), any::<bool>(), any::<Option<bool>>());
        (any::<bool>(), fields, others).prop_map(|(is_trade, fields, (two, maker, m))| {
            let (sent, symbol, id, p, q, time) = fields;
            let (name, key, (a, b)) = match is_trade {
                true => ("trade", 't', ('b', 'a')),
                false => ("aggTrade", 'a', ('f', 'l')),
            };
            let two = two.map(|(first, last)| format!(r#","{a}":{first},"{b}":{last}"#)).unwrap_or_default();
            let best = m.map(|m| format!(r#","M":{m}"#)).unwrap_or_default();
            let begin =
                format!(r#"{{"e":"{name}","E":{sent},"s":"{symbol}","{key}":{id},"p":"{p}","q":"{q}""#);
            format!(r#"{begin}{two},"T":{time},"m":{maker}{best}}}"#)
        })
    }

    /// What the slow and sure way says.
    fn sure(bytes: &[u8]) -> Option<Record<'static>> {
        let mut scratch = Scratch::default();
        match binance::decode(bytes, &mut scratch) {
            Record::Trade { symbol, kind, trade } => {
                Some(Record::Trade { symbol: symbol.to_vec().leak(), kind, trade })
            }
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn what_the_exchange_writes_is_taken_and_means_the_same(text in record()) {
            let bytes = text.as_bytes();
            let got = decode(bytes, 0);
            let sure = sure(bytes);
            prop_assert_eq!(got.as_ref().map(|(record, _)| record), sure.as_ref(), "{}", text);
            prop_assert!(got.is_none_or(|(_, end)| end == bytes.len()));
        }

        #[test]
        fn of_what_has_changed_nothing_is_taken_that_means_something_else(
            text in record(), at in 0usize..400, byte in any::<u8>(), cut in any::<bool>()
        ) {
            let mut bytes = text.into_bytes();
            let at = at % bytes.len();
            match cut {
                true => _ = bytes.remove(at),
                false => bytes[at] = byte,
            }
            if let Some((record, end)) = decode(&bytes, 0) {
                let sure = sure(&bytes[..end]);
                prop_assert_eq!(Some(&record), sure.as_ref(), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}
