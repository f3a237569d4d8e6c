//! What does a record cost to decode, by its kind, on the fast way and on the slow one? A blank before a
//! brace is all that it takes to be decoded the slow way.

use crate::trades::scattered;
use criterion::{Criterion, Throughput};
use crossrate::wire::chunk::{Chunk, Framing, LineFormat};
use crossrate::wire::{Record, Scratch, decode_chunk};
use std::hint::black_box;

/// Of one kind in a chunk: they stay in the fast caches, as what a reader has just brought does.
const RECORDS: u64 = 1_000;

const KINDS: [(&str, fn(u64) -> String); 4] =
    [("trade", trade), ("aggTrade", aggregate), ("bookTicker", quotes), ("heartbeat", heartbeat)];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(RECORDS));
    for (kind, write) in KINDS {
        for (way, end) in [("fast", "}"), ("slow", " }")] {
            let lines = (0..RECORDS).map(|n| write(n) + end + "\n");
            let chunk = Chunk {
                bytes: lines.collect::<String>().into_bytes(),
                framing: Framing::Lines(LineFormat::Json),
                ..Chunk::default()
            };
            let mut scratch = Scratch::default();
            decode_chunk(&chunk, &mut scratch, |raw, record| {
                assert!(!matches!(record, Record::Bad(_)), "{}", String::from_utf8_lossy(raw.bytes()));
            });
            group.bench_function(format!("{kind}/{way}"), |bencher| {
                bencher.iter(|| decode_chunk(&chunk, &mut scratch, |_, record| _ = black_box(record)));
            });
        }
    }
    group.finish();
}

/// As the exchange writes them, without the last brace.
fn trade(n: u64) -> String {
    let (price, quantity) = (scattered(n, 100_000_000), scattered(n + 7, 100_000_000));
    let (time, maker) = (1_525_132_800_000 + n * 3, n.is_multiple_of(3));
    format!(
        r#"{{"e":"trade","E":{},"s":"BTCUSDT","t":{},"p":"9244.{price:08}","q":"{}.{quantity:08}","T":{time},"m":{maker},"M":true"#,
        time + 2,
        41_000_000 + n,
        scattered(n, 12),
    )
}

fn aggregate(n: u64) -> String {
    let (price, quantity) = (scattered(n, 100_000_000), scattered(n + 7, 100_000_000));
    let (time, maker, id) = (1_525_132_800_000 + n * 3, n.is_multiple_of(3), 41_000_000 + n);
    format!(
        r#"{{"e":"aggTrade","E":{},"s":"BTCUSDT","a":{},"p":"9244.{price:08}","q":"{}.{quantity:08}","f":{id},"l":{},"T":{time},"m":{maker},"M":true"#,
        time + 2,
        id / 2,
        scattered(n, 12),
        id + 2,
    )
}

fn quotes(n: u64) -> String {
    let (bid, ask) = (scattered(n, 100_000_000), scattered(n + 1, 100_000_000));
    format!(
        r#"{{"u":{},"s":"BTCUSDT","b":"9244.{bid:08}","B":"31.21000000","a":"9245.{ask:08}","A":"40.66000000""#,
        400_900_217 + n,
    )
}

fn heartbeat(n: u64) -> String {
    format!(r#"{{"e":"heartbeat","T":{}"#, 1_525_132_800_000 + n * 250)
}
