//! Long inputs for tests and benches: trades in JSON lines at a steady number a second of event time, by a
//! heavy-tailed choice of symbols, up to a second out of order. Five million lines take a few seconds.

use super::event::SimulatedTrade;
use super::random::SplitMix;
use std::io::{self, Write};

/// Buckets in a second of arrivals.
const BUCKETS: u64 = 256;
/// A trade comes so many buckets after its time at most: within a second.
const DISORDER: u64 = BUCKETS;
/// Bytes after which a file's lines are written out.
const BUFFER: usize = 1 << 20;

/// A generated input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tape {
    /// Another seed is another input of the same kind.
    pub seed: u64,
    /// How many trades.
    pub trades: u64,
    /// Of so many symbols, 1 at least: the first two are BTCUSDT and XVGBTC. Symbol k trades as often as 1/k
    /// of the first (Zipf).
    pub symbols: u32,
    /// Trades in a second of event time, all symbols together; 1 at least.
    pub per_second: u64,
    /// The event time of the first, in milliseconds since the epoch.
    pub start_ms: u64,
    /// How many assets the symbols trade, besides those of the first two; each but one in sixteen against
    /// four of them, which [`MARKET_CURRENCIES`] are. 0: each symbol trades an asset of its own in USDT.
    pub assets: u32,
}

/// What symbols of a market of so many assets are traded against.
pub const MARKET_CURRENCIES: [&str; 4] = ["USDT", "BTC", "ETH", "BNB"];

impl Default for Tape {
    fn default() -> Self {
        Tape {
            seed: 1,
            trades: 5_000_000,
            symbols: 2,
            per_second: 100_000,
            start_ms: 1_525_132_800_000,
            assets: 0,
        }
    }
}

#[derive(Debug, Copy, Clone)]
struct TapeEntry {
    id: u64,
    time_ms: u64,
    price: u64,
    quantity: u64,
    symbol: u32,
    buyer_is_maker: bool,
}

impl Tape {
    /// Writes the lines, dealt out one by one to the outputs in turn (a topic without keys); gives the bytes
    /// written. Within an output no trade is more than a second behind the latest one. The same trades,
    /// whatever the number of outputs.
    pub fn write<W: Write>(&self, outputs: &mut [W]) -> io::Result<u64> {
        if outputs.is_empty() {
            return Ok(0);
        }
        let mut random = SplitMix::new(self.seed, 7);
        let choice = Zipf::new(self.symbols.max(1));
        let mut symbols: Vec<Walk> = (0..self.symbols.max(1)).map(|k| Walk::new(k, self.seed)).collect();
        let names: Vec<String> = (0..self.symbols.max(1)).map(|k| name(k, self.assets)).collect();
        let mut buckets: Vec<Vec<TapeEntry>> = (0..=DISORDER).map(|_| Vec::new()).collect();
        let mut lines = LineDealer {
            buffers: outputs.iter().map(|_| Vec::new()).collect(),
            outputs,
            turn: 0,
            written: 0,
        };
        let per_second = self.per_second.max(1);
        let mut now = 0;
        for nth in 0..self.trades {
            let bucket = (u128::from(nth) * u128::from(BUCKETS) / u128::from(per_second)) as u64;
            // When a second has fewer trades than buckets, most are passed over empty; all have been after
            // one round.
            for passed in now..bucket.min(now + DISORDER + 1) {
                lines.put(&mut buckets[(passed % (DISORDER + 1)) as usize], &names)?;
            }
            now = bucket;
            let symbol = choice.draw(&mut random);
            let walk = &mut symbols[symbol as usize];
            let entry = TapeEntry {
                id: walk.next_id(),
                time_ms: self.start_ms + (u128::from(nth) * 1_000 / u128::from(per_second)) as u64,
                price: walk.step(&mut random),
                quantity: 1_000 + random.below(2_000_000) * (1 + 50 * u64::from(random.one_in(40))),
                symbol,
                buyer_is_maker: random.one_in(2),
            };
            let late = random.below(DISORDER);
            buckets[((now + late) % (DISORDER + 1)) as usize].push(entry);
        }
        for passed in now..=now + DISORDER {
            lines.put(&mut buckets[(passed % (DISORDER + 1)) as usize], &names)?;
        }
        lines.finish()
    }
}

/// The name of the symbol of that number. Of a market of assets the symbols that trade most are spread over
/// its currencies, so that most assets are some symbols away from any of them; one in sixteen is traded
/// against another such asset alone.
fn name(k: u32, assets: u32) -> String {
    match k {
        0 => "BTCUSDT".to_owned(),
        1 => "XVGBTC".to_owned(),
        2..=4 if assets > 0 => ["ETHBTC", "BNBBTC", "ETHUSDT"][k as usize - 2].to_owned(),
        _ if assets > 0 => {
            let (asset, round) = ((k - 5) % assets, (k - 5) / assets);
            match asset % 16 {
                15 => format!("A{asset:04}-A{:04}", (asset + assets - 1 - round) % assets),
                _ => format!("A{asset:04}-{}", MARKET_CURRENCIES[((asset + round) % 4) as usize]),
            }
        }
        _ => format!("S{k:04}USDT"),
    }
}

/// A symbol's price and next id.
#[derive(Debug, Copy, Clone)]
struct Walk {
    price: u64,
    step: u64,
    id: u64,
}

impl Walk {
    fn new(k: u32, seed: u64) -> Self {
        let mut random = SplitMix::new(seed, 1_000 + u64::from(k));
        let price = match k {
            0 => 924_500_000_000,
            1 => 811,
            // From a hundredth of a cent to a thousand dollars, most of them small.
            _ => 10_000 * 10_u64.pow(random.below(7) as u32) * (1 + random.below(9)),
        };
        Walk { price, step: (price / 50_000).max(1), id: 1_000_000 + random.below(100_000_000) }
    }

    fn next_id(&mut self) -> u64 {
        self.id += 1;
        self.id
    }

    fn step(&mut self, random: &mut SplitMix) -> u64 {
        // Down from 1 there is no way but up.
        self.price = (self.price + self.step * random.below(3)).saturating_sub(self.step).max(self.step);
        self.price
    }
}

/// Draws k with a chance of 1/(k+1) against the first's, by two looks into a table (the alias method).
struct Zipf {
    /// For each slot: below this draw its own number, else the other's.
    slots: Vec<(u64, u32)>,
}

impl Zipf {
    fn new(n: u32) -> Self {
        let total: f64 = (1..=n).map(|k| 1.0 / f64::from(k)).sum();
        let mut share: Vec<f64> = (1..=n).map(|k| f64::from(n) / (f64::from(k) * total)).collect();
        let mut slots: Vec<(u64, u32)> = (0..n).map(|k| (u64::MAX, k)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) = (0..n).partition(|&k| share[k as usize] < 1.0);
        while let (Some(&few), Some(&many)) = (small.last(), large.last()) {
            small.pop();
            slots[few as usize] = ((share[few as usize] * u64::MAX as f64) as u64, many);
            share[many as usize] -= 1.0 - share[few as usize];
            if share[many as usize] < 1.0 {
                large.pop();
                small.push(many);
            }
        }
        Zipf { slots }
    }

    fn draw(&self, random: &mut SplitMix) -> u32 {
        let slot = random.below(self.slots.len() as u64) as u32;
        let (below, other) = self.slots[slot as usize];
        if random.next() <= below { slot } else { other }
    }
}

/// Deals lines out to the outputs.
struct LineDealer<'a, W> {
    outputs: &'a mut [W],
    buffers: Vec<Vec<u8>>,
    turn: usize,
    written: u64,
}

impl<W: Write> LineDealer<'_, W> {
    fn put(&mut self, bucket: &mut Vec<TapeEntry>, names: &[String]) -> io::Result<()> {
        for entry in bucket.drain(..) {
            let buffer = &mut self.buffers[self.turn];
            let event = SimulatedTrade {
                symbol: &names[entry.symbol as usize],
                id: entry.id,
                price: entry.price,
                quantity: entry.quantity,
                time_ms: entry.time_ms,
                said_ms: entry.time_ms + 1,
                buyer_is_maker: entry.buyer_is_maker,
            };
            event.write(buffer);
            buffer.push(b'\n');
            if buffer.len() >= BUFFER {
                self.outputs[self.turn].write_all(buffer)?;
                self.written += buffer.len() as u64;
                buffer.clear();
            }
            self.turn = (self.turn + 1) % self.outputs.len();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        for (output, buffer) in self.outputs.iter_mut().zip(&self.buffers) {
            output.write_all(buffer)?;
            output.flush()?;
            self.written += buffer.len() as u64;
        }
        Ok(std::mem::take(&mut self.written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn lines(tape: &Tape, files: usize) -> Vec<Vec<String>> {
        let mut outputs = vec![Vec::new(); files];
        let bytes = tape.write(&mut outputs).unwrap();
        assert_eq!(bytes, outputs.iter().map(|o| o.len() as u64).sum::<u64>());
        outputs.iter().map(|o| str::from_utf8(o).unwrap().lines().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn whole_valid_and_a_second_out_of_order_at_most() {
        for (symbols, per_second) in [(1, 1), (2, 3), (2, 20_000), (300, 5_000)] {
            let tape = Tape { trades: 20_000, symbols, per_second, ..Tape::default() };
            let lines = lines(&tape, 1).remove(0);
            assert_eq!(lines.len(), 20_000);
            let mut ids: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            let (mut greatest, mut disordered) = (0, 0);
            for line in &lines {
                let json: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(json["e"], "trade");
                ids.entry(json["s"].as_str().unwrap().to_owned())
                    .or_default()
                    .push(json["t"].as_u64().unwrap());
                let time = json["T"].as_u64().unwrap();
                greatest = greatest.max(time);
                assert!(time + 1_000 >= greatest);
                disordered += usize::from(time < greatest);
            }
            assert_eq!(greatest, tape.start_ms + 19_999 * 1_000 / per_second);
            assert!(per_second < 10 || disordered > 5_000, "{disordered}");
            for ids in ids.values_mut() {
                ids.sort_unstable();
                assert!(ids.windows(2).all(|w| w[0] + 1 == w[1]));
            }
            assert_eq!(ids.len(), symbols as usize);
        }
    }

    #[test]
    fn a_market_of_800_assets_has_3000_symbols_of_their_own() {
        let names: BTreeSet<String> = (0..3_000).map(|k| name(k, 800)).collect();
        assert_eq!(names.len(), 3_000);
        let assets: BTreeSet<&str> = names.iter().filter_map(|name| Some(name.split_once('-')?.0)).collect();
        assert_eq!(assets.len(), 800);
        assert!(names.contains("A0003-BNB") && names.contains("A0015-A0014"), "{names:?}");
    }

    #[test]
    fn four_files_hold_the_trades_of_one() {
        let tape = Tape { trades: 10_001, symbols: 50, ..Tape::default() };
        let mut one = lines(&tape, 1).remove(0);
        let four = lines(&tape, 4);
        assert!(four.iter().all(|f| f.len() == 2_500 || f.len() == 2_501));
        let mut all: Vec<String> = four.into_iter().flatten().collect();
        one.sort_unstable();
        all.sort_unstable();
        assert!(one == all);
        assert!(lines(&tape, 4) == lines(&tape, 4));
    }

    #[test]
    fn activity_falls_as_one_over_k() {
        let zipf = Zipf::new(1_000);
        let mut random = SplitMix::new(3, 3);
        let mut drawn = vec![0_u32; 1_000];
        for _ in 0..1_000_000 {
            drawn[zipf.draw(&mut random) as usize] += 1;
        }
        // The harmonic number of 1,000 is 7.485.
        for (k, expected) in [(0, 133_600), (1, 66_800), (9, 13_360), (99, 1_336)] {
            let got = f64::from(drawn[k]) / f64::from(expected);
            assert!((0.85..1.15).contains(&got), "{k}: {got}");
        }
        assert!(drawn[900..].iter().sum::<u32>() > 10_000);
    }
}
