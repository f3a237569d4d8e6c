//! The accounting: what came, what became of it.

use serde::Serialize;
use std::fmt;

/// How much of everything. `received = published - filled + duplicates` once nothing is held any more, and
/// `missing = filled + arrived + unfilled + pending`.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CollectorCounts {
    /// Trades from websockets.
    pub received: u64,
    /// Trades published, those that were filled among them.
    pub published: u64,
    /// Trades received more than once: connections overlap.
    pub duplicates: u64,
    /// Frames that could not be understood.
    pub bad: u64,
    /// Frames that were none of ours.
    pub ignored: u64,
    /// Heartbeats published.
    pub heartbeats: u64,
    /// Gaps in trade ids.
    pub gaps: u64,
    /// Trades missing in them.
    pub missing: u64,
    /// Those that REST had.
    pub filled: u64,
    /// Those that the websocket brought after all.
    pub arrived: u64,
    /// Those that were given up.
    pub unfilled: u64,
    /// Those that are still looked for.
    pub pending: u64,
    /// Trades published after a heartbeat had said that nothing so old would come.
    pub overtaken: u64,
    /// Times that a partition went on although something was missing: its time was up.
    pub expired: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Times that a shard of symbols had no connection.
    pub outages: u64,
    /// Connections given up since nothing came.
    pub stalls: u64,
    /// Times that the exchange told us to keep away from REST.
    pub limited: u64,
}

impl fmt::Display for CollectorCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CollectorCounts { received, published, filled, duplicates, heartbeats, .. } = self;
        write!(
            f,
            "received {received} and {filled} by REST, of which {duplicates} duplicate; published {published}"
        )?;
        write!(f, " and {heartbeats} heartbeats; {} gaps of {} trades: ", self.gaps, self.missing)?;
        write!(f, "{filled} filled, {} came late, {} unfilled", self.arrived, self.unfilled)?;
        if self.pending > 0 {
            write!(f, ", {} looked for", self.pending)?;
        }
        if self.bad > 0 {
            write!(f, "; {} frames not understood", self.bad)?;
        }
        if self.overtaken > 0 {
            write!(f, "; {} published after a heartbeat had passed them", self.overtaken)?;
        }
        Ok(())
    }
}
