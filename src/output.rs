//! The writing side of a run. It has one owner, and one pass: gather what the dataflow has completed; when a
//! commit is due, write the rows to the sinks whose files a commit marks; commit rows, file lengths and
//! checkpoint at once; when the commit is done, announce the rows to the sinks that get only what is
//! committed.
//!
//! The ledger commits on a thread of its own, so rows of the next commit gather meanwhile. A run without a
//! ledger has no commits: every sink gets the rows at once. [`open`] says how a run gets its ledger and its
//! sinks.

mod commit_thread;
mod committer;
mod opening;
mod replica;
#[cfg(test)]
mod tests;

use crate::config::Verbosity;
use crate::ledger::entry_key::EntryKey;
use crate::sink::{Sink, SinkBatch, Sinks};
use crate::start;
use anyhow::Result;
use commit_thread::CommitWait;
use committer::Committer;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::operators::closings::{Outbox, PartitionProgress};
use std::collections::BTreeMap;
use std::time::Duration;

pub use opening::{OpenedOutput, open};

/// The job's progress when a commit began, which is announced with the rows of the commit.
#[derive(Debug, Default)]
struct CommitSnapshot {
    partitions: BTreeMap<u32, PartitionProgress>,
    frontier: Option<EventTime>,
    withheld: u64,
}

/// How a run leaves its job.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// The input has ended, and every window was closed.
    Closed,
    /// The input has ended, and what is open stays so.
    Kept,
    /// The run alone has ended: it was stopped, or has failed.
    Stopped,
}

/// The ledger and all sinks of a run.
#[derive(Debug)]
pub struct Output {
    committer: Option<Committer>,
    sinks: Sinks,
    /// Of the commit under way.
    snapshot: CommitSnapshot,
    /// Whom to tell of the first rows.
    first_rows: Option<Verbosity>,
    /// Changes of the definition that somebody waits for: those of the commit under way, and those that were
    /// committed.
    committing: Vec<(u32, u32)>,
    committed_changes: Vec<(u32, u32)>,
}

impl Output {
    fn new(sinks: Sinks, committer: Option<Committer>, verbosity: Verbosity) -> Self {
        Output {
            committer,
            sinks,
            snapshot: CommitSnapshot::default(),
            first_rows: Some(verbosity),
            committing: Vec::new(),
            committed_changes: Vec::new(),
        }
    }

    /// Adds a sink that gets what is committed.
    pub fn add(&mut self, sink: Box<dyn Sink>) {
        self.sinks.after_commit.push(sink);
    }

    /// Takes the content of the outbox, and writes due output.
    pub fn write(&mut self, outbox: &mut Outbox) -> Result<()> {
        self.pass(outbox, OutputPass::Usual)
    }

    /// Writes all that is left, and ends all sinks. The ledger stays until [`Output::close`].
    pub fn finish(&mut self, outbox: &mut Outbox, end: JobEnd) -> Result<()> {
        if let Some(committer) = &mut self.committer {
            committer.end(end, outbox)?;
        }
        self.pass(outbox, OutputPass::Last)?;
        let last = progress_of(outbox);
        self.sinks
            .before_commit
            .iter_mut()
            .chain(&mut self.sinks.after_commit)
            .try_for_each(|s| s.finish(&last))
    }

    /// Verifies the lease, and waits for the answer. Fails if another run has the job.
    pub fn prove_lease(&mut self) -> Result<()> {
        self.committer.as_mut().map_or(Ok(()), Committer::prove_lease)
    }

    /// Releases the ledger.
    pub fn close(&mut self) {
        self.committer.iter_mut().for_each(Committer::close);
    }

    /// The event time until which everything is committed: state that only earlier rows needed can be
    /// dropped.
    pub fn committed(&self) -> EventTime {
        self.committer.as_ref().map_or(EventTime::MIN, Committer::committed)
    }

    /// While a request waits for changes of the definition, commits as soon as possible.
    pub fn hurry(&mut self, is_awaited: bool) {
        if let Some(committer) = &mut self.committer {
            committer.hurry(is_awaited);
        }
    }

    /// The changes that partitions have taken, committed since the last call: place in the log, partition.
    pub fn committed_changes(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.committed_changes)
    }

    /// Time until a commit is due without new rows.
    pub fn due_in(&self) -> Option<Duration> {
        self.committer.as_ref().and_then(Committer::due_in)
    }

    fn pass(&mut self, outbox: &mut Outbox, pass: OutputPass) -> Result<()> {
        if !outbox.rows.is_empty()
            && let Some(verbosity) = self.first_rows.take()
        {
            start::tell(verbosity, "the first rows are computed");
        }
        let Some(committer) = &mut self.committer else { return write_at_once(&mut self.sinks, outbox) };
        committer.gather(outbox)?;
        // At the end of a run, a commit of nothing is left out, and with it the check of the lease.
        let is_last = pass == OutputPass::Last;
        let wait = is_last && (committer.has_pending() || committer.is_committing()) || committer.is_full();
        self.announce(CommitWait::when(wait))?;
        let Some(committer) = &mut self.committer else { return Ok(()) };
        if !committer.has_pending() || !(is_last || committer.is_due()) {
            return if is_last { Ok(()) } else { committer.verify_lease() };
        }
        let commit = committer.next_commit()?;
        let batch = SinkBatch { rows: &commit.rows, refused: &commit.refused, ..progress_of(outbox) };
        let mut files = Vec::new();
        for sink in &mut self.sinks.before_commit {
            sink.write(&batch)?;
            files.extend(sink.sync()?);
        }
        let Outbox { partitions, frontier, withheld, .. } = outbox;
        let partitions = partitions.clone();
        self.snapshot = CommitSnapshot { partitions, frontier: *frontier, withheld: *withheld };
        if committer.is_awaited() {
            self.committing.extend(commit.changes.keys().filter_map(|key| taken(key)));
        }
        committer.commit(commit, &files)?;
        let wait = CommitWait::when(is_last || committer.commits_at_once());
        self.announce(wait)
    }

    /// If the commit under way is done, its rows go to the sinks that get only what is committed.
    fn announce(&mut self, wait: CommitWait) -> Result<()> {
        let Some(committer) = &mut self.committer else { return Ok(()) };
        let Some((commit, took)) = committer.finished_commit(wait)? else { return Ok(()) };
        self.committed_changes.append(&mut self.committing);
        self.sinks.before_commit.iter_mut().try_for_each(|sink| sink.committed())?;
        let CommitSnapshot { partitions, frontier, withheld } = &self.snapshot;
        let (rows, refused) = (&commit.rows, &commit.refused);
        let (frontier, withheld, commit) = (*frontier, *withheld, Some(took));
        let batch = SinkBatch { rows, refused, partitions, frontier, withheld, commit };
        self.sinks.after_commit.iter_mut().try_for_each(|sink| sink.write(&batch))
    }
}

/// Which pass over the writing side.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum OutputPass {
    /// Commits when a commit is due.
    Usual,
    /// Commits all there is, and waits for it.
    Last,
}

/// Without a ledger.
fn write_at_once(sinks: &mut Sinks, outbox: &mut Outbox) -> Result<()> {
    if outbox.rows.is_empty() && outbox.refused.is_empty() && !outbox.progressed {
        return Ok(());
    }
    let batch = SinkBatch { rows: &outbox.rows, refused: &outbox.refused, ..progress_of(outbox) };
    let mut all = sinks.before_commit.iter_mut().chain(&mut sinks.after_commit);
    all.try_for_each(|sink| sink.write(&batch))?;
    outbox.clear();
    Ok(())
}

/// The change and the partition of an entry that says where a partition took it.
fn taken(key: &str) -> Option<(u32, u32)> {
    match key.parse() {
        Ok(EntryKey::Taken(place, partition)) => Some((place, partition)),
        _ => None,
    }
}

/// A batch of progress alone.
fn progress_of(outbox: &Outbox) -> SinkBatch<'_> {
    SinkBatch {
        rows: &[],
        refused: &[],
        partitions: &outbox.partitions,
        frontier: outbox.frontier,
        withheld: outbox.withheld,
        commit: None,
    }
}
