//! What does a trade cost from its decoding until its pane leaves for the dataflow: acceptance, the set of
//! ids, the sums?
//!
//! With two symbols and with 3,000, whose sums do not fit the caches. In the order of event time and of ids;
//! and as a log holds them that has every fourth of the trades, up to a second out of order.

use crate::trades::{Log, Order, definition, trades};
use criterion::{BatchSize, Criterion, Throughput};
use crossrate_dataflows::market::acceptance::{PartitionState, RecordPosition};
use crossrate_dataflows::market::moments::trade_hash;
use crossrate_dataflows::market::sums::Sums;
use crossrate_dataflows::market::trade::TradeKind;
use std::hint::black_box;

/// Ten panes of two seconds in a log of its own, 2.5 in one of four.
const TRADES: u64 = 200_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(TRADES));
    let definition = definition(2_000_000, 2_000_000);
    for symbols in [2, 3_000] {
        for (name, order) in [("in order", Order::OfTime), ("dealt out", Order::DealtOut)] {
            let log = trades(TRADES, symbols, order);
            group.bench_function(format!("{symbols} symbols/{name}"), |bencher| {
                bencher.iter_batched(
                    || (PartitionState::new(&definition), Sums::default()),
                    |(partition, sums)| folded(&log, partition, sums),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

/// What the partition has summed of the log.
fn folded(log: &Log, mut partition: PartitionState, mut sums: Sums) -> (PartitionState, Sums) {
    for (offset, (symbol, trade)) in (0..).zip(&log.trades) {
        let place = RecordPosition { offset, part: 0, kafka_ms: 0 };
        let hash = trade_hash(&log.names[symbol.0 as usize], trade);
        partition.trade(*symbol, TradeKind::Trade, (trade, hash), place, &mut sums);
        if sums.has_before(partition.watermark()) {
            sums.take(partition.watermark(), &log.names, |items| drop(black_box(items)));
        }
    }
    assert_eq!(partition.counts().accepted, TRADES);
    (partition, sums)
}
