//! How far a question is, on a terminal: a line of standard error, written over itself and gone in the end.

use crate::logging;
use crate::sql::AnswerReader;
use crate::terminal::{grouped, plural};
use serde_json::Value;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long nothing is told: most questions are answered by then.
const SOON: Duration = Duration::from_secs(1);
/// How often it is told.
const EVERY: Duration = Duration::from_millis(200);
/// Rows between two looks at the clock.
const ROWS: u64 = 1_024;

/// How much has been read.
#[derive(Debug)]
pub(super) struct LoadProgress {
    is_shown: bool,
    started: Instant,
    shown_at: Option<Instant>,
    /// Bytes of all files, where that is known.
    total: Option<u64>,
    /// Bytes of the files before this one.
    before: u64,
    rows: u64,
}

impl LoadProgress {
    /// Of so many bytes.
    pub(super) fn new(total: Option<u64>) -> LoadProgress {
        let is_shown = logging::is_watched();
        LoadProgress { is_shown, started: Instant::now(), shown_at: None, total, before: 0, rows: 0 }
    }

    /// A row more, `bytes` into this file.
    pub(super) fn row(&mut self, bytes: u64) {
        self.rows += 1;
        if self.is_shown && self.rows.is_multiple_of(ROWS) {
            let now = Instant::now();
            let is_time =
                self.shown_at.map_or(now - self.started >= SOON, |shown_at| now - shown_at >= EVERY);
            if is_time {
                self.shown_at = Some(now);
                logging::status(Some(self.text(bytes, now - self.started)));
            }
        }
    }

    /// A file of that length has been read.
    pub(super) fn file(&mut self, length: u64) {
        self.before += length;
    }

    fn text(&self, bytes: u64, elapsed: Duration) -> String {
        let rows = plural(self.rows, "row");
        let read = self.before + bytes;
        let Some(total) = self.total.filter(|total| *total > 0 && read > 0) else {
            return format!("crossrate: reading: {rows}");
        };
        let done = (read as f64 / total as f64).min(1.0);
        let left = elapsed.as_secs_f64() * (1.0 - done) / done;
        format!(
            "crossrate: reading: {} % ({rows}), {} s left",
            (done * 100.0) as u64,
            grouped(left.ceil() as u64)
        )
    }
}

impl Drop for LoadProgress {
    fn drop(&mut self) {
        logging::status(None);
    }
}

/// Tells how long the answer takes, until its first row is there.
pub(super) struct AnswerProgress<'r> {
    reader: &'r mut dyn AnswerReader,
    clock: Option<(Sender<()>, JoinHandle<()>)>,
}

impl<'r> AnswerProgress<'r> {
    /// Gives rows on to that reader. Rows that are printed only at the end are no sign of one.
    pub(super) fn new(reader: &'r mut dyn AnswerReader) -> AnswerProgress<'r> {
        let clock = logging::is_watched().then(clock).flatten();
        AnswerProgress { reader, clock }
    }

    /// Clears the line.
    pub(super) fn finish(&mut self) {
        if let Some((stop, thread)) = self.clock.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn clock() -> Option<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = mpsc::channel();
    let tell = move || {
        let started = Instant::now();
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(SOON) {
            let seconds = grouped(started.elapsed().as_secs());
            logging::status(Some(format!("crossrate: answering for {seconds} s; Ctrl-C stops it")));
        }
        logging::status(None);
    };
    let thread = std::thread::Builder::new().name("progress".into()).spawn(tell).ok()?;
    Some((stop, thread))
}

impl AnswerReader for AnswerProgress<'_> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.reader.columns(names)
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.finish();
        self.reader.row(row)
    }
}

impl Drop for AnswerProgress<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_was_read() {
        let mut loaded = LoadProgress::new(Some(4_000));
        loaded.rows = 1_234_567;
        let text = |loaded: &LoadProgress, bytes| loaded.text(bytes, Duration::from_secs(10));
        assert_eq!(text(&loaded, 1_000), "crossrate: reading: 25 % (1,234,567 rows), 30 s left");
        loaded.file(2_000);
        assert_eq!(text(&loaded, 2_000), "crossrate: reading: 100 % (1,234,567 rows), 0 s left");
        assert_eq!(text(&LoadProgress::new(None), 10), "crossrate: reading: 0 rows");
    }
}
