//! Rows as JSON lines, to standard output or a file.

use super::append_file::{AppendFile, write_failed};
use super::background_writer::BackgroundWriter;
use super::{Sink, SinkBatch};
use crate::committed_files::{CommittedFiles, FileChange};
use crate::config::Config;
use anyhow::Result;
use std::io;
use std::path::Path;
use std::sync::MutexGuard;

/// JSON lines. A line is written whole or, where the disk is full, the run ends; a run that takes it up cuts
/// the file back.
pub(super) struct LinesSink {
    name: String,
    out: LinesOutput,
    buffer: Vec<u8>,
}

enum LinesOutput {
    Stdout(BackgroundWriter<io::Stdout>),
    File(BackgroundWriter<AppendFile>),
}

impl LinesSink {
    pub(super) fn stdout() -> Self {
        let out = LinesOutput::Stdout(BackgroundWriter::new(io::stdout()));
        LinesSink { name: "standard output".into(), out, buffer: Vec::new() }
    }

    pub(super) fn file(config: &Config, path: &Path, files: &CommittedFiles) -> Result<Self> {
        let out = LinesOutput::File(BackgroundWriter::new(AppendFile::open(config, path, files)?));
        Ok(LinesSink { name: path.display().to_string(), out, buffer: Vec::new() })
    }

    /// The file, with nothing under way.
    fn settled(&mut self) -> Result<Option<MutexGuard<'_, AppendFile>>> {
        match &mut self.out {
            LinesOutput::Stdout(_) => Ok(None),
            LinesOutput::File(file) => {
                Ok(Some(file.settle().map_err(|error| write_failed(&self.name, error))?))
            }
        }
    }

    fn flush_buffer(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = match &mut self.out {
            // It holds back what follows the last line end, and there is nothing: batches are whole lines.
            LinesOutput::Stdout(out) => out.write(buffer),
            LinesOutput::File(file) => file.write(buffer),
        };
        self.buffer = written.map_err(|error| write_failed(&self.name, error))?;
        Ok(())
    }
}

/// Bytes that are worth a system call.
const ENOUGH: usize = 1 << 20;

impl Sink for LinesSink {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        for row in batch.rows {
            self.buffer.extend_from_slice(row.json.as_bytes());
            self.buffer.push(b'\n');
            if self.buffer.len() >= ENOUGH {
                self.flush_buffer()?;
            }
        }
        if self.buffer.is_empty() { Ok(()) } else { self.flush_buffer() }
    }

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        let settled = match &mut self.out {
            LinesOutput::Stdout(out) => out.settle().map(drop),
            LinesOutput::File(file) => file.settle().map(drop),
        };
        settled.map_err(|error| write_failed(&self.name, error).into())
    }

    fn claims(&mut self) -> Result<Vec<FileChange>> {
        self.settled()?.map_or(Ok(Vec::new()), |file| Ok(file.claims()))
    }

    fn restore(&mut self) -> Result<()> {
        self.settled()?.map_or(Ok(()), |mut file| file.restore())
    }

    fn sync(&mut self) -> Result<Vec<FileChange>> {
        self.settled()?.map_or(Ok(Vec::new()), |mut file| file.sync())
    }
}
