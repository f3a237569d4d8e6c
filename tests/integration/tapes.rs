//! Seeded inputs that go wrong in every way the specification speaks of: a case is a few tapes, each a
//! partition.
//!
//! The same seed gives the same tapes and the same flags, on any machine. What a record is about is decided
//! here; `text` decides how it is written, `flags` what is asked of it.

mod bad;
mod changes;
mod file;
mod flags;
mod ids;
mod random;
mod text;
mod windows;

pub(crate) use changes::{ChangedCase, case as case_of_changes};
pub(crate) use file::{Packing, Tape};
pub(crate) use ids::case as case_of_ids;
pub(crate) use random::Random;
use text::Writing;
use windows::Scene;
pub(crate) use windows::case as case_of_windows;

/// A run: its flags and its tapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) flags: Vec<String>,
    pub(crate) tapes: Vec<Tape>,
}

impl Case {
    /// What the oracle is given.
    pub(crate) fn files(&self) -> Vec<oracle::File> {
        self.tapes.iter().map(Tape::file).collect()
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
    /// The first and the last trade of an aggregate, where they are written.
    trades: Option<(u64, u64)>,
    taker: Taker,
}

/// What a record tells of its taker's side.
#[derive(Debug, Copy, Clone)]
enum Taker {
    Buys,
    Sells,
    Untold,
    /// Anything, or nothing.
    Whatever,
}

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let legs = ["XVGBTC", "BTCUSDT", "ETHBTC", "ETHUSDT"].map(str::to_owned).to_vec();
    let mut symbols = legs.clone();
    symbols.truncate(random.between(1, 4) as usize);
    match random.below(8) {
        0 => symbols.extend((0..random.between(5, 40)).map(|n| format!("S{n}USDT"))),
        1 => symbols.extend(["q\\uote'", "币安人生USDT", "ünï", "-a.b", "@x:y", "S"].map(str::to_owned)),
        _ => {}
    }
    let flags = flags::flags(&mut random, &symbols);
    // Each look at an open window costs the oracle its whole sum.
    let looks = flags.iter().any(|flag| flag == "--provisional");
    let records = random.one_of(if looks { &[0, 3, 10, 25, 50] } else { &[0, 10, 30, 60, 120, 200] });
    let jumps = flags.iter().any(|flag| flag == "--max-jump");
    let tapes = Market { jumps, ..Market::new(&mut random, symbols, records) }.tapes();
    Case { flags, tapes }
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
    /// Clocks jump far ahead, for a record or a few in a row.
    jumps: bool,
    /// Of prices and quantities.
    decimals: (usize, usize),
    /// What times are about, in cases of several windows.
    scene: Option<Scene>,
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

/// Decades, in microseconds.
const JUMP: i64 = 900_000_000_000_000;

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
            jumps: false,
            decimals: (8, 8),
            scene: None,
            writing: Writing::draw(random),
            random,
        }
    }

    fn tapes(mut self) -> Vec<Tape> {
        self.writing.decimals = self.decimals;
        let partitions = self.random.one_of(&[1, 1, 2, 2, 3, 5]);
        let mut tapes: Vec<Tape> = Vec::new();
        for _ in 0..partitions {
            let tape = self.tape(&tapes);
            tapes.push(tape);
        }
        tapes
    }

    fn tape(&mut self, others: &[Tape]) -> Tape {
        let packing = Packing::draw(self.random);
        // The names of archives hold nothing but letters and digits.
        let archived = self.random.chance(12) && self.symbols[0].bytes().all(|b| b.is_ascii_alphanumeric());
        let archive_of = archived.then(|| self.symbols[0].clone());
        let mut tape = Tape { lines: Vec::new(), archive_of, packing, is_mapped: false };
        if self.random.chance(8) {
            return tape;
        }
        if archived && self.random.chance(50) {
            tape.lines.push(file::HEADER.as_bytes().to_vec());
        }
        // Partitions run apart, and a leg may be silent in one of them or in all for a while.
        let mut now = self.start + self.random.between(0, 3_000) as i64 * 1_000;
        let only = self.random.chance(30).then(|| self.random.below(self.symbols.len() as u64) as usize);
        let only = if archived { Some(0) } else { only };
        let (mut ahead, mut jumping) = (0, 0);
        let length = if self.random.chance(20) { self.records / 4 } else { self.records };
        for _ in 0..length {
            now += self.random.below(self.step) as i64;
            if let Some(later) = self.scene.as_ref().and_then(|scene| scene.later(self.random, now)) {
                now = later;
            }
            if self.random.chance(1) {
                now += self.random.between(0, FAR as u64) as i64;
            }
            let symbol = only.unwrap_or_else(|| self.random.below(self.symbols.len() as u64) as usize);
            let mut trade = self.trade(symbol, now);
            if self.jumps && jumping == 0 && self.random.chance(6) {
                jumping = self.random.one_of(&[1, 1, 2, 3]);
                ahead = self.random.one_of(&[1_000, 700_001, 2_500_000, 20_000_000, 70_000_000, JUMP]);
            }
            if jumping > 0 {
                jumping -= 1;
                trade.time += ahead;
            }
            let line = if !self.random.chance(self.trouble) {
                self.written(&tape, &trade)
            } else if archived {
                self.trouble_of_trades(trade, symbol, &tape)
            } else {
                self.trouble(trade, symbol, &tape, others)
            };
            tape.lines.push(line);
        }
        tape
    }

    fn trade(&mut self, symbol: usize, time: i64) -> Trade {
        let (id, trades, taker) = match &self.scene {
            Some(scene) => scene.id_trades_and_taker(self.random, &mut self.ids[symbol]),
            None => (self.ids[symbol], None, Taker::Whatever),
        };
        let aggregate = self.scene.as_ref().is_some_and(|scene| scene.is_of_aggregates);
        self.ids[symbol] = id + 1;
        let (price, quantity) = self.amounts();
        let time = match self.random.below(12) {
            // On the borders of windows and panes, and just before them.
            0 => time / 1_000_000 * 1_000_000,
            1 => time / 1_000_000 * 1_000_000 - 1,
            2 => time / 10_000_000 * 10_000_000,
            _ => time,
        };
        let symbol = self.symbols[symbol].clone();
        Trade { symbol, aggregate, id, price, quantity, time, trades, taker }
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

    fn written(&mut self, tape: &Tape, trade: &Trade) -> Vec<u8> {
        match tape.archive_of {
            Some(_) => self.writing.archived(self.random, trade),
            None => self.writing.trade(self.random, trade),
        }
    }

    /// A record that is not just the next trade.
    fn trouble(&mut self, mut trade: Trade, symbol: usize, tape: &Tape, others: &[Tape]) -> Vec<u8> {
        match self.random.below(16) {
            0 => trade.aggregate = !trade.aggregate,
            1 => trade.symbol = format!("{}X", trade.symbol),
            2 => {
                let time = trade.time + near(self.random, 8_000_000) - 2_000_000;
                return self.writing.heartbeat(self.random, time);
            }
            3 => return self.writing.ignored(self.random),
            4 => {
                // From another partition.
                let other = others.last().filter(|other| other.archive_of.is_none());
                if let Some(line) = other.and_then(|other| other.lines.get(tape.lines.len())) {
                    return line.clone();
                }
            }
            _ => return self.trouble_of_trades(trade, symbol, tape),
        }
        self.writing.trade(self.random, &trade)
    }

    /// What goes wrong with trades alone.
    fn trouble_of_trades(&mut self, mut trade: Trade, symbol: usize, tape: &Tape) -> Vec<u8> {
        match self.random.below(11) {
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
            // Repeated, soon or much later.
            8 | 9 if !tape.lines.is_empty() => {
                let most = if self.random.chance(70) { 4.min(tape.lines.len()) } else { tape.lines.len() };
                return tape.lines[tape.lines.len() - 1 - self.random.below(most as u64) as usize].clone();
            }
            _ if self.writing.malformed => {
                return match tape.archive_of {
                    Some(_) => self.writing.bad_archived(self.random, &trade),
                    None => self.writing.bad(self.random, &trade),
                };
            }
            // The greatest id there can be.
            _ if self.random.chance(20) => trade.id = i64::MAX as u64,
            _ => {}
        }
        self.written(tape, &trade)
    }
}

/// A time that is at most this long, in microseconds.
fn near(random: &mut Random, most: i64) -> i64 {
    random.between(0, most as u64) as i64
}

/// The generator is worth what it reaches: each of these must come up among the cases that are run by
/// default.
#[test]
fn tapes_reach_what_they_are_for() {
    use oracle::Settings;
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
        r#""vw_variance":null,"vw_std":null,"close":""#,
        r#""inverse":true"#,
        r#""vwap":"0.000000000000000000""#,
        r#""q\\uote'""#,
        "duplicate",
        "late",
        "bad",
        "future",
        "ignored",
        "unselected",
        "heartbeat",
        "not UTF-8",
        "archive",
        "gzip",
        "zstd",
        "zip",
    ];
    for seed in 0..300 {
        let case = case(seed);
        let outcome = oracle::run(&Settings::read(&case.flags), &case.files());
        let counts = outcome.counts;
        let packed = |packing| case.tapes.iter().any(|tape| tape.packing == packing && tape.lines.len() > 1);
        missing.retain(|what| match *what {
            "duplicate" => counts.duplicate < 3,
            "late" => counts.late < 3,
            "bad" => counts.bad < 3,
            "future" => counts.future < 3,
            "ignored" => counts.ignored < 3,
            "unselected" => counts.unselected < 3,
            "heartbeat" => counts.heartbeat < 3,
            "not UTF-8" => outcome.refused.iter().all(|refused| std::str::from_utf8(&refused.value).is_ok()),
            "archive" => outcome.refused.iter().all(|r| case.tapes[r.partition].archive_of.is_none()),
            "gzip" => !packed(Packing::Gzip),
            "zstd" => !packed(Packing::Zstd),
            "zip" => !packed(Packing::Zip),
            text => !outcome.rows.contains(text),
        });
        if missing.is_empty() {
            return;
        }
    }
    panic!("no tape reaches {missing:?}");
}
