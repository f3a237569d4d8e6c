//! The trades that the parts are measured with: those of the other benches' inputs, decoded.

use crossrate::source::simulated::Tape;
use crossrate::wire::chunk::{Chunk, Framing, LineFormat};
use crossrate::wire::{Record, Scratch, decode_chunk};
use crossrate_dataflows::market::definition::{Definition, Selection, Windows};
use crossrate_dataflows::market::trade::{Symbol, SymbolNumber, Trade};
use std::collections::HashMap;

/// How trades follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By event time, and by id within a symbol.
    OfTime,
    /// Every fourth of them, as they come: up to a second out of order.
    DealtOut,
}

/// One log, decoded.
pub(crate) struct Log {
    pub(crate) names: Vec<Symbol>,
    pub(crate) trades: Vec<(SymbolNumber, Trade)>,
}

/// So many trades, 10,000 a second in the log.
pub(crate) fn trades(count: u64, symbols: u32, order: Order) -> Log {
    let logs = if order == Order::DealtOut { 4 } else { 1 };
    let tape = Tape { trades: count * logs, per_second: 10_000 * logs, symbols, ..Tape::default() };
    let mut outputs = vec![Vec::new(); logs as usize];
    tape.write(&mut outputs).expect("memory takes all");
    let chunk = Chunk {
        bytes: outputs.swap_remove(0),
        framing: Framing::Lines(LineFormat::Json),
        ..Chunk::default()
    };
    let (mut log, mut numbers) = (Log { names: Vec::new(), trades: Vec::new() }, HashMap::new());
    decode_chunk(&chunk, &mut Scratch::default(), |_, record| {
        let Record::Trade { symbol, trade, .. } = record else { panic!("{record:?}") };
        let number = *numbers.entry(symbol.to_vec()).or_insert_with(|| {
            log.names.push(Symbol::new(std::str::from_utf8(symbol).expect("a name")));
            SymbolNumber(log.names.len() as u32 - 1)
        });
        log.trades.push((number, trade));
    });
    if order == Order::OfTime {
        log.trades.sort_by_key(|(_, trade)| (trade.time, trade.id));
    }
    log
}

/// Windows of those lengths in microseconds, a delay of a second, and else what holds by default.
pub(crate) fn definition(size: u64, slide: u64) -> Definition {
    Definition {
        symbols: Selection::All,
        windows: Windows::sliding(size, slide),
        delay: 1_000_000,
        ..Definition::default()
    }
}

/// A number below `bound` that looks like chance, the same each time.
pub(crate) fn scattered(n: u64, bound: u64) -> u64 {
    let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) % bound
}
