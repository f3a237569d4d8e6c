//! What does a commit cost a job that runs, and what do its very records cost a client that does nothing
//! else?

use crate::broker::{self, Seen};
use crate::restart::{CASES, Case, Feed, Job};
use crate::{Asked, quantiles};
use anyhow::{Context, Result, bail};
use crossrate::config::Verbosity;
use crossrate::kafka::rows::DEFAULTS;
use crossrate::kafka::writer::{self, OutgoingRecord, Producer, WaitNotice};
use crossrate::kafka::{self, ErrorListener};
use rdkafka::producer::Producer as _;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// From a commit to the trades that bring the next.
const PAUSE: Duration = Duration::from_millis(200);
/// Trades that bring no commit within this time were not enough for a closing.
const SOON: Duration = Duration::from_secs(1);
/// The last record of a commit.
const LEASE: &[u8] = b"lease#0";

pub(crate) fn run(asked: &Asked) -> Result<()> {
    let commits: usize = asked.get("commits", 200)?;
    let only: String = asked.get("case", String::new())?;
    let per_second: u64 = asked.get("per-second", 1_000)?;
    println!(
        "| {commits} commits of a job that runs, -w 2, then their records by a bare client | rows, entries, bytes of both \
         | p50 ms | p99 ms | longest ms | bare client p50 ms | p99 ms | longest ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for case in CASES.iter().filter(|case| only.is_empty() || case.topic == only) {
        measure(case, commits, per_second)?;
    }
    Ok(())
}

fn measure(case: &Case, commits: usize, per_second: u64) -> Result<()> {
    // Closings may need a little more than their share: trades are out of order.
    let seconds = case.before + case.slide * (2 * commits as u64 + 2);
    let mut feed = Feed::new(case, seconds, per_second)?;
    feed.load(case.before)?;
    let recovery = format!("{}.{}.recovery", case.out(), case.topic);
    // Each commit's entries are read again below: they must not be compacted until then.
    let kept = [("cleanup.policy", "compact"), ("min.compaction.lag.ms", "86400000")];
    broker::make_topic_with(&recovery, 1, &kept)?;
    let mut job = Job::start(case)?;
    // What it takes to catch up is no part of it.
    job.until_quiet(&mut Default::default())?;
    let mut seen = Vec::new();
    let begun = Instant::now();
    while seen.len() < commits {
        std::thread::sleep(PAUSE);
        feed.load(case.slide)?;
        seen.extend(job.next_commit(SOON)?);
        if begun.elapsed() > PATIENCE + (PAUSE + SOON) * commits as u32 {
            bail!("{} commits of {commits}", seen.len());
        }
    }
    job.kill()?;
    let rows: Vec<Seen> = broker::committed(&case.out(), true)?.iter().collect();
    let entries: Vec<Seen> = broker::committed(&recovery, true)?.iter().collect();
    // A commit's entries end with its lease; those before are of the time when the job caught up.
    let mut groups: Vec<&[Seen]> = entries.split_inclusive(|entry| entry.key == LEASE).collect();
    groups.drain(..groups.len().checked_sub(commits).context("fewer leases than commits")?);
    let count: usize = seen.iter().map(|commit| commit.rows).sum();
    let mut rows = &rows[rows.len().checked_sub(count).context("fewer rows than were committed")?..];
    let (mut bare, mut bytes) = (Vec::new(), Vec::new());
    let client = Bare::new(case)?;
    for (commit, entries) in seen.iter().zip(groups) {
        if entries.len() < commit.entries {
            bail!("a commit of {} entries has left {} records", commit.entries, entries.len());
        }
        let (its, rest) = rows.split_at(commit.rows);
        rows = rest;
        std::thread::sleep(PAUSE);
        bare.push(client.commit(its, entries)?);
        bytes.push(
            its.iter().chain(entries).map(|seen| seen.key.len() + seen.value.len()).sum::<usize>() as f64
        );
    }
    let middle = &seen[seen.len() / 2];
    let [bytes, ..] = quantiles(bytes);
    let [p50, p99, longest] = quantiles(seen.iter().map(|commit| commit.ms).collect());
    let [bare_p50, bare_p99, bare_longest] = quantiles(bare);
    println!(
        "| {} | {}, {}, {bytes:.0} | {p50:.1} | {p99:.1} | {longest:.1} | {bare_p50:.1} | {bare_p99:.1} | {bare_longest:.1} |",
        case.title, middle.rows, middle.entries
    );
    Ok(())
}

/// A client with the product's settings that has nothing to do but this.
struct Bare {
    producer: Producer,
    rows: String,
    entries: String,
}

impl Bare {
    fn new(case: &Case) -> Result<Self> {
        let (rows, entries) = (format!("{}-bare", case.topic), format!("{}-bare-entries", case.topic));
        [&rows, &entries].into_iter().try_for_each(|topic| broker::make_topic(topic, 1))?;
        let id = format!("{rows}-client");
        let own = [("transactional.id", id.as_str()), ("enable.idempotence", "true")];
        let listener = ErrorListener::new(Verbosity::Quiet);
        let producer: Producer = kafka::client(&broker::reached()?, &listener, DEFAULTS, &own)
            .map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
        producer.init_transactions(PATIENCE)?;
        Ok(Bare { producer, rows, entries })
    }

    /// Milliseconds that it takes.
    fn commit(&self, rows: &[Seen], entries: &[Seen]) -> Result<f64> {
        let kafka = broker::reached()?;
        let begun = Instant::now();
        self.producer.begin_transaction()?;
        let both = [(&self.rows, rows), (&self.entries, entries)];
        for (topic, record) in
            both.iter().flat_map(|(topic, records)| records.iter().map(move |r| (topic, r)))
        {
            let (key, value) = (Some(&*record.key), Some(&*record.value));
            writer::send(&self.producer, OutgoingRecord { topic, key, value, ..OutgoingRecord::default() })
                .map_err(broker::refused)?;
        }
        writer::drain(&self.producer, &mut WaitNotice::new(&kafka, self.producer.context()))
            .map_err(broker::refused)?;
        self.producer.commit_transaction(PATIENCE)?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }
}
