//! What does one step of a sliding window cost one symbol: a pane comes, the window is asked for, a pane
//! goes? Does it depend on how many panes a window has?
//!
//! It must not: sums are a running sum, and greatest and least price and id are kept for what will be left of
//! the window.

use crate::trades::scattered;
use criterion::{Criterion, Throughput};
use crossrate_dataflows::market::candle::Candle;
use crossrate_dataflows::market::decimal::{Price, Quantity};
use crossrate_dataflows::market::definition::Windows;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::Moments;
use crossrate_dataflows::market::slots::{FiringKind, Slots};
use crossrate_dataflows::market::trade::{Symbol, Trade};
use crossrate_dataflows::market::{moments::trade_hash, window::WindowState};
use std::hint::black_box;

const SLIDE: u64 = 1_000_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("windows");
    group.throughput(Throughput::Elements(1));
    // Made before: a pane is the sum of four trades.
    let made: Vec<(Moments, Candle)> = (0..4_096).map(pane).collect();
    for panes in [1, 60, 3_600] {
        let windows = Windows::sliding(panes * SLIDE, SLIDE);
        let window = windows.at(0);
        let mut kept = Slots::default();
        let mut end = EventTime::from_micros(1_525_132_800_000_000);
        let mut turn = 0;
        let mut step = || -> Option<WindowState> {
            let (moments, candle) = &made[turn % made.len()];
            turn += 1;
            end = end.plus(SLIDE);
            kept.add(end, moments, candle);
            let state = kept.window(window, end, FiringKind::Final);
            kept.settle(window, end);
            state
        };
        for _ in 0..panes {
            step();
        }
        group.bench_function(format!("{panes} panes"), |bencher| bencher.iter(|| black_box(step())));
    }
    group.finish();
}

fn pane(n: u64) -> (Moments, Candle) {
    let symbol = Symbol::new("BTCUSDT");
    let trade = |id: u64| {
        let price = Price::from_scaled(924_500_000_000 + scattered(id, 1_000_000_000) as i64);
        let quantity = Quantity::from_scaled(1 + scattered(id + 7, 200_000_000) as i64);
        let time = EventTime::from_micros(1_525_132_800_000_000 + id * 250_000);
        Trade::new(id, price.expect("positive"), quantity.expect("positive"), time)
    };
    let first = trade(4 * n);
    let (mut moments, mut candle) = (Moments::default(), Candle::of(&first));
    for id in 4 * n..4 * n + 4 {
        let trade = trade(id);
        moments.add_trade(&trade, trade_hash(&symbol, &trade));
        candle.add_trade(&trade);
    }
    (moments, candle)
}
