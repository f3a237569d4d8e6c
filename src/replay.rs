//! `crossrate replay`: past trades through the very dataflow of `run`, with any definition, rows as they
//! come.
//!
//! It is a run without a ledger: it has no name, takes nobody's place and leaves nothing behind, so that a
//! live job on the same topic does not notice it. Three things are different from `run -e`:
//!
//! * **Since.** Windows that start before are withheld, in the dataflow, so that statistics begin there too.
//!   Reading begins earlier, by time and not by offset, where the topic allows it: by the delay, which makes
//!   lateness what it was, by `--max-ahead`, since a record's Kafka timestamp may be so much older than its
//!   trade, and by a window, so that ids are known from which missing ones are counted. What a run that
//!   begins inside a log withholds is thus before the range.
//! * **Until.** Windows that end later are left out, and the run is over when all others are final.
//! * **Pace.** Rows leave at a multiple of the speed at which the market made them. The pace is kept where
//!   rows leave: who reads slowly, or wants them slowly, holds the input back, by the same way as any sink.

use crate::accounting::total;
use crate::config::{ReplayConfig, Speed};
use crate::exit::{Exit, Failure, stopped};
use crate::run::{Observer, run_with};
use crate::sink::{Sink, SinkBatch};
use anyhow::Result;
use crossrate_dataflows::market::counts::RecordAccount;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use serde::Serialize;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// How long a pause is slept at once.
const NAP: Duration = Duration::from_millis(50);

/// Replays.
pub fn run(replay: ReplayConfig) -> Result<Exit> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicBool::new(false));
    let ReplayConfig { config, since, until, speed, events } = replay;
    let progress = match config.progress {
        crate::config::ProgressDisplay::Auto => io::stderr().is_terminal(),
        crate::config::ProgressDisplay::Always => true,
        crate::config::ProgressDisplay::Never => false,
    };
    let sink = ReplaySink {
        out: io::stdout(),
        buffer: Vec::new(),
        events,
        progress: progress && !events,
        since,
        until,
        grace: config.definition.grace,
        pace: Pace { speed, begun: None },
        rows: 0,
        told: None,
        frontier: Some(EventTime::MIN),
        interrupted: Arc::clone(&interrupted),
        done: Arc::clone(&done),
    };
    let observer: Observer = Box::new(move || Ok(Box::new(sink)));
    match run_with(config, Some(observer), None, &interrupted) {
        // All that was asked for is there.
        Err(_) if done.load(Ordering::Relaxed) => Ok(Exit::Done),
        outcome => outcome,
    }
}

/// How far a replay is.
#[derive(Debug, Serialize)]
struct ReplayReport {
    #[serde(rename = "type")]
    kind: &'static str,
    /// Rows of windows that end before are all there; null when the input has ended.
    frontier_ms: Option<u64>,
    since_ms: Option<u64>,
    until_ms: Option<u64>,
    /// Whether some event time was ever reached; before, there is no frontier either.
    #[serde(skip)]
    has_begun: bool,
    rows: u64,
    records: RecordAccount,
    /// Windows of symbols that were not seen whole, or began before the range.
    withheld: u64,
    /// Of the end: whether the range was covered, or the log ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Where rows leave.
struct ReplaySink {
    out: io::Stdout,
    buffer: Vec<u8>,
    /// Progress and the end are lines among the rows, for programs.
    events: bool,
    /// Progress is told on standard error, for people.
    progress: bool,
    since: Option<EventTime>,
    until: Option<EventTime>,
    grace: u64,
    pace: Pace,
    rows: u64,
    told: Option<Instant>,
    /// That of the last batch whose rows have all left.
    frontier: Option<EventTime>,
    interrupted: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
}

impl ReplaySink {
    fn told(&self, batch: &SinkBatch<'_>, kind: &'static str, reason: Option<&'static str>) -> ReplayReport {
        let counts = total(batch.partitions);
        let ms = |time: Option<EventTime>| time.map(EventTime::millis);
        ReplayReport {
            kind,
            frontier_ms: ms(self.frontier.filter(|frontier| *frontier > EventTime::MIN)),
            since_ms: ms(self.since),
            until_ms: ms(self.until),
            has_begun: self.frontier != Some(EventTime::MIN),
            rows: self.rows,
            records: counts.into(),
            withheld: batch.withheld,
            reason,
        }
    }

    fn tell(&mut self, told: &ReplayReport) -> Result<()> {
        if self.events {
            serde_json::to_writer(&mut self.buffer, told)?;
            self.buffer.push(b'\n');
            return self.flush();
        }
        if self.progress {
            let at = match told.frontier_ms {
                Some(ms) => format!("event time {ms}"),
                None if told.kind == "end" => "the end".to_owned(),
                None if told.has_begun || told.records.read == 0 => return Ok(()),
                None => "at its beginning".to_owned(),
            };
            let share = match (told.since_ms, told.until_ms, told.frontier_ms) {
                (Some(since), Some(until), Some(at)) if until > since => {
                    format!(" ({} %)", at.clamp(since, until).saturating_sub(since) * 100 / (until - since))
                }
                _ => String::new(),
            };
            let read = told.records.read;
            let rows = told.rows;
            tracing::info!(
                frontier_ms = told.frontier_ms,
                rows,
                read,
                "replay: {at}{share}, {rows} rows of {read} records"
            );
        }
        Ok(())
    }

    /// Waits for the time of a row, unless the user loses patience. Progress is told meanwhile: whoever reads
    /// over a network learns from it that the replay goes on.
    fn wait(&mut self, row: &Row, batch: &SinkBatch<'_>) -> Result<()> {
        while let Some(left) = self.pace.left(row.look, row.start) {
            self.flush()?;
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(stopped());
            }
            self.tell_now_and_then(batch)?;
            std::thread::sleep(left.min(NAP));
        }
        Ok(())
    }

    fn tell_now_and_then(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        self.tell(&self.told(batch, "progress", None))
    }

    fn row(&mut self, row: &Row, batch: &SinkBatch<'_>) -> Result<()> {
        if self.until.is_some_and(|until| row.end > until) {
            return Ok(());
        }
        self.wait(row, batch)?;
        self.buffer.extend_from_slice(row.json.as_bytes());
        self.buffer.push(b'\n');
        self.rows += 1;
        if self.buffer.len() > 64 << 10 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, "standard output was closed").into(),
            _ => Failure::new(Exit::Failed, "cannot write to standard output").because(error).into(),
        })
    }
}

impl Sink for ReplaySink {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        if self.done.load(Ordering::Relaxed) {
            return Ok(());
        }
        batch.rows.iter().try_for_each(|row| self.row(row, batch))?;
        self.flush()?;
        self.frontier = batch.frontier;
        self.tell_now_and_then(batch)?;
        let covered = self.until.zip(batch.frontier).is_some_and(|(until, f)| f >= until.plus(self.grace));
        if covered {
            self.done.store(true, Ordering::Relaxed);
            self.interrupted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn finish(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        self.frontier = batch.frontier;
        let reason = match (self.done.load(Ordering::Relaxed), self.interrupted.load(Ordering::Relaxed)) {
            (true, _) => "until",
            (false, true) => "interrupted",
            (false, false) => "end_of_input",
        };
        self.tell(&self.told(batch, "end", Some(reason)))
    }
}

/// When rows may leave.
#[derive(Debug)]
struct Pace {
    speed: Speed,
    /// When the first row left, and at which event time it was looked at.
    begun: Option<(Instant, EventTime)>,
}

impl Pace {
    /// How long a row of a window that starts then has still to wait.
    fn left(&mut self, look: EventTime, start: EventTime) -> Option<Duration> {
        let Speed::Times(times) = self.speed else { return None };
        // A provisional row of the very first record is looked at before any time is known, long before its
        // window.
        let (begun, first) = *self.begun.get_or_insert((Instant::now(), look.max(start)));
        // What the end of the input closes has a look at the end of time: it leaves with what came before.
        if look == EventTime::MAX {
            return None;
        }
        let micros = look.micros().saturating_sub(first.micros()) as f64 / times;
        let due = Duration::try_from_secs_f64(micros / 1e6).ok()?;
        due.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_waits_for_its_share_of_the_time() {
        let at = |seconds: u64| EventTime::from_micros(seconds * 1_000_000);
        let mut pace = Pace { speed: Speed::Times(2.0), begun: None };
        assert_eq!(pace.left(at(1_000), at(990)), None, "the first one begins");
        let left = pace.left(at(3_000), at(2_990)).expect("it is early");
        assert!(left > Duration::from_secs(900) && left <= Duration::from_secs(1_000), "{left:?}");
        assert_eq!(pace.left(EventTime::MAX, at(3_000)), None, "what the end closes");
        assert_eq!(Pace { speed: Speed::Max, begun: None }.left(at(9_000), at(8_990)), None);
    }

    #[test]
    fn a_row_that_was_looked_at_before_any_time_was_known_begins_with_its_window() {
        let at = |seconds: u64| EventTime::from_micros(seconds * 1_000_000);
        let mut pace = Pace { speed: Speed::Times(1.0), begun: None };
        assert_eq!(pace.left(at(1), at(1_525_022_020)), None);
        let left = pace.left(at(1_525_022_030), at(1_525_022_020)).expect("it is early");
        assert!(left <= Duration::from_secs(10), "{left:?}");
    }
}
