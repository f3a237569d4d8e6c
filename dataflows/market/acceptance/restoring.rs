//! What a checkpoint keeps of a partition, and how a later run takes it up.

use super::super::counts::Counts;
use super::super::definition::Definition;
use super::super::event_time::EventTime;
use super::super::jumps::RefusedJumps;
use super::super::moments::Moments;
use super::super::sums::Sums;
use super::super::trade::{SymbolNumber, Trade, TradeKind};
use super::{PartitionState, RecordPosition};
use serde::{Deserialize, Serialize};

/// A partition's part of a checkpoint, but for what it has handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Offset of the first record that was not judged.
    pub next: i64,
    /// Offset from which reading again rebuilds the panes that are open.
    pub rebuild_from: i64,
    /// W(p).
    pub watermark: EventTime,
    /// How far the partition's own records took it.
    pub own: EventTime,
    /// Event time of the first record that was accepted or a heartbeat.
    pub first: Option<EventTime>,
    /// Whether reading began inside the log, so that the windows before `first` and the delay lack trades.
    pub inside_log: bool,
    /// What became of the records before `next`.
    pub counts: Counts,
}

impl PartitionState {
    /// What must be kept so that a later run can take this partition up after the record before `next`. Of
    /// one that has ended it is what it was before: there may be more of it by then.
    pub fn head(&self, next: i64) -> Head {
        let (watermark, opened_at) =
            self.before_end.unwrap_or_else(|| (self.watermark, self.panes.opened_at()));
        Head {
            next,
            rebuild_from: opened_at.unwrap_or(next),
            watermark,
            own: self.own,
            first: self.first,
            inside_log: self.inside_log,
            counts: self.counts,
        }
    }

    /// The records that jumped, for a later run that takes this partition up where [`PartitionState::head`] says.
    pub fn jumps(&self) -> RefusedJumps {
        let opened_at = self.before_end.map_or_else(|| self.panes.opened_at(), |(_, opened_at)| opened_at);
        self.jumps.memory(opened_at)
    }

    /// By which kind a symbol is counted.
    pub fn kind(&self, symbol: SymbolNumber) -> Option<TradeKind> {
        self.kinds.get(symbol.0 as usize).copied().flatten()
    }

    /// The symbols that have a kind, in the order in which they came.
    pub fn known(&self) -> &[SymbolNumber] {
        &self.known
    }

    /// Takes a partition up where an earlier run left it. Its open panes are rebuilt by giving it, through
    /// [`PartitionState::rebuild`], the trades from `rebuild_from` up to `next` again.
    pub fn resume(
        definition: &Definition,
        head: &Head,
        jumps: &RefusedJumps,
        kinds: &[(SymbolNumber, TradeKind)],
    ) -> Self {
        let mut partition = PartitionState::new(definition);
        partition.jumps.resume(jumps.clone());
        partition.watermark = head.watermark;
        partition.own = head.own;
        partition.first = head.first;
        partition.inside_log = head.inside_log;
        partition.counts = head.counts;
        for (symbol, kind) in kinds {
            partition.note_kind(*symbol, *kind);
        }
        partition
    }

    /// Folds a trade again that was judged before the checkpoint. It counts now exactly if it counted then
    /// and its pane is still open: a pane that is not final now was not final then, so nothing in it was
    /// late, its ids all lie in what is read again, what jumped is known by its offset, and whether it is
    /// ahead of its timestamp or of the other kind does not depend on when.
    pub fn rebuild(
        &mut self,
        symbol: SymbolNumber,
        kind: TradeKind,
        (trade, hash): (&Trade, u64),
        place: RecordPosition,
        sums: &mut Sums,
    ) {
        let number = symbol.0 as usize;
        let counted = self.kinds.get(number).copied().flatten() == Some(kind);
        let interval = self.looks.pane(trade.time);
        let open = self.looks.final_at(interval.end) > self.watermark;
        let future = self.is_future(trade.time, place.kafka_ms) || self.jumps.has_refused(place.offset);
        if !counted || !open || future {
            return;
        }
        let pane = match self.panes.find(trade.time) {
            Some(pane) => pane,
            None => self.panes.open(interval, place.offset),
        };
        self.fold(pane, number, (trade, hash), place, sums);
    }

    /// Ends a rebuilding; `handed_over` is what the checkpoint says has left the open panes already.
    pub fn rebuilt<'a>(
        &mut self,
        handed_over: impl Iterator<Item = (SymbolNumber, EventTime, &'a Moments)>,
        sums: &mut Sums,
    ) {
        let handed_over = handed_over.map(|(symbol, end, moments)| (symbol.0 as usize, end, moments));
        self.panes.rebuilt(handed_over, sums, &self.looks, self.watermark);
    }

    /// The end of the last pane of which anything was handed over. All is that has a date before the
    /// watermark: nothing is added to it any more.
    pub fn handed_over(&self) -> Option<EventTime> {
        self.panes.handed_over()
    }
}
