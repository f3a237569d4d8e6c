//! One timely worker: take a batch, feed, advance, step.
//!
//! A worker owns the partitions `p` with `p % peers == index`. It holds one capability for each of them, at
//! the partition's watermark; the least of all capabilities is the frontier, which proves what is final. What
//! differs between workers (who reads, who writes) is here; the dataflow is the same everywhere.

mod changing;
mod control;
mod diagnosis;
mod judging;
mod no_rows;
mod partition;
pub mod progress;
mod reading;
mod restoring;
mod waiting;
mod writing;

use crate::changes::ChangeQueue;
use crate::cluster::failure_detector;
use crate::config::{AtEnd, Config};
use crate::exit::stopped;
use crate::frontier::{EndPhase, Frontier, FrontierReport};
use crate::ledger::Entries;
use crate::ledger::checkpoint::Checkpoint;
use crate::output::{JobEnd, Output};
use crate::source::pool::Pool;
use crate::source::starts::Starts;
use crate::source::{PartitionFeed, TakenDelivery, WorkerFeeds};
use crate::symbols::Symbols;
use anyhow::Result;
use changing::WorkerChanges;
use control::ControlMessage;
use crossrate_dataflows::market::event_time::EventTime;
use partition::AssignedPartition;
use progress::{Phase, ProgressLine};
use reading::ReadingSide;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::ActivateCapability;
use timely::dataflow::operators::core::unordered_input::UnorderedHandle;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;
use writing::WritingSide;

/// Longest sleep of an idle worker. Deliveries and peers wake it earlier.
const PARK: Duration = Duration::from_millis(100);
/// Shortest time for which a worker goes on that must end the run, so that its progress reaches all workers.
const HEARD: Duration = Duration::from_millis(50);
/// Longest wait for rows that are final already to reach the sinks.
const COMPLETED: Duration = Duration::from_secs(5);
/// A worker reads on while its rows are at most so many batches behind.
const BATCHES_IN_FLIGHT: usize = 8;

/// Interval of the check for partitions that deliver nothing.
const LOOK_AROUND: Duration = Duration::from_secs(1);

type UnorderedInput<D> = UnorderedHandle<EventTime, CapacityContainerBuilder<Vec<D>>>;

/// The parts of a run that one worker needs.
pub struct Assignment {
    /// The run.
    pub config: Arc<Config>,
    /// Opens this worker's partitions where the checkpoint says.
    pub open: Box<dyn FnOnce(&Starts) -> Result<WorkerFeeds> + Send>,
    /// The checkpoint.
    pub recovered: RecoveredCheckpoint,
    /// This worker's view of the numbers of symbols.
    pub symbols: Symbols,
    /// The feeds of this process.
    pub pool: Pool,
    /// Where rows go; on the first worker.
    pub output: Option<Output>,
    /// Requests for changes of the definition; on the first worker.
    pub change_queue: Option<ChangeQueue>,
    /// The progress display, if there is one; on the first worker.
    pub progress: Option<ProgressLine>,
    /// Set when the user stops the run.
    pub interrupted: Arc<AtomicBool>,
    /// Set in addition when another worker's error stops the run.
    pub failed: Arc<AtomicBool>,
}

/// The checkpoint, as a worker gets it.
#[derive(Debug)]
pub enum RecoveredCheckpoint {
    /// Decoded, once for all workers of the only process.
    Known(Arc<Checkpoint>),
    /// The first worker of several processes has the entries and shares them.
    ToShare(Option<Entries>),
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assignment").field("job", &self.config.name).finish_non_exhaustive()
    }
}

/// Runs the job on one worker until its input ends, or the user stops it.
pub fn run(worker: &mut Worker, assignment: Assignment) -> Result<()> {
    let mut worker = JobWorker::restore(worker, assignment)?;
    failure_detector::working();
    loop {
        worker.stop_if_interrupted()?;
        worker.adopt_new_partitions()?;
        worker.change_definition()?;
        let has_read = worker.take_batch()?;
        worker.writing.lap(Phase::Reading);
        worker.advance(has_read)?;
        worker.tell_of_silent_partitions();
        worker.step(has_read);
        worker.writing.lap(if has_read { Phase::Computing } else { Phase::Waiting });
        worker.write()?;
        worker.writing.lap(Phase::Writing);
        if worker.has_ended() {
            return worker.finish(JobEnd::Closed);
        }
        if worker.has_kept_what_is_open()? {
            return Ok(());
        }
    }
}

/// A timely worker with its partitions, its part of the dataflow, and the writing side.
struct JobWorker<'a> {
    timely: &'a mut Worker,
    config: Arc<Config>,
    probe: Handle<EventTime>,
    frontier: Frontier,
    reading: ReadingSide,
    owned: Vec<AssignedPartition>,
    /// Where partitions may appear later.
    spare: Option<DiscoveryCapability>,
    pool: Pool,
    writing: WritingSide,
    changes: WorkerChanges,
    interrupted: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    /// The frontiers of the latest batches whose rows may still be missing.
    passed: VecDeque<EventTime>,
    /// The partition whose delivery was taken last.
    turn: usize,
    /// Time of the last check for partitions that deliver nothing.
    looked: Instant,
}

impl JobWorker<'_> {
    fn stop_if_interrupted(&mut self) -> Result<()> {
        if !self.interrupted.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.tell_why_partitions_gave_nothing();
        if !self.failed.load(Ordering::Relaxed) && !failure_detector::another_has_failed() {
            self.writing.tell_what_it_waited_for();
        }
        self.stop(stopped())
    }

    /// Takes in partitions that have appeared since the run began.
    fn adopt_new_partitions(&mut self) -> Result<()> {
        let Some(spare) = &self.spare else { return Ok(()) };
        for feed in spare.mailboxes.iter().flat_map(Receiver::try_iter) {
            self.pool.join(&feed.feed);
            let mut partition = AssignedPartition::new(feed, &self.config, spare.control.clone());
            // A new partition takes all earlier changes before its first record.
            partition.taken = vec![i64::MIN; self.reading.symbols.changes()];
            self.reading.adopt(&mut partition, *spare.control.time())?;
            self.owned.push(partition);
        }
        Ok(())
    }

    /// Takes a batch of the next partition that has one, unless rows are too far behind. Returns whether
    /// there was a batch.
    fn take_batch(&mut self) -> Result<bool> {
        if self.changes.has_stopped {
            return Ok(false);
        }
        let oldest = self.passed.front().filter(|_| self.passed.len() >= BATCHES_IN_FLIGHT);
        if oldest.is_some_and(|frontier| self.probe.less_than(frontier)) {
            return Ok(false);
        }
        let limit = self.frontier.reading().plus(self.config.max_drift);
        let Some(taken) = self.next_delivery(limit) else { return Ok(false) };
        let partition = &mut self.owned[self.turn];
        self.pool.call(&partition.feed.feed);
        if let Err(error) = self.reading.batch(partition, taken, limit) {
            self.complete_final_rows()?;
            self.tell_why_partitions_gave_nothing();
            self.stop(error)?;
        }
        Ok(true)
    }

    /// The next delivery of a partition whose watermark is not beyond `limit`, in turn.
    fn next_delivery(&mut self, limit: EventTime) -> Option<TakenDelivery> {
        for _ in 0..self.owned.len() {
            self.turn = (self.turn + 1) % self.owned.len();
            let partition = &self.owned[self.turn];
            if !partition.is_at_end()
                && partition.state.watermark() <= limit
                && let Some(taken) = partition.feed.feed.pop()
            {
                return Some(taken);
            }
        }
        None
    }

    /// Reports this worker's progress, advances idle partitions to the frontier, and sends the panes that all
    /// partitions have passed.
    fn advance(&mut self, has_read: bool) -> Result<()> {
        self.report();
        let committed = self.frontier.committed();
        self.owned
            .iter_mut()
            .filter_map(|p| p.unwritten.as_mut())
            .for_each(|unwritten| unwritten.forget(committed));
        let least = self.frontier.least();
        for partition in self.owned.iter_mut().filter(|p| p.idle && !p.ended) {
            self.reading.follow(partition, least)?;
        }
        if let Some(spare) = &mut self.spare {
            spare.follow(least);
        }
        self.changes.follow(least);
        self.hand_on();
        if has_read {
            self.passed.push_back(least);
            if self.passed.len() > BATCHES_IN_FLIGHT {
                self.passed.pop_front();
            }
        }
        Ok(())
    }

    /// Steps the dataflow. If there was nothing to read, decodes a chunk of another worker, or waits.
    fn step(&mut self, has_read: bool) {
        if has_read || self.pool.help(&mut self.reading.symbols, &mut self.reading.scratch) {
            self.timely.step();
        } else {
            self.timely.step_or_park(Some(self.writing.due_in().map_or(PARK, |due| due.min(PARK))));
        }
    }

    /// Writes due output, and answers the requests whose changes are committed.
    fn write(&mut self) -> Result<()> {
        self.writing.hurry(self.changes.awaits_commit());
        self.writing.write()?;
        if self.changes.awaits_commit() {
            self.changes.committed(&self.writing.committed_changes());
        }
        Ok(())
    }

    /// Writes all remaining output, and answers the requests whose changes are committed.
    fn finish(&mut self, end: JobEnd) -> Result<()> {
        self.writing.finish(end)?;
        self.changes.finished(&self.writing.committed_changes());
        Ok(())
    }

    /// Whether all partitions of the job have ended and all rows are out.
    fn has_ended(&mut self) -> bool {
        if self.config.at_end == AtEnd::Keep || self.spare.is_some() || !self.owned.iter().all(|p| p.ended) {
            return false;
        }
        // Until all other workers have ended, they must hear how much is committed, or they would keep all
        // state.
        if self.frontier.least() == EventTime::MAX {
            self.frontier.close();
        }
        self.probe.done() && !self.timely.has_dataflows()
    }

    /// Ends a run that closes nothing. When all partitions are at their end and all final rows are there, the
    /// first worker writes these rows. Then all workers drop their open windows.
    fn has_kept_what_is_open(&mut self) -> Result<bool> {
        if self.config.at_end == AtEnd::Close || !self.frontier.is_at_end() {
            return Ok(false);
        }
        if self.writing.is_here() && !self.probe.less_than(&self.frontier.least()) {
            self.finish(JobEnd::Kept)?;
            self.report();
        }
        if !self.frontier.is_written() {
            return Ok(false);
        }
        self.changes.close();
        self.owned.iter_mut().for_each(|partition| self.reading.let_go(partition));
        self.frontier.close();
        Ok(true)
    }

    /// Notes on partitions without an end, while the run goes on.
    fn tell_of_silent_partitions(&mut self) {
        if self.looked.elapsed() < LOOK_AROUND {
            return;
        }
        self.looked = Instant::now();
        if !diagnosis::has_end(&self.config) {
            for partition in self.owned.iter_mut().filter(|p| !p.is_at_end()) {
                partition.diagnosis.meanwhile(&partition.feed.name, &partition.state, &self.config);
            }
        }
    }

    /// Notes on partitions that the run leaves before they have ended.
    fn tell_why_partitions_gave_nothing(&mut self) {
        for partition in self.owned.iter_mut().filter(|p| !p.is_at_end()) {
            partition.diagnosis.at_end(&partition.feed.name, &partition.state, &self.config);
        }
    }

    /// Reports the state of this worker's partitions to the other workers.
    fn report(&mut self) {
        let open = || self.owned.iter().filter(|p| !p.ended);
        let report = FrontierReport {
            least: open().filter(|p| !p.idle).map(|p| p.state.watermark()).min(),
            reading: open().filter(|p| !p.idle && !p.is_at_end()).map(|p| p.state.watermark()).min(),
            greatest: open().map(|p| p.state.watermark()).max(),
            committed: self.writing.committed(),
            ending: self.ending(),
        };
        self.frontier.report(self.timely.index(), report);
    }

    fn ending(&self) -> EndPhase {
        let is_at_end = self.spare.is_none() && self.owned.iter().all(AssignedPartition::is_at_end);
        match is_at_end {
            true if self.writing.has_kept => EndPhase::Written,
            true => EndPhase::AtEnd,
            false => EndPhase::Reading,
        }
    }

    /// Sends the panes to which no partition of this worker, present or future, can add any more.
    fn hand_on(&mut self) {
        let open = self.owned.iter().filter(|p| !p.ended).map(|p| p.state.watermark());
        let spare = self.spare.iter().map(|spare| *spare.control.time());
        self.reading.hand_on(open.chain(spare).min().unwrap_or(EventTime::MAX));
    }

    /// A record fails the run. Rows that earlier records made final are still written.
    fn complete_final_rows(&mut self) -> Result<()> {
        self.hand_on();
        self.report();
        let begun = Instant::now();
        while begun.elapsed() < HEARD
            || self.probe.less_than(&self.frontier.least()) && begun.elapsed() < COMPLETED
        {
            // Capabilities that follow the frontier must not hold these rows.
            let least = self.frontier.least();
            self.changes.follow(least);
            if let Some(spare) = &mut self.spare {
                spare.follow(least);
            }
            self.timely.step_or_park(Some(HEARD / 10));
            self.writing.write()?;
        }
        Ok(())
    }

    /// Stops at once: final rows are written, and the next run computes the others again. Always returns an
    /// error.
    fn stop(&mut self, why: anyhow::Error) -> Result<()> {
        for _ in 0..20 {
            self.timely.step();
        }
        self.writing.write()?;
        self.writing.finish(JobEnd::Stopped)?;
        Err(why)
    }
}

/// A capability for partitions that do not exist yet; it follows the frontier.
struct DiscoveryCapability {
    mailboxes: Vec<Receiver<PartitionFeed>>,
    control: ActivateCapability<EventTime>,
}

impl DiscoveryCapability {
    fn follow(&mut self, least: EventTime) {
        if least > *self.control.time() && least < EventTime::MAX {
            self.control.downgrade(&least);
        }
    }
}
