//! What an earlier run knew: a recovery point, as far as the dataflow needs it.
//!
//! **Why so little is enough.** Take the recovery point of event time `t`: all rows looked at until `t` are out.
//! A partition's state at *any* batch boundary with watermark `w >= t` will do: whatever comes after that boundary is
//! accepted at a watermark of `w` or more, so no look at or before `t` could see it; and what came before it is either
//! in rows that are out, or in panes that later windows still need. Those panes were handed over with their dates;
//! handed over again with the same dates they meet the same looks, of which those until `t` stay silent. The open panes
//! are folded again from the log. What outlives its windows is kept by value: the greatest ids, what is carried, the
//! running statistics.
//!
//! With `changes` or provisional rows, a window that is not final at `t` may have been looked at before. Those looks
//! are repeated in silence, so that it is known which revision left last and what it said. They may have seen panes
//! and carried windows that are final at `t` but were not then (a late trade that raises the greatest id before the
//! window, a leg that was corrected while it stood in), so these are kept for as long as the earliest such look lies
//! back: [`super::looks::Looks::hindsight`]. So no barrier crosses the dataflow, and nothing of a recovery point knows a worker.

use super::event_time::EventTime;
use super::moments::Moments;
use super::series::SeriesMoments;
use super::trade::Symbol;
use num_bigint::BigInt;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The dataflow's part of a recovery point; the default is a run from the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// Rows looked at until then are out.
    pub at: EventTime,
    /// The greatest id of each symbol in the panes that no window needs any more.
    pub greatest_ids: HashMap<Symbol, u64>,
    /// The latest window with trades of each leg that may have to stand in, by its end, of those that were final
    /// before any look that is repeated in silence.
    pub carried: HashMap<Symbol, (EventTime, Moments)>,
    /// The statistics of each cross, by name.
    pub series: HashMap<Symbol, SeriesMoments>,
    /// Where idleness or adoption had taken watermarks, disjoint; for what a row says closed it.
    pub idle: Vec<(EventTime, EventTime)>,
    /// The rates that are in the statistics, by their number among all of the cross; only with `--stats-last`.
    pub rates: HashMap<Symbol, BTreeMap<i64, BigInt>>,
}

/// A change of what outlives its windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lasting {
    /// A leg's latest final window with trades.
    Carried(Symbol, EventTime, Moments),
    /// A cross's statistics.
    Series(Symbol, SeriesMoments),
    /// A rate has entered the statistics of the last K, and the one with the number `- K` has left.
    Rate(Symbol, i64, BigInt),
}
