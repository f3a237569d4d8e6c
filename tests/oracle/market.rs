//! The state of a symbol's window at an event time (`docs/semantics.md#numbers`, `#windows`, `#missing-ids`),
//! summed anew each time it is asked for.

use super::acceptance::Trade;
use super::log::JobSymbol;
use super::numbers::ten_to;
use super::record::{Decimals, Id};
use super::settings::Settings;
use super::windows::Window;
use num_bigint::BigInt;
use num_rational::BigRational;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A symbol and the number of a stay of it.
type Key = (String, usize);

/// All accepted trades, by symbol and stay, and in order of event time.
#[derive(Debug, Default)]
pub(crate) struct Market {
    symbols: BTreeMap<Key, Vec<Trade>>,
    /// What has been asked for: a cross asks for the same as its legs.
    known: RefCell<HashMap<(Key, Window, i64), Option<Sums>>>,
}

/// What the trades of a window come to, prices and quantities scaled by their decimals.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub trades: usize,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    /// Sums of q, of pq and of ppq.
    pub volume: BigInt,
    pub quote_volume: BigInt,
    pub squares: BigInt,
    /// The first two sums over what takers bought; nothing where a trade does not tell.
    pub taker_buys: Option<(BigInt, BigInt)>,
    /// Nothing where some trade's id is none of a sequence.
    pub missing_ids: Option<i128>,
    pub digest: u64,
    decimals: Decimals,
}

impl Market {
    pub(crate) fn new(trades: &[Trade]) -> Market {
        let mut market = Market { symbols: BTreeMap::new(), known: RefCell::default() };
        for trade in trades {
            market.symbols.entry((trade.symbol.clone(), trade.stay)).or_default().push(trade.clone());
        }
        for trades in market.symbols.values_mut() {
            trades.sort_by_key(|trade| match trade.id {
                Id::Sequence(id) => (trade.time, 0, id, trade.price, (0, 0, 0)),
                _ => (trade.time, 1, 0, 0, trade.arrival),
            });
        }
        market
    }

    pub(crate) fn symbols(&self) -> impl Iterator<Item = &Key> {
        self.symbols.keys()
    }

    pub(crate) fn trades<'a>(&'a self, symbol: &JobSymbol) -> &'a [Trade] {
        self.symbols.get(&key(symbol)).map_or(&[], Vec::as_slice)
    }

    /// Whether a trade of this interval was accepted while its partition's watermark was before `at`.
    pub(crate) fn has_trades(&self, symbol: &JobSymbol, start: i64, end: i64, at: i64) -> bool {
        self.between(symbol, start, end).iter().any(|trade| trade.accepted_at < at)
    }

    /// The window's state at event time `at`, if it has trades.
    pub(crate) fn sums(
        &self,
        settings: &Settings,
        symbol: &JobSymbol,
        window: Window,
        at: i64,
    ) -> Option<Sums> {
        let key = (key(symbol), window, at);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let sums = self.summed(settings, symbol, window, at);
        self.known.borrow_mut().insert(key, sums.clone());
        sums
    }

    fn summed(&self, settings: &Settings, symbol: &JobSymbol, window: Window, at: i64) -> Option<Sums> {
        let Window { start, end, .. } = window;
        let within = self.between(symbol, start, end).iter().filter(|trade| trade.accepted_at < at);
        let trades: Vec<&Trade> = within.collect();
        let (first, last) = (trades.first()?, trades.last()?);
        let sum = |of: fn(&Trade) -> BigInt| trades.iter().map(|trade| of(trade)).sum::<BigInt>();
        let volume = sum(|t| BigInt::from(t.quantity));
        let quote_volume = sum(|t| BigInt::from(t.price) * t.quantity);
        let squares = sum(|t| BigInt::from(t.price) * t.price * t.quantity);
        let prices = trades.iter().map(|trade| trade.price);
        let of_takers = |of: fn(&Trade) -> BigInt| {
            let told = trades.iter().map(|trade| Some(if trade.taker_buys? { of(trade) } else { 0.into() }));
            told.sum::<Option<BigInt>>()
        };
        let taker_buys =
            of_takers(|t| t.quantity.into()).zip(of_takers(|t| BigInt::from(t.price) * t.quantity));
        let is_numbered = trades.iter().all(|trade| is_of_sequence(trade));
        let missing_ids = is_numbered.then(|| self.missing_ids(symbol, start, end, at));
        Some(Sums {
            trades: trades.len(),
            open: first.price,
            high: prices.clone().max()?,
            low: prices.min()?,
            close: last.price,
            volume,
            quote_volume,
            squares,
            taker_buys,
            missing_ids,
            decimals: settings.decimals,
            digest: trades.iter().fold(0u64, |sum, trade| sum.wrapping_add(hash(trade))),
        })
    }

    fn between(&self, symbol: &JobSymbol, start: i64, end: i64) -> &[Trade] {
        let trades = self.trades(symbol);
        let from = trades.partition_point(|trade| trade.time < start);
        let to = trades.partition_point(|trade| trade.time < end);
        &trades[from..to]
    }

    /// The sum over the window's panes, each with what was before it.
    fn missing_ids(&self, symbol: &JobSymbol, start: i64, end: i64, at: i64) -> i128 {
        let known = self.between(symbol, i64::MIN, end).iter().filter(|trade| trade.accepted_at < at);
        let mut panes: BTreeMap<i64, Vec<&Trade>> = BTreeMap::new();
        for trade in known {
            if is_of_sequence(trade) {
                panes.entry(trade.pane).or_default().push(trade);
            }
        }
        let (mut missing, mut before) = (0, None);
        for (pane, trades) in panes {
            let greatest = trades.iter().map(|trade| i128::from(trade.last)).max().expect("a trade");
            let least = trades.iter().map(|trade| i128::from(trade.first)).min().expect("a trade");
            let stand_for =
                trades.iter().map(|trade| i128::from(trade.last) - i128::from(trade.first) + 1).sum::<i128>();
            // Ids that begin anew: what was before does not count any more.
            before = before.filter(|before| *before < 1_000 || 2 * greatest >= *before);
            let greatest_before = before.unwrap_or(least - 1);
            let greatest_after = greatest.max(greatest_before);
            if pane >= start {
                missing += greatest_after - greatest_before - stand_for;
            }
            before = Some(greatest_after);
        }
        missing
    }
}

impl Sums {
    /// E\[x\]: the VWAP.
    pub(crate) fn mean(&self) -> BigRational {
        BigRational::new(self.quote_volume.clone(), &self.volume * ten_to(self.decimals.price as u32))
    }

    /// The price of the last trade.
    pub(crate) fn close(&self) -> BigRational {
        BigRational::new(self.close.into(), ten_to(self.decimals.price as u32))
    }

    /// E\[x²\].
    pub(crate) fn mean_square(&self) -> BigRational {
        BigRational::new(self.squares.clone(), &self.volume * ten_to(2 * self.decimals.price as u32))
    }
}

fn key(symbol: &JobSymbol) -> Key {
    (symbol.name.clone(), symbol.stay.number)
}

fn is_of_sequence(trade: &Trade) -> bool {
    matches!(trade.id, Id::Sequence(_))
}

/// What the digest takes for the id.
fn number(trade: &Trade) -> u64 {
    match &trade.id {
        Id::Sequence(id) | Id::Unique(id) => *id,
        Id::Text(text) => (xxh3_128(text.as_bytes()) >> 64) as u64,
        Id::None => 0,
    }
}

fn hash(trade: &Trade) -> u64 {
    let mut bytes = trade.symbol.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(number(trade).to_le_bytes());
    bytes.extend(trade.price.to_le_bytes());
    bytes.extend(trade.quantity.to_le_bytes());
    bytes.extend(trade.time.to_le_bytes());
    xxh3_64(&bytes)
}
