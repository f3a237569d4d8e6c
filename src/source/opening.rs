//! Opens the source of a run: the partitions of each worker of this process, each with a reader that has
//! begun.

use super::extent::Extent;
use super::files::{self, FileDecoding, InputFile};
use super::kafka::{self, ClientWarmup};
use super::registry::Registry;
use super::simulated::{self, Market};
use super::starts::Starts;
use super::{PartitionFeed, WorkerFeeds};
use crate::config::{Config, FileSource, KafkaSource, STDIN, SimulatedSource, Source};
use crate::exit::stopped;
use crate::workers::Workers;
use anyhow::Result;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The source of a run before it is known where to begin: all of it is there, and no reader has begun.
#[derive(Debug)]
pub struct UnopenedSource {
    /// The files of this process.
    inputs: Vec<(u32, InputFile)>,
    /// Clients that are finding their broker, of each topic.
    warmups: Vec<ClientWarmup>,
}

impl UnopenedSource {
    /// Looks at the files of this process's partitions: all of them are there, and whole as far as that can
    /// be known, before anything is read or written.
    pub fn look(config: &Config, workers: &Workers, interrupted: &AtomicBool) -> Result<UnopenedSource> {
        let mut inputs = Vec::new();
        if let Source::Files(FileSource { paths, symbol, format, verify }) = &config.source {
            let reading = FileDecoding { symbol: symbol.as_deref(), format };
            let mine = (0..).zip(paths).filter(|(number, _)| workers.local(*number).is_some());
            for (number, path) in mine {
                inputs.push((number as u32, InputFile::open(path, &reading, config.has_ledger())?));
            }
            if *verify {
                let has_ledger = config.has_ledger();
                inputs.iter_mut().try_for_each(|(_, input)| input.verify(has_ledger, interrupted))?;
            }
        }
        Ok(UnopenedSource { inputs, warmups: Vec::new() })
    }

    /// How far the files of this process are read; none where one of them is no regular file.
    pub fn extent(&self) -> Option<Extent> {
        Extent::of(self.inputs.iter().map(|(_, input)| input.file()))
    }

    /// Lets clients find their broker while something else is still being opened.
    pub fn connect_ahead(&mut self, config: &Arc<Config>, workers: &Workers) {
        if let Source::Kafka(source) = &config.source {
            self.warmups =
                source.each().iter().map(|topic| ClientWarmup::begin(config, topic, workers)).collect();
        }
    }
}

/// The process that owns the partition which is standard input; the first one where none is.
pub fn reader_of_stdin(config: &Config) -> usize {
    let Source::Files(files) = &config.source else { return 0 };
    let partition = files.paths.iter().position(|path| path.as_os_str() == STDIN).unwrap_or(0);
    let cluster = &config.cluster;
    partition % (cluster.processes * cluster.threads) / cluster.threads
}

/// Opens the source once for all workers of this process, when the first of them knows where to begin.
pub struct SourceOpener {
    config: Arc<Config>,
    workers: Arc<Workers>,
    state: Mutex<OpenerState>,
}

enum OpenerState {
    Unopened(UnopenedSource),
    /// What each worker has not taken yet.
    Opened(Vec<WorkerFeeds>),
    /// The worker that tried has said why.
    Failed,
}

impl std::fmt::Debug for SourceOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("workers", &self.workers).finish_non_exhaustive()
    }
}

impl SourceOpener {
    /// The opening of a source that is there.
    pub fn new(config: &Arc<Config>, workers: &Arc<Workers>, source: UnopenedSource) -> SourceOpener {
        let (config, workers) = (Arc::clone(config), Arc::clone(workers));
        SourceOpener { config, workers, state: Mutex::new(OpenerState::Unopened(source)) }
    }

    /// The partitions of a worker of this process.
    pub fn take(&self, local: usize, starts: &Starts) -> Result<WorkerFeeds> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match std::mem::replace(&mut *state, OpenerState::Failed) {
            OpenerState::Unopened(source) => {
                OpenerState::Opened(open(&self.config, &self.workers, source, starts)?)
            }
            other => other,
        };
        match &mut *state {
            OpenerState::Opened(all) => Ok(std::mem::take(&mut all[local])),
            OpenerState::Unopened(_) | OpenerState::Failed => Err(stopped()),
        }
    }
}

/// The partitions of each worker of this process.
fn open(
    config: &Config,
    workers: &Workers,
    source: UnopenedSource,
    starts: &Starts,
) -> Result<Vec<WorkerFeeds>> {
    let UnopenedSource { inputs, warmups } = source;
    match &config.source {
        Source::Files(_) => read_files(config, workers, inputs, starts),
        Source::Simulated(source) => read_market(source, workers, starts),
        Source::Kafka(source) => read_topics(config, source, workers, starts, warmups),
    }
}

fn read_topics(
    config: &Config,
    source: &KafkaSource,
    workers: &Workers,
    starts: &Starts,
    warmups: Vec<ClientWarmup>,
) -> Result<Vec<WorkerFeeds>> {
    let mut opened = none_yet(workers);
    let mut warmups = warmups.into_iter();
    let registry = source.registry.as_ref().map(|at| Registry::new(at, config.verbosity)).transpose()?;
    for topic in source.each() {
        let more = kafka::open(config, &topic, workers, starts, warmups.next(), registry.as_ref())?;
        for (all, more) in opened.iter_mut().zip(more) {
            all.partitions.extend(more.partitions);
            all.adopted.extend(more.adopted);
        }
    }
    Ok(opened)
}

fn read_files(
    config: &Config,
    workers: &Workers,
    inputs: Vec<(u32, InputFile)>,
    starts: &Starts,
) -> Result<Vec<WorkerFeeds>> {
    let mut opened = none_yet(workers);
    for (number, input) in inputs {
        let Some(local) = workers.local(number as usize) else { continue };
        let partition = PartitionFeed::whole(number, input.name().to_owned());
        let start = files::Start {
            record: starts.first(number),
            known: starts.partitions.get(&number).and_then(|known| known.read),
            remember: config.has_ledger(),
            most_lines: config.batch_records,
        };
        input.spawn(number as usize, start, Arc::clone(&partition.feed), workers.wakers[local].waker())?;
        opened[local].partitions.push(partition);
    }
    Ok(opened)
}

fn read_market(source: &SimulatedSource, workers: &Workers, starts: &Starts) -> Result<Vec<WorkerFeeds>> {
    let mut opened = none_yet(workers);
    let market = Market { seed: source.seed, seconds: source.seconds, listing: source.listing };
    let begun = Instant::now();
    for number in 0..Market::PARTITIONS {
        let Some(local) = workers.local(number) else { continue };
        let partition = PartitionFeed::whole(number as u32, format!("market-{number}"));
        let (feed, waker) = (Arc::clone(&partition.feed), workers.wakers[local].waker());
        let first = starts.first(partition.number);
        simulated::spawn(market, number, first, source.speed, begun, feed, waker)?;
        opened[local].partitions.push(partition);
    }
    Ok(opened)
}

fn none_yet(workers: &Workers) -> Vec<WorkerFeeds> {
    workers.wakers.iter().map(|_| WorkerFeeds::default()).collect()
}
