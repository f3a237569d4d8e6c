//! What became of the records of a partition, in numbers. [`super::acceptance`] judges them.

use serde::{Deserialize, Serialize};

/// What became of every record read (`docs/semantics.md#input`): the eight classes, which add up to what was
/// read.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Trades that count.
    pub accepted: u64,
    /// Repeated trades.
    pub duplicate: u64,
    /// Trades whose pane was already final in their partition.
    pub late: u64,
    /// Records that are not what they should be.
    pub bad: u64,
    /// Trades and heartbeats further ahead, of their Kafka timestamp or of their partition, than allowed.
    pub future: u64,
    /// Other events, tombstones, and trades of the kind that a symbol is not counted by.
    pub ignored: u64,
    /// Trades of symbols nobody asked for.
    pub unselected: u64,
    /// Heartbeats.
    pub heartbeat: u64,
}

/// The same with all records read, as reports have it.
#[derive(Debug, Copy, Clone, Serialize)]
pub struct RecordAccount {
    /// All records read.
    pub read: u64,
    #[serde(flatten)]
    counts: Counts,
}

impl From<Counts> for RecordAccount {
    fn from(counts: Counts) -> RecordAccount {
        RecordAccount { read: counts.read(), counts }
    }
}

impl Counts {
    /// All records read.
    pub fn read(&self) -> u64 {
        self.classes().iter().map(|(_, count)| count).sum()
    }

    /// The classes by their names, in the order in which they are told.
    pub fn classes(&self) -> [(&'static str, u64); 8] {
        [
            ("accepted", self.accepted),
            ("duplicate", self.duplicate),
            ("late", self.late),
            ("bad", self.bad),
            ("future", self.future),
            ("ignored", self.ignored),
            ("unselected", self.unselected),
            ("heartbeat", self.heartbeat),
        ]
    }

    /// Adds another partition's.
    pub fn add(&mut self, other: &Counts) {
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.late += other.late;
        self.bad += other.bad;
        self.future += other.future;
        self.ignored += other.ignored;
        self.unselected += other.unselected;
        self.heartbeat += other.heartbeat;
    }
}
