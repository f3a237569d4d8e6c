//! Seeded inputs that go wrong in every way the specification speaks of: a tape is a few files, each a partition.
//!
//! The same seed gives the same tape and the same flags, on any machine. What a record is about is decided here;
//! `text` decides how it is written, `flags` what is asked of it.

mod bad;
mod flags;
mod random;
mod text;

pub(crate) use random::Random;
use text::Writing;

/// A run: its flags, and its files as lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) flags: Vec<String>,
    pub(crate) files: Vec<Vec<Vec<u8>>>,
}

impl Case {
    /// What the files hold.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        let file = |lines: &Vec<Vec<u8>>| lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
        self.files.iter().map(file).collect()
    }
}

/// A trade as it is written, in units of the specification: prices scaled by 1e8, times in microseconds.
#[derive(Debug, Clone)]
struct Trade {
    symbol: String,
    aggregate: bool,
    id: u64,
    price: i64,
    quantity: i64,
    time: i64,
}

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let legs = ["XVGBTC", "BTCUSDT", "ETHBTC", "ETHUSDT"].map(str::to_owned).to_vec();
    let mut symbols = legs.clone();
    symbols.truncate(random.between(1, 4) as usize);
    match random.below(8) {
        0 => symbols.extend((0..random.between(5, 40)).map(|n| format!("S{n}USDT"))),
        1 => symbols
            .extend(["\"q\\uote\"", "币安人生USDT", "ünï", "a b", "\u{1}\u{7f}", "S"].map(str::to_owned)),
        _ => {}
    }
    let flags = flags::flags(&mut random, &symbols);
    // Each look at an open window costs the oracle its whole sum.
    let looks = flags.iter().any(|flag| flag == "--provisional");
    let records = random.one_of(if looks { &[0, 3, 10, 25, 50] } else { &[0, 10, 30, 60, 120, 200] });
    let files = Market::new(&mut random, symbols, records).files();
    Case { flags, files }
}

/// What all partitions of a tape share.
struct Market<'a> {
    random: &'a mut Random,
    symbols: Vec<String>,
    /// The next id of each symbol.
    ids: Vec<u64>,
    /// How prices and quantities are drawn.
    amounts: Amounts,
    start: i64,
    records: u64,
    /// In so many of a hundred records something goes wrong.
    trouble: u64,
    /// The longest step of time between two records, in microseconds.
    step: u64,
    writing: Writing,
}

#[derive(Debug, Copy, Clone)]
enum Amounts {
    Plain,
    Wide,
    Extreme,
}

/// How far a record may be from those before it.
const FAR: i64 = 40_000_000;

impl Market<'_> {
    fn new(random: &mut Random, symbols: Vec<String>, records: u64) -> Market<'_> {
        let starts =
            [1_230_768_000_000_000, 1_525_022_020_000_000, 1_723_075_199_000_000, 4_102_444_700_000_000i64];
        let start = random.one_of(&starts) + random.between(0, 20_000) as i64 * 1_000;
        let amounts = random.one_of(&[Amounts::Plain, Amounts::Plain, Amounts::Wide, Amounts::Extreme]);
        Market {
            ids: symbols.iter().map(|_| if random.chance(10) { 0 } else { random.below(1 << 40) }).collect(),
            symbols,
            amounts,
            start,
            records,
            trouble: random.one_of(&[0, 5, 20, 60]),
            step: random.one_of(&[1_000, 100_000, 700_000, 3_000_000]),
            writing: Writing::draw(random),
            random,
        }
    }

    fn files(mut self) -> Vec<Vec<Vec<u8>>> {
        let partitions = self.random.one_of(&[1, 1, 2, 2, 3, 5]);
        let mut files: Vec<Vec<Vec<u8>>> = Vec::new();
        for _ in 0..partitions {
            let file = self.file(&files);
            files.push(file);
        }
        files
    }

    fn file(&mut self, others: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
        if self.random.chance(8) {
            return Vec::new();
        }
        let mut lines: Vec<Vec<u8>> = Vec::new();
        // Partitions run apart, and a leg may be silent in one of them or in all for a while.
        let mut now = self.start + self.random.between(0, 3_000) as i64 * 1_000;
        let only = self.random.chance(30).then(|| self.random.below(self.symbols.len() as u64) as usize);
        let length = if self.random.chance(20) { self.records / 4 } else { self.records };
        for _ in 0..length {
            now += self.random.below(self.step) as i64;
            if self.random.chance(1) {
                now += self.random.between(0, FAR as u64) as i64;
            }
            let line = if self.random.chance(self.trouble) {
                self.trouble(now, &lines, others)
            } else {
                let symbol = only.unwrap_or_else(|| self.random.below(self.symbols.len() as u64) as usize);
                let trade = self.trade(symbol, now);
                self.writing.trade(self.random, &trade)
            };
            lines.push(line);
        }
        lines
    }

    fn trade(&mut self, symbol: usize, time: i64) -> Trade {
        let id = self.ids[symbol];
        self.ids[symbol] += 1;
        let (price, quantity) = self.amounts();
        let time = match self.random.below(12) {
            // On the borders of windows and panes, and just before them.
            0 => time / 1_000_000 * 1_000_000,
            1 => time / 1_000_000 * 1_000_000 - 1,
            2 => time / 10_000_000 * 10_000_000,
            _ => time,
        };
        Trade { symbol: self.symbols[symbol].clone(), aggregate: false, id, price, quantity, time }
    }

    fn amounts(&mut self) -> (i64, i64) {
        let random = &mut *self.random;
        match self.amounts {
            Amounts::Plain => {
                (random.between(880_000, 910_000) as i64 * 10_000, random.between(1, 500_000_000) as i64)
            }
            Amounts::Wide => {
                let mut any = || (1i64 << random.below(63)) + random.below(3) as i64;
                (any(), any())
            }
            Amounts::Extreme => {
                let ends = [1, 2, 3, i64::MAX - 1, i64::MAX, i64::MAX, 100_000_000];
                (random.one_of(&ends), random.one_of(&ends))
            }
        }
    }

    /// A record that is not just the next trade.
    fn trouble(&mut self, now: i64, lines: &[Vec<u8>], others: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let symbol = self.random.below(self.symbols.len() as u64) as usize;
        let mut trade = self.trade(symbol, now);
        let near = |random: &mut Random, most: i64| random.between(0, most as u64) as i64;
        match self.random.below(16) {
            // Out of order: within the delay, about its end, far past it.
            0 | 1 => trade.time -= near(self.random, 2_000_000),
            2 | 3 => trade.time -= near(self.random, 12_000_000),
            4 => trade.time -= near(self.random, FAR),
            // Ahead of its time, so that what follows is late.
            5 => trade.time += near(self.random, 15_000_000),
            // Ids missing, or given twice, or going back.
            6 => {
                trade.id += near(self.random, 5) as u64;
                self.ids[symbol] = trade.id + 1;
            }
            7 => {
                trade.id = trade.id.saturating_sub(self.random.between(1, 4));
                if self.random.chance(30) {
                    self.ids[symbol] = trade.id;
                }
            }
            8 => trade.aggregate = true,
            9 => trade.symbol = format!("{}X", trade.symbol),
            // Repeated: soon, or much later, or from another partition.
            10 | 11 if !lines.is_empty() => {
                let most = if self.random.chance(70) { 4.min(lines.len()) } else { lines.len() };
                return lines[lines.len() - 1 - self.random.below(most as u64) as usize].clone();
            }
            12 => {
                if let Some(line) = others.last().and_then(|other| other.get(lines.len())) {
                    return line.clone();
                }
            }
            13 => {
                let time = now + near(self.random, 8_000_000) - 2_000_000;
                return self.writing.heartbeat(self.random, time);
            }
            14 => return self.writing.ignored(self.random),
            _ if self.writing.malformed => return self.writing.bad(self.random, &trade),
            // The greatest id there can be.
            _ if self.random.chance(20) => trade.id = i64::MAX as u64,
            _ => {}
        }
        self.writing.trade(self.random, &trade)
    }
}

/// The generator is worth what it reaches: each of these must come up among the cases that are run by default.
#[test]
fn tapes_reach_what_they_are_for() {
    use crate::oracle::{self, Settings};
    let mut missing = vec![
        r#""status":"complete""#,
        r#""status":"carried""#,
        r#""status":"leg_missing""#,
        r#""closed_by":"event""#,
        r#""closed_by":"eof""#,
        r#""closed_by":null"#,
        r#""revision":3,"closed":true,"final":false"#,
        r#""revision":2,"closed":true,"final":true"#,
        r#""missing_ids":-"#,
        r#""missing_ids":3"#,
        r#""variance":null"#,
        r#""vw_variance":null,"vw_std":null,"trades":18"#,
        r#""inverse":true"#,
        r#""vwap":"0.000000000000000000""#,
        r#"\"q\\uote\""#,
        "duplicate",
        "late",
        "bad",
        "ignored",
        "unselected",
        "heartbeat",
        "not UTF-8",
    ];
    for seed in 0..300 {
        let case = case(seed);
        let outcome = oracle::run(&Settings::read(&case.flags), &case.bytes());
        let counts = outcome.counts;
        missing.retain(|what| match *what {
            "duplicate" => counts.duplicate < 3,
            "late" => counts.late < 3,
            "bad" => counts.bad < 3,
            "ignored" => counts.ignored < 3,
            "unselected" => counts.unselected < 3,
            "heartbeat" => counts.heartbeat < 3,
            "not UTF-8" => outcome.refused.iter().all(|refused| std::str::from_utf8(&refused.value).is_ok()),
            text => !outcome.rows.contains(text),
        });
        if missing.is_empty() {
            return;
        }
    }
    panic!("no tape reaches {missing:?}");
}
