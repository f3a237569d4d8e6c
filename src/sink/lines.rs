//! Rows as JSON lines, to standard output or a file.

use super::Sink;
use crate::exit::{Exit, Failure};
use anyhow::Result;
use crossrate_dataflows::operators::closings::Outbox;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// JSON lines. A line is written whole or, where the disk is full, the run ends.
pub(super) struct Lines {
    name: String,
    out: Box<dyn Write + Send>,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn stdout() -> Self {
        // No buffer of its own: each write is a batch of whole lines.
        Lines { name: "standard output".into(), out: Box::new(io::stdout()), buffer: Vec::new() }
    }

    pub(super) fn file(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot create {}", path.display()))
                .hint("name a file in a directory that exists and that you may write to")
                .because(error)
        })?;
        Ok(Lines { name: path.display().to_string(), out: Box::new(file), buffer: Vec::new() })
    }

    fn flush_buffer(&mut self) -> Result<()> {
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        written.map_err(|error| write_failed(&self.name, error).into())
    }
}

/// A reader that went away ends the run quietly; anything else is a failure with a name.
pub(super) fn write_failed(name: &str, error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, format!("{name} was closed")),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Failure::new(Exit::Failed, format!("cannot write to {name}"))
                .hint("make room on that disk; what was written before is whole")
                .because(error)
        }
        _ => Failure::new(Exit::Failed, format!("cannot write to {name}")).because(error),
    }
}

/// Bytes that are worth a system call.
const ENOUGH: usize = 1 << 20;

impl Sink for Lines {
    fn write(&mut self, news: &Outbox) -> Result<()> {
        for row in &news.rows {
            self.buffer.extend_from_slice(row.json.as_bytes());
            self.buffer.push(b'\n');
            if self.buffer.len() >= ENOUGH {
                self.flush_buffer()?;
            }
        }
        if self.buffer.is_empty() { Ok(()) } else { self.flush_buffer() }
    }

    fn finish(&mut self, _: &Outbox) -> Result<()> {
        Ok(())
    }
}
