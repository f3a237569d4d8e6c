//! The state of a symbol's window at an event time (`docs/semantics.md#numbers`, `#windows`, `#missing-ids`), summed anew each time it is asked for.

use super::acceptance::Trade;
use num_bigint::BigInt;
use num_rational::BigRational;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// All accepted trades, by symbol and in order of event time.
#[derive(Debug, Default)]
pub(crate) struct Market {
    symbols: BTreeMap<String, Vec<Trade>>,
}

/// What the trades of a window come to. Prices and quantities are scaled by 1e8.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) trades: usize,
    pub(crate) open: i64,
    pub(crate) high: i64,
    pub(crate) low: i64,
    pub(crate) close: i64,
    /// Sums of q, of pq and of ppq.
    pub(crate) volume: BigInt,
    pub(crate) quote_volume: BigInt,
    pub(crate) squares: BigInt,
    pub(crate) missing_ids: i128,
    pub(crate) digest: u64,
}

impl Market {
    pub(crate) fn new(trades: &[Trade]) -> Market {
        let mut market = Market::default();
        for trade in trades {
            market.symbols.entry(trade.symbol.clone()).or_default().push(trade.clone());
        }
        for trades in market.symbols.values_mut() {
            trades.sort_by_key(|trade| (trade.time, trade.id, trade.price));
        }
        market
    }

    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.symbols.keys().map(String::as_str)
    }

    pub(crate) fn trades<'a>(&'a self, symbol: &str) -> &'a [Trade] {
        self.symbols.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// Whether a trade of the window was accepted while its partition's watermark was before `at`.
    pub(crate) fn has_trades(&self, symbol: &str, start: i64, end: i64, at: i64) -> bool {
        self.between(symbol, start, end).iter().any(|trade| trade.accepted_at < at)
    }

    /// The window's state at event time `at`, if it has trades.
    pub(crate) fn window(&self, symbol: &str, start: i64, end: i64, at: i64) -> Option<Window> {
        let within = self.between(symbol, start, end).iter().filter(|trade| trade.accepted_at < at);
        let trades: Vec<&Trade> = within.collect();
        let (first, last) = (trades.first()?, trades.last()?);
        let sum = |of: fn(&Trade) -> BigInt| trades.iter().map(|trade| of(trade)).sum::<BigInt>();
        let volume = sum(|t| BigInt::from(t.quantity));
        let quote_volume = sum(|t| BigInt::from(t.price) * t.quantity);
        let squares = sum(|t| BigInt::from(t.price) * t.price * t.quantity);
        let prices = trades.iter().map(|trade| trade.price);
        let least_id = trades.iter().map(|trade| trade.id).min()?;
        let before_start = self.greatest_id(symbol, start, at).unwrap_or(i128::from(least_id) - 1);
        let before_end = self.greatest_id(symbol, end, at)?;
        Some(Window {
            trades: trades.len(),
            open: first.price,
            high: prices.clone().max()?,
            low: prices.min()?,
            close: last.price,
            volume,
            quote_volume,
            squares,
            missing_ids: before_end - before_start - trades.len() as i128,
            digest: trades.iter().fold(0u64, |sum, trade| sum.wrapping_add(hash(trade))),
        })
    }

    fn between(&self, symbol: &str, start: i64, end: i64) -> &[Trade] {
        let trades = self.trades(symbol);
        let from = trades.partition_point(|trade| trade.time < start);
        let to = trades.partition_point(|trade| trade.time < end);
        &trades[from..to]
    }

    /// The greatest id among the trades with event time before `time`, as it is known at event time `at`.
    fn greatest_id(&self, symbol: &str, time: i64, at: i64) -> Option<i128> {
        let earlier = self.between(symbol, i64::MIN, time).iter().filter(|trade| trade.accepted_at < at);
        earlier.map(|trade| i128::from(trade.id)).max()
    }
}

impl Window {
    /// E\[x\]: the VWAP.
    pub(crate) fn mean(&self) -> BigRational {
        BigRational::new(self.quote_volume.clone(), &self.volume * 100_000_000)
    }

    /// E\[x²\].
    pub(crate) fn mean_square(&self) -> BigRational {
        BigRational::new(self.squares.clone(), &self.volume * 10_000_000_000_000_000u64)
    }
}

fn hash(trade: &Trade) -> u64 {
    let mut bytes = trade.symbol.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(trade.id.to_le_bytes());
    bytes.extend(trade.price.to_le_bytes());
    bytes.extend(trade.quantity.to_le_bytes());
    bytes.extend(trade.time.to_le_bytes());
    xxh3_64(&bytes)
}
