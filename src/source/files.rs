//! Files and standard input, each one partition.
//!
//! What an input is its first bytes tell: how it is packed ([`unpack`]) and what its lines are
//! ([`mod@format`]). All are opened, and looked at as far as they are regular files, before the first is
//! read: a slip in the third name is found at once. Then a thread each reads ahead and hands over whole lines
//! ([`lines`]), from the record on that it is told. Where the run has a ledger, what was read is found again
//! after a restart ([`prefix`]).

use super::{Delivery, Feed, Waker};
use crate::config::STDIN;
use crate::exit::{Exit, Failure, stopped};
use crate::wire::format::{Format, MappingFile};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

mod format;
mod gzip;
mod lines;
mod parts;
mod prefix;
mod unpack;
mod verify;

pub use lines::Start;
pub use parts::ArchivePart;

use lines::{Bytes, LineCutter, ReadStop};
use unpack::ByteSource;

/// An input that was found and is not yet read.
#[derive(Debug)]
pub struct InputFile {
    name: String,
    place: InputPlace,
    symbol: Option<String>,
    mapping: Option<MappingFile>,
}

/// Where an input is.
#[derive(Debug)]
enum InputPlace {
    /// A regular file, open.
    File { path: PathBuf, file: File },
    /// A named pipe or a device. A pipe is opened when it is read, since opening it waits for its writer.
    Stream(PathBuf),
    /// Standard input.
    Stdin,
}

/// What may tell the symbol of an archive, and its format.
#[derive(Debug, Copy, Clone)]
struct ArchiveNames<'a> {
    /// The file's name without its folder; none of standard input.
    file: Option<&'a str>,
    /// The name of a member in an archive of files.
    member: Option<&'a str>,
    /// `--symbol`.
    symbol: Option<&'a str>,
    /// `--format`, where it is a mapping.
    mapping: Option<&'a MappingFile>,
}

impl<'a> ArchiveNames<'a> {
    /// The nearest first, without folders.
    fn names(&self) -> impl Iterator<Item = &'a str> {
        let last = |path: &'a str| path.rsplit(['/', '\\']).next().unwrap_or(path);
        self.member.map(last).into_iter().chain(self.file)
    }

    /// Whether the names say that this is CSV.
    fn is_csv(&self) -> bool {
        self.names().any(|name| {
            let name = name.to_ascii_lowercase();
            let packed = [".gz", ".zst", ".zip"].into_iter().find_map(|end| name.strip_suffix(end));
            packed.unwrap_or(&name).ends_with(".csv")
        })
    }
}

/// How the records of a file are read.
#[derive(Debug, Copy, Clone)]
pub struct FileDecoding<'a> {
    /// `--symbol`.
    pub symbol: Option<&'a str>,
    /// `--format`.
    pub format: &'a Format,
}

impl InputFile {
    /// Finds an input, and looks at its beginning if it is a regular file. `-` is standard input. With
    /// `again`, a later run must be able to read it again.
    pub fn open(path: &Path, reading: &FileDecoding<'_>, again: bool) -> Result<Self> {
        let mut input = Self::find(path, reading, again)?;
        input.look().with_context(|| format!("cannot read {}", input.name))?;
        Ok(input)
    }

    /// Finds an input without a look at what is in it.
    pub fn find(path: &Path, reading: &FileDecoding<'_>, again: bool) -> Result<Self> {
        let symbol = reading.symbol.map(str::to_owned);
        let mapping = match reading.format {
            Format::Binance => None,
            Format::Mapped(mapping) => Some(mapping.clone()),
        };
        if path.as_os_str() == STDIN {
            return Ok(InputFile {
                name: "standard input".into(),
                place: InputPlace::Stdin,
                symbol,
                mapping,
            });
        }
        let name = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|error| cannot_open(&name, error))?;
        if metadata.is_dir() {
            return Err(Failure::new(Exit::Unreachable, format!("{name} is a directory"))
                .hint("name the files in it; each of them is one partition")
                .into());
        }
        if !metadata.is_file() {
            if again {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("{name} is a pipe or a device, which cannot be read again after a restart"),
                )
                .hint("put it into a file, or write rows to standard output, which keeps no checkpoint")
                .into());
            }
            return Ok(InputFile { name, place: InputPlace::Stream(path.to_owned()), symbol, mapping });
        }
        let file = File::open(path).map_err(|error| cannot_open(&name, error))?;
        Ok(InputFile { name, place: InputPlace::File { path: path.to_owned(), file }, symbol, mapping })
    }

    /// Verifies that a packed file is whole, before anything is made of it.
    pub fn verify(&mut self, is_committed: bool, interrupted: &AtomicBool) -> Result<()> {
        let InputPlace::File { path, file } = &mut self.place else { return Ok(()) };
        match verify::verify(path, file, is_committed, interrupted) {
            Ok(()) => Ok(()),
            Err(ReadStop::Closed) => Err(stopped()),
            Err(ReadStop::Failed(failure)) => {
                Err(failure).with_context(|| format!("cannot read {}", self.name))
            }
        }
    }

    /// What people know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A regular file once more, which shares its place with it.
    pub fn file(&self) -> io::Result<Option<File>> {
        match &self.place {
            InputPlace::File { file, .. } => file.try_clone().map(Some),
            InputPlace::Stream(_) | InputPlace::Stdin => Ok(None),
        }
    }

    /// Whether the beginning of a regular file, or of all its members, can be read and is something that we
    /// know.
    fn look(&mut self) -> Result<()> {
        let InputPlace::File { path, file } = &mut self.place else { return Ok(()) };
        let failed = |error: io::Error| Failure::new(Exit::Unreachable, "it cannot be read").because(error);
        let copy = file.try_clone().map_err(failed)?;
        let name = file_name(path);
        let named = ArchiveNames {
            file: name.as_deref(),
            member: None,
            symbol: self.symbol.as_deref(),
            mapping: self.mapping.as_ref(),
        };
        match unpack::members(ByteSource::File(copy), &named, &mut lines::look) {
            Err(ReadStop::Failed(failure)) => return Err(failure.into()),
            Ok(()) | Err(ReadStop::Closed) => {}
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(())
    }

    /// Starts the thread that reads it and hands it over.
    pub fn spawn(
        self,
        number: usize,
        start: Start,
        feed: Arc<Feed>,
        waker: Waker,
    ) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(format!("file-{number}")).spawn(move || {
            let last = match self.read(&start, &feed, &waker) {
                Ok(()) => Delivery::End,
                Err(ReadStop::Failed(failure)) => Delivery::Failed(failure.into()),
                // There is nobody left to tell.
                Err(ReadStop::Closed) => return,
            };
            if feed.push(last).is_ok() {
                waker();
            }
        })
    }

    fn read(self, start: &Start, feed: &Feed, waker: &Waker) -> Result<(), ReadStop> {
        let (raw, name) = self.place.raw()?;
        let named = ArchiveNames {
            file: name.as_deref(),
            member: None,
            symbol: self.symbol.as_deref(),
            mapping: self.mapping.as_ref(),
        };
        let mut lines = LineCutter::new(start, feed, waker);
        unpack::members(raw, &named, &mut |bytes: &mut Bytes<'_>, named| lines.member(bytes, named))?;
        lines.end()
    }
}

impl InputPlace {
    /// Its bytes, and the file's name.
    fn raw(self) -> Result<(ByteSource, Option<String>), Failure> {
        let failed = |error: io::Error| Failure::new(Exit::Unreachable, "it cannot be opened").because(error);
        match self {
            InputPlace::File { path, file } => Ok((ByteSource::File(file), file_name(&path))),
            InputPlace::Stream(path) => {
                let pipe = File::open(&path).map_err(failed)?;
                Ok((ByteSource::Stream { from: Box::new(pipe), live: true }, file_name(&path)))
            }
            InputPlace::Stdin => {
                // A descriptor of its own: nobody else reads it, and it has no buffer.
                let stdin = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
                let live = !stdin.metadata().is_ok_and(|found| found.is_file());
                Ok((ByteSource::Stream { from: Box::new(stdin), live }, None))
            }
        }
    }
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

fn cannot_open(name: &str, error: io::Error) -> Failure {
    let failure = Failure::new(Exit::Unreachable, format!("cannot open {name}"));
    let failure = match error.kind() {
        io::ErrorKind::NotFound => {
            failure.hint("check the name; paths are relative to the working directory")
        }
        io::ErrorKind::PermissionDenied => failure.hint("the file must be readable by who runs this"),
        _ => failure,
    };
    failure.because(error)
}

#[cfg(test)]
mod tests;
