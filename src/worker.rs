//! One timely worker: take a batch, feed, advance, step.
//!
//! A worker owns the partitions `p` with `p % peers == index`. It holds one capability for each of them, at the
//! partition's watermark; the least of all capabilities is the frontier, which proves what is final. What differs
//! between workers (who reads, who writes) is here; the dataflow is the same everywhere.

mod judging;
mod partition;
mod reading;

use crate::accounting;
use crate::cluster;
use crate::config::Config;
use crate::exit::stopped;
use crate::frontier::{Frontier, Report};
use crate::ledger::Entries;
use crate::ledger::point::Point;
use crate::ledger::share::share;
use crate::sink::Sinks;
use crate::source::pool::Pool;
use crate::source::{Opened, PartitionFeed};
use crate::symbols::Symbols;
use crate::wire;
use anyhow::Result;
use crossrate_dataflows::job::job;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::sums::Sums;
use crossrate_dataflows::operators::closings::Note;
use differential_dataflow::VecCollection;
use partition::Owned;
use reading::Reading;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::ActivateCapability;
use timely::dataflow::operators::core::OkErr;
use timely::dataflow::operators::core::UnorderedInput;
use timely::dataflow::operators::core::unordered_input::UnorderedHandle;
use timely::worker::Worker;

/// How long an idle worker sleeps at most before it looks around; deliveries and peers wake it earlier.
const PARK: Duration = Duration::from_millis(100);
/// How long a worker that is to end the run goes on, at least, so that all know how far it has come.
const HEARD: Duration = Duration::from_millis(50);
/// And at most, for the rows that are final by then to be complete.
const COMPLETED: Duration = Duration::from_secs(5);
/// A worker reads on while its rows are at most so many batches behind.
const BATCHES_IN_FLIGHT: usize = 8;

type Input<D> = UnorderedHandle<EventTime, CapacityContainerBuilder<Vec<D>>>;

/// What a partition tells the dataflow besides panes.
#[derive(Debug, Clone)]
enum Told {
    Note(Note),
    WithholdBefore(EventTime),
}

/// What a worker is given.
pub struct Assignment {
    /// The run.
    pub config: Arc<Config>,
    /// Opens this worker's partitions where the recovery point says.
    pub open: Box<dyn FnOnce(&Point) -> Result<Opened> + Send>,
    /// The recovery point.
    pub recovered: Recovered,
    /// This worker's view of the numbers of symbols.
    pub symbols: Symbols,
    /// The feeds of this process.
    pub pool: Pool,
    /// Where rows go; on the first worker.
    pub sinks: Option<Sinks>,
    /// Set when the user wants to stop.
    pub interrupted: Arc<AtomicBool>,
}

/// The recovery point, as a worker gets it.
#[derive(Debug)]
pub enum Recovered {
    /// Decoded, once for all workers of the only process.
    Known(Arc<Point>),
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
    let Assignment { config, open, recovered, symbols, pool, sinks, interrupted } = assignment;
    let definition = Arc::new(config.definition.clone());
    let point = match recovered {
        Recovered::Known(point) => point,
        Recovered::ToShare(entries) => Arc::new(Point::decode(&share(worker, entries)?)?),
    };
    let Opened { partitions, adopted } = open(&point)?;
    let resume = Arc::new(point.resume.clone());
    let mut frontier = Frontier::new(worker);
    let (mut panes, mut told, job) = worker.dataflow_named::<EventTime, _, _>("Crossrate", |scope| {
        let ((panes, panes_from), pane_stream) = scope.new_unordered_input();
        let ((told, told_from), told_stream) = scope.new_unordered_input();
        let (notes, withhold) = told_stream.ok_err(|told| match told {
            Told::Note(note) => Ok(note),
            Told::WithholdBefore(time) => Err(time),
        });
        let job = job(scope, VecCollection::new(pane_stream), withhold, notes, &definition, &resume);
        ((panes, panes_from), (told, told_from), job)
    });
    let mut reading = Reading {
        config: &config,
        symbols,
        panes: &mut panes.0,
        panes_from: Some(panes.1),
        sums: Sums::default(),
        told: &mut told.0,
        scratch: wire::Scratch::default(),
        updates: Vec::new(),
        refused: Vec::new(),
        strict: None,
    };
    let mut owned: Vec<Owned> = Vec::new();
    for feed in partitions {
        let earlier = point.partitions.get(&feed.number);
        pool.join(&feed.feed);
        let mut partition = Owned::new(feed, &config, told.1.clone());
        match earlier {
            Some(earlier) => reading.take_up(&mut partition, earlier, resume.at)?,
            // It has appeared while the job was not running.
            None if resume.at > EventTime::MIN => reading.adopt(&mut partition, resume.at)?,
            // A later run begins where this one does, also if no record comes.
            None => reading.tell_progress(&mut partition)?,
        }
        owned.push(partition);
    }
    drop(point);
    if let (Some(since), Some(partition)) = (config.since, owned.first_mut()) {
        reading.withhold(partition, since);
    }
    // A capability for partitions to come; it follows the frontier.
    let mut spare = adopted.map(|mailbox| {
        let mut told = told.1.clone();
        // Until then rows are out, whatever the others say by now.
        if resume.at > *told.time() {
            told.downgrade(&resume.at);
        }
        Spare { mailbox, told }
    });
    drop(told.1);

    cluster::fate::working();
    let mut writing = Writing { sinks, job: &job, config: &config };
    let mut passed: VecDeque<EventTime> = VecDeque::new();
    let mut turn = 0;
    loop {
        if interrupted.load(Ordering::Relaxed) {
            return stop(worker, writing, stopped());
        }
        if let Some(spare) = &mut spare {
            while let Ok(feed) = spare.mailbox.try_recv() {
                pool.join(&feed.feed);
                let mut partition = Owned::new(feed, &config, spare.told.clone());
                reading.adopt(&mut partition, *spare.told.time())?;
                owned.push(partition);
            }
        }
        // Take a batch of the next partition that has one, unless the rows are too far behind.
        let behind =
            passed.len() >= BATCHES_IN_FLIGHT && passed.front().is_some_and(|f| job.probe.less_than(f));
        let mut read = false;
        if !behind {
            let limit = frontier.least().plus(drift(&config));
            for _ in 0..owned.len() {
                turn = (turn + 1) % owned.len();
                let partition = &mut owned[turn];
                if !partition.ended
                    && partition.state.watermark() <= limit
                    && let Some(taken) = partition.feed.feed.pop()
                {
                    pool.call(&partition.feed.feed);
                    if let Err(error) = reading.batch(partition, taken, limit) {
                        // What came before the record that ends the run may have made rows final.
                        reading.hand_on(passed_by_all(&owned, spare.as_ref()));
                        frontier.report(worker.index(), report(&owned, writing.committed()));
                        let begun = Instant::now();
                        while begun.elapsed() < HEARD
                            || job.probe.less_than(&frontier.least()) && begun.elapsed() < COMPLETED
                        {
                            worker.step_or_park(Some(HEARD / 10));
                            writing.write()?;
                        }
                        return stop(worker, writing, error);
                    }
                    read = true;
                    break;
                }
            }
        }
        // Advance: tell the others, and let idle partitions follow.
        let committed = writing.committed();
        frontier.report(worker.index(), report(&owned, committed));
        let committed = frontier.committed();
        owned.iter_mut().filter_map(|p| p.keeper.as_mut()).for_each(|keeper| keeper.forget(committed));
        let least = frontier.least();
        for partition in owned.iter_mut().filter(|p| p.idle && !p.ended) {
            reading.follow(partition, least)?;
        }
        if let Some(spare) = &mut spare {
            spare.follow(least);
        }
        reading.hand_on(passed_by_all(&owned, spare.as_ref()));
        if read {
            passed.push_back(least);
            if passed.len() > BATCHES_IN_FLIGHT {
                passed.pop_front();
            }
        }
        // Step, and write what that completed.
        if read || pool.help(&mut reading.symbols, &mut reading.scratch) {
            worker.step();
        } else {
            worker.step_or_park(Some(writing.due_in().map_or(PARK, |due| due.min(PARK))));
        }
        writing.write()?;
        if spare.is_none() && owned.iter().all(|p| p.ended) {
            // Until all others have ended too, they must hear what is committed, or they would keep it all.
            if frontier.least() == EventTime::MAX {
                frontier.close();
            }
            if job.probe.done() && !worker.has_dataflows() {
                break;
            }
        }
    }
    writing.finish(true)
}

fn drift(config: &Config) -> u64 {
    config.max_drift.max(2 * config.definition.windows.size)
}

/// Before this time no partition of this worker has anything more to hand over, nor has any to come.
fn passed_by_all(owned: &[Owned], spare: Option<&Spare>) -> EventTime {
    let open = owned.iter().filter(|p| !p.ended).map(|p| p.state.watermark());
    open.chain(spare.map(|spare| *spare.told.time())).min().unwrap_or(EventTime::MAX)
}

/// What the others must know of this worker's partitions.
fn report(owned: &[Owned], committed: EventTime) -> Report {
    let open = || owned.iter().filter(|p| !p.ended);
    Report {
        least: open().filter(|p| !p.idle).map(|p| p.state.watermark()).min(),
        greatest: open().map(|p| p.state.watermark()).max(),
        committed,
    }
}

/// Stops in an instant: what is final has been written, what is not will be computed again.
fn stop(worker: &mut Worker, mut writing: Writing<'_>, why: anyhow::Error) -> Result<()> {
    for _ in 0..20 {
        worker.step();
    }
    writing.write()?;
    writing.finish(false)?;
    Err(why)
}

/// A capability for partitions that do not exist yet.
struct Spare {
    mailbox: std::sync::mpsc::Receiver<PartitionFeed>,
    told: ActivateCapability<EventTime>,
}

impl Spare {
    fn follow(&mut self, least: EventTime) {
        if least > *self.told.time() && least < EventTime::MAX {
            self.told.downgrade(&least);
        }
    }
}

/// The writing side; does nothing but on the first worker.
struct Writing<'a> {
    sinks: Option<Sinks>,
    job: &'a crossrate_dataflows::job::Job,
    config: &'a Config,
}

impl Writing<'_> {
    fn write(&mut self) -> Result<()> {
        let Some(sinks) = &mut self.sinks else { return Ok(()) };
        sinks.write(&mut self.job.outbox.borrow_mut())
    }

    fn committed(&self) -> EventTime {
        self.sinks.as_ref().map_or(EventTime::MIN, Sinks::committed)
    }

    fn due_in(&self) -> Option<Duration> {
        self.sinks.as_ref().and_then(Sinks::due_in)
    }

    fn finish(&mut self, ended: bool) -> Result<()> {
        let Some(mut sinks) = self.sinks.take() else { return Ok(()) };
        let mut outbox = self.job.outbox.borrow_mut();
        sinks.finish(&mut outbox, ended)?;
        accounting::tell(self.config, &outbox)
    }
}
