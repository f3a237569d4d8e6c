//! Cases of trades whose ids are a sequence, unique or none, mixed within symbols, records and partitions,
//! and many of them at one event time.

use super::{Case, Packing, Random, Tape, flags};
use std::path::Path;

/// Names of a length that the fast way knows, and longer and shorter ones.
const SYMBOLS: [&str; 5] = ["XVGBTC", "BTCUSDT", "ETHBTC", "v:B", "a-venue-with-a-name:ETH-USDT"];

/// Ids that two records may share, of every kind that a text may be.
const TEXTS: [&str; 9] = [
    "\"0f0d6f0e-6f6c-4cf5-a1c8-2f1d5a0a0001\"",
    "\"0f0d6f0e-6f6c-4cf5-a1c8-2f1d5a0a0002\"",
    "\"7\"",
    "7",
    "\"07\"",
    "\"9223372036854775808\"",
    "9223372036854775808",
    "340282366920938463463374607431768211455",
    "\"\\u0041\\\"Ω\"",
];

/// How a partition's trades are known.
#[derive(Debug, Copy, Clone)]
enum Known {
    Sequence,
    Unique,
    None,
    AnyOfThem,
}

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random::new(seed ^ 0x1d50_fa11);
    let symbols = &SYMBOLS[..random.between(1, 5) as usize];
    let names: Vec<String> = symbols.iter().map(|name| (*name).to_owned()).collect();
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/any-ids.toml");
    let mut flags = vec!["--format".to_owned(), mapping.display().to_string()];
    for _ in 0..random.one_of(&[1, 1, 2]) {
        let other = flags.iter().filter(|flag| *flag == "--window").count() == 1;
        let windows = match other {
            true => ["anchored:all/3s", "anchored:1m/5s", "7s/1s"],
            false => ["1s", "10s", "6s/2s"],
        };
        flags.extend(["--window", random.one_of(&windows)].map(str::to_owned));
    }
    if random.chance(30) {
        flags.extend(["--fill", random.one_of(&["null", "previous"])].map(str::to_owned));
    }
    let mut rest = flags::of_all_windows(&mut random, &names);
    // The one of many legs is for other cases.
    while let Some(place) = rest.iter().position(|value| value.starts_with("GREAT")) {
        rest.drain(place - 1..=place);
    }
    flags.extend(rest);
    let looks = flags.iter().any(|flag| flag == "--provisional");
    let records = random.one_of(if looks { &[3, 10, 25] } else { &[3, 20, 60, 120] });
    let known = random.one_of(&[Known::Unique, Known::None, Known::AnyOfThem, Known::AnyOfThem]);
    let mut next = random.one_of(&[0, 990, 5_000]);
    let tapes = (0..random.one_of(&[1, 2, 2, 3]))
        .map(|_| {
            let of_tape = random.one_of(&[known, known, Known::Sequence, Known::AnyOfThem]);
            let packing = Packing::draw(&mut random);
            let mut now = 1_525_022_020_000_000 + random.below(3_000_000);
            let step = random.one_of(&[1, 100_000, 900_000]);
            let mut lines: Vec<Vec<u8>> = Vec::new();
            for _ in 0..records {
                now += random.below(step + 1);
                let repeated = lines.last().filter(|_| random.chance(8)).cloned();
                let line = repeated
                    .unwrap_or_else(|| record(&mut random, symbols, (of_tape, now), &mut next).into_bytes());
                lines.push(line);
            }
            Tape { lines, archive_of: None, packing, is_mapped: true }
        })
        .collect();
    Case { flags, tapes }
}

/// One record about that time.
fn record(random: &mut Random, symbols: &[&str], (known, now): (Known, u64), next: &mut u64) -> String {
    match random.below(40) {
        0 => return format!(r#"{{"e":"heartbeat","T":{now}}}"#),
        1 => return r#"{"e":"depth","d":[]}"#.to_owned(),
        2 => return r#"{"e":"unique","d":[]}"#.to_owned(),
        3 => return r#"{"e":"none","d":{}}"#.to_owned(),
        _ => {}
    }
    let known = match known {
        Known::AnyOfThem => random.one_of(&[Known::Sequence, Known::Unique, Known::None]),
        known => known,
    };
    let (event, count) = match known {
        Known::Sequence | Known::AnyOfThem => ("trade", 1),
        Known::Unique => ("unique", random.one_of(&[1, 1, 2, 5])),
        Known::None => ("none", random.one_of(&[1, 1, 2, 5])),
    };
    let trades: Vec<String> = (0..count).map(|_| trade(random, symbols, (known, now), next)).collect();
    match known {
        Known::Sequence | Known::AnyOfThem => format!(r#"{{"e":"{event}",{}}}"#, trades[0]),
        _ => format!(r#"{{"e":"{event}","d":[{{{}}}]}}"#, trades.join("},{")),
    }
}

/// The members of one trade.
fn trade(random: &mut Random, symbols: &[&str], (known, now): (Known, u64), next: &mut u64) -> String {
    // Many share a time, or come long after it.
    let time = match random.below(10) {
        0..5 => now / 1_000_000 * 1_000_000,
        5 => now - random.below(9_000_000),
        _ => now,
    };
    let id = match known {
        Known::Sequence | Known::AnyOfThem => {
            *next += random.one_of(&[1, 1, 1, 1, 2, 0]);
            format!(r#""t":{next},"#)
        }
        Known::Unique if random.chance(40) => format!(r#""t":{},"#, random.one_of(&TEXTS)),
        Known::Unique if random.chance(50) => format!(r#""t":"{:032x}","#, random.next()),
        Known::Unique => {
            let bits = random.between(1, 62);
            format!(r#""t":{},"#, random.below(1 << bits))
        }
        Known::None => String::new(),
    };
    let wrong = random.chance(2);
    let (price, quantity) = (random.between(1, 5_000), if wrong { 0 } else { random.between(1, 300) });
    let side = random.one_of(&[r#","m":true"#, r#","m":false"#, ""]);
    let symbol = random.one_of(symbols);
    format!(r#""s":"{symbol}",{id}"p":"{price}.5","q":"0.{quantity:03}","T":{time}{side}"#)
}

/// The generator is worth what it reaches.
#[test]
fn cases_of_ids_reach_what_they_are_for() {
    use oracle::Settings;
    let mut missing = vec![r#""missing_ids":null"#, r#""missing_ids":1"#, "duplicate", "late", "both"];
    for seed in 0..60 {
        let case = case(seed);
        let outcome = oracle::run(&Settings::read(&case.flags), &case.files());
        missing.retain(|what| match *what {
            "duplicate" => outcome.counts.duplicate < 2,
            "late" => outcome.counts.late < 2,
            "both" => {
                let has = |text: &str| outcome.rows.lines().any(|row| row.contains(text));
                !(has(r#""missing_ids":null"#) && has(r#""missing_ids":0"#))
            }
            text => !outcome.rows.contains(text),
        });
        if missing.is_empty() {
            return;
        }
    }
    panic!("no case reaches {missing:?}");
}
