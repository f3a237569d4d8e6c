//! Rows as JSON lines, to standard output or a file.

use super::{News, Sink};
use crate::exit::{Exit, Failure};
use crate::ledger::point::Point;
use anyhow::Result;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

/// JSON lines. A line is written whole or, where the disk is full, the run ends.
pub(super) struct Lines {
    name: String,
    out: Out,
    buffer: Vec<u8>,
}

enum Out {
    Stdout(io::Stdout),
    File(AppendFile),
}

impl Lines {
    pub(super) fn stdout() -> Self {
        // No buffer of its own: each write is a batch of whole lines.
        Lines { name: "standard output".into(), out: Out::Stdout(io::stdout()), buffer: Vec::new() }
    }

    pub(super) fn file(path: &Path, point: &Point) -> Result<Self> {
        let file = AppendFile::open(path, point)?;
        Ok(Lines { name: path.display().to_string(), out: Out::File(file), buffer: Vec::new() })
    }

    fn flush_buffer(&mut self) -> Result<()> {
        let written = match &mut self.out {
            // It holds back what follows the last line end, and there is nothing: batches are whole lines.
            Out::Stdout(out) => out.write_all(&self.buffer).and_then(|()| out.flush()),
            Out::File(file) => file.write_all(&self.buffer),
        };
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
    fn write(&mut self, news: &News<'_>) -> Result<()> {
        for row in news.rows {
            self.buffer.extend_from_slice(row.json.as_bytes());
            self.buffer.push(b'\n');
            if self.buffer.len() >= ENOUGH {
                self.flush_buffer()?;
            }
        }
        if self.buffer.is_empty() { Ok(()) } else { self.flush_buffer() }
    }

    fn finish(&mut self, _: &News<'_>) -> Result<()> {
        Ok(())
    }

    fn mark(&mut self) -> Result<Option<(String, u64)>> {
        match &mut self.out {
            Out::Stdout(_) => Ok(None),
            Out::File(file) => file.mark().map(Some),
        }
    }
}

/// A file that grows, and that a run which is taken up cuts back to what was committed.
pub(super) struct AppendFile {
    path: String,
    file: File,
    length: u64,
}

impl AppendFile {
    /// Opens or makes it, as long as the recovery point says; empty where it says nothing.
    pub(super) fn open(path: &Path, point: &Point) -> Result<Self> {
        let name = path.display().to_string();
        let length = point.lengths.get(&name).copied().unwrap_or(0);
        let open = || -> io::Result<(File, u64)> {
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            let found = file.metadata()?.len();
            Ok((file, found))
        };
        let (mut file, found) = open().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot open {name} for writing"))
                .hint("name a file in a directory that exists and that you may write to")
                .because(error)
        })?;
        if found < length {
            let lost =
                format!("{name} has {found} bytes, but the recovery point says that {length} were written");
            return Err(Failure::new(Exit::Failed, lost)
                .hint("put the file back, or start the job anew with --fresh")
                .into());
        }
        let cut = file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(|error| write_failed(&name, error))?;
        Ok(AppendFile { path: name, file, length })
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes sure that what was written is on the disk; its name and length.
    pub(super) fn mark(&mut self) -> Result<(String, u64)> {
        self.file.sync_data().map_err(|error| write_failed(&self.path, error))?;
        Ok((self.path.clone(), self.length))
    }
}
