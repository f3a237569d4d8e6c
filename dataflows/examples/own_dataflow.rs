//! A dataflow of one's own, beside those of the crate: how wide was the range of each symbol in each window?
//!
//! ```text
//! cargo run -p crossrate-dataflows --example own_dataflow
//! ```
//!
//! `docs/adding.md` says what else a dataflow of a job has: a kind of rows, a line in `job.rs`, a flag.

use crossrate_dataflows::market::candle::Candle;
use crossrate_dataflows::market::changes::DatedChange;
use crossrate_dataflows::market::decimal::{Price, Quantity};
use crossrate_dataflows::market::definition::{Definition, Selection, Windows};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::{Moments, trade_hash};
use crossrate_dataflows::market::resume::Resume;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::market::sums::PaneItem;
use crossrate_dataflows::market::trade::{Symbol, Trade};
use crossrate_dataflows::market::value::{Decimal, Value};
use crossrate_dataflows::operators::emission::Emission;
use crossrate_dataflows::symbol_windows::symbol_windows;
use differential_dataflow::VecCollection;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::core::{Inspect, ToStream};
use timely::dataflow::operators::vec::Map;

/// The question, as a function from rows to what follows from them. Final rows leave once, so nothing is
/// corrected.
fn ranges<'scope>(
    rows: StreamVec<'scope, EventTime, Emission>,
) -> StreamVec<'scope, EventTime, (u64, Symbol, Decimal)> {
    rows.flat_map(|emission| match emission {
        Emission::Row(row) if row.is_final() => {
            range(&row).map(|range| (row.start.millis(), row.name, range))
        }
        _ => None,
    })
}

/// Greatest price less least price, exactly.
fn range(row: &Row) -> Option<Decimal> {
    let price = |field| row.value(field).and_then(Value::as_decimal);
    let (high, low) = (price("high")?, price("low")?);
    Some(Decimal::of(&(high.scaled() - low.scaled()), high.places()))
}

fn main() {
    let definition = Arc::new(Definition {
        symbols: Selection::All,
        windows: Windows::sliding(10_000_000, 10_000_000),
        ..Definition::default()
    });
    timely::execute_directly(move |worker| {
        worker.dataflow::<EventTime, _, _>(|scope| {
            let panes = VecCollection::new(panes().to_stream(scope));
            let withhold = Vec::<EventTime>::new().to_stream(scope).container::<Vec<_>>();
            let control = (withhold, Vec::<DatedChange>::new().to_stream(scope).container::<Vec<_>>());
            let (rows, _) = symbol_windows(panes, control, &definition, &Arc::new(Resume::default()));
            ranges(rows).inspect(|(start_ms, symbol, range)| println!("{start_ms} {symbol} {range}"));
        });
    });
}

/// Trades as a worker hands them over: sums by pane and symbol, dated just before the look that first sees
/// them.
fn panes() -> Vec<PaneItem> {
    let symbol = Symbol::new("BTCUSDT");
    let trades = [
        (1, 888_815_120_000, 1_525_022_021),
        (2, 889_050_000_000, 1_525_022_024),
        (3, 888_000_000_000, 1_525_022_033),
    ];
    let mut panes = Vec::new();
    for (id, price, second) in trades {
        let time = EventTime::from_micros(second * 1_000_000);
        // Both are above zero.
        let (Some(price), Some(quantity)) = (Price::from_scaled(price), Quantity::from_scaled(100_000_000))
        else {
            continue;
        };
        let trade = Trade::new(id, price, quantity, time);
        let mut moments = Moments::default();
        moments.add_trade(&trade, trade_hash(&symbol, &trade));
        let end = EventTime::from_micros(time.micros() / 10_000_000 * 10_000_000 + 10_000_000);
        panes.push(((symbol.clone(), (end, Candle::of(&trade))), end.minus(1), moments));
    }
    panes
}
