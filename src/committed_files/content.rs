//! What a file holds, as far as it was committed: its length, and a hash that goes on as the file grows.
//!
//! The file counts as blocks of [`BLOCK`] bytes. The hash of a block takes the hash of the block before as
//! its seed, so the last one speaks for the whole file. Who goes on with a file needs the hash of the last
//! whole block and reads what follows it, a block at most; who checks the file reads all of it.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use xxhash_rust::xxh3::Xxh3;

/// Bytes of a block.
const BLOCK: u64 = 1 << 16;

/// What is known of a file's first bytes.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// How many bytes that is about.
    pub length: u64,
    /// The hash of the last whole block.
    blocks: u64,
    /// The hash of what follows it, on top of that.
    hash: u64,
}

impl FileContent {
    /// Of a file of which nothing was committed.
    pub fn empty() -> FileContent {
        RunningHash::new().content()
    }

    /// Of so many bytes of a file, which are read; an error of its own kind where the file has fewer.
    pub fn of(file: &mut File, length: u64) -> io::Result<FileContent> {
        file.seek(SeekFrom::Start(0))?;
        let mut hash = RunningHash::new();
        hash.read(file, length)?;
        Ok(hash.content())
    }
}

/// The hash of a file that grows.
#[derive(Clone)]
pub struct RunningHash {
    length: u64,
    blocks: u64,
    tail: Xxh3,
}

impl RunningHash {
    /// Of an empty file.
    pub fn new() -> Self {
        RunningHash { length: 0, blocks: 0, tail: Xxh3::with_seed(0) }
    }

    /// Goes on with a file, of which what follows the last whole block is read; `None` where that is not as
    /// it was.
    pub fn go_on(file: &mut File, content: &FileContent) -> io::Result<Option<Self>> {
        let whole = content.length - content.length % BLOCK;
        file.seek(SeekFrom::Start(whole))?;
        let (blocks, tail) = (content.blocks, Xxh3::with_seed(content.blocks));
        let mut hash = RunningHash { length: whole, blocks, tail };
        hash.read(file, content.length - whole)?;
        Ok((hash.content() == *content).then_some(hash))
    }

    fn read(&mut self, file: &mut File, length: u64) -> io::Result<()> {
        let mut bytes = vec![0; BLOCK as usize];
        let mut left = length;
        while left > 0 {
            let most = left.min(BLOCK) as usize;
            let read = file.read(&mut bytes[..most])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.add(&bytes[..read]);
            left -= read as u64;
        }
        Ok(())
    }

    /// Takes what is appended.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (BLOCK - self.length % BLOCK) as usize;
            let (some, rest) = bytes.split_at(bytes.len().min(room));
            self.tail.update(some);
            self.length += some.len() as u64;
            if some.len() == room {
                self.blocks = self.tail.digest();
                self.tail = Xxh3::with_seed(self.blocks);
            }
            bytes = rest;
        }
    }

    /// What is known of the file by now.
    pub fn content(&self) -> FileContent {
        FileContent { length: self.length, blocks: self.blocks, hash: self.tail.digest() }
    }
}

impl std::fmt::Debug for RunningHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RunningHash").field(&self.content()).finish()
    }
}

impl Default for RunningHash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        file
    }

    #[test]
    fn bytes_appended_in_any_pieces_give_the_hash_of_the_whole_file() {
        let block = BLOCK as usize;
        for length in [0, 1, block - 1, block, block + 1, 3 * block, 3 * block + 17] {
            let all = bytes(length);
            let whole = FileContent::of(&mut file(&all), length as u64).expect("read");
            for piece in [1_000, 7, block, 2 * block + 3] {
                let mut hash = RunningHash::new();
                all.chunks(piece).for_each(|some| hash.add(some));
                assert_eq!(hash.content(), whole, "{length} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_file_that_is_gone_on_with_has_the_hash_of_one_written_at_once() {
        let block = BLOCK as usize;
        let all = bytes(3 * block);
        let whole = FileContent::of(&mut file(&all), all.len() as u64).expect("read");
        for cut in [0, 1, block - 1, block, block + 1, 2 * block + 5, 3 * block] {
            let content = FileContent::of(&mut file(&all), cut as u64).expect("read");
            let mut hash = RunningHash::go_on(&mut file(&all), &content).expect("read").expect("as it was");
            hash.add(&all[cut..]);
            assert_eq!(hash.content(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_changed_byte_changes_the_hash_wherever_it_is() {
        let all = bytes(2 * BLOCK as usize + 100);
        let whole = FileContent::of(&mut file(&all), all.len() as u64).expect("read");
        for place in [0, 1, BLOCK as usize - 1, BLOCK as usize, all.len() - 100, all.len() - 1] {
            let mut damaged = all.clone();
            damaged[place] ^= 4;
            let found = FileContent::of(&mut file(&damaged), all.len() as u64).expect("read");
            assert_ne!(found, whole, "byte {place}");
            // What follows the last whole block is seen by who goes on, too.
            let goes_on = RunningHash::go_on(&mut file(&damaged), &whole).expect("read").is_some();
            assert_eq!(goes_on, place < 2 * BLOCK as usize, "byte {place}");
        }
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error() {
        let error = FileContent::of(&mut file(b"abc"), 4).expect_err("it has three bytes");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
