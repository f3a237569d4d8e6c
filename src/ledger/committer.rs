//! When to commit, and what: gathers what the dataflow hands on until it is time.

use super::point::{IDLE, JOB, JobEntry, add_lasting, encode};
use super::{Changes, Commit, Ledger};
use crate::sink::Mark;
use anyhow::Result;
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::looks::Looks;
use crossrate_dataflows::market::resume::Lasting;
use crossrate_dataflows::operators::closings::Outbox;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long offsets and dead letters may wait for rows to be committed with.
const WITHOUT_ROWS: Duration = Duration::from_secs(1);

/// How long a run that commits nothing goes on without asking whether it still may.
const UNASKED: Duration = Duration::from_secs(2);

/// Gathers and commits.
pub struct Committer {
    ledger: Box<dyn Ledger>,
    job: JobEntry,
    stats_last: Option<u64>,
    interval: Duration,
    pending: Commit,
    /// Carried windows, by when they were final, that looks which a later run would repeat did not know yet.
    too_new: VecDeque<(EventTime, Lasting)>,
    hindsight: u64,
    /// The latest look of any row, and how far the rows are.
    last_look: EventTime,
    frontier: EventTime,
    ended: bool,
    committed: EventTime,
    /// There was none yet: the first rows after a start are not kept waiting.
    first: bool,
    /// Or the start.
    last_commit: Instant,
    last_asked: Instant,
    /// Whether each commit is told of.
    tells: bool,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer")
            .field("ledger", &self.ledger.name())
            .field("committed", &self.committed)
            .finish()
    }
}

impl Committer {
    /// Goes on from the job as it was. `changes` of entries are part of the first commit.
    pub fn new(
        ledger: Box<dyn Ledger>,
        job: JobEntry,
        definition: &Definition,
        interval: Duration,
        changes: Changes,
        tells: bool,
    ) -> Self {
        Committer {
            ledger,
            stats_last: definition.stats_last,
            too_new: VecDeque::new(),
            hindsight: Looks::of(definition).hindsight(),
            interval,
            pending: Commit { changes, ..Commit::default() },
            last_look: job.at,
            frontier: job.at,
            ended: false,
            committed: job.at,
            first: true,
            last_commit: Instant::now(),
            last_asked: Instant::now(),
            tells,
            job,
        }
    }

    /// Takes what is in the outbox.
    pub fn take(&mut self, outbox: &mut Outbox) -> Result<()> {
        if let Some(row) = outbox.rows.last() {
            self.last_look = self.last_look.max(row.look);
        }
        self.frontier = self.frontier.max(outbox.frontier.unwrap_or(self.last_look));
        self.pending.rows.append(&mut outbox.rows);
        self.pending.refused.append(&mut outbox.refused);
        // What looks left first: a partition may say that an entry of an earlier look can go.
        for (look, change) in outbox.lasting.drain(..) {
            match change {
                Lasting::Carried(..) => self.too_new.push_back((look, change)),
                _ => add_lasting(&mut self.pending.changes, &change, self.stats_last)?,
            }
        }
        self.settle(self.frontier.minus(self.hindsight))?;
        self.pending.changes.extend(outbox.changes.drain(..));
        if let Some(idle) = outbox.idle.take() {
            let entry = if idle.is_empty() { None } else { Some(encode(&idle)?) };
            self.pending.changes.insert(IDLE.into(), entry);
        }
        outbox.clear();
        Ok(())
    }

    fn settle(&mut self, until: EventTime) -> Result<()> {
        while self.too_new.front().is_some_and(|(look, _)| *look <= until) {
            if let Some((_, change)) = self.too_new.pop_front() {
                add_lasting(&mut self.pending.changes, &change, self.stats_last)?;
            }
        }
        Ok(())
    }

    /// Whether it is time to commit what there is.
    pub fn is_due(&self) -> bool {
        self.wait().is_zero()
    }

    fn wait(&self) -> Duration {
        let wait = match (self.pending.rows.is_empty(), self.first) {
            (true, _) => WITHOUT_ROWS.max(self.interval),
            (false, true) => Duration::ZERO,
            (false, false) => self.interval,
        };
        wait.saturating_sub(self.last_commit.elapsed())
    }

    /// After how long the next commit is due; `None` where nothing waits.
    pub fn due_in(&self) -> Option<Duration> {
        self.has_news().then(|| self.wait())
    }

    /// Whether there is anything to commit.
    pub fn has_news(&self) -> bool {
        self.ended || !self.pending.rows.is_empty() || !self.pending.changes.is_empty()
    }

    /// Fails where another run has the job. Cheap: it asks now and then.
    pub fn still_ours(&mut self) -> Result<()> {
        if self.last_commit.max(self.last_asked).elapsed() < UNASKED {
            return Ok(());
        }
        self.last_asked = Instant::now();
        self.ledger.still_ours()
    }

    /// The run ends with this commit; with `ended` the job too.
    pub fn end(&mut self, ended: bool) {
        self.ended = ended;
    }

    /// The commit that is due, with the job's entry but without the lengths of files.
    pub fn next_commit(&mut self) -> Result<Commit> {
        self.job.at = self.frontier;
        self.job.ended = self.ended;
        if self.ended {
            // No look is repeated after this.
            self.settle(EventTime::MAX)?;
        }
        let mut commit = std::mem::take(&mut self.pending);
        commit.changes.insert(JOB.into(), Some(encode(&self.job)?));
        Ok(commit)
    }

    /// Commits it, and gives it back for those who are told only now.
    pub fn commit(&mut self, mut commit: Commit, marks: Vec<Mark>) -> Result<Commit> {
        for (path, length) in marks {
            let entry = length.map(|length| encode(&length)).transpose()?;
            commit.changes.insert(format!("length/{path}"), entry);
        }
        let begun = Instant::now();
        self.ledger.commit(&commit)?;
        self.committed = self.job.at;
        (self.first, self.last_commit) = (false, Instant::now());
        if self.tells {
            let (rows, entries) = (commit.rows.len(), commit.changes.len());
            let bytes: usize =
                commit.changes.iter().map(|(key, e)| key.len() + e.as_ref().map_or(0, Vec::len)).sum();
            let ms = begun.elapsed().as_secs_f64() * 1e3;
            eprintln!("crossrate: committed {rows} rows, {entries} entries of {bytes} bytes in {ms:.1} ms");
        }
        commit.changes = Changes::new();
        Ok(commit)
    }

    /// The event time until which everything is committed.
    pub fn committed(&self) -> EventTime {
        self.committed
    }
}
