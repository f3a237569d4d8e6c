//! Where results go. A sink gets batches of rows in order, each once; a batch is written when `write`
//! returns, or at the latest when `finish` does.
//!
//! Where a run has a ledger ([`crate::ledger`]), a sink either gets rows before their commit, and then
//! restores itself to what was committed when a job is restarted, or after it. Who calls whom when is up to
//! [`crate::output`].

mod append_file;
mod background_writer;
mod days;
mod dead_letter;
pub mod kafka;
mod lines;
mod pack;
#[cfg(feature = "parquet")]
mod parquet;

use crate::committed_files::{CommittedFiles, FileChange};
use crate::config::{Config, DeadLetterTarget, SinkTarget};
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::operators::closings::{PartitionProgress, RefusedRecord};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows, refused records and progress for sinks.
#[derive(Debug, Copy, Clone)]
pub struct SinkBatch<'a> {
    /// Rows in their order, complete.
    pub rows: &'a [Row],
    /// Refused records.
    pub refused: &'a [RefusedRecord],
    /// The latest of each partition.
    pub partitions: &'a BTreeMap<u32, PartitionProgress>,
    /// Rows looked at before this time are all there; `None` when the input has ended.
    pub frontier: Option<EventTime>,
    /// Windows of symbols that were withheld so far.
    pub withheld: u64,
    /// How long the commit of the rows took; none where they were not committed.
    pub commit: Option<Duration>,
}

/// A destination of results. A sink takes the parts of a batch that it writes.
pub trait Sink: Send {
    /// Writes a batch.
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()>;

    /// The run ends: everything must be where it belongs when this returns.
    fn finish(&mut self, last: &SinkBatch<'_>) -> Result<()>;

    /// The files that the checkpoint must hold before the sink changes them. Until then a sink only opens,
    /// creates and locks files.
    fn claims(&mut self) -> Result<Vec<FileChange>> {
        Ok(Vec::new())
    }

    /// Restores the sink's files to the last commit: cuts and removes. This run has the job, and no other run
    /// has written the locked files since.
    fn restore(&mut self) -> Result<()> {
        Ok(())
    }

    /// Releases the sink to the earlier run, because this run cannot begin.
    fn release(&mut self) {}

    /// Syncs written bytes to the disk. Returns the changes of this sink's files since the last commit.
    fn sync(&mut self) -> Result<Vec<FileChange>> {
        Ok(Vec::new())
    }

    /// The bytes that were written before the last [`Sink::sync`] are committed.
    fn committed(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The sinks of a run that are no databases and no topics of rows: those belong to a ledger.
#[derive(Default)]
pub struct Sinks {
    /// Get rows before their commit: files, which a restart cuts back, and sinks that prefer duplicates to
    /// losses.
    pub before_commit: Vec<Box<dyn Sink>>,
    /// Get what is committed.
    pub after_commit: Vec<Box<dyn Sink>>,
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Sinks { before_commit, after_commit } = self;
        f.debug_struct("Sinks")
            .field("before_commit", &before_commit.len())
            .field("after_commit", &after_commit.len())
            .finish()
    }
}

impl Sinks {
    /// Opens and locks them; `files` says how long the files of an earlier run are. Nothing is cut yet.
    pub fn open(config: &Config, files: &CommittedFiles) -> Result<Self> {
        let mut sinks = Sinks::default();
        for target in &config.sinks {
            match target {
                SinkTarget::Stdout => sinks.after_commit.push(Box::new(lines::LinesSink::stdout())),
                SinkTarget::File(path) => {
                    sinks.before_commit.push(Box::new(lines::LinesSink::file(config, path, files)?));
                }
                SinkTarget::Days(form, folder) => {
                    sinks.before_commit.push(Box::new(days::DailyFiles::open(config, *form, folder, files)?));
                }
                SinkTarget::Kafka(_) | SinkTarget::Sqlite(_) | SinkTarget::Postgres(_) => {}
            }
        }
        match &config.dead_letter {
            Some(DeadLetterTarget::File(path)) => {
                sinks.before_commit.push(Box::new(dead_letter::DeadLetterFile::file(config, path, files)?));
            }
            // The ledger writes them with its rows.
            Some(DeadLetterTarget::Kafka(_)) if matches!(config.ledger(), Some(SinkTarget::Kafka(_))) => {}
            Some(DeadLetterTarget::Kafka(topic)) => {
                sinks.before_commit.push(Box::new(kafka::DeadLetterTopic::open(config, topic)?));
            }
            None => {}
        }
        Ok(sinks)
    }
}
