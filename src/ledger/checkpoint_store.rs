//! A checkpoint looked at, or removed, without taking the job over.

use super::{Kafka, Postgres, Sqlite, StoredCheckpoint};
use crate::config::SinkTarget;
use crate::config::checkpoint::CheckpointStore;
use anyhow::Result;

impl CheckpointStore {
    /// What people know it by.
    pub fn shown(&self) -> String {
        let beside = self.target.checkpoint_beside().map(|file| file.display().to_string());
        beside.unwrap_or_else(|| self.target.to_string())
    }

    /// What is there; makes nothing and disturbs nobody.
    pub fn read(&self) -> Result<Option<StoredCheckpoint>> {
        match &self.target {
            SinkTarget::Kafka(topic) => {
                Kafka::at(self.kafka.clone(), self.verbosity, &self.job, topic)?.held()
            }
            SinkTarget::Postgres(url) => Postgres::look_at(url, &self.job, self.verbosity)?.held(),
            other => other.checkpoint_file().map_or(Ok(None), |file| Sqlite::look(&file, &self.job)),
        }
    }

    /// Removes it; the rows stay. A run that is under way commits nothing more.
    pub fn remove(&self) -> Result<()> {
        match &self.target {
            SinkTarget::Kafka(topic) => {
                Kafka::at(self.kafka.clone(), self.verbosity, &self.job, topic)?.remove()
            }
            SinkTarget::Postgres(url) => Postgres::look_at(url, &self.job, self.verbosity)?.remove(),
            other => other.checkpoint_file().map_or(Ok(()), |file| Sqlite::remove(&file, &self.job)),
        }
    }
}
