//! Decides when to commit, and what. Gathers the output of the dataflow until a commit is due, and while one
//! is under way.

use super::JobEnd;
use super::commit_thread::{CommitThread, CommitWait, FinishedCommit};
use crate::committed_files::FileChange;
use crate::config::{Config, Verbosity};
use crate::ledger::checkpoint::{JobEntry, add_file_change, add_lasting, encode};
use crate::ledger::entry_key::EntryKey;
use crate::ledger::{Commit, EntryChanges};
use anyhow::Result;
use crossrate_dataflows::market::base::Base;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::looks::Looks;
use crossrate_dataflows::market::resume::LastingChange;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::WindowName;
use crossrate_dataflows::operators::closings::{Outbox, RefusedRecord};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How long offsets and dead letters may wait for rows to be committed with.
const WITHOUT_ROWS: Duration = Duration::from_secs(1);

/// Interval at which a run that commits nothing verifies its lease.
const UNASKED: Duration = Duration::from_secs(2);

/// Bytes that may gather behind a commit that is under way, about; with more of them the dataflow waits for
/// its end, so that a ledger which takes nothing any more holds up the reading and does not fill the memory.
const GATHERED: usize = 8 << 20;

/// Gathers and commits.
pub(super) struct Committer {
    thread: CommitThread,
    job: JobEntry,
    stats_last: Option<u64>,
    fills: bool,
    interval: Duration,
    pending: Commit,
    /// How large that is, about; where an entry has changed twice, both count.
    gathered: usize,
    /// Of the commit that is under way: how far the rows are with it.
    committing: Option<EventTime>,
    /// What looks left of which those that a later run would repeat did not know yet, in their order.
    unsettled: VecDeque<(EventTime, LastingChange)>,
    /// What choices of paths left behind that no window with trades has seen: the run that goes on makes them
    /// again.
    unseen_choices: VecDeque<(EventTime, LastingChange)>,
    hindsight: u64,
    /// The sums of each symbol's long windows that the next commit writes: the latest, whatever closed since
    /// the last one.
    bases: HashMap<Symbol, Vec<(WindowName, Base)>>,
    /// The latest look of any row, and how far the rows are.
    last_look: EventTime,
    frontier: EventTime,
    ended: bool,
    committed: EventTime,
    /// True until the first commit, which does not wait for the interval.
    first: bool,
    /// Or the start.
    last_commit: Instant,
    last_asked: Instant,
    /// Whether each commit is logged.
    reports: bool,
    /// Whether a request waits for a commit.
    is_awaited: bool,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer")
            .field("ledger", &self.thread.name())
            .field("committed", &self.committed)
            .finish()
    }
}

impl Committer {
    /// Goes on from the job as it was. `changes` of entries are part of the first commit.
    pub(super) fn new(thread: CommitThread, job: JobEntry, config: &Config, changes: EntryChanges) -> Self {
        Committer {
            thread,
            stats_last: config.definition.stats_last,
            fills: config.definition.wants_fills(),
            unsettled: VecDeque::new(),
            unseen_choices: VecDeque::new(),
            bases: HashMap::new(),
            hindsight: Looks::of(&config.definition).hindsight(),
            interval: config.commit_interval,
            pending: Commit { changes, ..Commit::default() },
            gathered: 0,
            committing: None,
            last_look: job.at,
            frontier: job.at,
            ended: false,
            committed: job.at,
            first: true,
            last_commit: Instant::now(),
            last_asked: Instant::now(),
            reports: config.verbosity >= Verbosity::Verbose,
            is_awaited: false,
            job,
        }
    }

    /// Takes the content of the outbox.
    pub(super) fn gather(&mut self, outbox: &mut Outbox) -> Result<()> {
        if let Some(row) = outbox.rows.last() {
            self.last_look = self.last_look.max(row.look);
        }
        self.frontier = self.frontier.max(outbox.frontier.unwrap_or(self.last_look));
        let closes = outbox.partitions.values().map(|partition| partition.closes);
        self.job.closes = closes.fold(self.job.closes, Ord::max);
        if self.fills {
            // Those behind the last window with trades are out, too.
            let fills = outbox.rows.iter().filter(|row| row.is_fill()).map(|row| row.look);
            self.job.closes = fills.fold(self.job.closes, Ord::max);
        }
        self.gathered += size(&outbox.rows, &outbox.refused, &outbox.changes);
        self.pending.rows.append(&mut outbox.rows);
        self.pending.refused.append(&mut outbox.refused);
        // Changes of looks come first, because a partition may remove an entry of an earlier look.
        for (look, change) in outbox.lasting.drain(..) {
            match change {
                LastingChange::Carried(..) | LastingChange::IdsAnew(..) => {
                    self.unsettled.push_back((look, change))
                }
                LastingChange::Path(..)
                | LastingChange::PathGone(..)
                | LastingChange::Counts(..)
                | LastingChange::CountsGone(..) => {
                    self.unseen_choices.push_back((look, change));
                }
                LastingChange::Bases(symbol, bases) => _ = self.bases.insert(symbol, bases),
                _ => add_lasting(&mut self.pending.changes, &change, self.stats_last)?,
            }
        }
        self.settle(self.frontier.minus(self.hindsight))?;
        self.pending.changes.extend(outbox.changes.drain(..));
        if let Some(idle) = outbox.idle.take() {
            let entry = if idle.is_empty() { None } else { Some(encode(&idle)?) };
            self.pending.changes.insert(EntryKey::Idle.into(), entry);
        }
        outbox.clear();
        Ok(())
    }

    fn settle(&mut self, until: EventTime) -> Result<()> {
        for (waiting, until) in [(&mut self.unsettled, until), (&mut self.unseen_choices, self.job.closes)] {
            while waiting.front().is_some_and(|(look, _)| *look <= until) {
                if let Some((_, change)) = waiting.pop_front() {
                    add_lasting(&mut self.pending.changes, &change, self.stats_last)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a commit is due.
    pub(super) fn is_due(&self) -> bool {
        // A full buffer is committed early, however long the interval is, because the rows are in memory.
        !self.thread.is_busy() && (self.wait().is_zero() || self.is_full())
    }

    /// Sets whether a request waits for the next commit.
    pub(super) fn hurry(&mut self, is_awaited: bool) {
        self.is_awaited = is_awaited;
    }

    /// Whether a request waits for the next commit.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    fn wait(&self) -> Duration {
        if self.is_awaited {
            return Duration::ZERO;
        }
        let wait = match (self.pending.rows.is_empty(), self.first) {
            (true, _) => WITHOUT_ROWS.max(self.interval),
            (false, true) => Duration::ZERO,
            (false, false) => self.interval,
        };
        wait.saturating_sub(self.last_commit.elapsed())
    }

    /// Time until the next commit is due. `None` if nothing waits, or if a commit is under way, whose end
    /// wakes the worker.
    pub(super) fn due_in(&self) -> Option<Duration> {
        (self.has_pending() && !self.thread.is_busy()).then(|| self.wait())
    }

    /// Whether so much has gathered that it must be committed, and the commit under way be waited for.
    pub(super) fn is_full(&self) -> bool {
        self.gathered > GATHERED
    }

    /// Whether each closing is to be committed before anything else is done.
    pub(super) fn commits_at_once(&self) -> bool {
        self.interval.is_zero()
    }

    /// Whether a commit is under way.
    pub(super) fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// Whether there is anything to commit.
    pub(super) fn has_pending(&self) -> bool {
        let Commit { rows, changes, .. } = &self.pending;
        self.ended || !rows.is_empty() || !changes.is_empty() || !self.bases.is_empty()
    }

    /// Fails if another run has the job. Cheap: most calls ask nothing of the ledger.
    pub(super) fn verify_lease(&mut self) -> Result<()> {
        if self.thread.is_busy() || self.last_commit.max(self.last_asked).elapsed() < UNASKED {
            return Ok(());
        }
        self.last_asked = Instant::now();
        self.thread.verify_lease()
    }

    /// The run ends with this commit.
    pub(super) fn end(&mut self, end: JobEnd, outbox: &Outbox) -> Result<()> {
        self.ended = end == JobEnd::Closed;
        if end == JobEnd::Kept {
            // A later run has other ends, and files behind those that were read.
            self.job.ends.clear();
            for partition in outbox.partitions.keys() {
                self.pending.changes.insert(EntryKey::End(*partition).into(), Some(encode(&())?));
            }
        }
        Ok(())
    }

    /// The commit that is due, with the job's entry but without the lengths of files.
    pub(super) fn next_commit(&mut self) -> Result<Commit> {
        self.job.at = self.frontier;
        self.job.ended = self.ended;
        if self.ended {
            // Every look until the last window was final; where the frontier was when partitions ended one
            // after the other would depend on which of them did so first. No look is repeated after this.
            self.job.at = self.job.closes;
            self.settle(EventTime::MAX)?;
        }
        self.gathered = 0;
        for (symbol, bases) in self.bases.drain() {
            add_lasting(&mut self.pending.changes, &LastingChange::Bases(symbol, bases), self.stats_last)?;
        }
        let mut commit = std::mem::take(&mut self.pending);
        commit.changes.insert(EntryKey::Job.into(), Some(encode(&self.job)?));
        Ok(commit)
    }

    /// Begins to commit it; nothing else may be under way.
    pub(super) fn commit(&mut self, mut commit: Commit, changes: &[FileChange]) -> Result<()> {
        changes.iter().try_for_each(|change| add_file_change(&mut commit.changes, change))?;
        self.committing = Some(self.job.at);
        self.thread.commit(commit)
    }

    /// Returns the finished commit and its duration, if any. With `wait`, blocks until the commit finishes.
    /// Fails if the run must end, such as for a successor.
    pub(super) fn finished_commit(&mut self, wait: CommitWait) -> Result<Option<(Commit, Duration)>> {
        let Some(FinishedCommit { mut commit, took }) = self.thread.outcome(wait)? else { return Ok(None) };
        self.committed = self.committing.take().unwrap_or(self.committed);
        (self.first, self.last_commit) = (false, Instant::now());
        if self.reports {
            let (rows, entries) = (commit.rows.len(), commit.changes.len());
            let bytes: usize =
                commit.changes.iter().map(|(key, e)| key.len() + e.as_ref().map_or(0, Vec::len)).sum();
            let ms = took.as_secs_f64() * 1e3;
            let committed_ms = self.committed.millis();
            tracing::debug!(
                rows,
                entries,
                bytes,
                took_ms = ms,
                committed_ms,
                "committed {rows} rows, {entries} entries of {bytes} bytes in {ms:.1} ms"
            );
        }
        commit.changes = EntryChanges::new();
        Ok(Some((commit, took)))
    }

    /// Verifies the lease, and waits for the answer. No commit may be under way.
    pub(super) fn prove_lease(&mut self) -> Result<()> {
        self.thread.outcome(CommitWait::UntilDone)?;
        self.thread.verify_lease()?;
        self.thread.outcome(CommitWait::UntilDone).map(drop)
    }

    /// Releases the ledger. Nothing may be under way.
    pub(super) fn close(&mut self) {
        self.thread.close();
    }

    /// The event time until which everything is committed.
    pub(super) fn committed(&self) -> EventTime {
        self.committed
    }
}

/// About how many bytes a commit becomes larger by.
fn size(rows: &[Row], refused: &[RefusedRecord], changes: &[(String, Option<Vec<u8>>)]) -> usize {
    let rows = rows.iter().map(|row| row.json.len() + size_of_val(&*row.content.values));
    let refused = refused.iter().map(|refusal| refusal.value.len());
    let changes = changes.iter().map(|(key, entry)| key.len() + entry.as_ref().map_or(0, Vec::len));
    rows.chain(refused).chain(changes).sum()
}
