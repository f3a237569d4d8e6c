//! What became of every record, told at the end: to people on standard error, to programs by `--summary`.

use crate::config::{Config, Verbosity, can_be_cut};
use crate::exit::{Exit, Failure};
use crate::file_lock::lock;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::counts::RecordAccount;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::operators::closings::{Outbox, PartitionProgress};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Tells it. `prove_lease` fails where another run has taken the job over: then the summary is that one's to
/// write.
pub fn tell(config: &Config, outbox: &Outbox, prove_lease: impl FnOnce() -> Result<()>) -> Result<()> {
    let counts = total(&outbox.partitions);
    if config.verbosity >= Verbosity::Normal {
        tell_counts(&counts);
        if outbox.withheld > 0 {
            let before = if config.since.is_some() { "--since, or before" } else { "" };
            let before = format!("{before} the first record read");
            let (withheld, before) = (outbox.withheld, before.trim_start());
            tracing::info!(withheld, "withheld {withheld} windows of symbols that began before {before}");
        }
    }
    let Some(path) = &config.summary else { return Ok(()) };
    let summary = RecordAccount::from(counts);
    if !can_be_cut(path) {
        return summarize(path, &summary);
    }
    // Locked before the lease is proven: a successor waits until this is written, or has written its own
    // before that.
    let open = File::options().create(true).truncate(false).write(true).open(path);
    let mut file = open.map_err(|error| cannot(path, error))?;
    lock(&file, &path.display().to_string(), None, config.verbosity)?;
    prove_lease()?;
    let text = line(&summary)?;
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(|error| cannot(path, error))
}

fn line(summary: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string(summary)?;
    text.push('\n');
    Ok(text)
}

/// What became of all records, over all partitions.
pub fn total(partitions: &BTreeMap<u32, PartitionProgress>) -> Counts {
    let mut total = Counts::default();
    for partition in partitions.values() {
        total.add(&partition.counts);
    }
    total
}

/// A run with `--at-end keep` has ended: until when rows are out, and what is open.
pub fn tell_what_stays_open(config: &Config, outbox: &Outbox) {
    let Some(frontier) = outbox.frontier.filter(|_| config.verbosity >= Verbosity::Normal) else { return };
    let open = outbox.partitions.values().any(|partition| partition.open.is_some());
    let closes = outbox.partitions.values().map(|partition| partition.closes).max();
    match closes.filter(|closes| *closes > frontier) {
        Some(closes) => tracing::info!(
            frontier_ms = frontier.millis(),
            last_window_ms = closes.millis(),
            "the input has ended and what is open stays in the checkpoint: rows are final until {frontier}, \
             the last window that has trades will be at {closes}"
        ),
        None if open => tracing::info!(
            frontier_ms = frontier.millis(),
            "the input has ended and what is open stays in the checkpoint: rows are final until {frontier}"
        ),
        None => {}
    }
}

/// Symbols that take no part in rates of assets, each once.
pub fn tell_unpaired(config: &Config, outbox: &mut Outbox) {
    let mut symbols = std::mem::take(&mut outbox.unpaired);
    if symbols.is_empty() || config.verbosity < Verbosity::Normal {
        return;
    }
    symbols.sort_unstable();
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    tracing::warn!(
        word = "warning",
        symbols = names.join(","),
        "--quote cannot tell base and quote of {}: no rate goes over {}; give them in --pairs FILE (lines \
         symbol,base,quote), or name what ends them in --quote-assets",
        names.join(", "),
        if names.len() == 1 { "it" } else { "them" }
    );
}

/// With `--strict`, an input that has records and no accepted trade is an error.
pub fn refuse_nothing(config: &Config, outbox: &Outbox) -> Result<()> {
    let counts = total(&outbox.partitions);
    if !config.strict || counts.accepted > 0 || counts.read() == 0 {
        return Ok(());
    }
    let words = format!("of {} records none was accepted", counts.read());
    Err(Failure::new(Exit::Refused, words)
        .hint("what was told of each input above says why; without --strict that is no error")
        .into())
}

/// Writes a summary, a line of JSON.
pub(crate) fn summarize(path: &Path, summary: &impl Serialize) -> Result<()> {
    fs::write(path, line(summary)?).map_err(|error| cannot(path, error))
}

/// Whether a summary could be written: asked at the start, so that a slip is told before the work and not
/// after it. What is there stays as it is until the end.
pub(crate) fn can_summarize(path: &Path) -> Result<()> {
    // Opening a pipe would wait for its reader, and closing it again would end that.
    if !can_be_cut(path) && !path.is_dir() {
        return Ok(());
    }
    let new = !path.exists();
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    opened.and_then(|_| if new { fs::remove_file(path) } else { Ok(()) }).map_err(|error| cannot(path, error))
}

fn cannot(path: &Path, error: io::Error) -> anyhow::Error {
    Failure::new(Exit::Failed, format!("cannot write the summary to {}", path.display()))
        .hint("name a file in a directory that exists and that you may write to")
        .because(error)
        .into()
}

fn tell_counts(counts: &Counts) {
    let Counts { accepted, duplicate, late, bad, future, ignored, unselected, heartbeat } = *counts;
    let (read, words) = (counts.read(), in_words(counts));
    tracing::info!(read, accepted, duplicate, late, bad, future, ignored, unselected, heartbeat, "{words}");
}

fn in_words(counts: &Counts) -> String {
    let classes = counts.classes().map(|(class, count)| format!("{count} {class}"));
    format!("read {} = {}", counts.read(), classes.join(" + "))
}
