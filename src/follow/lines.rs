//! A file of rows, JSON lines, followed as it grows. A run that is taken up cuts it back to what was
//! committed and goes on from there; a new one begins it anew. Lines count when they are whole.

use super::sqlite::CheckpointBeside;
use super::{PollResult, ResultStore};
use crate::exit::{Exit, Failure};
use anyhow::Result;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that are read at a time; no row is longer.
const CHUNK: usize = 8 << 20;
/// Of a large file the end is enough: more rows than the board keeps are not in it.
const MOST: u64 = 256 << 20;
/// Bytes of the file's beginning, and before the place where reading goes on, that are held against it: what
/// was begun anew differs in them.
const REMEMBERED: usize = 256;

/// A file that is followed.
pub(super) struct Lines {
    path: PathBuf,
    checkpoint: CheckpointBeside,
    open: Option<Open>,
    buffer: Vec<u8>,
    /// It is another one, which nobody was told of yet.
    anew: bool,
}

struct Open {
    file: File,
    /// Which file it is, whatever it is called.
    identity: (u64, u64),
    /// What it begins with.
    head: Vec<u8>,
    /// The beginning of the next line.
    position: u64,
    /// What stands before it.
    before: Vec<u8>,
}

impl Lines {
    pub(super) fn new(path: &Path, checkpoint: CheckpointBeside) -> Lines {
        Lines { path: path.to_owned(), checkpoint, open: None, buffer: Vec::new(), anew: false }
    }

    fn unreadable(&self, error: io::Error) -> anyhow::Error {
        Failure::new(Exit::Unreachable, format!("cannot read {}", self.path.display()))
            .hint("name a file that crossrate run --to FILE writes")
            .because(error)
            .into()
    }

    /// Opens the file that now has that name, where it is not the one that is open; whether it is another
    /// one.
    fn look(&mut self) -> io::Result<bool> {
        let found = std::fs::metadata(&self.path)?;
        if !found.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let identity = (found.dev(), found.ino());
        let known = self.open.as_ref().map(|open| open.identity);
        if known == Some(identity) {
            return Ok(false);
        }
        let file = File::open(&self.path)?;
        let position = line_start(&file, file.metadata()?.len().saturating_sub(MOST))?;
        self.open = Some(Open { file, identity, head: Vec::new(), position, before: Vec::new() });
        Ok(known.is_some())
    }
}

impl ResultStore for Lines {
    fn poll(&mut self, most: Duration) -> Result<PollResult> {
        self.anew |= self.look().map_err(|error| self.unreadable(error))?;
        let mut polled = PollResult { anew: self.anew, ..PollResult::default() };
        let Some(open) = &mut self.open else { return Ok(polled) };
        let outcome = read(open, &mut self.buffer, &mut polled);
        match outcome {
            Ok(length) => polled.whole = open.position >= length,
            Err(error) => {
                self.anew |= polled.anew;
                return Err(self.unreadable(error));
            }
        }
        self.anew = false;
        if let Some((progress, definition)) = self.checkpoint.look(!polled.rows.is_empty() || polled.anew) {
            (polled.progress, polled.definition) = (Some(progress), definition);
        }
        if polled.rows.is_empty() {
            // A file has nobody who would wake us.
            polled.whole = true;
            std::thread::sleep(most);
        }
        Ok(polled)
    }
}

/// Takes the next lines in; how long the file is.
fn read(open: &mut Open, buffer: &mut Vec<u8>, polled: &mut PollResult) -> io::Result<u64> {
    let length = open.file.metadata()?.len();
    if length < open.position || (length > open.position && !is_same(open)?) {
        // What is left is read again: rows that are known disturb nobody.
        polled.anew |= !begins_with(open, length)?;
        open.position = line_start(&open.file, length.saturating_sub(MOST))?;
        open.before.clear();
        open.head.clear();
    }
    if open.head.len() < REMEMBERED {
        open.head.resize(REMEMBERED, 0);
        let count = read_at(&open.file, &mut open.head, 0)?;
        open.head.truncate(count);
    }
    buffer.resize(CHUNK, 0);
    let count = read_at(&open.file, buffer, open.position)?;
    let Some(end) = memchr::memrchr(b'\n', &buffer[..count]) else {
        if count == CHUNK {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has a line of more than 8 MiB"));
        }
        return Ok(length);
    };
    let lines = &buffer[..=end];
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match std::str::from_utf8(line) {
            Ok(line) => polled.line(line),
            Err(_) => polled.foreign += 1,
        }
    }
    open.before.extend_from_slice(&lines[lines.len().saturating_sub(REMEMBERED)..]);
    open.before.drain(..open.before.len().saturating_sub(REMEMBERED));
    open.position += lines.len() as u64;
    Ok(length)
}

/// Whether what was read last still stands there.
fn is_same(open: &Open) -> io::Result<bool> {
    let mut found = vec![0; open.before.len()];
    let count = read_at(&open.file, &mut found, open.position - open.before.len() as u64)?;
    Ok(found[..count] == open.before && begins_with(open, open.position)?)
}

/// Whether the first so many bytes are those that it began with, as far as they are remembered.
fn begins_with(open: &Open, length: u64) -> io::Result<bool> {
    let mut found = vec![0; open.head.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
    let count = read_at(&open.file, &mut found, 0)?;
    Ok(count == found.len() && (length > 0 || open.position == 0) && open.head.starts_with(&found))
}

/// Where the line begins that the byte before `position` belongs to, or `position` if a line begins there.
fn line_start(file: &File, position: u64) -> io::Result<u64> {
    let mut end = position;
    let mut block = vec![0; 64 << 10];
    while end > 0 {
        let begin = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - begin) as usize];
        let count = read_at(file, part, begin)?;
        if let Some(at) = memchr::memrchr(b'\n', &part[..count]) {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Reads as much as there is.
fn read_at(file: &File, into: &mut [u8], position: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < into.len() {
        match file.read_at(&mut into[count..], position + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn row(n: u64) -> String {
        format!(
            "{{\"kind\":\"cross\",\"name\":\"A\",\"start_ms\":{n},\"end_ms\":{},\"final\":true}}\n",
            n + 10
        )
    }

    /// Follows a file without waiting.
    fn poll(lines: &mut Lines) -> (bool, Vec<u64>) {
        let polled = lines.poll(Duration::ZERO).unwrap();
        (polled.anew, polled.rows.iter().map(|row| row.start_ms).collect())
    }

    #[test]
    fn grows_is_cut_back_and_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let mut lines = Lines::new(&path, CheckpointBeside::new(&folder.path().join("none"), "job"));
        assert!(lines.poll(Duration::ZERO).is_err(), "there is no such file");
        let mut file = File::create(&path).unwrap();
        let append = |file: &mut File, text: &str| file.write_all(text.as_bytes()).unwrap();
        append(&mut file, &(row(1) + &row(2)[..20]));
        assert_eq!(poll(&mut lines), (false, vec![1]));
        append(&mut file, &(row(2)[20..].to_owned() + "junk\n" + &row(3)));
        assert_eq!(poll(&mut lines), (false, vec![2, 3]));
        assert_eq!(poll(&mut lines), (false, vec![]));
        // Cut back to the second row, and on from there.
        let mut file = File::options().append(true).open(&path).unwrap();
        file.set_len((row(1) + &row(2)).len() as u64).unwrap();
        assert_eq!(poll(&mut lines), (false, vec![1, 2]));
        append(&mut file, &(row(3) + &row(4)));
        assert_eq!(poll(&mut lines), (false, vec![3, 4]));
        // Begun anew, between two looks, and grown beyond where it was.
        file.set_len(0).unwrap();
        append(&mut file, &row(5));
        assert_eq!(poll(&mut lines), (true, vec![5]));
        file.set_len(0).unwrap();
        append(&mut file, &(5..30).map(row).collect::<String>());
        assert_eq!(poll(&mut lines).1, (6..30).collect::<Vec<_>>());
        // Another file of that name.
        std::fs::remove_file(&path).unwrap();
        assert!(lines.poll(Duration::ZERO).is_err());
        std::fs::write(&path, row(7)).unwrap();
        assert_eq!(poll(&mut lines), (true, vec![7]));
        std::fs::write(&path, "").unwrap();
        assert_eq!(poll(&mut lines), (true, vec![]));
    }
}
