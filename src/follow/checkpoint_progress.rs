//! What a checkpoint says of how far its job is, to those who only look. They need neither sums nor panes,
//! and disturb nobody: a job is taken over by whoever commits, not by whoever reads.

use crate::config::topic_of;
use crate::job_identity;
use crate::ledger::Entries;
use crate::ledger::checkpoint::{self, JobEntry};
use crate::ledger::entry_key::EntryKey;
use crate::serve::board::partition_news::PartitionNews;
use crate::serve::board::progress::{Knowledge, ProgressNews};
use anyhow::Result;
use crossrate_dataflows::market::acceptance::Head;
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
use std::collections::BTreeMap;

/// How far a job was at its last commit.
#[derive(Debug, Clone)]
pub(super) struct CheckpointProgress {
    job: JobEntry,
    definition: Option<Definition>,
    heads: BTreeMap<u32, Head>,
}

impl CheckpointProgress {
    /// Whether an entry is one of those that are looked at.
    pub(super) fn wants(key: &str) -> bool {
        matches!(key.parse(), Ok(EntryKey::Job | EntryKey::Head(_)))
    }

    /// Of the entries; `None` where there is no job among them.
    pub(super) fn of(entries: &Entries) -> Result<Option<CheckpointProgress>> {
        let Some(job) = checkpoint::job(entries)? else { return Ok(None) };
        let definition = job_identity::definition_of(&job.definition);
        let mut known = CheckpointProgress { job, definition, heads: BTreeMap::new() };
        for (key, entry) in entries {
            if let Ok(EntryKey::Head(partition)) = key.parse() {
                known.heads.insert(partition, checkpoint::decode(key, entry)?);
            }
        }
        Ok(Some(known))
    }

    /// Rows looked at until then are out.
    pub(super) fn at(&self) -> EventTime {
        self.job.at
    }

    /// What is computed, where that is understood here.
    pub(super) fn definition(&self) -> Option<&Definition> {
        self.definition.as_ref()
    }

    /// For those who follow the job.
    pub(super) fn progress(&self, told_ms: u64) -> ProgressNews {
        let setting = |name: &str| self.job.definition.iter().find(|(key, _)| key == name).map(|(_, v)| v);
        let name = |number: u32| match setting("topic") {
            Some(topics) => {
                let topics: Vec<&str> = topics.split(' ').collect();
                match topic_of(number, &topics) {
                    (Some(topic), number) => format!("{topic}-{number}"),
                    (None, number) => format!("{}-{number}", topics[0]),
                }
            }
            None => format!("input {number}"),
        };
        let partition = |(number, head): (&u32, &Head)| {
            let news = PartitionNews {
                name: name(*number),
                watermark: head.watermark,
                counts: head.counts,
                idle: false,
                ended: self.job.ended,
            };
            (*number, news)
        };
        ProgressNews {
            known_from: Knowledge::Commit,
            partitions: self.heads.iter().map(partition).collect(),
            frontier: (!self.job.ended).then_some(self.job.at),
            over: false,
            told_ms,
        }
    }
}

#[cfg(test)]
impl CheckpointProgress {
    /// A job that is so far.
    pub(super) fn made_up(at: EventTime, definition: Definition) -> CheckpointProgress {
        let job = JobEntry {
            program: String::new(),
            definition: Vec::new(),
            at,
            closes: at,
            ended: false,
            ends: BTreeMap::new(),
        };
        CheckpointProgress { job, definition: Some(definition), heads: BTreeMap::new() }
    }
}
