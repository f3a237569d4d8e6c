//! What does a row cost: the exact division, the exact decimals, the nearest double, the text?

use crate::trades::{Order, trades};
use criterion::{Criterion, Throughput};
use crossrate_dataflows::market::candle::Candle;
use crossrate_dataflows::market::cross::{CrossState, LegState};
use crossrate_dataflows::market::decimal::Decimals;
use crossrate_dataflows::market::definition::{Cross, Leg};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::{Moments, trade_hash};
use crossrate_dataflows::market::row::{self, Occasion, Stage};
use crossrate_dataflows::market::series::SeriesMoments;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::window::WindowState;
use crossrate_dataflows::market::windows::Windows;
use differential_dataflow::difference::Semigroup;
use num_bigint::BigInt;

pub(crate) fn bench(criterion: &mut Criterion) {
    let [(bitcoin, window), (verge, other)] = two_windows();
    let cross = Cross {
        name: Symbol::new("XVGUSDT"),
        legs: [&verge, &bitcoin].map(|symbol| Leg { symbol: symbol.clone(), inverse: false }).to_vec(),
    };
    let legs = CrossState { legs: [&other, &window].map(|window| Some(LegState::of(window))).to_vec() };
    let rate = legs.rate(&cross, Decimals::EIGHT).expect("both legs trade");
    let mut series = SeriesMoments::of(&rate, &BigInt::ZERO);
    let mut last = rate;
    for n in 1..100_000 {
        let rate = &last + n % 1_000;
        series.plus_equals(&SeriesMoments::of(&rate, &last));
        last = rate;
    }
    let end = EventTime::from_micros(1_525_132_810_000_000);
    let windows = Windows::sliding(10_000_000, 10_000_000);
    let stage = Stage::Closed { revision: 0, last: true };
    let occasion = Occasion { look: end, window: windows.at(0), place: 0, end, stage };

    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(1));
    group.bench_function("symbol", |bencher| {
        bencher.iter(|| row::symbol_row(&bitcoin, &window, Decimals::EIGHT, occasion))
    });
    group.bench_function("cross of two legs", |bencher| {
        bencher.iter(|| {
            row::cross_row(
                &cross,
                &legs,
                legs.rate(&cross, Decimals::EIGHT).as_ref(),
                Decimals::EIGHT,
                occasion,
            )
        });
    });
    group.bench_function("statistics of 100,000 rates", |bencher| {
        bencher.iter(|| row::stats_row(&cross.name, &series, occasion));
    });
    group.finish();
}

/// The two symbols' windows of ten seconds.
fn two_windows() -> [(Symbol, WindowState); 2] {
    let log = trades(100_000, 2, Order::OfTime);
    [0, 1].map(|number| {
        let name = log.names[number].clone();
        let mut trades = log.trades.iter().filter(|(symbol, _)| symbol.0 as usize == number).map(|(_, t)| t);
        let first = trades.clone().next().expect("both trade");
        let (mut moments, mut candle) = (Moments::default(), Candle::of(first));
        trades.by_ref().for_each(|trade| {
            moments.add_trade(trade, trade_hash(&name, trade));
            candle.add_trade(trade);
        });
        (name, WindowState { moments, candle, missing_ids: 0 })
    })
}
