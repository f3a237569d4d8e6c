//! Entries that hold the sums of trades, as earlier versions of the checkpoint had them.
//!
//! Version 2 knew neither the takers' sides nor the ids that aggregates stand for: of what was summed then
//! the sides are not told, and each trade has one id. Version 3 knew no trades but those of a sequence.

use super::{PaneEntry, decode};
use anyhow::Result;
use crossrate_dataflows::market::base::Base;
use crossrate_dataflows::market::candle::{Candle, TradePosition};
use crossrate_dataflows::market::cross::LegState;
use crossrate_dataflows::market::decimal::Price;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::Moments;
use crossrate_dataflows::market::slot::Slot;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::wide::WideInteger;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The symbols of a pane.
pub(super) fn panes(key: &str, entry: &[u8]) -> Result<Vec<PaneEntry>> {
    match entry.first() {
        Some(2) => panes_with::<Moments2>(key, entry),
        Some(3) => panes_with::<Moments3>(key, entry),
        _ => decode(key, entry),
    }
}

fn panes_with<M: DeserializeOwned + Into<Moments>>(key: &str, entry: &[u8]) -> Result<Vec<PaneEntry>> {
    let panes: Vec<(Symbol, M, Candle3)> = decode(key, entry)?;
    let pane = |(symbol, moments, candle): (Symbol, M, Candle3)| {
        let (moments, candle) = (moments.into(), candle.into());
        PaneEntry { symbol, moments, candle }
    };
    Ok(panes.into_iter().map(pane).collect())
}

/// A window that may have to stand in. Version 2 did not know its last price.
pub(super) fn carried(key: &str, entry: &[u8]) -> Result<(EventTime, LegState)> {
    let of = |moments: Moments, missing_ids, close, age| LegState { moments, missing_ids, close, age };
    match entry.first() {
        Some(2) => {
            let (end, moments): (EventTime, Moments2) = decode(key, entry)?;
            Ok((end, of(moments.into(), 0, None, 0)))
        }
        Some(3) => {
            type Leg3 = (Moments3, i128, Option<Price>, u64);
            let (end, (moments, missing_ids, close, age)): (EventTime, Leg3) = decode(key, entry)?;
            Ok((end, of(moments.into(), missing_ids, close, age)))
        }
        _ => decode(key, entry),
    }
}

/// The sums of a long window, which version 2 did not keep.
pub(super) fn base(key: &str, entry: &[u8]) -> Result<Base> {
    if entry.first() != Some(&3) {
        return decode(key, entry);
    }
    type Slot3 = (EventTime, Moments3, Candle3, i128);
    let (until, slots): (EventTime, Vec<Slot3>) = decode(key, entry)?;
    let slot = |(end, moments, candle, rise): Slot3| Slot {
        end,
        moments: moments.into(),
        candle: candle.into(),
        rise,
    };
    Ok(Base { until, slots: slots.into_iter().map(slot).collect() })
}

/// The sums of a set of trades, in version 2.
#[derive(Debug, Copy, Clone, Serialize, Deserialize)]
struct Moments2 {
    n: i64,
    q: i128,
    pq: WideInteger,
    p2q: WideInteger,
    digest: u64,
}

impl From<Moments2> for Moments {
    fn from(earlier: Moments2) -> Moments {
        let Moments2 { n, q, pq, p2q, digest } = earlier;
        Moments { n, q, pq, p2q, digest, untold: n, ..Moments::default() }
    }
}

/// The same in version 3.
#[derive(Debug, Copy, Clone, Serialize, Deserialize)]
struct Moments3 {
    of_all: Moments2,
    more_ids: i128,
    untold: i64,
    buy_q: i128,
    buy_pq: WideInteger,
}

impl From<Moments3> for Moments {
    fn from(earlier: Moments3) -> Moments {
        let Moments3 { of_all, more_ids, untold, buy_q, buy_pq } = earlier;
        Moments { more_ids, untold, buy_q, buy_pq, ..Moments::from(of_all) }
    }
}

/// A candle, in version 3 and before.
#[derive(Debug, Copy, Clone, Serialize, Deserialize)]
struct Candle3 {
    first: (EventTime, u64, Price),
    last: (EventTime, u64, Price),
    high: Price,
    low: Price,
    least_id: u64,
    greatest_id: u64,
}

impl From<Candle3> for Candle {
    fn from(earlier: Candle3) -> Candle {
        let Candle3 { first, last, high, low, least_id, greatest_id } = earlier;
        let place = |(time, id, price)| TradePosition { time, id, tie: 0, price };
        Candle { first: place(first), last: place(last), high, low, least_id, greatest_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a program of version 3 wrote it: 2,000 trades of `anchored:all/2s`.
    const BASE: &str = "03e998f50d5f7e0f1680c0b1cb85e0da020180daf19785e0da02a01f80d0dbc3f402008080e3d4b2c3e989b80200808080\
                        8482a9c493b6c9e699f204c89de08aaed1e18fee01000080e8eda1ba01008080d1baf4c5d8829c0180b29bdefddfda0201\
                        80c6868f01c0d5b49785e0da02d00f80d6c28c0480dea0cb0580c6868f0101d00fa01f";

    #[test]
    fn the_base_of_a_long_window_of_version_3_is_read() {
        let digits = BASE.as_bytes().as_chunks::<2>().0;
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let entry: Vec<u8> = digits.iter().map(byte).collect();
        let Base { until, slots } = base("base/AB/anchored:all/2s", &entry).unwrap();
        let [Slot { end, moments, candle, rise }] = slots[..] else { panic!("{slots:?}") };
        assert_eq!((until.millis(), end.millis()), (1_525_024_128_000, 1_525_024_020_000));
        assert_eq!((moments.n, moments.q, moments.buy_q), (2_000, 50_000_000_000, 25_000_000_000));
        assert_eq!((moments.digest, moments.unnumbered), (0xee1f_868a_e158_0ec8, 0));
        assert_eq!((candle.ids(), rise), (Some((1, 2_000)), 2_000));
        let prices = [candle.first.price, candle.last.price, candle.high, candle.low].map(Price::scaled);
        assert_eq!(prices, [150_000_000, 550_000_000, 750_000_000, 150_000_000]);
    }
}
