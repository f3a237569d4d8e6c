//! Entries as version 2 of the checkpoint had them, which knew neither the takers' sides nor the ids that aggregates stand
//! for: of what was summed then the sides are not told, and each trade has one id.

use super::PaneEntry;
use crossrate_dataflows::market::candle::Candle;
use crossrate_dataflows::market::cross::LegState;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::Moments;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::wide::Wide;
use serde::{Deserialize, Serialize};

/// The sums of a set of trades.
#[derive(Debug, Copy, Clone, Serialize, Deserialize)]
pub(crate) struct EarlierMoments {
    n: i64,
    q: i128,
    pq: Wide,
    p2q: Wide,
    digest: u64,
}

impl EarlierMoments {
    fn moments(self) -> Moments {
        let EarlierMoments { n, q, pq, p2q, digest } = self;
        Moments { n, q, pq, p2q, digest, untold: n, ..Moments::default() }
    }
}

/// One symbol of a pane.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EarlierPane {
    symbol: Symbol,
    moments: EarlierMoments,
    candle: Candle,
}

/// The symbols of a pane.
pub(super) fn panes(earlier: Vec<EarlierPane>) -> Vec<PaneEntry> {
    let pane =
        |EarlierPane { symbol, moments, candle }| PaneEntry { symbol, moments: moments.moments(), candle };
    earlier.into_iter().map(pane).collect()
}

/// A window that may have to stand in. Its last price is not known.
pub(super) fn carried((end, moments): (EventTime, EarlierMoments)) -> (EventTime, LegState) {
    (end, LegState { moments: moments.moments(), missing_ids: 0, close: None, age: 0 })
}
