//! Where reading begins.

use crate::wire::chunk::Prefix;
use std::collections::BTreeMap;

/// Where reading begins, as the checkpoint has it; nothing in it where there is none.
#[derive(Debug, Clone, Default)]
pub struct Starts {
    /// The partitions that an earlier run has read.
    pub partitions: BTreeMap<u32, StartAt>,
    /// Where each partition of a bounded run ends; empty where the run finds out.
    pub ends: BTreeMap<u32, i64>,
}

/// How far an earlier run has read a partition.
#[derive(Debug, Copy, Clone)]
pub struct StartAt {
    /// The first record that is needed to fill what was open.
    pub rebuild_from: i64,
    /// The first record that the earlier run did not judge.
    pub next: i64,
    /// Whether nothing was open: then all is handed over, and the records before `next` may be gone.
    pub is_handed_over: bool,
    /// What was read of a file until `next`.
    pub read: Option<Prefix>,
}

impl Starts {
    /// The first record to read of a partition.
    pub(super) fn first(&self, number: u32) -> u64 {
        self.partitions.get(&number).map_or(0, |known| known.rebuild_from as u64)
    }
}
