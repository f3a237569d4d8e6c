//! The pairs of the demo's market, and their prices: random walks in dollars. A pair's price is the quotient
//! of two of them, so that crosses agree with the pairs that are traded directly, but for the spread.

use super::random::SplitMix;

/// A pair that is traded.
pub(super) struct Pair {
    pub(super) symbol: &'static str,
    pub(super) partition: usize,
    pub(super) base: usize,
    pub(super) quote: usize,
    /// Trades a second, in quiet times.
    pub(super) rate: f64,
    /// The step of prices, scaled by 1e8, and of quantities.
    pub(super) price_step: u64,
    pub(super) quantity_step: u64,
    /// What a usual trade is worth, in dollars.
    pub(super) worth: f64,
    pub(super) first_id: u64,
}

const USDT: usize = 0;
const BTC: usize = 1;
const ETH: usize = 2;
const XRP: usize = 3;
const XVG: usize = 4;
/// Where the walks begin, in dollars.
const ASSETS: [f64; 5] = [1.0, 9_245.0, 669.0, 0.8350, 0.0742];

#[rustfmt::skip]
pub(super) const PAIRS: [Pair; 6] = [
    Pair { symbol: "BTCUSDT", partition: 0, base: BTC, quote: USDT, rate: 160.0, price_step: 1_000_000, quantity_step: 100, worth: 600.0, first_id: 39_982_779 },
    Pair { symbol: "ETHUSDT", partition: 1, base: ETH, quote: USDT, rate: 80.0, price_step: 1_000_000, quantity_step: 1_000, worth: 400.0, first_id: 24_310_551 },
    Pair { symbol: "ETHBTC", partition: 1, base: ETH, quote: BTC, rate: 40.0, price_step: 100, quantity_step: 100_000, worth: 500.0, first_id: 58_211_907 },
    Pair { symbol: "XRPUSDT", partition: 2, base: XRP, quote: USDT, rate: 40.0, price_step: 1_000, quantity_step: 1_000_000, worth: 200.0, first_id: 9_120_345 },
    Pair { symbol: "XRPBTC", partition: 2, base: XRP, quote: BTC, rate: 25.0, price_step: 1, quantity_step: 100_000_000, worth: 150.0, first_id: 21_703_416 },
    Pair { symbol: "XVGBTC", partition: 3, base: XVG, quote: BTC, rate: 4.0, price_step: 1, quantity_step: 100_000_000, worth: 60.0, first_id: 15_101_870 },
];

/// What every partition must agree on, drawn by each for itself.
pub(super) struct Prices {
    random: SplitMix,
    /// What the assets are worth when this second begins, and when it ends.
    now: [f64; 5],
    then: [f64; 5],
    /// How lively the market is this second; about 1.
    pub(super) activity: f64,
}

impl Prices {
    pub(super) fn new(seed: u64) -> Self {
        let mut prices = Prices { random: SplitMix::new(seed, 0), now: ASSETS, then: ASSETS, activity: 1.0 };
        prices.advance();
        prices
    }

    /// The next second.
    pub(super) fn advance(&mut self) {
        self.now = self.then;
        let lively = if self.random.one_in(12) { 1.0 + 4.0 * self.random.unit() } else { self.random.unit() };
        self.activity = 0.75 * self.activity + 0.25 * (0.4 + lively);
        for (asset, price) in self.then.iter_mut().enumerate().skip(1) {
            let deviation = [0.0, 0.000_25, 0.000_3, 0.000_4, 0.000_8][asset] * self.activity;
            *price *= 1.0 + deviation * self.random.bell();
        }
    }

    /// A pair's price at a part of this second.
    pub(super) fn quotient(&self, pair: &Pair, part: f64) -> f64 {
        let at = |asset: usize| self.now[asset] + (self.then[asset] - self.now[asset]) * part;
        at(pair.base) / at(pair.quote)
    }

    /// How many units of a pair's base are worth so many dollars, scaled by 1e8, in whole steps and one at
    /// least.
    pub(super) fn quantity(&self, pair: &Pair, dollars: f64) -> u64 {
        let steps = (dollars / self.now[pair.base] * 1e8 / pair.quantity_step as f64) as u64;
        (steps + 1) * pair.quantity_step
    }
}
