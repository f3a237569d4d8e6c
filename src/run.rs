//! The main flow of `crossrate run`, top to bottom.

use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::sink::{Sink, Sinks};
use crate::source::simulated::{self, Market};
use crate::source::{Feed, PartitionFeed, Waker};
use crate::symbols::Symbols;
use crate::worker::{self, Assignment};
use anyhow::{Result, anyhow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::Thread;

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
    let config = Arc::new(config);
    let (threads, first, peers) = (config.cluster.threads, 0, config.cluster.threads);
    let wakers: Vec<WorkerWaker> = (0..threads).map(|_| WorkerWaker::default()).collect();
    on_signal(interrupted, &wakers)?;
    let mut feeds = open_source(&config, first, peers, &wakers)?;
    let mut sinks = Sinks::open(&config)?;
    if let Some(observer) = observer {
        sinks.add(observer);
    }
    let symbols = Symbols::new(&config.definition.symbols);
    let mut sinks = Some(sinks);
    let assignments: Vec<Assignment> = (0..threads)
        .map(|local| Assignment {
            config: Arc::clone(&config),
            partitions: std::mem::take(&mut feeds[local]),
            adopted: None,
            symbols: symbols.clone(),
            sinks: if first + local == 0 { sinks.take() } else { None },
            interrupted: Arc::clone(interrupted),
        })
        .collect();
    compute(assignments, first, wakers)
}

/// Starts the workers and waits for the first that fails, or for all to be done.
fn compute(assignments: Vec<Assignment>, first: usize, wakers: Vec<WorkerWaker>) -> Result<Exit> {
    let threads = assignments.len();
    let waiting: Mutex<Vec<Option<Assignment>>> = Mutex::new(assignments.into_iter().map(Some).collect());
    let (outcome, outcomes) = mpsc::channel();
    let config = timely::Config::process(threads);
    let (builders, others) = config.communication.try_build().map_err(|error| anyhow!(error))?;
    let guards = timely::execute::execute_from(builders, others, config.worker, move |worker| {
        let local = worker.index() - first;
        wakers[local].arrived();
        let assignment = waiting.lock().ok().and_then(|mut all| all[local].take());
        let result = match assignment {
            Some(assignment) => worker::run(worker, assignment),
            None => Err(anyhow!("worker {local} was started twice")),
        };
        let stops = !matches!(result, Ok(Exit::Done));
        // The receiver is gone only when the process is ending.
        let _ = outcome.send(result);
        if stops {
            // What is not final must not be taken for final: the dataflow is left as it is until the process ends.
            loop {
                std::thread::park();
            }
        }
    })
    .map_err(|error| anyhow!(error))?;
    for _ in 0..threads {
        match outcomes.recv().map_err(|_| anyhow!("a worker ended without a word"))? {
            Ok(Exit::Done) => {}
            stopped => {
                // Joining would wait for ever; the caller ends the process.
                std::mem::forget(guards);
                return stopped;
            }
        }
    }
    drop(guards);
    Ok(Exit::Done)
}

/// Opens the source and starts its readers: the partitions of each worker of this process.
fn open_source(
    config: &Arc<Config>,
    first: usize,
    peers: usize,
    wakers: &[WorkerWaker],
) -> Result<Vec<Vec<PartitionFeed>>> {
    let mut feeds: Vec<Vec<PartitionFeed>> = wakers.iter().map(|_| Vec::new()).collect();
    match &config.source {
        Source::Files(files) => {
            for (number, path) in files.paths.iter().enumerate() {
                let feed = crate::source::Feed::new(4);
                let owner = number % peers;
                let bytes = std::fs::read(path)?;
                feeds[owner - first].push(PartitionFeed {
                    number: number as u32,
                    name: path.display().to_string(),
                    inside_log: false,
                    feed: Arc::clone(&feed),
                });
                let waker = wakers[owner - first].waker();
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
            let begun = std::time::Instant::now();
            for partition in 0..Market::PARTITIONS {
                let local = partition % peers - first;
                let feed = Feed::new(DELIVERIES_AHEAD);
                let waker = wakers[local].waker();
                simulated::spawn(
                    simulated.market,
                    partition,
                    0,
                    simulated.speed,
                    begun,
                    Arc::clone(&feed),
                    waker,
                )?;
                let name = format!("market-{partition}");
                feeds[local].push(PartitionFeed { number: partition as u32, name, inside_log: false, feed });
            }
        }
        Source::Kafka(_) => anyhow::bail!("the Kafka source is not there yet"),
    }
    let _ = (&mut feeds, first, peers);
    Ok(feeds)
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
            wakers.iter().for_each(WorkerWaker::wake);
        }
    })?;
    Ok(())
}
