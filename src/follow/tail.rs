//! A file of lines that is read as it grows. A run that is taken up cuts it back to what was committed and
//! goes on from there; a new one begins it anew. Lines count when they are whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes that are read at a time; no row is longer.
pub(super) const CHUNK: usize = 8 << 20;
/// Of a large file the end is enough: more rows than the board keeps are not in it.
pub(super) const MOST: u64 = 256 << 20;
/// Bytes of the file's beginning, and before the place where reading goes on, that are held against it: what
/// was begun anew differs in them.
const REMEMBERED: usize = 256;

/// A file that grows.
#[derive(Debug)]
pub(super) struct FileTail {
    path: PathBuf,
    open: Option<OpenFile>,
    /// It is another one, which nobody was told of yet.
    is_anew: bool,
}

/// What a look at a file has brought, besides its lines.
#[derive(Debug, Default)]
pub(super) struct TailRead {
    /// The lines before are there no more.
    pub(super) is_anew: bool,
    /// All whole lines have been read.
    pub(super) is_whole: bool,
    /// Bytes of lines.
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct OpenFile {
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

impl FileTail {
    pub(super) fn new(path: &Path) -> FileTail {
        FileTail { path: path.to_owned(), open: None, is_anew: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the next lines, of a chunk at most. After an error it goes on from where it was.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, take: &mut dyn FnMut(&[u8])) -> io::Result<TailRead> {
        self.is_anew |= self.look()?;
        let mut found = TailRead { is_anew: self.is_anew, ..TailRead::default() };
        let Some(open) = &mut self.open else { return Ok(found) };
        let length = read(open, buffer, &mut found, take);
        self.is_anew = length.is_err() && found.is_anew;
        found.is_whole = open.position >= length?;
        Ok(found)
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
        self.open = Some(OpenFile { file, identity, head: Vec::new(), position, before: Vec::new() });
        Ok(known.is_some())
    }
}

/// Takes the next lines in; how long the file is.
fn read(
    open: &mut OpenFile,
    buffer: &mut Vec<u8>,
    read: &mut TailRead,
    take: &mut dyn FnMut(&[u8]),
) -> io::Result<u64> {
    let length = open.file.metadata()?.len();
    if length < open.position || (length > open.position && !is_same(open)?) {
        // What is left is read again: rows that are known disturb nobody.
        read.is_anew |= !begins_with(open, length)?;
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
        take(line);
    }
    open.before.extend_from_slice(&lines[lines.len().saturating_sub(REMEMBERED)..]);
    open.before.drain(..open.before.len().saturating_sub(REMEMBERED));
    open.position += lines.len() as u64;
    read.bytes += lines.len() as u64;
    Ok(length)
}

/// Whether what was read last still stands there.
fn is_same(open: &OpenFile) -> io::Result<bool> {
    let mut found = vec![0; open.before.len()];
    let count = read_at(&open.file, &mut found, open.position - open.before.len() as u64)?;
    Ok(found[..count] == open.before && begins_with(open, open.position)?)
}

/// Whether the first so many bytes are those that it began with, as far as they are remembered.
fn begins_with(open: &OpenFile, length: u64) -> io::Result<bool> {
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
