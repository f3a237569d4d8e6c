//! A file of rows, JSON lines, followed as it grows.

use super::sqlite::CheckpointBeside;
use super::tail::FileTail;
use super::{PollResult, ResultStore};
use crate::exit::{Exit, Failure};
use anyhow::Result;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A file that is followed.
pub(super) struct LinesFollower {
    tail: FileTail,
    checkpoint: CheckpointBeside,
    buffer: Vec<u8>,
}

impl LinesFollower {
    pub(super) fn new(path: &Path, checkpoint: CheckpointBeside) -> LinesFollower {
        LinesFollower { tail: FileTail::new(path), checkpoint, buffer: Vec::new() }
    }

    fn unreadable(&self, error: io::Error) -> anyhow::Error {
        Failure::new(Exit::Unreachable, format!("cannot read {}", self.tail.path().display()))
            .hint("name a file that crossrate run --to FILE writes")
            .because(error)
            .into()
    }
}

impl ResultStore for LinesFollower {
    fn poll(&mut self, most: Duration) -> Result<PollResult> {
        let mut polled = PollResult::default();
        let mut take = |line: &[u8]| match std::str::from_utf8(line) {
            Ok(line) => polled.line(line),
            Err(_) => polled.foreign += 1,
        };
        let read = self.tail.read(&mut self.buffer, &mut take).map_err(|error| self.unreadable(error))?;
        (polled.anew, polled.whole) = (read.is_anew, read.is_whole);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    fn row(n: u64) -> String {
        format!(
            "{{\"kind\":\"cross\",\"name\":\"A\",\"start_ms\":{n},\"end_ms\":{},\"final\":true}}\n",
            n + 10
        )
    }

    /// Follows a file without waiting.
    fn poll(lines: &mut LinesFollower) -> (bool, Vec<u64>) {
        let polled = lines.poll(Duration::ZERO).unwrap();
        (polled.anew, polled.rows.iter().map(|row| row.start_ms).collect())
    }

    #[test]
    fn grows_is_cut_back_and_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let mut lines = LinesFollower::new(&path, CheckpointBeside::new(&folder.path().join("none"), "job"));
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
