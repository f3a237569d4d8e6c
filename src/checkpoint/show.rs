//! What a checkpoint holds, for people and for programs.

use super::open_windows::{self, OpenWindow};
use crate::config::checkpoint::CheckpointStore;
use crate::config::log::ToldChange;
use crate::config::topic_of;
use crate::flag_words::in_flags;
use crate::ledger::StoredCheckpoint;
use crate::ledger::checkpoint::{Checkpoint, JobEntry, PartitionCheckpoint};
use anyhow::Result;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::name_keys::name_of;
use crossrate_dataflows::market::ratio::{RATE_PLACES, write_scaled_big};
use num_bigint::BigInt;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Windows that are listed for people.
const MOST_WINDOWS: usize = 20;

/// A checkpoint in the user's terms.
#[derive(Debug, Serialize)]
pub(super) struct CheckpointSummary {
    job: String,
    ledger: String,
    /// The program that wrote it.
    program: Option<String>,
    /// Who has the job, or had it last, and how many commits that run has made.
    owner: Option<String>,
    commits: Option<u64>,
    /// Rows looked at until then are out.
    rows_until_ms: Option<u64>,
    ended: bool,
    definition: BTreeMap<String, String>,
    /// How it has changed since.
    log: Vec<ToldChange>,
    #[serde(skip)]
    changes: Vec<String>,
    partitions: Vec<PartitionSummary>,
    open_windows: Vec<OpenWindow>,
    statistics: Vec<Statistics>,
    carried: Vec<CarriedLeg>,
    /// What windows without trades are filled from.
    closes: Vec<Close>,
    /// Where idleness or adoption took watermarks.
    idle: Vec<(Option<u64>, Option<u64>)>,
    /// Bytes of files of rows and of refused records that are committed.
    files: BTreeMap<String, u64>,
    entries: usize,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct PartitionSummary {
    partition: u32,
    /// Where the job reads several topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// Offset of the next record, and the one from which reading again rebuilds what is open.
    offset: i64,
    rebuild_from: i64,
    /// Where the partition of a bounded run ends.
    end: Option<i64>,
    watermark_ms: Option<u64>,
    counts: Counts,
    symbols: usize,
    panes: usize,
    /// Bytes that were read, of a file.
    read_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Statistics {
    name: String,
    /// The definition of their windows; empty where an earlier release wrote them.
    window: String,
    n: i64,
    mean: Option<String>,
    variance: Option<f64>,
    last: String,
}

#[derive(Debug, Serialize)]
struct CarriedLeg {
    symbol: String,
    window: String,
    end_ms: u64,
    trades: i64,
}

#[derive(Debug, Serialize)]
struct Close {
    symbol: String,
    window: String,
    end_ms: u64,
}

impl CheckpointSummary {
    pub(super) fn new(store: &CheckpointStore, held: &StoredCheckpoint) -> Result<Self> {
        let checkpoint = Checkpoint::decode(&held.entries)?;
        let job = checkpoint.job.as_ref();
        let mut statistics: Vec<Statistics> = Vec::new();
        for ((name, window), series) in &checkpoint.resume.series {
            statistics.push(Statistics {
                name: name_of(name).to_string(),
                window: window.to_string(),
                n: series.n,
                mean: (series.n > 0).then(|| rate(&series.mean())),
                variance: series.variance(),
                last: rate(&series.last),
            });
        }
        statistics.sort_by(|a, b| (&a.name, &a.window).cmp(&(&b.name, &b.window)));
        let carried = checkpoint.resume.carried.iter().map(|((symbol, window), (end, leg))| CarriedLeg {
            symbol: name_of(symbol).to_string(),
            window: window.to_string(),
            end_ms: end.millis(),
            trades: leg.moments.n,
        });
        let mut carried: Vec<CarriedLeg> = carried.collect();
        carried.sort_by(|a, b| (&a.symbol, &a.window).cmp(&(&b.symbol, &b.window)));
        let closes = checkpoint.resume.closes.iter().map(|((symbol, window), close)| Close {
            symbol: name_of(symbol).to_string(),
            window: window.to_string(),
            end_ms: close.end.millis(),
        });
        let mut closes: Vec<Close> = closes.collect();
        closes.sort_by(|a, b| (&a.symbol, &a.window).cmp(&(&b.symbol, &b.window)));
        let topics: Vec<&str> = job.map(topics_of).unwrap_or_default();
        let partition = |(number, partition): (&u32, &PartitionCheckpoint)| PartitionSummary {
            partition: topic_of(*number, &topics).1,
            topic: topic_of(*number, &topics).0.map(str::to_owned),
            offset: partition.head.next,
            rebuild_from: partition.head.rebuild_from,
            end: job.and_then(|job| job.ends.get(number).copied()),
            watermark_ms: ms(partition.head.watermark),
            counts: partition.head.counts,
            symbols: partition.symbols.len(),
            panes: partition.panes.keys().map(|(end, _)| end).collect::<BTreeSet<_>>().len(),
            read_bytes: partition.read.map(|read| read.bytes),
        };
        Ok(CheckpointSummary {
            job: store.job.clone(),
            ledger: store.shown(),
            program: job.map(|job| job.program.clone()),
            owner: held.lease.as_ref().map(|lease| lease.owner.clone()),
            commits: held.lease.as_ref().map(|lease| lease.number),
            rows_until_ms: job.and_then(|job| ms(job.at)),
            ended: job.is_some_and(|job| job.ended),
            definition: job.map(|job| in_flags(&job.definition).into_iter().collect()).unwrap_or_default(),
            log: checkpoint.logged().iter().map(ToldChange::of).collect(),
            changes: checkpoint.resume.log.iter().map(ToString::to_string).collect(),
            partitions: checkpoint.partitions.iter().map(partition).collect(),
            open_windows: open_windows::of(&checkpoint),
            statistics,
            carried,
            closes,
            idle: checkpoint.resume.idle.iter().map(|(from, to)| (ms(*from), ms(*to))).collect(),
            files: checkpoint.files.lengths.clone(),
            entries: held.entries.len(),
            bytes: held.entries.values().map(Vec::len).sum(),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let nothing = || "nobody so far, since nothing was committed".to_owned();
        let mut line = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<16} {value}");
        };
        line("job", self.job.clone());
        line("ledger", self.ledger.clone());
        line(
            "written by",
            self.program.as_ref().map_or_else(nothing, |program| format!("crossrate {program}")),
        );
        line(
            "held by",
            match (&self.owner, self.commits) {
                (Some(owner), Some(commits)) => format!("{owner}, commit {commits}"),
                _ => "nobody".into(),
            },
        );
        line("rows until", self.rows_until_ms.map_or_else(|| "none yet".into(), instant));
        line("ended", if self.ended { "yes".into() } else { "no".into() });
        line("size", format!("{} entries, {} bytes", self.entries, self.bytes));
        self.write_definition(&mut text);
        if !self.partitions.is_empty() {
            text.push_str("\n# partitions\n");
            let _ = writeln!(
                text,
                "{:>9} {:>12} {:>12} {:<25} {:>10} {:>7} {:>6}",
                "partition", "offset", "read from", "watermark", "accepted", "symbols", "panes"
            );
            for p in &self.partitions {
                let watermark = p.watermark_ms.map_or_else(|| "none".into(), instant);
                let (number, offset, from) = (p.shown(), p.offset, p.rebuild_from);
                let (accepted, symbols, panes) = (p.counts.accepted, p.symbols, p.panes);
                let _ = writeln!(
                    text,
                    "{number:>9} {offset:>12} {from:>12} {watermark:<25} {accepted:>10} {symbols:>7} {panes:>6}"
                );
            }
        }
        if !self.open_windows.is_empty() {
            let _ = writeln!(text, "\n# open windows: {}", self.open_windows.len());
            for w in self.open_windows.iter().take(MOST_WINDOWS) {
                let (start, end) = (instant(w.start_ms), instant(w.end_ms));
                let _ = writeln!(text, "{start} to {end}: {} trades of {} symbols", w.trades, w.symbols);
            }
            if self.open_windows.len() > MOST_WINDOWS {
                let _ =
                    writeln!(text, "and {} more; --json lists all", self.open_windows.len() - MOST_WINDOWS);
            }
        }
        if !self.statistics.is_empty() {
            text.push_str("\n# statistics\n");
            for s in &self.statistics {
                let mean = s.mean.as_deref().unwrap_or("none");
                let _ = writeln!(text, "{:<16} {} rates, mean {mean}, last {}", s.name, s.n, s.last);
            }
        }
        self.write_kept(&mut text);
        if !self.files.is_empty() {
            text.push_str("\n# files\n");
            for (path, length) in &self.files {
                let _ = writeln!(text, "{length:>12} bytes of {path}");
            }
        }
        text
    }

    /// What is computed, and what has changed since the job began.
    fn write_definition(&self, text: &mut String) {
        if !self.definition.is_empty() {
            text.push_str("\n# definition\n");
            for (name, value) in &self.definition {
                let _ = writeln!(text, "{name:<16} {value}");
            }
        }
        for change in &self.changes {
            let _ = writeln!(text, "{:<16} {change}", "changed");
        }
    }

    /// What stands in for later windows, and what moved watermarks.
    fn write_kept(&self, text: &mut String) {
        if !self.carried.is_empty() {
            text.push_str("\n# carried legs\n");
            for c in &self.carried {
                let _ = writeln!(text, "{:<16} {} trades until {}", c.symbol, c.trades, instant(c.end_ms));
            }
        }
        if !self.closes.is_empty() {
            let _ = writeln!(
                text,
                "\n# closes that windows without trades are filled from: {}",
                self.closes.len()
            );
        }
        if !self.idle.is_empty() {
            let _ = writeln!(text, "\n# watermarks moved by idleness or adoption: {}", self.idle.len());
        }
    }
}

impl PartitionSummary {
    fn shown(&self) -> String {
        match &self.topic {
            Some(topic) => format!("{topic}-{}", self.partition),
            None => self.partition.to_string(),
        }
    }
}

/// The topics that a job reads, in order of their names.
fn topics_of(job: &JobEntry) -> Vec<&str> {
    let topics = job.definition.iter().find(|(name, _)| name == "topic");
    topics.map(|(_, topics)| topics.split(' ').collect()).unwrap_or_default()
}

fn rate(scaled: &BigInt) -> String {
    let mut text = String::new();
    write_scaled_big(&mut text, scaled, RATE_PLACES as usize);
    text
}

/// The bounds of event time are no times.
fn ms(time: EventTime) -> Option<u64> {
    (time != EventTime::MIN && time != EventTime::MAX).then(|| time.millis())
}

fn instant(ms: u64) -> String {
    EventTime::from_micros(ms.saturating_mul(1_000)).to_string()
}
