//! A checkpoint as a ledger has it.

use super::Entries;
use super::protocol::Lease;

/// The stored state of a job.
#[derive(Debug, Clone, Default)]
pub struct StoredCheckpoint {
    /// The entries of its last commit.
    pub entries: Entries,
    /// Who wrote that.
    pub lease: Option<Lease>,
}

impl StoredCheckpoint {
    /// `None` where nothing was ever committed.
    pub(super) fn some(self) -> Option<Self> {
        (!self.entries.is_empty() || self.lease.is_some()).then_some(self)
    }
}
