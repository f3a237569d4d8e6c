//! Rows and checkpoint in one commit (`docs/semantics.md#restarts`).
//!
//! A checkpoint is a set of keyed entries ([`checkpoint`]). Partitions say what has changed in theirs with
//! every batch ([`partition_changes`]); what looks leave behind comes with the rows. A [`Ledger`] writes rows
//! and changed entries atomically and gives all entries back after a restart. A ledger knows nothing of their
//! content.
//!
//! # Why there is no barrier
//!
//! A commit speaks of one event time, the frontier's. Partitions are at other places by then, each at the end
//! of whatever batch it judged last, and that is good enough: a record behind such a place meets a watermark
//! that has passed the frontier, so acceptance calls it late for everything that the commit's rows are made
//! of. What lies before the place is either in those rows or in sums that the checkpoint holds. So each
//! partition notes its own changes when it likes, the latest notes at the moment of the commit are taken, and
//! workers never wait for each other; nor is any of them named, which is why a restart may have other numbers
//! of them. A partition that idles has no such watermark; what it would be given on waking is the frontier of
//! the commit, so the same holds.
//!
//! Three things reach back behind the commit: corrections within the grace (repeated in silence at the start,
//! to know what left last), a leg that stands in for a later window, and statistics since the beginning. The
//! first asks a partition to hold panes for longer, the others are kept by value.
//! [`crossrate_dataflows::market::resume`] has the details, and
//! `the_rest_of_the_input_gives_the_rest_of_the_rows` breaks off after every kind of commit to see whether it
//! is true.

pub mod checkpoint;
mod checkpoint_store;
mod earlier_tables;
pub mod entry_key;
mod kafka;
mod letters;
pub mod partition_changes;
pub mod postgres;
pub mod protocol;
pub mod share;
mod sqlite;
mod stored_checkpoint;
mod symbol_blocks;

use crate::committed_files::FileChange;
use crate::config::{Config, SinkTarget, Source, StartOffset, Verbosity};
use crate::exit::{Exit, Failure};
use crate::job_identity;
use crate::start;
use anyhow::Result;
use crossrate_dataflows::market::changes::DatedChange;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::operators::closings::RefusedRecord;
use entry_key::EntryKey;
use std::collections::BTreeMap;

use checkpoint::{Checkpoint, JobEntry, add_file_change};
use protocol::EndReason;

pub use kafka::Kafka;
pub(crate) use kafka::assemble;
pub use postgres::Postgres;
use postgres::WrittenTables;
pub use sqlite::Sqlite;
pub use stored_checkpoint::StoredCheckpoint;

/// Entries of a checkpoint: encoded, by key.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// Changes of entries; `None` removes.
pub type EntryChanges = BTreeMap<String, Option<Vec<u8>>>;

/// Rows and changes that become visible together, or not at all.
#[derive(Debug, Default)]
pub struct Commit {
    /// Rows, in their order.
    pub rows: Vec<Row>,
    /// Refused records of the batches that the changes speak of.
    pub refused: Vec<RefusedRecord>,
    /// Changes of the checkpoint.
    pub changes: EntryChanges,
}

/// A store that holds rows and checkpoint together.
pub trait Ledger: Send {
    /// Name of the ledger, for people.
    fn name(&self) -> String;

    /// Fences any other run of this job. Returns the entries of the last commit, with the term of this run in
    /// the place of the one before. A database `beside` the ledger takes the term that the run has there, and
    /// fails where a run of a later term has been: a run that stood still between the two must not end its
    /// successor.
    fn acquire(&mut self, beside: Option<u64>) -> Result<Entries>;

    /// Reads the checkpoint without fencing, for stores that cannot undo fencing. Another run may commit
    /// meanwhile, so only entries that never change are reliable.
    fn peek(&mut self) -> Option<Entries> {
        None
    }

    /// Returns an acquired job to the run that had it, because this run cannot begin. If this run has changed
    /// the checkpoint already, the other run stays fenced. An error is ignored: no run has the job then until
    /// one is started.
    fn release(&mut self) {}

    /// Whether this run has acquired the job, so that its lease can be verified.
    fn is_acquired(&self) -> bool;

    /// The owner of the job before this run acquired it, for people, if known.
    fn predecessor(&self) -> Option<String> {
        None
    }

    /// Writes a commit. If this returns without an error, the commit is durable.
    fn commit(&mut self, commit: &Commit) -> Result<()>;

    /// Fails if another run has acquired the job. A run that commits nothing calls this from time to time, so
    /// that a second copy ends an idle first one.
    fn verify_lease(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends the run. No commit is under way any more.
    fn close(&mut self) {}
}

/// Opens the ledger of a run, if one of its sinks is a ledger.
pub fn open(config: &Config) -> Result<Option<Box<dyn Ledger>>> {
    config.ledger().map(|target| open_at(config, target)).transpose()
}

/// Opens a run's place in one of its sinks.
pub(crate) fn open_at(config: &Config, target: &SinkTarget) -> Result<Box<dyn Ledger>> {
    Ok(match target {
        SinkTarget::Sqlite(path) => Box::new(Sqlite::open(path, &config.name, config.source.topics())?),
        SinkTarget::Kafka(_) => Box::new(Kafka::open(config)?),
        SinkTarget::Postgres(url) => {
            let quiet = config.verbosity < Verbosity::Normal;
            let written =
                WrittenTables { kinds: config.definition.kept_kinds(), topics: config.source.topics() };
            Box::new(Postgres::open(url, &config.name, quiet, written)?)
        }
        target => {
            let Some(beside) = target.checkpoint_beside() else {
                anyhow::bail!("{target} holds no checkpoint")
            };
            let ledger = Sqlite::beside(&beside, &config.name)?;
            if let Some(other) = ledger.another()? {
                let words = format!("{target} has the rows of job {other:?}, and would be emptied");
                return Err(Failure::new(Exit::Usage, words)
                    .hint(format!(
                        "name another file, or remove what that job goes on from: \
                         crossrate checkpoint reset --name {other} --to {target}"
                    ))
                    .into());
            }
            Box::new(ledger)
        }
    })
}

/// A job that this run has acquired, as of its last commit.
#[derive(Debug)]
pub struct RestoredJob {
    /// The checkpoint, encoded.
    pub entries: Entries,
    /// The checkpoint, decoded.
    pub checkpoint: Checkpoint,
    /// The job's own entry, from which this run's commits go on.
    pub job: JobEntry,
    /// Changes that belong to the first commit of rows.
    pub changes: EntryChanges,
    /// Changes to be committed before anything else is changed anywhere.
    first: EntryChanges,
}

impl RestoredJob {
    /// Commits which files the job writes, or verifies the lease where that is known already. When this
    /// returns, and for as long as this run has its files locked, no other run has committed anything or
    /// touched them.
    pub fn claim(&mut self, ledger: &mut dyn Ledger, files: &[FileChange]) -> Result<()> {
        let mut changes = std::mem::take(&mut self.first);
        files.iter().try_for_each(|file| add_file_change(&mut changes, file))?;
        if changes.is_empty() {
            return ledger.verify_lease();
        }
        ledger.commit(&Commit { changes, ..Commit::default() })
    }
}

/// The offsets at which the partitions of a bounded run end now.
pub type AskForEnds<'a> = &'a dyn Fn() -> Result<BTreeMap<u32, i64>>;

/// Acquires the job, and prepares to go on from its last commit.
pub fn restore(
    config: &Config,
    ledger: &mut dyn Ledger,
    ask_for_ends: AskForEnds<'_>,
) -> Result<RestoredJob> {
    let definition = job_identity::definition(config);
    // If this run is to be refused, that happens before it fences the run that has the job.
    if !config.fresh
        && let Some(seen) = ledger.peek()
        && let Some(job) = checkpoint::job(&seen)?
    {
        unchanged(config, &job.definition, &checkpoint::log(&seen)?, &definition)?;
        goes_on(config)?;
    }
    let mut entries = ledger.acquire(None)?;
    tell_size(config, &entries);
    let (mut changes, mut first) = (EntryChanges::new(), EntryChanges::new());
    if config.fresh {
        // Of a job that was started again after an accident only the first start is a fresh one.
        let start = config.cluster.supervised.as_ref().map(|supervised| &supervised.job);
        let start = start.map(checkpoint::encode).transpose()?;
        let fresh = String::from(EntryKey::Fresh);
        if start.is_none() || entries.get(&fresh) != start.as_ref() {
            let term = entries.remove_entry(&String::from(EntryKey::Term));
            // Before any file is cut: a file and a checkpoint that knows it longer would go on with nothing.
            first.extend(std::mem::take(&mut entries).into_keys().map(|key| (key, None)));
            first.extend(start.map(|start| (fresh, Some(start))));
            entries.extend(term);
        }
    }
    let mut checkpoint = Checkpoint::decode(&entries)?;
    checkpoint::whole(&entries)?;
    checkpoint.files.predecessor = ledger.predecessor();
    let mut definition = definition;
    if let Some(job) = &checkpoint.job {
        unchanged(config, &job.definition, &checkpoint.resume.log, &definition)?;
        // The log holds the changes since the job began.
        definition = job_identity::with_symbols_of(&definition, &job.definition);
        if job.ended {
            // Every window is final: what they needed has been taken into account by the decoding, and is in
            // the first commit.
            let panes = entries.keys().filter(|key| matches!(key.parse(), Ok(EntryKey::Pane(..))));
            changes.extend(panes.map(|key| (key.clone(), None)));
            for (number, partition) in &checkpoint.partitions {
                changes.insert(EntryKey::Head(*number).into(), Some(checkpoint::encode(&partition.head)?));
                changes.extend(partition.symbol_keys.iter().map(|key| (key.clone(), None)));
                let symbols = Some(checkpoint::encode(&partition.symbols)?);
                changes.insert(EntryKey::Symbols(*number).into(), symbols);
            }
        }
    }
    let ends = ends(config, checkpoint.job.as_ref(), ask_for_ends)?;
    let job = JobEntry {
        program: env!("CARGO_PKG_VERSION").into(),
        definition,
        at: checkpoint.resume.at,
        closes: checkpoint.job.as_ref().map_or(EventTime::MIN, |job| job.closes),
        ended: false,
        ends,
    };
    if !job.ends.is_empty() {
        // All workers of all processes must use the same end offsets, so the entry that they get holds these.
        let ended = checkpoint.job.as_ref().is_some_and(|earlier| earlier.ended);
        let known = JobEntry { ended, ..job.clone() };
        entries.insert(EntryKey::Job.into(), checkpoint::encode(&known)?);
        checkpoint.job = Some(known);
    }
    Ok(RestoredJob { entries, checkpoint, job, changes, first })
}

fn tell_size(config: &Config, entries: &Entries) {
    let bytes: usize = entries.iter().map(|(key, entry)| key.len() + entry.len()).sum();
    start::tell(
        config.verbosity,
        format_args!("the checkpoint has {} entries of {bytes} bytes", entries.len()),
    );
}

/// The end of each partition of a bounded run: its end when the job began, until the partition has reached
/// that.
fn ends(
    config: &Config,
    earlier: Option<&JobEntry>,
    ask_for_ends: AskForEnds<'_>,
) -> Result<BTreeMap<u32, i64>> {
    let Source::Kafka(kafka) = &config.source else { return Ok(BTreeMap::new()) };
    if earlier.is_some() {
        goes_on(config)?;
    }
    match earlier.filter(|job| !job.ended && !job.ends.is_empty()) {
        _ if !kafka.exit_at_end => Ok(BTreeMap::new()),
        Some(job) => Ok(job.ends.clone()),
        None => ask_for_ends(),
    }
}

/// A restored job goes on from its checkpoint, and no setting may contradict that.
fn goes_on(config: &Config) -> Result<()> {
    let Source::Kafka(kafka) = &config.source else { return Ok(()) };
    let restarted = config.cluster.supervised.as_ref().is_some_and(|supervised| supervised.attempt > 0);
    if kafka.start == StartOffset::Unset || restarted {
        return Ok(());
    }
    let words = format!("-o says where to begin, but job {:?} goes on from its checkpoint", config.name);
    Err(Failure::new(Exit::Usage, words)
        .hint("leave -o out, or start anew with --fresh or under another --name")
        .into())
}

/// A job may not silently become another one: it has the definition that it began with, or has now.
fn unchanged(
    config: &Config,
    begun: &[(String, String)],
    log: &[DatedChange],
    now: &[(String, String)],
) -> Result<()> {
    let mut begun = job_identity::completed(begun, now);
    if let Source::Files(_) = config.source {
        job_identity::with_more_files(&mut begun, now);
    }
    let before = job_identity::after_changes(&begun, log);
    let differences = |now: &[(String, String)], before: &[(String, String)]| {
        job_identity::pair_differences(now, before, "in the checkpoint", "now")
    };
    let differing = differences(now, &before);
    if differing.is_empty() || differences(now, &begun).is_empty() {
        return Ok(());
    }
    // All symbols cannot become some, nor some all.
    let wants_all =
        |pairs: &[(String, String)]| pairs.iter().any(|(name, value)| name == "symbols" && value == "All");
    let evolves = wants_all(now) == wants_all(&before)
        && differences(&job_identity::with_symbols_of(now, &before), &before).is_empty();
    if config.evolve && evolves {
        return Ok(());
    }
    let words = format!("job {:?} was another one: {}", config.name, differing.join("; "));
    let hint = match evolves {
        true => {
            "add --evolve to change the job from here on; or give it the flags that it had, start it anew with \
             --fresh, or run the changed one under another --name"
        }
        false => {
            "give it the flags that it had, start it anew with --fresh, or run the changed one under another --name"
        }
    };
    Err(Failure::new(Exit::Usage, words).hint(hint).into())
}

/// The error of a run that commits nothing more.
fn ended(job: &str, ledger: &str, why: EndReason) -> anyhow::Error {
    let (words, hint) = match why {
        EndReason::TakenOver(owner) => (
            format!("job {job:?} was taken over by {owner}; this run commits nothing more"),
            "run one copy of a job at a time, or give each its own --name",
        ),
        EndReason::WentBack => (
            format!("{ledger} has lost commits of job {job:?} that it had confirmed"),
            "a failover or a restored backup does that; start the job again, and it goes on from what is there",
        ),
        EndReason::Vanished => (
            format!("the checkpoint of job {job:?} was removed from {ledger}; this run commits nothing more"),
            "start the job again, and it begins anew; where it writes files, add --fresh, which empties them",
        ),
        EndReason::TooOften => (
            format!("{ledger} answers, but one commit of job {job:?} gets lost again and again"),
            "the last commit is whole; start the job again when the cause is gone",
        ),
    };
    Failure::new(Exit::Failed, words).hint(hint).into()
}

/// Whether a run of a later term has been in a database that is `beside` the ledger.
fn is_overtaken(beside: Option<u64>, entries: &Entries) -> bool {
    beside.is_some() && beside < checkpoint::term(entries).ok()
}

/// The error of a run that finds one of a later term in a database beside its ledger.
fn overtaken(job: &str, ledger: &str, owner: Option<String>) -> anyhow::Error {
    let owner = owner.unwrap_or_else(|| "another run".into());
    let words = format!(
        "job {job:?} was taken over in {ledger} by {owner}, a later run; this one commits nothing more"
    );
    Failure::new(Exit::Failed, words)
        .hint(format!(
            "run one copy of a job at a time; where none runs and the clock was set back, say \
             crossrate checkpoint reset --name {job} --to {ledger}"
        ))
        .into()
}

/// Tells this run from all others.
fn run_id() -> Result<[u8; 16]> {
    let mut run = [0; 16];
    getrandom::fill(&mut run).map_err(|error| anyhow::anyhow!("no random number for this run: {error}"))?;
    Ok(run)
}

/// The owner text of this run, for the run that it takes the job from.
fn owner() -> String {
    start::owner_of(std::process::id())
}
