//! A checkpoint looked at, or removed, without taking the job over.

use super::protocol::Lease;
use super::{Entries, Kafka, Postgres, Sqlite, beside};
use crate::config::checkpoint::CheckpointStore;
use crate::config::{SinkTarget, database};
use anyhow::Result;

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

impl CheckpointStore {
    /// What people know it by.
    pub fn shown(&self) -> String {
        match &self.target {
            SinkTarget::Stdout => "standard output".into(),
            SinkTarget::File(path) | SinkTarget::Days(_, path) => beside(path).display().to_string(),
            SinkTarget::Sqlite(path) => format!("sqlite:{}", path.display()),
            SinkTarget::Kafka(topic) => format!("kafka:{topic}"),
            SinkTarget::Postgres(url) => database::shown(url),
        }
    }

    /// What is there; makes nothing and disturbs nobody.
    pub fn read(&self) -> Result<Option<StoredCheckpoint>> {
        match &self.target {
            SinkTarget::Stdout => Ok(None),
            SinkTarget::File(path) | SinkTarget::Days(_, path) => Sqlite::look(&beside(path), &self.job),
            SinkTarget::Sqlite(path) => Sqlite::look(path, &self.job),
            SinkTarget::Kafka(topic) => {
                Kafka::at(self.kafka.clone(), self.verbosity, &self.job, topic)?.held()
            }
            SinkTarget::Postgres(url) => Postgres::look_at(url, &self.job, self.verbosity)?.held(),
        }
    }

    /// Removes it; the rows stay. A run that is under way commits nothing more.
    pub fn remove(&self) -> Result<()> {
        match &self.target {
            SinkTarget::Stdout => Ok(()),
            SinkTarget::File(path) | SinkTarget::Days(_, path) => Sqlite::remove(&beside(path), &self.job),
            SinkTarget::Sqlite(path) => Sqlite::remove(path, &self.job),
            SinkTarget::Kafka(topic) => {
                Kafka::at(self.kafka.clone(), self.verbosity, &self.job, topic)?.remove()
            }
            SinkTarget::Postgres(url) => Postgres::look_at(url, &self.job, self.verbosity)?.remove(),
        }
    }
}
