//! What `--progress` shows of a run, on the worker that writes: records, rate, how much of the files, the
//! frontier, rows; at the end what became of the time; and where a job was taken up.
//!
//! On a terminal it is one line that is written again and again, else a line now and then. A run that shows
//! nothing does not look at its clock.

use crate::accounting::total;
use crate::config::{Config, ProgressDisplay as When, SinkTarget, Verbosity};
use crate::ledger::checkpoint::Checkpoint;
use crate::logging;
use crate::source::extent::Extent;
use crate::terminal::grouped;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::operators::closings::Outbox;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How often the line on a terminal is written.
const ON_A_TERMINAL: Duration = Duration::from_millis(200);
/// How often a line is told elsewhere.
const IN_A_PIPE: Duration = Duration::from_secs(5);
/// Over how long the rate is taken.
const RATE: Duration = Duration::from_secs(2);
/// So many partitions are named where a job is taken up.
const NAMED: usize = 8;

/// What the worker spends its time with.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Taking batches, judging and adding trades.
    Reading,
    /// The dataflow.
    Computing,
    /// Rows, checkpoint, readers.
    Writing,
    /// Nothing: no input is there.
    Waiting,
}

/// The progress of a run that shows it.
#[derive(Debug)]
pub struct ProgressLine {
    extent: Option<Extent>,
    is_watched: bool,
    started: Instant,
    shown: Option<Instant>,
    rows: u64,
    /// Records at a moment of the past.
    before: (Instant, u64),
    rate: Option<f64>,
    lap: Instant,
    spent: [Duration; 4],
}

impl ProgressLine {
    /// Of a run whose files have that extent; none where nothing is to be shown.
    pub fn of(config: &Config, extent: Option<Extent>) -> Option<ProgressLine> {
        let is_watched = logging::is_watched();
        // Rows that run over the same terminal are progress enough.
        let is_covered = io::stdout().is_terminal() && config.sinks.contains(&SinkTarget::Stdout);
        let is_shown = match config.progress {
            When::Auto => is_watched && !is_covered && config.verbosity >= Verbosity::Normal,
            When::Always => true,
            When::Never => false,
        };
        let now = Instant::now();
        is_shown.then(|| ProgressLine {
            extent,
            is_watched: is_watched && !is_covered,
            started: now,
            shown: None,
            rows: 0,
            before: (now, 0),
            rate: None,
            lap: now,
            spent: [Duration::ZERO; 4],
        })
    }

    /// Since the last lap the worker has done this.
    pub(super) fn lap(&mut self, phase: Phase) {
        let now = Instant::now();
        self.spent[phase as usize] += now - std::mem::replace(&mut self.lap, now);
    }

    /// Looks at what is to be written, and shows how far that is.
    pub(super) fn look(&mut self, outbox: &Outbox) {
        self.rows += outbox.rows.len() as u64;
        let every = if self.is_watched { ON_A_TERMINAL } else { IN_A_PIPE };
        if self.shown.unwrap_or(self.started).elapsed() < every {
            return;
        }
        self.shown = Some(Instant::now());
        self.show(outbox);
    }

    fn show(&mut self, outbox: &Outbox) {
        let records = total(&outbox.partitions).read();
        let (since, before) = self.before;
        if since.elapsed() >= RATE || self.rate.is_none() {
            self.rate = Some(records.saturating_sub(before) as f64 / since.elapsed().as_secs_f64().max(1e-3));
            self.before = (Instant::now(), records);
        }
        let rate = self.rate.unwrap_or_default();
        let share = self.extent.as_mut().map(Extent::bytes).filter(|(_, all)| *all > 0);
        let part = share.map(|(read, all)| read as f64 / all as f64);
        let left = part.and_then(|part| left(part, self.started.elapsed()));
        let files = part.map_or(String::new(), |part| {
            let left = left.map_or(String::new(), |left| format!(", {} left", short(left)));
            format!(", {:.0} % of the files{left}", part * 100.0)
        });
        let frontier = outbox.frontier.filter(|frontier| *frontier > EventTime::MIN);
        let at = frontier.map_or(String::new(), |frontier| format!(", frontier at {frontier}"));
        let rows = self.rows;
        let words = format!(
            "{} records, {}/s{files}{at}, {} rows",
            grouped(records),
            grouped(rate as u64),
            grouped(rows)
        );
        if self.is_watched {
            return logging::status(Some(fitted(format!("crossrate: {words}"))));
        }
        tracing::info!(
            records,
            records_per_s = rate,
            percent = part.map(|part| part * 100.0),
            left_s = left.map(|left| left.as_secs_f64()),
            frontier_ms = frontier.map(EventTime::millis),
            rows,
            "progress: {words}"
        );
    }

    /// The run ends: what it has done, and what its time went into.
    pub(super) fn end(&mut self, outbox: &Outbox) {
        self.lap(Phase::Writing);
        logging::status(None);
        let (records, rows, took) = (total(&outbox.partitions).read(), self.rows, self.started.elapsed());
        let [reading, computing, writing, waiting] = self.spent.map(|spent| spent.as_secs_f64());
        let all = (reading + computing + writing + waiting).max(1e-9);
        let share = |part: f64| (part / all * 100.0).round();
        tracing::info!(
            rows,
            records,
            seconds = took.as_secs_f64(),
            reading_s = reading,
            computing_s = computing,
            writing_s = writing,
            waiting_s = waiting,
            "{} rows of {} records in {:.1} s: {} % reading, {} % computing, {} % writing, {} % waiting for input",
            grouped(rows),
            grouped(records),
            took.as_secs_f64(),
            share(reading),
            share(computing),
            share(writing),
            share(waiting)
        );
    }
}

/// A job goes on that was there before: from where.
pub(super) fn tell_taken_up(checkpoint: &Checkpoint) {
    let at = checkpoint.resume.at;
    if at == EventTime::MIN && checkpoint.partitions.is_empty() {
        return;
    }
    let next = checkpoint.partitions.iter().take(NAMED);
    let next: Vec<String> =
        next.map(|(number, known)| format!("{number} at record {}", known.head.next)).collect();
    let more = checkpoint.partitions.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let until = if at == EventTime::MIN {
        "no row is out yet".to_owned()
    } else {
        format!("rows are out until {at}")
    };
    tracing::info!(
        committed_ms = at.millis(),
        partitions = checkpoint.partitions.len(),
        "taken up where it was: {until}; partition {}{more}",
        next.join(", ")
    );
}

/// How long the rest takes if it goes on as it did; none before that can be told.
fn left(part: f64, took: Duration) -> Option<Duration> {
    let left = took.as_secs_f64() * (1.0 - part) / part;
    (part > 0.01 && took > Duration::from_secs(1)).then(|| Duration::try_from_secs_f64(left).ok())?
}

/// `1 h 5 min`, `2 min 3 s`, `12 s`.
fn short(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// As much of a line as the terminal has room for: one that wraps could not be taken away.
fn fitted(line: String) -> String {
    let width = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
    if line.chars().count() < width { line } else { line.chars().take(width.saturating_sub(1)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_share_that_is_left() {
        let seconds = Duration::from_secs;
        assert_eq!(left(0.25, seconds(10)), Some(seconds(30)));
        assert_eq!(left(0.0, seconds(10)), None);
        assert_eq!(left(0.5, Duration::from_millis(100)), None);
        assert_eq!([7, 125, 3_900].map(|s| short(seconds(s))), ["7 s", "2 min 5 s", "1 h 5 min"]);
    }
}
