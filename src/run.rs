//! The main flow of `crossrate run`, top to bottom.

use crate::cluster::{self, Identity, Mesh, Part};
use crate::config::{Cluster, Config, Source, Verbosity};
use crate::exit::{Exit, Failure};
use crate::sink::{Sink, Sinks};
use crate::source::simulated::{self, Market};
use crate::source::{Feed, PartitionFeed, Waker};
use crate::symbols::Symbols;
use crate::worker::{self, Assignment};
use anyhow::{Result, anyhow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::Instant;

/// Batches that a reader may be ahead of its worker, for each partition.
const DELIVERIES_AHEAD: usize = 4;

/// Runs a job to the end of its input, or until it is interrupted.
pub fn run(config: Config) -> Result<Exit> {
    run_with(config, None, &Arc::new(AtomicBool::new(false)))
}

/// The same, with one more sink beside those of the configuration. `interrupted` is set when the user wants to stop.
pub fn run_with(
    config: Config,
    observer: Option<Box<dyn Sink>>,
    interrupted: &Arc<AtomicBool>,
) -> Result<Exit> {
    match cluster::enter(&config.cluster)? {
        Part::Starter => Ok(Exit::Child(cluster::supervise(config.cluster.processes)?)),
        Part::Member(cluster) => compute(Config { cluster, ..config }, observer, interrupted),
    }
}

/// This process's share of the work.
fn compute(config: Config, observer: Option<Box<dyn Sink>>, interrupted: &Arc<AtomicBool>) -> Result<Exit> {
    let config = Arc::new(config);
    let workers = Workers::of(&config.cluster);
    on_signal(interrupted, &workers.wakers)?;
    let mesh = join(&config)?;
    let partitions = open_source(&config, &workers)?;
    let sinks = if workers.first == 0 { Some(open_sinks(&config, observer)?) } else { None };
    let assignments = assign(&config, partitions, sinks, interrupted);
    let wakers = workers.wakers.clone();
    cluster::execute(mesh, timely::WorkerConfig::default(), move |worker| {
        let local = worker.index() - workers.first;
        wakers[local].arrived();
        let assignment = assignments[local].lock().ok().and_then(|mut a| a.take());
        worker::run(worker, assignment.ok_or_else(|| anyhow!("worker {local} was started twice"))?)
    })?;
    Ok(Exit::Done)
}

fn join(config: &Config) -> Result<Mesh> {
    let quiet = config.verbosity < Verbosity::Normal;
    let tell = move |line: &str| {
        if !quiet {
            eprintln!("crossrate: {line}");
        }
    };
    Ok(cluster::join(&config.cluster, &Identity::of(config), tell)?)
}

fn open_sinks(config: &Config, observer: Option<Box<dyn Sink>>) -> Result<Sinks> {
    let mut sinks = Sinks::open(config)?;
    if let Some(observer) = observer {
        sinks.add(observer);
    }
    Ok(sinks)
}

/// What each worker of this process is given.
fn assign(
    config: &Arc<Config>,
    partitions: Vec<Vec<PartitionFeed>>,
    mut sinks: Option<Sinks>,
    interrupted: &Arc<AtomicBool>,
) -> Vec<Mutex<Option<Assignment>>> {
    let symbols = Symbols::new(&config.definition.symbols);
    let assignment = |partitions| Assignment {
        config: Arc::clone(config),
        partitions,
        adopted: None,
        symbols: symbols.clone(),
        // The job's first worker is the first one here.
        sinks: sinks.take(),
        interrupted: Arc::clone(interrupted),
    };
    partitions.into_iter().map(assignment).map(|a| Mutex::new(Some(a))).collect()
}

/// Opens the source and starts its readers: the partitions of each worker of this process.
fn open_source(config: &Arc<Config>, workers: &Workers) -> Result<Vec<Vec<PartitionFeed>>> {
    let mut partitions: Vec<Vec<PartitionFeed>> = workers.wakers.iter().map(|_| Vec::new()).collect();
    match &config.source {
        Source::Files(files) => {
            for (number, path) in files.paths.iter().enumerate() {
                let Some(local) = workers.local(number) else { continue };
                let feed = Feed::new(DELIVERIES_AHEAD);
                let bytes = std::fs::read(path)?;
                let waker = workers.wakers[local].waker();
                let name = path.display().to_string();
                partitions[local].push(PartitionFeed {
                    number: number as u32,
                    name,
                    inside_log: false,
                    feed: Arc::clone(&feed),
                });
                std::thread::spawn(move || {
                    let _ = feed.push(crate::source::Delivery::Chunk(crate::source::Chunk {
                        bytes,
                        ..Default::default()
                    }));
                    let _ = feed.push(crate::source::Delivery::End);
                    waker();
                });
            }
        }
        Source::Simulated(simulated) => {
            let begun = Instant::now();
            for number in 0..Market::PARTITIONS {
                let Some(local) = workers.local(number) else { continue };
                let feed = Feed::new(DELIVERIES_AHEAD);
                let waker = workers.wakers[local].waker();
                let (market, speed) = (simulated.market, simulated.speed);
                simulated::spawn(market, number, 0, speed, begun, Arc::clone(&feed), waker)?;
                let name = format!("market-{number}");
                partitions[local].push(PartitionFeed {
                    number: number as u32,
                    name,
                    inside_log: false,
                    feed,
                });
            }
        }
        Source::Kafka(_) => anyhow::bail!("the Kafka source is not there yet"),
    }
    Ok(partitions)
}

/// The workers of this process among all.
#[derive(Debug)]
pub struct Workers {
    /// The index of the first one here.
    pub first: usize,
    /// How many there are in all processes.
    pub peers: usize,
    /// One for each worker here.
    pub wakers: Vec<WorkerWaker>,
}

impl Workers {
    fn of(cluster: &Cluster) -> Self {
        Workers {
            first: cluster.process.unwrap_or(0) * cluster.threads,
            peers: cluster.processes * cluster.threads,
            wakers: (0..cluster.threads).map(|_| WorkerWaker::default()).collect(),
        }
    }

    /// Which worker of this process owns a partition; `None` if one of another process does.
    pub fn local(&self, partition: usize) -> Option<usize> {
        let local = (partition % self.peers).checked_sub(self.first)?;
        (local < self.wakers.len()).then_some(local)
    }
}

/// Wakes a worker once it is there.
#[derive(Debug, Clone, Default)]
pub struct WorkerWaker(Arc<OnceLock<Thread>>);

impl WorkerWaker {
    fn arrived(&self) {
        // A worker arrives once; if it did twice, the first thread is the one to wake.
        let _ = self.0.set(std::thread::current());
    }

    fn wake(&self) {
        // A timely worker parks its thread, and looks around when it is unparked.
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }

    /// As readers want it.
    pub fn waker(&self) -> Waker {
        let waker = self.clone();
        Arc::new(move || waker.wake())
    }
}

/// The first Ctrl-C or request to terminate stops the run in order, the second one at once.
fn on_signal(interrupted: &Arc<AtomicBool>, wakers: &[WorkerWaker]) -> Result<()> {
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    let (interrupted, wakers) = (Arc::clone(interrupted), wakers.to_vec());
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            if interrupted.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted.code().into());
            }
            cluster::fate::interrupted();
            wakers.iter().for_each(WorkerWaker::wake);
        }
    })?;
    Ok(())
}

/// The error by which an interrupted worker ends.
pub(crate) fn stopped() -> anyhow::Error {
    Failure::new(Exit::Interrupted, "interrupted").into()
}
