//! Refused records as JSON lines (`docs/semantics.md#dead-letters`): where they were, why, and their bytes as
//! they came.

use super::append_file::{AppendFile, write_failed};
use super::{Sink, SinkBatch};
use crate::committed_files::{CommittedFiles, FileChange};
use crate::config::{Config, topic_of};
use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crossrate_dataflows::operators::closings::RefusedRecord;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// A file of refused records.
pub(super) struct DeadLetterFile {
    name: String,
    /// The topics that records come from.
    topics: Vec<String>,
    out: AppendFile,
}

#[derive(Serialize)]
struct DeadLetterLine<'a> {
    partition: u32,
    /// Where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    offset: i64,
    reason: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl DeadLetterFile {
    pub(super) fn file(config: &Config, path: &Path, files: &CommittedFiles) -> Result<Self> {
        let out = AppendFile::open(config, path, files)?;
        Ok(DeadLetterFile { name: path.display().to_string(), topics: config.source.topics(), out })
    }
}

fn line(refusal: &RefusedRecord, topics: &[String]) -> serde_json::Result<Vec<u8>> {
    let (topic, partition) = topic_of(refusal.partition, topics);
    let text = std::str::from_utf8(&refusal.value).ok();
    let mut line = serde_json::to_vec(&DeadLetterLine {
        partition,
        topic,
        offset: refusal.offset,
        reason: refusal.reason.as_str(),
        detail: &refusal.detail,
        value: text,
        value_base64: text.is_none().then(|| BASE64_STANDARD.encode(&refusal.value)),
    })?;
    line.push(b'\n');
    Ok(line)
}

impl Sink for DeadLetterFile {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let mut buffer = Vec::new();
        for refusal in batch.refused {
            buffer.append(&mut line(refusal, &self.topics)?);
        }
        self.out.write_all(&buffer).map_err(|error| write_failed(&self.name, error).into())
    }

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        Ok(())
    }

    fn claims(&mut self) -> Result<Vec<FileChange>> {
        Ok(self.out.claims())
    }

    fn restore(&mut self) -> Result<()> {
        self.out.restore()
    }

    fn sync(&mut self) -> Result<Vec<FileChange>> {
        self.out.sync()
    }
}
