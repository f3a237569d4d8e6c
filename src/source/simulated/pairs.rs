//! The pairs of the demo's market, and their prices: random walks in dollars. A pair's price is the quotient
//! of two of them, so that crosses agree with the pairs that are traded directly, but for the spread.

mod more;

use super::random::SplitMix;
use super::story::STORY_SECONDS;
use crate::config::Listing;

/// A pair that is traded.
pub(super) struct MarketPair {
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
    hours: Hours,
}

/// When a pair trades most.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Hours {
    /// At all times.
    All,
    /// In the first half of the story, or in the second one.
    Early,
    Late,
}

impl MarketPair {
    /// A pair whose usual trade is worth a dollar.
    const fn of(
        symbol: &'static str,
        partition: usize,
        (base, quote): (usize, usize),
        rate: f64,
        (price_step, quantity_step): (u64, u64),
        first_id: u64,
    ) -> MarketPair {
        let hours = Hours::All;
        MarketPair {
            symbol,
            partition,
            base,
            quote,
            rate,
            price_step,
            quantity_step,
            worth: 1.0,
            first_id,
            hours,
        }
    }

    const fn worth(self, worth: f64) -> MarketPair {
        MarketPair { worth, ..self }
    }

    const fn early(self) -> MarketPair {
        MarketPair { hours: Hours::Early, ..self }
    }

    const fn late(self) -> MarketPair {
        MarketPair { hours: Hours::Late, ..self }
    }

    /// Trades a second, in quiet times, in that second of the market.
    pub(super) fn rate_at(&self, second: u64) -> f64 {
        let is_early = second % STORY_SECONDS < STORY_SECONDS / 2;
        let share = match (self.hours, is_early) {
            (Hours::All, _) => 1.0,
            (Hours::Early, true) | (Hours::Late, false) => 4.0,
            (Hours::Early, false) | (Hours::Late, true) => 0.5,
        };
        self.rate * share
    }
}

/// The pairs of a market, those of the story first.
pub(super) fn listed(listing: Listing) -> impl Iterator<Item = &'static MarketPair> {
    let more: &[MarketPair] = match listing {
        Listing::Story => &[],
        Listing::Many => &more::MORE_PAIRS,
    };
    PAIRS.iter().chain(more)
}

/// The number of an asset beside those of the story.
const fn more(number: usize) -> usize {
    ASSETS.len() + number
}

const USDT: usize = 0;
const BTC: usize = 1;
const ETH: usize = 2;
const XRP: usize = 3;
const XVG: usize = 4;
/// Where the walks begin, in dollars.
const ASSETS: [f64; 5] = [1.0, 9_245.0, 669.0, 0.8350, 0.0742];

/// Those of the story.
pub(super) static PAIRS: [MarketPair; 6] = [
    MarketPair::of("BTCUSDT", 0, (BTC, USDT), 160.0, (1_000_000, 100), 39_982_779).worth(600.0),
    MarketPair::of("ETHUSDT", 1, (ETH, USDT), 80.0, (1_000_000, 1_000), 24_310_551).worth(400.0),
    MarketPair::of("ETHBTC", 1, (ETH, BTC), 40.0, (100, 100_000), 58_211_907).worth(500.0),
    MarketPair::of("XRPUSDT", 2, (XRP, USDT), 40.0, (1_000, 1_000_000), 9_120_345).worth(200.0),
    MarketPair::of("XRPBTC", 2, (XRP, BTC), 25.0, (1, 100_000_000), 21_703_416).worth(150.0),
    MarketPair::of("XVGBTC", 3, (XVG, BTC), 4.0, (1, 100_000_000), 15_101_870).worth(60.0),
];

/// What every partition must agree on, drawn by each for itself.
pub(super) struct Prices {
    random: SplitMix,
    /// For the assets beside those of the story, which do not depend on them.
    more: SplitMix,
    /// What the assets are worth when this second begins, and when it ends.
    now: Vec<f64>,
    then: Vec<f64>,
    /// How lively the market is this second; about 1.
    pub(super) activity: f64,
}

impl Prices {
    pub(super) fn new(seed: u64, listing: Listing) -> Self {
        let mut assets = ASSETS.to_vec();
        if listing == Listing::Many {
            assets.extend(more::MORE_ASSETS);
        }
        let (random, more) = (SplitMix::new(seed, 0), SplitMix::new(seed, 1));
        let mut prices = Prices { random, more, now: assets.clone(), then: assets, activity: 1.0 };
        prices.advance();
        prices
    }

    /// The next second.
    pub(super) fn advance(&mut self) {
        self.now.clone_from(&self.then);
        let lively = if self.random.one_in(12) { 1.0 + 4.0 * self.random.unit() } else { self.random.unit() };
        self.activity = 0.75 * self.activity + 0.25 * (0.4 + lively);
        for (asset, price) in self.then.iter_mut().enumerate().skip(1) {
            let (deviation, random) = match [0.0, 0.000_25, 0.000_3, 0.000_4, 0.000_8].get(asset) {
                Some(deviation) => (*deviation, &mut self.random),
                None => (0.000_4, &mut self.more),
            };
            *price *= 1.0 + deviation * self.activity * random.bell();
        }
    }

    /// A pair's price at a part of this second.
    pub(super) fn quotient(&self, pair: &MarketPair, part: f64) -> f64 {
        let at = |asset: usize| self.now[asset] + (self.then[asset] - self.now[asset]) * part;
        at(pair.base) / at(pair.quote)
    }

    /// How many units of a pair's base are worth so many dollars, scaled by 1e8, in whole steps and one at
    /// least.
    pub(super) fn quantity(&self, pair: &MarketPair, dollars: f64) -> u64 {
        let steps = (dollars / self.now[pair.base] * 1e8 / pair.quantity_step as f64) as u64;
        (steps + 1) * pair.quantity_step
    }
}
