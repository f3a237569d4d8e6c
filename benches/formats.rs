//! How fast are the same trades decoded in other formats, on one core, with full validation?
//!
//!     cargo run --release --features avro,protobuf --example formats -- [--rounds N]
//!
//! The same trades, as messages of a topic: the exchange's JSON by the fast way, the same bytes by a mapping,
//! records of Avro and of Protobuf. Each round measures each of them, so that a slow moment of the machine
//! hits all; what counts is the time that the core has worked for this thread.

mod cpu_time;

use anyhow::{Context, Result};
use cpu_time::worked;
use crossrate::wire::chunk::{Chunk, ChunkMessage, Framing};
use crossrate::wire::mapping::Mapping;
use crossrate::wire::{Record, Scratch, decode_chunk};
use std::sync::Arc;

/// Messages of a chunk, and chunks that stay in the fast caches.
const MESSAGES: u64 = 1_000;
const CHUNKS: u64 = 4;
/// A round decodes so many messages of each format.
const ROUND: u64 = 2_000_000;

const JSON: &str = "[[record]]\nwhere = { \"/e\" = \"trade\" }\nsymbol = \"/s\"\nid = \"/t\"\nprice = \"/p\"\nquantity = \"/q\"\n\
                    time = \"/T\"\nunit = \"ms\"\nside = { at = \"/m\", buy = [false], sell = [true] }\n";
const BINARY: &str = "[[record]]\nsymbol = \"/s\"\nid = \"/t\"\nprice = \"/p\"\nquantity = \"/q\"\ntime = \"/time\"\nunit = \"ms\"\n\
                      side = { at = \"/m\", buy = [false], sell = [true] }\n";
const AVRO: &str = r#"{"type":"record","name":"Trade","fields":[{"name":"s","type":"string"},{"name":"t","type":"long"},
    {"name":"p","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":8}},
    {"name":"q","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":8}},
    {"name":"time","type":"long"},{"name":"m","type":"boolean"}]}"#;

/// A trade, its price and quantity in steps of 1e-8.
struct Trade {
    symbol: &'static str,
    id: u64,
    price: u64,
    quantity: u64,
    time: u64,
    maker: bool,
}

fn trade(n: u64) -> Trade {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Trade {
        symbol: ["BTCUSDT", "ETHUSDT", "XVGBTC"][(mixed % 3) as usize],
        id: 39_982_000 + n,
        price: 888_500_000_000 + mixed * 10_000,
        quantity: 1_000_000 + mixed * 100,
        time: 1_525_022_020_361 + n,
        maker: mixed.is_multiple_of(2),
    }
}

fn as_json(t: &Trade, into: &mut Vec<u8>) {
    let decimal = |value: u64| format!("{}.{:08}", value / 100_000_000, value % 100_000_000);
    let Trade { symbol, id, time, maker, .. } = t;
    let (price, quantity) = (decimal(t.price), decimal(t.quantity));
    into.extend_from_slice(
        format!(
            r#"{{"e":"trade","E":{time},"s":"{symbol}","t":{id},"p":"{price}","q":"{quantity}","T":{time},"m":{maker},"M":true}}"#
        )
        .as_bytes(),
    );
}

fn varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn as_avro(t: &Trade, into: &mut Vec<u8>) {
    varint(2 * t.symbol.len() as u64, into);
    into.extend_from_slice(t.symbol.as_bytes());
    varint(2 * t.id, into);
    for number in [t.price, t.quantity] {
        let bytes = number.to_be_bytes();
        // Its first bit is its sign.
        let from = (number.leading_zeros().saturating_sub(1) / 8) as usize;
        varint(2 * (8 - from) as u64, into);
        into.extend_from_slice(&bytes[from..]);
    }
    varint(2 * t.time, into);
    into.push(t.maker.into());
}

fn as_protobuf(t: &Trade, into: &mut Vec<u8>) {
    let decimal = |value: u64| format!("{}.{:08}", value / 100_000_000, value % 100_000_000);
    let mut text = |tag: u8, text: &str| {
        into.extend([tag, text.len() as u8]);
        into.extend_from_slice(text.as_bytes());
    };
    text(10, t.symbol);
    text(26, &decimal(t.price));
    text(34, &decimal(t.quantity));
    into.push(16);
    varint(t.id, into);
    into.push(40);
    varint(t.time, into);
    if t.maker {
        into.extend([48, 1]);
    }
}

/// `message Trade { string s = 1; uint64 t = 2; string p = 3; string q = 4; uint64 time = 5; bool m = 6; }`,
/// in a set of descriptors.
fn descriptors() -> Vec<u8> {
    let sized = |tag: u8, inside: Vec<u8>| [vec![tag, inside.len() as u8], inside].concat();
    let field = |name: &str, number: u8, kind: u8| {
        sized(18, [sized(10, name.as_bytes().to_vec()), vec![24, number, 32, 1, 40, kind]].concat())
    };
    let (text, unsigned, boolean) = (9, 4, 8);
    let fields = [
        field("s", 1, text),
        field("t", 2, unsigned),
        field("p", 3, text),
        field("q", 4, text),
        field("time", 5, unsigned),
        field("m", 6, boolean),
    ];
    let message = sized(34, [sized(10, b"Trade".to_vec()), fields.concat()].concat());
    let file = [sized(10, b"t.proto".to_vec()), message, sized(98, b"proto3".to_vec())].concat();
    sized(10, file)
}

type Encode = fn(&Trade, &mut Vec<u8>);

fn chunks(encode: Encode, mapping: Option<&Arc<Mapping>>) -> Vec<Chunk> {
    let chunk = |from: u64| {
        let (mut bytes, mut messages) = (Vec::new(), Vec::new());
        for n in from..from + MESSAGES {
            encode(&trade(n), &mut bytes);
            let end = bytes.len() as u32;
            messages.push(ChunkMessage { offset: n as i64, timestamp_ms: 0, end, null: false, key: None });
        }
        Chunk { bytes, framing: Framing::Messages(messages), mapping: mapping.cloned(), ..Chunk::default() }
    };
    (0..CHUNKS).map(|n| chunk(n * MESSAGES)).collect()
}

fn main() -> Result<()> {
    let mut rounds = 7;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            rounds = arguments.next().context("--rounds wants a number")?.parse()?;
        }
    }
    let parse = |head: &str, fields: &str, schema: Option<&[u8]>| {
        Mapping::parse_with("m.toml", &format!("{head}{fields}"), None, schema).map(Arc::new)
    };
    let json = parse("", JSON, None)?;
    let avro = parse("encoding = \"avro\"\nschema = \"s\"\n", BINARY, Some(AVRO.as_bytes()))?;
    let head = "encoding = \"protobuf\"\ndescriptors = \"d\"\nmessage = \"Trade\"\n";
    let protobuf = parse(head, BINARY, Some(&descriptors()))?;
    let formats: [(&str, Vec<Chunk>); 4] = [
        ("the exchange's JSON, the fast way", chunks(as_json, None)),
        ("the same by a mapping", chunks(as_json, Some(&json))),
        ("Avro, decimals", chunks(as_avro, Some(&avro))),
        ("Protobuf, prices as texts", chunks(as_protobuf, Some(&protobuf))),
    ];
    let mut scratch = Scratch::default();
    let mut seconds: Vec<Vec<f64>> = formats.iter().map(|_| Vec::new()).collect();
    let mut sums = Vec::new();
    for round in 0..=rounds {
        for ((name, chunks), seconds) in formats.iter().zip(&mut seconds) {
            let begun = worked()?;
            let (mut trades, mut sum) = (0, 0u64);
            for chunk in (0..ROUND / (MESSAGES * CHUNKS)).flat_map(|_| chunks) {
                decode_chunk(chunk, &mut scratch, |_, record| {
                    if let Record::Trade { symbol, trade, .. } = record {
                        trades += 1;
                        sum = sum.wrapping_add(trade.id ^ u64::from(symbol[0]) ^ trade.time.micros());
                        sum = sum.wrapping_add(trade.price.scaled() as u64 ^ trade.quantity.scaled() as u64);
                    }
                });
            }
            let took = worked()?.saturating_sub(begun).as_secs_f64();
            anyhow::ensure!(trades == ROUND, "{name}: {trades} trades of {ROUND}");
            // The first round warms the caches and does not count.
            if round > 0 {
                seconds.push(took);
            }
            sums.push(sum);
        }
    }
    anyhow::ensure!(sums.windows(2).all(|two| two[0] == two[1]), "not the same trades in all formats");
    println!("| decoder alone, one core | bytes a trade | M trades/s | of the fast way |");
    println!("| --- | ---: | ---: | ---: |");
    let median = |all: &Vec<f64>| {
        let mut all = all.clone();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let fast = median(&seconds[0]);
    for ((name, chunks), seconds) in formats.iter().zip(&seconds) {
        let bytes = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum::<u64>() / (MESSAGES * CHUNKS);
        let median = median(seconds);
        println!("| {name} | {bytes} | {:.2} | {:.2} |", ROUND as f64 / median / 1e6, fast / median);
    }
    Ok(())
}
