//! One timely worker: take a batch, feed, advance, step.
//!
//! A worker owns the partitions `p` with `p % peers == index`. It holds one capability for each of them, at the
//! partition's watermark; the least of all capabilities is the frontier, which proves what is final. What differs
//! between workers (who reads, who writes) is here; the dataflow is the same everywhere.

use crate::accounting;
use crate::ahead::{Known, Pool};
use crate::config::{Config, Verbosity};
use crate::exit::{Exit, Failure};
use crate::frontier::{Frontier, Report};
use crate::ledger::Entries;
use crate::ledger::keeper::Keeper;
use crate::ledger::point::{PartitionPoint, Point};
use crate::ledger::share::share;
use crate::sink::Sinks;
use crate::source::files::Prefix;
use crate::source::{Delivery, PartitionFeed, Taken};
use crate::symbols::Symbols;
use crate::wire;
use anyhow::Result;
use crossrate_dataflows::job::job;
use crossrate_dataflows::market::acceptance::{Partition, Place, Verdict};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::folding::PaneUpdate;
use crossrate_dataflows::market::gathering::{Gathering, PaneItem};
use crossrate_dataflows::market::row::ClosedBy;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::operators::closings::{Moved, Note, PartitionProgress, Reason, Refusal};
use differential_dataflow::VecCollection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::ActivateCapability;
use timely::dataflow::operators::core::OkErr;
use timely::dataflow::operators::core::UnorderedInput;
use timely::dataflow::operators::core::unordered_input::UnorderedHandle;
use timely::worker::Worker;

/// How long an idle worker sleeps at most before it looks around; deliveries and peers wake it earlier.
const PARK: Duration = Duration::from_millis(100);
/// So many large chunks of a partition are a batch at most. What a batch costs beside its records (a step of the
/// dataflow, word to the other workers and processes) is then shared by more of them; where chunks are small or do not
/// wait, each is a batch of its own.
const CHUNKS_A_BATCH: usize = 4;
/// So many records are decoded before the first of them is judged: the sums that they will need are fetched from memory
/// together instead of one after the other.
const RECORDS_AT_ONCE: usize = 32;
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

/// The partitions of a worker.
#[derive(Debug, Default)]
pub struct Opened {
    /// Those that exist at the start.
    pub partitions: Vec<PartitionFeed>,
    /// Those that appear later come through here; `None` where none can.
    pub adopted: Option<std::sync::mpsc::Receiver<PartitionFeed>>,
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
        gathering: Gathering::default(),
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
            Some(earlier) => reading.take_up(&mut partition, earlier)?,
            // It has appeared while the job was not running.
            None if resume.at > EventTime::MIN => reading.adopt(&mut partition, resume.at)?,
            None => {}
        }
        owned.push(partition);
    }
    drop(point);
    if let (Some(since), Some(partition)) = (config.since, owned.first_mut()) {
        reading.withhold(partition, since);
    }
    // A capability for partitions to come; it follows the frontier.
    let mut spare = adopted.map(|mailbox| Spare { mailbox, told: told.1.clone() });
    drop(told.1);

    let mut writing = Writing { sinks, job: &job, config: &config };
    let mut passed: VecDeque<EventTime> = VecDeque::new();
    let mut turn = 0;
    loop {
        if interrupted.load(Ordering::Relaxed) {
            return stop(worker, writing, crate::run::stopped());
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
            frontier.close();
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

/// A partition of this worker.
struct Owned {
    feed: PartitionFeed,
    state: Partition,
    told: Option<ActivateCapability<EventTime>>,
    /// Offset of the record that comes next.
    records: i64,
    idle: bool,
    ended: bool,
    /// Where something else than its records has taken its watermark since it last told of itself.
    moved: Option<Moved>,
    /// Whether the windows to withhold are known (or there are none).
    begun: bool,
    /// What a later run will need; only where there is a ledger.
    keeper: Option<Keeper>,
    rebuilding: Option<Rebuilding>,
}

/// A partition that is taken up reads what fills its open panes again.
struct Rebuilding {
    /// The first record that the earlier run did not judge.
    until: i64,
    /// What the earlier run handed over.
    handed_over: Vec<PaneUpdate>,
}

impl Owned {
    fn new(feed: PartitionFeed, config: &Config, told: ActivateCapability<EventTime>) -> Self {
        let records = feed.from;
        let mut state = Partition::new(&config.definition);
        if feed.inside_log {
            state.begin_inside_log();
        }
        Owned {
            begun: !feed.inside_log,
            keeper: config.has_ledger().then(|| Keeper::new(feed.number, &config.definition)),
            rebuilding: None,
            feed,
            state,
            told: Some(told),
            records,
            idle: false,
            ended: false,
            moved: None,
        }
    }

    fn has_read(&mut self, read: Option<Prefix>) {
        if let Some(keeper) = &mut self.keeper {
            keeper.has_read(read);
        }
    }
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

/// What taking a batch needs.
struct Reading<'a> {
    config: &'a Config,
    symbols: Symbols,
    panes: &'a mut Input<PaneItem>,
    /// At the least watermark of all partitions of this worker; `None` when all have ended.
    panes_from: Option<ActivateCapability<EventTime>>,
    /// What not all of them have passed.
    gathering: Gathering,
    told: &'a mut Input<Told>,
    scratch: wire::Scratch,
    updates: Vec<PaneUpdate>,
    refused: Vec<Refusal>,
    /// The first bad record, where that ends the run.
    strict: Option<Failure>,
}

impl Reading<'_> {
    /// Judges a delivery, and the large chunks that wait behind it as long as the partition is not ahead of `limit`;
    /// hands over what that brought.
    fn batch(&mut self, partition: &mut Owned, taken: Taken, limit: EventTime) -> Result<()> {
        let mut is_chunk = self.deliver(partition, taken)?;
        for _ in 1..CHUNKS_A_BATCH {
            if !is_chunk || self.strict.is_some() || partition.state.watermark() > limit {
                break;
            }
            let Some(taken) = partition.feed.feed.pop_large() else { break };
            is_chunk = self.deliver(partition, taken)?;
        }
        if is_chunk {
            self.send(partition)?;
        }
        self.strict.take().map_or(Ok(()), |bad| Err(bad.into()))
    }

    /// Judges a delivery; whether it was a chunk, of which nothing is handed over yet.
    fn deliver(&mut self, partition: &mut Owned, taken: Taken) -> Result<bool> {
        let delivery = match taken {
            Taken::Delivery(delivery) => delivery,
            Taken::Decoded(decoded) => {
                self.wake(partition);
                // Its symbols may be new to this worker.
                self.symbols.catch_up();
                let (mut judging, symbols, _) = self.judging(partition);
                let mut waiting = Vec::with_capacity(RECORDS_AT_ONCE);
                decoded.each(|raw, known| judging.soon(&mut waiting, raw, known, symbols.names()));
                judging.now(&mut waiting, symbols.names());
                drop(waiting);
                if self.strict.is_none() {
                    partition.has_read(decoded.read());
                }
                partition.feed.feed.recycle_decoded(decoded);
                return Ok(true);
            }
        };
        match delivery {
            Delivery::Chunk(chunk) => {
                self.wake(partition);
                let (mut judging, symbols, scratch) = self.judging(partition);
                let mut waiting = Vec::with_capacity(RECORDS_AT_ONCE);
                wire::decode_chunk(&chunk, scratch, |raw, record| {
                    let known = Known::of(&record, symbols);
                    judging.soon(&mut waiting, raw, known, symbols.names());
                });
                judging.now(&mut waiting, symbols.names());
                drop(waiting);
                if self.strict.is_none() {
                    partition.has_read(chunk.read);
                }
                partition.feed.feed.recycle(chunk);
                return Ok(true);
            }
            Delivery::Idle => {
                rebuilt(partition)?;
                partition.idle = true;
                self.tell_progress(partition)?;
            }
            Delivery::Unconfirmed => {
                partition.idle = false;
                self.tell_progress(partition)?;
            }
            Delivery::End => {
                rebuilt(partition)?;
                let from = partition.state.watermark();
                partition.state.end(&mut self.updates);
                partition.moved = Some(Moved { from, to: EventTime::MAX, by: ClosedBy::Eof });
                partition.ended = true;
                self.send(partition)?;
                partition.told = None;
            }
            Delivery::Failed(error) => {
                let (name, records) = (&partition.feed.name, partition.records);
                return Err(error.context(format!("while reading {name}, behind record {records}")));
            }
        }
        Ok(false)
    }

    /// Goes on where an earlier run was: what it handed over enters with the same dates, what was open is rebuilt.
    fn take_up(&mut self, partition: &mut Owned, earlier: &PartitionPoint) -> Result<()> {
        let mut numbered = |symbol: &Symbol| self.symbols.number(symbol.as_str().as_bytes());
        let mut kinds = Vec::new();
        let mut greatest_ids = Vec::new();
        for known in &earlier.symbols {
            let Some(number) = numbered(&known.symbol) else { continue };
            kinds.push((number, known.kind));
            greatest_ids.extend(known.greatest_id.map(|id| (number, id)));
        }
        let mut handed_over = Vec::new();
        for ((pane_end, date), entries) in &earlier.panes {
            for entry in entries {
                let Some(symbol) = numbered(&entry.symbol) else { continue };
                let (moments, candle) = (entry.moments, entry.candle);
                handed_over.push(PaneUpdate { date: *date, symbol, pane_end: *pane_end, moments, candle });
            }
        }
        partition.state = Partition::resume(&self.config.definition, &earlier.head, &kinds);
        partition.records = earlier.head.rebuild_from;
        partition.begun = !earlier.head.inside_log;
        if let Some(keeper) = &mut partition.keeper {
            keeper.know(greatest_ids.into_iter());
            handed_over.iter().for_each(|update| keeper.keep_known(update));
        }
        self.updates.clone_from(&handed_over);
        partition.rebuilding = Some(Rebuilding { until: earlier.head.next, handed_over });
        if earlier.head.rebuild_from == earlier.head.next {
            rebuilt(partition)?;
        }
        self.give(partition);
        // What was counted before is known from now on, also if this run ends before it comes to anything new.
        self.tell(partition, Vec::new());
        Ok(())
    }

    /// A partition that appears enters with the frontier as its watermark (SPEC section 5).
    fn adopt(&mut self, partition: &mut Owned, frontier: EventTime) -> Result<()> {
        // Nothing is open in it yet, so nothing is handed over.
        partition.state.entry(frontier, &mut self.updates);
        partition.moved = Some(Moved { from: EventTime::MIN, to: frontier, by: ClosedBy::Idle });
        if self.config.verbosity >= Verbosity::Normal {
            let name = &partition.feed.name;
            eprintln!("crossrate: {name} is new and begins with its watermark at {} ms", frontier.millis());
        }
        self.send(partition)
    }

    /// The next record of an idle partition: from here on its watermark is what the frontier was, which is an entry
    /// of its prefix. It has followed the frontier all along, so there is nothing to move.
    fn wake(&mut self, partition: &mut Owned) {
        if std::mem::take(&mut partition.idle) && self.config.verbosity >= Verbosity::Verbose {
            eprintln!(
                "crossrate: {} was idle and goes on with its watermark at {} ms",
                partition.feed.name,
                partition.state.watermark().millis()
            );
        }
    }

    /// What judging a chunk's records in order needs; and, apart, what decoding it does.
    fn judging<'b>(
        &'b mut self,
        partition: &'b mut Owned,
    ) -> (Judging<'b>, &'b mut Symbols, &'b mut wire::Scratch) {
        let Reading { config, symbols, scratch, updates, refused, strict, .. } = self;
        (Judging { config, updates, refused, strict, partition }, symbols, scratch)
    }

    /// Hands over what the batch brought and moves the capabilities to the watermark.
    fn send(&mut self, partition: &mut Owned) -> Result<()> {
        if partition.rebuilding.is_some() {
            return Ok(());
        }
        if let Some(keeper) = &mut partition.keeper {
            keeper.keep(&self.updates, self.symbols.names())?;
        }
        self.tell_progress(partition)?;
        self.give(partition);
        Ok(())
    }

    /// Says that windows which start before some time get no rows; of all that is said the greatest holds.
    fn withhold(&mut self, partition: &mut Owned, before: EventTime) {
        if let Some(told) = &mut partition.told {
            self.told.activate().session(told).give(Told::WithholdBefore(before));
        }
    }

    fn give(&mut self, partition: &mut Owned) {
        let Some(told) = &mut partition.told else { return };
        if !partition.begun
            && let Some(time) = partition.state.seen_from()
        {
            partition.begun = true;
            self.told.activate().session(told).give(Told::WithholdBefore(time));
        }
        self.gathering.add(&mut self.updates);
        let watermark = partition.state.watermark();
        if watermark > *told.time() && !partition.ended {
            told.downgrade(&watermark);
        }
    }

    /// Gives the dataflow what is dated before a time that all partitions of this worker have passed.
    fn hand_on(&mut self, passed: EventTime) {
        let Some(from) = &mut self.panes_from else { return };
        if passed <= *from.time() && !self.gathering.has_before(passed) {
            return;
        }
        {
            let mut input = self.panes.activate();
            let mut session = input.session(from);
            self.gathering.take(passed, self.symbols.names(), |mut items| session.give_container(&mut items));
        }
        if passed == EventTime::MAX {
            self.panes_from = None;
        } else if passed > *from.time() {
            from.downgrade(&passed);
        }
    }

    fn tell_progress(&mut self, partition: &mut Owned) -> Result<()> {
        if partition.told.is_none() {
            return Ok(());
        }
        let changes = match &mut partition.keeper {
            Some(keeper) => keeper.changes(&partition.state, partition.records, self.symbols.names())?,
            None => Vec::new(),
        };
        self.tell(partition, changes);
        Ok(())
    }

    fn tell(&mut self, partition: &mut Owned, changes: Vec<(String, Option<Vec<u8>>)>) {
        let Some(told) = &partition.told else { return };
        let progress = PartitionProgress {
            partition: partition.feed.number,
            name: partition.feed.name.clone(),
            watermark: partition.state.watermark(),
            counts: *partition.state.counts(),
            idle: partition.idle,
            ended: partition.ended,
        };
        let moved = partition.moved.take();
        let note = Note { progress, moved, refused: std::mem::take(&mut self.refused), changes };
        self.told.activate().session(told).give(Told::Note(note));
    }

    /// An idle partition does not hold the frontier: it follows.
    fn follow(&mut self, partition: &mut Owned, least: EventTime) -> Result<()> {
        let from = partition.state.watermark();
        if least > from && least < EventTime::MAX {
            partition.state.entry(least, &mut self.updates);
            partition.moved = Some(Moved { from, to: least, by: ClosedBy::Idle });
            self.send(partition)?;
        }
        Ok(())
    }
}

/// Judges the records of one partition.
struct Judging<'a> {
    config: &'a Config,
    updates: &'a mut Vec<PaneUpdate>,
    refused: &'a mut Vec<Refusal>,
    strict: &'a mut Option<Failure>,
    partition: &'a mut Owned,
}

impl Judging<'_> {
    /// Judges a record together with those that wait, as soon as they are enough.
    #[inline]
    fn soon<'b>(
        &mut self,
        waiting: &mut Vec<(wire::Raw<'b>, Known)>,
        raw: wire::Raw<'b>,
        known: Known,
        names: &[Symbol],
    ) {
        waiting.push((raw, known));
        if waiting.len() == RECORDS_AT_ONCE {
            self.now(waiting, names);
        }
    }

    /// Judges the records that wait, in order.
    fn now(&mut self, waiting: &mut Vec<(wire::Raw<'_>, Known)>, names: &[Symbol]) {
        for (_, known) in &*waiting {
            if let Known::Trade(Some(number), _, trade) = known {
                self.partition.state.prefetch(*number, trade.time);
            }
        }
        for (raw, known) in waiting.drain(..) {
            self.record(&raw, known, names);
        }
    }

    #[inline]
    fn record(&mut self, raw: &wire::Raw<'_>, record: Known, names: &[Symbol]) {
        let Owned { state, records, rebuilding, .. } = &mut *self.partition;
        // What follows the record that ends the run is not read either, or a run that is taken up would go on behind it.
        if self.strict.is_some() {
            return;
        }
        let place = match raw.place {
            Some(message) => Place { offset: message.offset, kafka_ms: message.timestamp_ms },
            None => Place { offset: *records, kafka_ms: 0 },
        };
        *records = place.offset + 1;
        if let Some(again) = rebuilding {
            if place.offset < again.until {
                if let Known::Trade(Some(number), kind, trade) = record {
                    state.rebuild(number, names, kind, &trade, place);
                }
                return;
            }
            finish_rebuilding(state, rebuilding);
        }
        match record {
            Known::Trade(Some(number), kind, trade) => {
                match state.trade(number, names, kind, &trade, place, self.updates) {
                    Verdict::Accepted | Verdict::Duplicate | Verdict::OtherKind => {}
                    Verdict::Late { by_entry } => {
                        let detail = late_detail(state, trade.time, by_entry);
                        self.refuse(raw, place, Reason::Late, detail);
                    }
                    Verdict::Future => {
                        self.refuse(raw, place, Reason::Future, future_detail(trade.time, place.kafka_ms));
                    }
                }
            }
            Known::Trade(None, ..) => state.counts_mut().unselected += 1,
            Known::Heartbeat(time) => {
                if state.heartbeat(time, place, self.updates) == Verdict::Future {
                    self.refuse(raw, place, Reason::Future, future_detail(time, place.kafka_ms));
                }
            }
            Known::Ignored => state.counts_mut().ignored += 1,
            Known::Bad(bad) if self.config.strict => {
                *records = place.offset;
                let words = format!("{}: record {} is bad: {bad}", self.partition.feed.name, place.offset);
                let hint = "mend it, or let it go to --dead-letter without --strict";
                *self.strict = Some(Failure::new(Exit::Refused, words).hint(hint));
            }
            Known::Bad(bad) => {
                state.counts_mut().bad += 1;
                self.refuse(raw, place, Reason::Bad, bad.to_string());
            }
        }
    }

    #[cold]
    fn refuse(&mut self, raw: &wire::Raw<'_>, place: Place, reason: Reason, detail: String) {
        let feed = &self.partition.feed;
        if self.config.wants_refused() {
            self.refused.push(Refusal {
                partition: feed.number,
                offset: place.offset,
                reason,
                detail,
                value: raw.bytes.to_vec(),
                key: raw.key.map(<[u8]>::to_vec),
            });
        }
    }
}

/// What is to be rebuilt has been read, or there is no more of it.
fn rebuilt(partition: &mut Owned) -> Result<()> {
    if let Some(again) = &partition.rebuilding {
        if partition.records < again.until {
            let (name, until, found) = (&partition.feed.name, again.until, partition.records);
            let words = format!("{name} ends at record {found}, but the recovery point is at {until}");
            return Err(Failure::new(Exit::Failed, words)
                .hint("give the job the input that it had, or start it anew with --fresh")
                .into());
        }
        finish_rebuilding(&mut partition.state, &mut partition.rebuilding);
    }
    Ok(())
}

fn finish_rebuilding(state: &mut Partition, rebuilding: &mut Option<Rebuilding>) {
    if let Some(done) = rebuilding.take() {
        state.rebuilt(done.handed_over.iter().map(|u| (u.symbol, u.pane_end, &u.moments)));
    }
}

fn late_detail(state: &Partition, time: EventTime, by_entry: bool) -> String {
    let behind = state.watermark().micros().saturating_sub(time.micros()) / 1_000;
    let entry = if by_entry { " by an idle or adopted entry" } else { "" };
    format!("its pane was final{entry}: event time {} ms is {behind} ms behind the watermark", time.millis())
}

fn future_detail(time: EventTime, kafka_ms: i64) -> String {
    let ahead = time.millis().saturating_sub(kafka_ms.unsigned_abs());
    format!("event time {} ms is {ahead} ms ahead of the Kafka timestamp", time.millis())
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
