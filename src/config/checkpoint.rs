//! What `crossrate checkpoint` is asked to do, and where.

use super::{KafkaClient, SinkTarget, Verbosity};

/// What is to be done with which checkpoint.
#[derive(Debug, Clone)]
pub struct CheckpointCommand {
    /// What is to be done.
    pub action: Action,
    /// As one JSON object.
    pub json: bool,
    /// Where it is.
    pub store: CheckpointStore,
}

/// What is to be done.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell what it holds.
    Show,
    /// See whether it is whole.
    Check,
    /// Remove it, if the user says that this is meant.
    Reset {
        /// It is.
        yes: bool,
    },
}

/// Where a job's checkpoint is.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    /// The sink that is the ledger.
    pub target: SinkTarget,
    /// How brokers are reached.
    pub kafka: KafkaClient,
    /// The job.
    pub job: String,
    /// What is told on standard error.
    pub verbosity: Verbosity,
}
