//! The market of the demo: six pairs of five assets on four partitions, or sixty of more assets, and what
//! goes wrong in real markets, at places known from [`super::story`]. Times and prices are made up. Ids rise
//! by one within a symbol. A record arrives a few milliseconds after its trade, some more than a second
//! later: out of order, but within [`DELAY`].

use super::event::{self, SimulatedTrade};
use super::pairs::{MarketPair, PAIRS, Prices, listed};
use super::random::SplitMix;
use super::story::{self, MarketFault, SECOND, STORY, STORY_SECONDS};
use crate::config::Listing;
use crossrate_dataflows::market::event_time::EventTime;
use std::collections::VecDeque;

/// How far out of order a partition of the market is at most, in microseconds; but for the story's
/// exceptions.
pub const DELAY: u64 = 2_000_000;
/// How much later what the story holds back may still come and be counted, in microseconds.
pub const GRACE: u64 = 5_000_000;

/// A generated market: told by its seed and its length alone.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Market {
    /// Another seed is another market with the same story.
    pub seed: u64,
    /// How long it trades.
    pub seconds: u64,
    /// What is traded.
    pub listing: Listing,
}

/// One record of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketRecord {
    /// When it enters its log. Never falls within a partition.
    pub arrival: EventTime,
    /// Its bytes.
    pub value: Vec<u8>,
}

impl Market {
    /// How many partitions there are.
    pub const PARTITIONS: usize = 4;
    /// When it begins.
    pub const START: EventTime = EventTime::from_micros(1_525_132_800 * SECOND);

    /// The symbols of the story of a partition, the busiest first.
    pub fn symbols(partition: usize) -> impl Iterator<Item = &'static str> {
        PAIRS.iter().filter(move |pair| pair.partition == partition).map(|pair| pair.symbol)
    }

    /// The log of a partition; empty beyond [`Market::PARTITIONS`].
    pub fn partition(self, partition: usize) -> MarketPartition {
        let pairs = listed(self.listing).filter(|pair| pair.partition == partition);
        MarketPartition {
            market: self,
            partition,
            second: 0,
            next: 0,
            pairs: pairs.map(|pair| PairState { pair, next_id: pair.first_id }).collect(),
            prices: Prices::new(self.seed, self.listing),
            random: SplitMix::new(self.seed, 100 + partition as u64),
            pending: Vec::new(),
            ready: VecDeque::new(),
        }
    }
}

struct PairState {
    pair: &'static MarketPair,
    next_id: u64,
}

/// The records of a partition, in the order of its log.
#[allow(missing_debug_implementations, reason = "a generator: there is nothing in it to look at")]
pub struct MarketPartition {
    market: Market,
    partition: usize,
    /// The next second to be generated.
    second: u64,
    /// Numbers records as they are generated, so that equal arrivals keep an order.
    next: u64,
    pairs: Vec<PairState>,
    prices: Prices,
    random: SplitMix,
    /// Generated, and not yet known to be the next: (arrival, number, bytes).
    pending: Vec<(u64, u64, Vec<u8>)>,
    ready: VecDeque<MarketRecord>,
}

impl Iterator for MarketPartition {
    type Item = MarketRecord;

    fn next(&mut self) -> Option<MarketRecord> {
        while self.ready.is_empty() && self.second < self.market.seconds && !self.pairs.is_empty() {
            self.generate_second();
        }
        self.ready.pop_front()
    }
}

impl MarketPartition {
    fn trouble(&self) -> impl Iterator<Item = MarketFault> + use<> {
        story::at(self.partition, self.second)
    }

    fn has(&self, what: MarketFault) -> bool {
        self.trouble().any(|t| t == what)
    }

    fn push(&mut self, arrival: u64, value: Vec<u8>) {
        self.pending.push((arrival, self.next, value));
        self.next += 1;
    }

    fn generate_second(&mut self) {
        let begin = Market::START.micros() + self.second * SECOND;
        for place in 0..self.pairs.len() {
            self.generate_trades(place, begin);
        }
        self.generate_others(begin);
        self.prices.advance();
        self.second += 1;
        self.release(begin + SECOND);
    }

    /// What one pair trades in this second.
    fn generate_trades(&mut self, place: usize, begin: u64) {
        let PairState { pair, mut next_id } = self.pairs[place];
        // The story is about the first symbol of a partition; the others just trade.
        let troubles: Vec<MarketFault> = if place == 0 { self.trouble().collect() } else { Vec::new() };
        let has = |what| troubles.contains(&what);
        let burst = if has(MarketFault::Burst) { 8.0 } else { 1.0 };
        let mut count = (pair.rate_at(self.second) * self.prices.activity * burst * 2.0 * self.random.unit()
            + self.random.unit()) as u64;
        if has(MarketFault::Silent) {
            count = 0;
        } else if !troubles.is_empty() {
            // Trouble needs somebody to befall.
            count = count.max(8);
        }
        let mut times: Vec<u64> = (0..count).map(|_| self.random.below(SECOND)).collect();
        // One order that takes several others makes several trades of the same moment.
        for i in 1..times.len() {
            if self.random.one_in(4) {
                times[i] = times[i - 1];
            }
        }
        times.sort_unstable();
        for (nth, offset) in (0_u64..).zip(times) {
            if let Some(gap) =
                troubles.iter().find_map(|t| if let MarketFault::Gap(n) = t { Some(*n) } else { None })
                && nth == 4
            {
                next_id += gap;
            }
            let time = begin + offset;
            let event = self.trade(pair, next_id, time, offset as f64 / SECOND as f64);
            next_id += 1;
            let mut value = Vec::with_capacity(160);
            event.write(&mut value);
            let mut arrival = time + 2_000 + self.random.below(40_000);
            if self.random.one_in(30) {
                arrival += self.random.below(1_300_000);
            }
            if has(MarketFault::HeldBack) && nth < 5 {
                arrival = begin + 6 * SECOND;
            }
            if has(MarketFault::Late) && nth == 2 {
                arrival = begin + 20 * SECOND;
            }
            if has(MarketFault::Duplicate) && nth == 3 {
                self.push(arrival + 300_000, value.clone());
            }
            self.push(arrival, value);
        }
        self.pairs[place].next_id = next_id;
    }

    fn trade(&mut self, pair: &'static MarketPair, id: u64, time: u64, part: f64) -> SimulatedTrade<'static> {
        let buyer_is_maker = self.random.one_in(2);
        let middle = self.prices.quotient(pair, part) * 1e8 / pair.price_step as f64;
        // Takers pay a step or two, sellers get as much less.
        let steps = middle as u64 + u64::from(!buyer_is_maker) + self.random.below(2);
        let price = steps.max(1) * pair.price_step;
        let dollars = pair.worth * self.random.heavy_tail().min(60.0);
        SimulatedTrade {
            symbol: pair.symbol,
            id,
            price,
            quantity: self.prices.quantity(pair, dollars),
            time_ms: time / 1_000,
            said_ms: time / 1_000 + self.random.below(3),
            buyer_is_maker,
        }
    }

    /// Records that are no trades of ours, and records that are none at all.
    fn generate_others(&mut self, begin: u64) {
        let begin_ms = begin / 1_000;
        // What is older than this has come, but for what the story holds back.
        let mut value = Vec::new();
        event::heartbeat(&mut value, (begin - 1_400_000) / 1_000);
        self.push(begin + 1_000, value);
        let second = self.second;
        if self.partition == 2 && second % 5 == 3 {
            // Nobody asked for this pair.
            let event = SimulatedTrade {
                symbol: "DOGEUSDT",
                id: 1_000 + second,
                price: 400_000 + self.random.below(5_000),
                quantity: 100_000_000_000,
                time_ms: begin_ms + 500,
                said_ms: begin_ms + 501,
                buyer_is_maker: false,
            };
            let mut value = Vec::new();
            event.write(&mut value);
            self.push(begin + 510_000, value);
        }
        if self.partition == 0 && second % 20 == 7 {
            // The best offer, no trade.
            let value = br#"{"u":400900217,"s":"BTCUSDT","b":"9244.10000000","B":"31.21000000","a":"9244.15000000","A":"40.66000000"}"#;
            self.push(begin + 700_000, value.to_vec());
        }
        if self.has(MarketFault::Truncated) {
            let value = format!(r#"{{"e":"trade","E":{begin_ms},"s":"ETHUSDT","t":2431"#);
            self.push(begin + 600_000, value.into_bytes());
        }
        if self.has(MarketFault::BadPrice) {
            let value = format!(
                r#"{{"e":"trade","E":{begin_ms},"s":"ETHBTC","t":1,"p":"7.2E-2","q":"1.0","T":{begin_ms},"m":true,"M":true}}"#
            );
            self.push(begin + 600_000, value.into_bytes());
        }
        if self.has(MarketFault::Future) {
            let ahead = begin_ms + 3_600_000;
            let value = format!(
                r#"{{"e":"trade","E":{ahead},"s":"XRPUSDT","t":1,"p":"0.84000000","q":"100.00000000","T":{ahead},"m":true,"M":true}}"#
            );
            self.push(begin + 600_000, value.into_bytes());
        }
    }

    /// Hands out what nothing can come before any more: all that arrives before `until`, everything at the
    /// end.
    fn release(&mut self, until: u64) {
        let until = if self.second >= self.market.seconds { u64::MAX } else { until };
        self.pending.sort_unstable_by_key(|(arrival, number, _)| (*arrival, *number));
        let due = self.pending.partition_point(|(arrival, ..)| *arrival < until);
        let partition = self.partition;
        self.ready.extend(self.pending.drain(..due).map(|(arrival, _, value)| MarketRecord {
            arrival: EventTime::from_micros(after_stall(partition, arrival)),
            value,
        }));
    }
}

/// Every place of the story lies in a partition that there is, and ends before the story does.
const _: () = {
    let mut n = 0;
    while n < STORY.len() {
        assert!(
            STORY[n].partition < Market::PARTITIONS
                && STORY[n].from < STORY[n].to
                && STORY[n].to <= STORY_SECONDS
        );
        n += 1;
    }
};

/// When a record enters its log that would have entered at `arrival`, were the log within reach.
fn after_stall(partition: usize, arrival: u64) -> u64 {
    let since = arrival - Market::START.micros();
    story::stalled_until(partition, since).map_or(arrival, |until| Market::START.micros() + until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    const MARKET: Market = Market { seed: 1, seconds: STORY_SECONDS, listing: Listing::Story };

    /// Symbol, id and T in µs.
    type Read = (String, u64, u64);

    /// The records, and what those say that are trades.
    fn trades(partition: usize) -> Vec<(MarketRecord, Option<Read>)> {
        let read = |r: &MarketRecord| {
            let json: serde_json::Value = serde_json::from_slice(&r.value).ok()?;
            (json["e"] == "trade").then_some(())?;
            Some((json["s"].as_str()?.to_owned(), json["t"].as_u64()?, json["T"].as_u64()? * 1_000))
        };
        MARKET.partition(partition).map(|r| (read(&r), r)).map(|(t, r)| (r, t)).collect()
    }

    #[test]
    fn equal_seeds_give_equal_markets() {
        for p in 0..Market::PARTITIONS {
            assert!(MARKET.partition(p).eq(MARKET.partition(p)));
            assert!(MARKET.partition(p).ne(Market { seed: 2, ..MARKET }.partition(p)));
            // A longer market begins as the shorter one does, up to what the shorter one's end sets free.
            let short: Vec<_> = MARKET.partition(p).take(500).collect();
            assert!(Market { seconds: 2 * STORY_SECONDS, ..MARKET }.partition(p).take(500).eq(short));
        }
        assert_eq!(MARKET.partition(Market::PARTITIONS).next(), None);
    }

    #[test]
    fn the_larger_market_has_the_story_and_more_symbols() {
        let market = Market { listing: Listing::Many, ..MARKET };
        let symbols: BTreeSet<String> = (0..Market::PARTITIONS)
            .flat_map(|p| market.partition(p))
            .filter_map(|record| serde_json::from_slice::<serde_json::Value>(&record.value).ok())
            .filter_map(|json| Some(json["s"].as_str()?.to_owned()))
            .collect();
        // Besides one that nobody asks for.
        assert_eq!(symbols.len(), listed(Listing::Many).count() + 1, "{symbols:?}");
        assert!(["XVGBTC", "USDTTRY", "STORMTRX"].iter().all(|symbol| symbols.contains(*symbol)));
    }

    #[test]
    fn arrivals_never_fall_and_trades_are_within_the_delay() {
        for p in 0..Market::PARTITIONS {
            let mut last = 0;
            let mut greatest = 0;
            let mut beyond = 0;
            for (record, trade) in trades(p) {
                assert!(record.arrival.micros() >= last);
                last = record.arrival.micros();
                let Some((symbol, _, time)) = trade else { continue };
                if time > last + GRACE {
                    assert_eq!(symbol, "XRPUSDT", "only the story's future trade");
                    continue;
                }
                assert!(time <= last);
                greatest = greatest.max(time);
                beyond += usize::from(time + DELAY < greatest);
            }
            // Five are held back, one is late.
            assert_eq!(beyond, [1, 5, 0, 0][p], "partition {p}");
        }
    }

    #[test]
    fn ids_rise_by_one_but_for_the_gap() {
        let mut ids: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        let mut repeated = 0;
        for p in 0..Market::PARTITIONS {
            for (_, trade) in trades(p) {
                let Some((symbol, id, _)) = trade else { continue };
                repeated += usize::from(!ids.entry(symbol).or_default().insert(id));
            }
        }
        assert_eq!(repeated, 1, "the story's duplicate");
        for pair in &PAIRS {
            let ids = &ids[pair.symbol];
            // Two records of the story carry an id of 1.
            let own = ids.range(2..);
            let missing = ids.last().unwrap() + 1 - pair.first_id - own.count() as u64;
            assert_eq!(missing, if pair.symbol == "BTCUSDT" { 3 } else { 0 }, "{}", pair.symbol);
        }
        assert_eq!(ids.len(), 7);
    }

    #[test]
    fn the_story_happens() {
        let start = Market::START.micros();
        let (silent, stalled) = (60 * SECOND..80 * SECOND, 105 * SECOND..118 * SECOND);
        for (record, trade) in trades(3) {
            let Some((_, _, time)) = trade else { continue };
            assert!(!silent.contains(&(time - start)));
            assert!(!stalled.contains(&(record.arrival.micros() - start)));
        }
        let stalled = trades(3).iter().filter(|(r, _)| r.arrival.micros() == start + 118 * SECOND).count();
        assert!(stalled > 20, "{stalled}");
        let malformed = |p| {
            MARKET.partition(p).filter(|r| serde_json::from_slice::<serde_json::Value>(&r.value).is_err())
        };
        assert_eq!((0..4).map(|p| malformed(p).count()).collect::<Vec<_>>(), [0, 1, 0, 0]);
        let late = trades(0)
            .iter()
            .filter(|(r, t)| t.as_ref().is_some_and(|t| r.arrival.micros() > t.2 + 19 * SECOND))
            .count();
        assert_eq!(late, 1);
        let in_second = |s: u64| {
            trades(0).iter().filter(|(_, t)| t.as_ref().is_some_and(|t| (t.2 - start) / SECOND == s)).count()
        };
        assert!((203..206).map(in_second).sum::<usize>() > 2 * (200..203).map(in_second).sum::<usize>());
    }

    #[test]
    fn crosses_agree_with_direct_pairs() {
        let mut last: BTreeMap<String, f64> = BTreeMap::new();
        for p in 0..Market::PARTITIONS {
            for record in MARKET.partition(p) {
                let Ok(json) = serde_json::from_slice::<serde_json::Value>(&record.value) else { continue };
                if let (Some(s), Some(price)) =
                    (json["s"].as_str(), json["p"].as_str().and_then(|p| p.parse().ok()))
                {
                    last.insert(s.to_owned(), price);
                }
            }
        }
        let eth = last["ETHBTC"] * last["BTCUSDT"] / last["ETHUSDT"];
        let xrp = last["XRPBTC"] * last["BTCUSDT"] / last["XRPUSDT"];
        assert!((0.99..1.01).contains(&eth) && (0.99..1.01).contains(&xrp), "{eth} {xrp}");
    }
}
