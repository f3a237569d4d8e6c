//! A folder of files by day (`--to csv:FOLDER`, `--to parquet:FOLDER`), followed as it grows: files of days
//! that are not over line by line, Parquet files group by group. A day whose gathered rows became a Parquet
//! file is read again only where the file has more rows than were read of it before.
//!
//! The board keeps the latest rows, so of a large folder the last days are read.

use super::sqlite::CheckpointBeside;
use super::tail::{self, FileTail};
use super::{PollResult, ResultStore};
use crate::config::DayForm;
use crate::exit::{Exit, Failure};
use crate::rows::columns;
use crate::rows::days::reading::{LineReader, rows_of_group};
use crate::rows::days::{self, DayFile, DayFileKey, FileForm};
use crate::rows::unreadable::Unreadable;
use crate::serve::board::series::CachedRow;
use anyhow::Result;
use crossrate_dataflows::market::value::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked which files there are.
const EVERY: Duration = Duration::from_millis(500);
/// How much larger the rows of a Parquet file are than the file.
const UNPACKED: u64 = 8;
/// No header is longer.
const LONGEST_HEADER: u64 = 4_096;
/// Days before the last one whose files are still read on: windows of up to two days and their corrections
/// come late.
const GROWING: u64 = 4;

/// A folder that is followed.
pub(super) struct DaysFollower {
    root: PathBuf,
    form: DayForm,
    checkpoint: CheckpointBeside,
    /// What is known of each day's file.
    known: BTreeMap<DayFileKey, KnownFile>,
    looked: Option<Instant>,
    buffer: Vec<u8>,
}

/// A file that was seen.
struct KnownFile {
    file: DayFile,
    /// Which file it is, how long, and when it was written to.
    stamp: Stamp,
    /// Rows that were read of this day.
    rows: u64,
    reading: ReadState,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
struct Stamp {
    identity: (u64, u64),
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Stamp> {
        let found = std::fs::metadata(path)?;
        let identity = (found.dev(), found.ino());
        Ok(Stamp { identity, length: found.len(), changed: (found.mtime(), found.mtime_nsec()) })
    }
}

/// How far a file has been read.
enum ReadState {
    /// Whole, as its stamp says.
    Done,
    /// Lines, to here.
    Lines(FileTail, LineReader, String),
    /// This group is the next.
    Groups(usize),
}

impl DaysFollower {
    pub(super) fn new(root: &Path, form: DayForm, checkpoint: CheckpointBeside) -> DaysFollower {
        let (root, known) = (root.to_owned(), BTreeMap::new());
        DaysFollower { root, form, checkpoint, known, looked: None, buffer: Vec::new() }
    }

    fn unreadable(path: &Path, error: Unreadable) -> anyhow::Error {
        let hint = match error {
            #[cfg(not(feature = "parquet"))]
            Unreadable::NoParquet => "build it with --features parquet, or serve csv:FOLDER",
            _ => "name a folder that crossrate run --to csv:FOLDER or --to parquet:FOLDER writes",
        };
        Failure::new(Exit::Unreachable, format!("cannot read {}", path.display()))
            .hint(hint)
            .because(error)
            .into()
    }

    /// Finds files that are new or have changed; whether rows that were read are there no more.
    fn look(&mut self) -> Result<bool, Unreadable> {
        let is_first = self.looked.is_none();
        std::fs::read_dir(&self.root)?;
        let files = days::files(&self.root, self.form)?;
        let is_there = |place: &DayFileKey| files.binary_search_by(|file| file.place.cmp(place)).is_ok();
        let is_gone = !self.known.keys().all(is_there);
        if is_gone {
            self.known.clear();
        }
        for file in files {
            let stamp = match Stamp::of(&file.path) {
                // Made into Parquet in between: the next look finds that.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                stamp => stamp?,
            };
            let known = self.known.get(&file.place);
            let is_same = known.is_some_and(|known| known.stamp == stamp && known.file.path == file.path);
            let is_open = |known: &KnownFile| matches!(known.reading, ReadState::Lines(..));
            if is_same || known.is_some_and(|known| known.file.path == file.path && is_open(known)) {
                continue;
            }
            let known = KnownFile::begin(file, stamp, known)?;
            self.known.insert(known.file.place.clone(), known);
        }
        if is_first {
            self.pass_over_early_days();
        }
        self.looked = Some(Instant::now());
        Ok(is_gone)
    }

    /// Of a large folder the last days are enough.
    fn pass_over_early_days(&mut self) {
        let (mut bytes, mut first) = (0, u64::MAX);
        for (place, known) in self.known.iter_mut().rev() {
            if bytes > tail::MOST && place.day < first {
                known.reading = ReadState::Done;
                continue;
            }
            first = place.day;
            let of_row = if known.file.form == FileForm::Parquet { UNPACKED } else { 1 };
            bytes += known.stamp.length * of_row;
        }
    }

    /// Reads on, a chunk of each file of the earliest day that is not whole.
    fn read(&mut self, polled: &mut PollResult) -> Result<()> {
        let last = self.known.keys().next_back().map_or(0, |place| place.day);
        let mut day = None;
        polled.whole = true;
        for known in self.known.values_mut() {
            if day.is_some_and(|day| day != known.file.place.day) {
                polled.whole = false;
                break;
            }
            if matches!(known.reading, ReadState::Done) {
                continue;
            }
            // Of before the look: what is written after it is found by the next one.
            let stamp = Stamp::of(&known.file.path);
            let is_whole = match known.read(&mut self.buffer, polled) {
                // Made into Parquet in between.
                Err(Unreadable::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    self.looked = None;
                    continue;
                }
                read => read.map_err(|error| DaysFollower::unreadable(&known.file.path, error))?,
            };
            if !is_whole {
                day = Some(known.file.place.day);
                polled.whole = false;
            } else if known.file.place.day + GROWING <= last || known.file.form == FileForm::Parquet {
                known.reading = ReadState::Done;
                known.stamp = stamp.unwrap_or(known.stamp);
            }
            if polled.anew {
                // The job has begun anew: all that is there is read again, by the next look.
                *polled = PollResult { anew: true, ..PollResult::default() };
                (self.looked, self.known) = (None, BTreeMap::new());
                return Ok(());
            }
        }
        polled.rows.sort_by(|a, b| a.place().cmp(&b.place()));
        Ok(())
    }
}

impl KnownFile {
    /// A file that is to be read, and what was known of its day.
    fn begin(file: DayFile, stamp: Stamp, before: Option<&KnownFile>) -> Result<KnownFile, Unreadable> {
        let before = before.map_or(0, |known| known.rows);
        let reading = match file.form {
            FileForm::Parquet => ReadState::Groups(0),
            FileForm::Csv | FileForm::Lines => {
                ReadState::Lines(FileTail::new(&file.path), LineReader::new(&file), String::new())
            }
        };
        let mut known = KnownFile { file, stamp, rows: 0, reading };
        if known.file.form == FileForm::Parquet && before > 0 {
            known.rows = rows_of_group(&known.file, usize::MAX)?.of_file;
            if known.rows == before {
                known.reading = ReadState::Done;
            }
        }
        Ok(known)
    }

    /// Takes the next rows in; whether all that is there has been read.
    fn read(&mut self, buffer: &mut Vec<u8>, polled: &mut PollResult) -> Result<bool, Unreadable> {
        let kind = self.file.place.kind;
        let mut rows = 0;
        let mut take = |values: Option<Vec<Value>>| match values.and_then(|v| columns::row_of(kind, v)) {
            Some(row) => {
                rows += 1;
                polled.rows.push(CachedRow::of(&row));
            }
            None => polled.foreign += 1,
        };
        let is_whole = match &mut self.reading {
            ReadState::Done => true,
            ReadState::Groups(group) => {
                let read = rows_of_group(&self.file, *group)?;
                read.rows.into_iter().for_each(|values| take(Some(values)));
                *group += 1;
                *group >= read.groups
            }
            ReadState::Lines(tail, reader, header) => {
                if reader.wants_header() {
                    match header_of(&self.file.path)? {
                        Some(line) => *header = line,
                        None => return Ok(true),
                    }
                    reader.header(header)?;
                }
                let mut line = |line: &[u8]| match std::str::from_utf8(line) {
                    Ok(line) if line == header.as_str() => {}
                    Ok(line) => take(reader.row(line)),
                    Err(_) => take(None),
                };
                let read = tail.read(buffer, &mut line)?;
                polled.anew |= read.is_anew;
                read.is_whole || read.bytes == 0
            }
        };
        self.rows += rows;
        Ok(is_whole)
    }
}

/// The first line of a file, once it is whole.
fn header_of(path: &Path) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    BufReader::new(File::open(path)?.take(LONGEST_HEADER)).read_line(&mut line)?;
    Ok(line.strip_suffix('\n').map(str::to_owned))
}

impl ResultStore for DaysFollower {
    fn poll(&mut self, most: Duration) -> Result<PollResult> {
        let mut polled = PollResult::default();
        if self.looked.is_none_or(|looked| looked.elapsed() >= EVERY) {
            polled.anew = self.look().map_err(|error| DaysFollower::unreadable(&self.root, error))?;
        }
        self.read(&mut polled)?;
        if let Some((progress, definition)) = self.checkpoint.look(!polled.rows.is_empty() || polled.anew) {
            (polled.progress, polled.definition) = (Some(progress), definition);
        }
        if polled.rows.is_empty() {
            // A folder has nobody who would wake us.
            std::thread::sleep(most);
        }
        Ok(polled)
    }
}
