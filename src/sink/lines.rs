//! Rows as JSON lines, to standard output or a file.

use super::behind::Behind;
use super::lock::lock;
use super::{Mark, News, Sink};
use crate::config::{Config, SinkTarget, Verbosity, can_be_cut};
use crate::exit::{Exit, Failure};
use crate::ledger::point::Point;
use anyhow::Result;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// JSON lines. A line is written whole or, where the disk is full, the run ends; a run that takes it up cuts the file back.
pub(super) struct Lines {
    name: String,
    out: Out,
    buffer: Vec<u8>,
}

enum Out {
    Stdout(Behind<io::Stdout>),
    File(Behind<AppendFile>),
}

impl Lines {
    pub(super) fn stdout() -> Self {
        let out = Out::Stdout(Behind::new(io::stdout()));
        Lines { name: "standard output".into(), out, buffer: Vec::new() }
    }

    pub(super) fn file(config: &Config, path: &Path, point: &Point) -> Result<Self> {
        let out = Out::File(Behind::new(AppendFile::open(config, path, point)?));
        Ok(Lines { name: path.display().to_string(), out, buffer: Vec::new() })
    }

    fn flush_buffer(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = match &mut self.out {
            // It holds back what follows the last line end, and there is nothing: batches are whole lines.
            Out::Stdout(out) => out.write(buffer),
            Out::File(file) => file.write(buffer),
        };
        self.buffer = written.map_err(|error| write_failed(&self.name, error))?;
        Ok(())
    }
}

/// A reader that went away ends the run quietly; anything else is a failure with a name.
pub(super) fn write_failed(name: &str, error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, format!("{name} was closed")),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Failure::new(Exit::Failed, format!("cannot write to {name}"))
                .hint("make room on that disk; the last line there may be cut off")
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
        let settled = match &mut self.out {
            Out::Stdout(out) => out.settle().map(drop),
            Out::File(file) => file.settle().map(drop),
        };
        settled.map_err(|error| write_failed(&self.name, error).into())
    }

    fn mark(&mut self) -> Result<Vec<Mark>> {
        match &mut self.out {
            Out::Stdout(_) => Ok(Vec::new()),
            Out::File(file) => {
                let mut file = file.settle().map_err(|error| write_failed(&self.name, error))?;
                file.mark()
            }
        }
    }
}

/// A file that grows, and that a run which is taken up cuts back to what was committed.
pub(super) struct AppendFile {
    name: String,
    /// The whole path: what the recovery point knows it by.
    key: String,
    file: File,
    length: u64,
    /// A device or a pipe: it has no length, and takes what it is given.
    special: bool,
    /// What the recovery point knew it by before it was moved; until that is forgotten there.
    moved_from: Option<String>,
}

impl AppendFile {
    /// Opens or makes it, as long as the recovery point says; empty where it says nothing.
    pub(super) fn open(config: &Config, path: &Path, point: &Point) -> Result<Self> {
        let before = point.before.as_deref();
        let moved = match config.ledger() {
            Some(SinkTarget::File(ledger)) => Moved::of(point, &whole(ledger)),
            _ => None,
        };
        Self::open_known(path, before, config.verbosity, |key| known_length(point, key, moved.as_ref()))
    }

    /// Opens or makes it, so many bytes long.
    pub(super) fn open_at(path: &Path, length: u64) -> Result<Self> {
        Self::open_known(path, None, Verbosity::Quiet, |_| Known::Length(length, None))
    }

    fn open_known(
        path: &Path,
        before: Option<&str>,
        verbosity: Verbosity,
        known: impl FnOnce(&str) -> Known,
    ) -> Result<Self> {
        let name = path.display().to_string();
        let special = !can_be_cut(path);
        let new = !path.exists();
        let file = File::options().create(true).truncate(false).write(true).open(path);
        let mut file = file.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot open {name} for writing"))
                .hint("name a file in a directory that exists and that you may write to")
                .because(error)
        })?;
        let (mut key, mut length, mut moved_from) = (name.clone(), 0, None);
        if !special {
            lock(&file, &name, before, verbosity)?;
            key = whole(path);
            let known = known(&key);
            length = cut_back(&mut file, &name, &known)?;
            if let Known::Length(_, from) = known {
                moved_from = from;
            }
        }
        if new {
            // A file whose name is not on the disk would be gone after a power failure, however often it was written.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let kept = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
            kept.map_err(|error| write_failed(&name, error))?;
        }
        Ok(AppendFile { name, key, file, length, special, moved_from })
    }

    /// Makes sure that what was written is on the disk; its name and length, and the name that it has no more.
    pub(super) fn mark(&mut self) -> Result<Vec<Mark>> {
        if self.special {
            return Ok(Vec::new());
        }
        self.file.sync_data().map_err(|error| write_failed(&self.name, error))?;
        let gone = self.moved_from.take().map(|from| (from, None));
        Ok(gone.into_iter().chain([(self.key.clone(), Some(self.length))]).collect())
    }
}

impl Write for AppendFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the recovery point knows of a file.
enum Known {
    /// Nothing, since there is none: the file is begun anew.
    NoPoint,
    /// Nothing, although there is one.
    No,
    /// It had so many bytes, and was elsewhere, or under the name that it has.
    Length(u64, Option<String>),
}

/// A file that holds the recovery point was elsewhere when that was written: moved, or copied, with others beside it.
struct Moved {
    from: PathBuf,
    to: PathBuf,
}

impl Moved {
    fn of(point: &Point, ledger: &str) -> Option<Moved> {
        if point.lengths.contains_key(ledger) {
            return None;
        }
        let ledger = Path::new(ledger);
        let mut of_name =
            point.lengths.keys().map(Path::new).filter(|path| path.file_name() == ledger.file_name());
        let (Some(from), None) = (of_name.next(), of_name.next()) else { return None };
        Some(Moved { from: from.parent()?.to_owned(), to: ledger.parent()?.to_owned() })
    }

    /// Whether a file was there then, where another one is now.
    fn takes(&self, then: &str, now: &str) -> bool {
        let places = (Path::new(then).strip_prefix(&self.from), Path::new(now).strip_prefix(&self.to));
        matches!(places, (Ok(then), Ok(now)) if then == now)
    }
}

/// The whole path of a file that is there.
fn whole(path: &Path) -> String {
    path.canonicalize().as_deref().unwrap_or(path).display().to_string()
}

/// A file is known by its whole path, or, where it has been moved elsewhere, by its name, if that is one only. One that is
/// still where it was has not been moved: then this is another file, and not to be cut, unless the recovery point has been
/// moved from there too.
fn known_length(point: &Point, key: &str, moved: Option<&Moved>) -> Known {
    let file_name = |path: &str| Path::new(path).file_name().map(ToOwned::to_owned);
    let gone = |path: &str| !Path::new(path).exists() || moved.is_some_and(|moved| moved.takes(path, key));
    let mut of_name =
        point.lengths.iter().filter(|(path, _)| file_name(path) == file_name(key) && gone(path));
    match (point.lengths.get(key), of_name.next(), of_name.next()) {
        (Some(length), ..) => Known::Length(*length, None),
        (None, Some((from, length)), None) => Known::Length(*length, Some(from.clone())),
        _ if point.job.is_none() => Known::NoPoint,
        _ => Known::No,
    }
}

/// Cuts a file back to its committed length.
fn cut_back(file: &mut File, name: &str, known: &Known) -> Result<u64> {
    let failed = |error| write_failed(name, error);
    let found = file.metadata().map_err(failed)?.len();
    let length = match known {
        Known::Length(length, _) => *length,
        Known::No if found > 0 => {
            let words = format!("{name} is not empty, and the recovery point of this job does not know it");
            return Err(Failure::new(Exit::Failed, words)
                .hint("name the file that the job has written to so far, or one that is new")
                .into());
        }
        Known::NoPoint | Known::No => 0,
    };
    if found < length {
        let lost =
            format!("{name} has {found} bytes, but the recovery point says that {length} were written");
        return Err(Failure::new(Exit::Failed, lost)
            .hint("put the file back, or start the job anew with --fresh")
            .into());
    }
    file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
    Ok(length)
}
