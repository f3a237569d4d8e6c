//! How far the files of a run are read, for people who wait for their end.

use std::fs::File;
use std::io::{self, Seek};

/// The files of this process, all of them regular.
#[derive(Debug)]
pub struct Extent(Vec<(File, u64)>);

impl Extent {
    /// Of files that are open. What is handed in shares its place with whoever reads it, and must not be
    /// moved.
    pub(super) fn of(files: impl Iterator<Item = io::Result<Option<File>>>) -> Option<Extent> {
        let sized = |file: File| file.metadata().map(|found| (file, found.len()));
        let all: Option<Vec<(File, u64)>> =
            files.map(|file| file.ok().flatten().and_then(|file| sized(file).ok())).collect();
        all.filter(|files| !files.is_empty()).map(Extent)
    }

    /// Bytes that are read, and those that there are. Readers are a little ahead of what is computed.
    pub fn bytes(&mut self) -> (u64, u64) {
        let place = |file: &mut File| file.stream_position().unwrap_or(0);
        self.0
            .iter_mut()
            .fold((0, 0), |(read, all), (file, size)| (read + place(file).min(*size), all + *size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, SeekFrom, Write};

    #[test]
    fn bytes_follow_whoever_reads_and_a_pipe_has_no_extent() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[0; 1_000]).expect("written");
        file.seek(SeekFrom::Start(0)).expect("its beginning");
        let mut extent = Extent::of([file.try_clone().map(Some)].into_iter()).expect("a regular file");
        assert_eq!(extent.bytes(), (0, 1_000));
        file.read_exact(&mut [0; 300]).expect("read");
        assert_eq!(extent.bytes(), (300, 1_000));
        assert!(Extent::of([file.try_clone().map(Some), Ok(None)].into_iter()).is_none());
        assert!(Extent::of(std::iter::empty()).is_none());
    }
}
