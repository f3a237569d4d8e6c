//! The main flow of `crossrate run`, top to bottom.

use crate::accounting;
use crate::cluster::{self, Mesh, Part, fate};
use crate::config::{Config, STDIN, Source, Verbosity};
use crate::exit::{Exit, stopped};
use crate::job_identity::Identity;
use crate::ledger::point::Point;
use crate::ledger::{self, Entries, Ledger};
use crate::serve::board::about::About;
use crate::serve::replay::Replays;
use crate::serve::{self, Server};
use crate::signals::on_signal;
use crate::sink::{Sink, Sinks};
use crate::source::files::{self, Input};
use crate::source::kafka::{self, Meeting};
use crate::source::pool::Pool;
use crate::source::simulated::{self, Market};
use crate::source::{Feed, Opened, PartitionFeed};
use crate::symbols::Symbols;
use crate::worker::{self, Assignment, Recovered};
use crate::workers::{WorkerWaker, Workers};
use anyhow::{Result, anyhow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use timely::worker::Worker;

/// Batches that a reader may be ahead of its worker, for each partition.
const DELIVERIES_AHEAD: usize = 4;

/// Runs a job to the end of its input, or until it is interrupted.
pub fn run(config: Config) -> Result<Exit> {
    run_with(config, None, None, &Arc::new(AtomicBool::new(false)))
}

/// Makes one more sink, once signals are heard: it may speak to the user at once, who may interrupt it at once.
pub type Observer = Box<dyn FnOnce() -> Result<Box<dyn Sink>>>;

/// The same, with one more sink beside those of the configuration, and with a server that is there already.
/// `interrupted` is set when the user wants to stop.
pub fn run_with(
    config: Config,
    observer: Option<Observer>,
    server: Option<Server>,
    interrupted: &Arc<AtomicBool>,
) -> Result<Exit> {
    match cluster::enter(&config.cluster)? {
        Part::Starter => {
            // Without a ledger it would begin anew, and give again what it has given.
            let restarts = if config.has_ledger() { config.cluster.restarts } else { 0 };
            let processes = config.cluster.processes;
            Ok(Exit::Child(cluster::supervise(processes, reader_of_stdin(&config), restarts)?))
        }
        Part::Member(cluster) => compute(Config { cluster, ..config }, observer, server, interrupted),
    }
}

/// This process's share of the work.
fn compute(
    config: Config,
    observer: Option<Observer>,
    server: Option<Server>,
    interrupted: &Arc<AtomicBool>,
) -> Result<Exit> {
    let config = Arc::new(config);
    let workers = Workers::of(&config.cluster);
    if let Some(path) = config.summary.as_ref().filter(|_| workers.first == 0) {
        accounting::can_summarize(path)?;
    }
    on_signal(interrupted, &workers.wakers, fate::interrupted)?;
    let observer = observer.map(|make| make()).transpose()?;
    let inputs = open_inputs(&config, &workers)?;
    // Who has the rows serves them.
    let server = if workers.first == 0 { serve(&config, server)? } else { None };
    let mesh = join(&config)?;
    let observers = observer.into_iter().chain(server.as_ref().map(|s| Box::new(s.sink()) as Box<dyn Sink>));
    let meeting = match &config.source {
        Source::Kafka(source) => Some(Meeting::begin(&config, source, &workers)),
        _ => None,
    };
    let (recovered, sinks) = match workers.first {
        0 => open_outputs(&config, observers).map(|(recovered, sinks)| (Some(recovered), Some(sinks)))?,
        _ => (None, None),
    };
    let sources = Sources { inputs, meeting };
    let assignments = assign(&config, &Arc::new(workers.clone()), sources, recovered, sinks, interrupted);
    let wakers = workers.wakers.clone();
    let work = move |worker: &mut Worker| {
        let local = worker.index() - workers.first;
        workers.wakers[local].arrived();
        let assignment = assignments[local].lock().ok().and_then(|mut a| a.take());
        worker::run(worker, assignment.ok_or_else(|| anyhow!("worker {local} was started twice"))?)
    };
    // One worker's error is the end of all: the first one still has rows and the accounting to write.
    let stop = || {
        interrupted.store(true, Ordering::Relaxed);
        wakers.iter().for_each(WorkerWaker::wake);
    };
    cluster::execute(mesh, timely::WorkerConfig::default(), work, stop)?;
    if let (Some(server), Some(serving)) = (&server, &config.serving)
        && serving.stays()
    {
        say!("crossrate: the input has ended; {} stays until Ctrl-C", server.page());
        server.stay(interrupted);
    }
    Ok(Exit::Done)
}

/// The process that owns the partition which is standard input; the first one where none is.
fn reader_of_stdin(config: &Config) -> usize {
    let Source::Files(files) = &config.source else { return 0 };
    let partition = files.paths.iter().position(|path| path.as_os_str() == STDIN).unwrap_or(0);
    let cluster = &config.cluster;
    partition % (cluster.processes * cluster.threads) / cluster.threads
}

/// The files of this process's partitions: all of them are there before anything is read or written.
fn open_inputs(config: &Config, workers: &Workers) -> Result<Vec<(usize, Input)>> {
    let Source::Files(files) = &config.source else { return Ok(Vec::new()) };
    let mine = files.paths.iter().enumerate().filter(|(number, _)| workers.local(*number).is_some());
    let symbol = files.symbol.as_deref();
    mine.map(|(number, path)| Ok((number, Input::open(path, symbol, config.has_ledger())?))).collect()
}

/// The server, where there is to be one.
fn serve(config: &Config, server: Option<Server>) -> Result<Option<Server>> {
    let (None, Some(serving)) = (&server, &config.serving) else { return Ok(server) };
    let server = Server::start(serve::bind(serving)?, serving, About::of(config), Replays::of_run(config))?;
    if config.verbosity >= Verbosity::Normal {
        say!("crossrate: serving {}", server.page());
    }
    Ok(Some(server))
}

fn join(config: &Config) -> Result<Mesh> {
    let quiet = config.verbosity < Verbosity::Normal;
    let tell = move |line: &str| {
        if !quiet {
            say!("crossrate: {line}");
        }
    };
    Ok(cluster::join(&config.cluster, &Identity::of(config), tell)?)
}

/// The ledger, taken over, and the sinks: of the process that writes.
fn open_outputs(
    config: &Config,
    observers: impl Iterator<Item = Box<dyn Sink>>,
) -> Result<(Recovered, Sinks)> {
    let (entries, point, mut sinks) = match ledger::open(config)? {
        Some(ledger) => open_with_ledger(config, ledger)?,
        None => (Entries::new(), Point::default(), Sinks::open(config, &Point::default())?),
    };
    observers.for_each(|observer| sinks.add(observer));
    let several = config.cluster.processes > 1;
    let recovered =
        if several { Recovered::ToShare(Some(entries)) } else { Recovered::Known(Arc::new(point)) };
    Ok((recovered, sinks))
}

fn open_with_ledger(config: &Config, mut ledger: Box<dyn Ledger>) -> Result<(Entries, Point, Sinks)> {
    let begun = ledger::begin(config, &mut *ledger);
    let opened = begun.and_then(|begun| Ok((Sinks::open(config, &begun.point)?, begun)));
    // A second copy that cannot begin, since the first one is frozen and has the files perhaps, must not end that one.
    let (mut sinks, mut begun) = opened.inspect_err(|_| ledger.give_back())?;
    sinks.commit_with(begun.committer(config, ledger)?);
    Ok((begun.entries, begun.point, sinks))
}

/// What each worker of this process is given.
fn assign(
    config: &Arc<Config>,
    workers: &Arc<Workers>,
    sources: Sources,
    mut recovered: Option<Recovered>,
    mut sinks: Option<Sinks>,
    interrupted: &Arc<AtomicBool>,
) -> Vec<Mutex<Option<Assignment>>> {
    let symbols = Symbols::new(&config.definition.symbols);
    let pools = Pool::new(&workers.wakers).into_iter();
    let opening = Arc::new(Opening {
        config: Arc::clone(config),
        workers: Arc::clone(workers),
        sources: Mutex::new(sources),
        opened: Mutex::default(),
    });
    let assignment = |(local, pool)| {
        let opening = Arc::clone(&opening);
        Assignment {
            config: Arc::clone(config),
            open: Box::new(move |point| opening.take(local, point)),
            recovered: match &mut recovered {
                Some(Recovered::Known(point)) => Recovered::Known(Arc::clone(point)),
                Some(Recovered::ToShare(entries)) => Recovered::ToShare(entries.take()),
                None => Recovered::ToShare(None),
            },
            symbols: symbols.clone(),
            pool,
            // The job's first worker is the first one here.
            sinks: sinks.take(),
            interrupted: Arc::clone(interrupted),
        }
    };
    pools.enumerate().map(assignment).map(|a| Mutex::new(Some(a))).collect()
}

/// What is there of the source before it is known where to begin.
#[derive(Debug, Default)]
struct Sources {
    /// The files of this process.
    inputs: Vec<(usize, Input)>,
    /// Clients that are finding their broker.
    meeting: Option<Meeting>,
}

/// Opens the source once for all workers of this process, when the first of them knows where to begin.
struct Opening {
    config: Arc<Config>,
    workers: Arc<Workers>,
    /// What was begun already, until it is read.
    sources: Mutex<Sources>,
    /// `None` inside where that failed: the worker that tried has said why.
    opened: Mutex<Option<Option<Vec<Opened>>>>,
}

impl Opening {
    fn take(&self, local: usize, point: &Point) -> Result<Opened> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            let sources = std::mem::take(&mut *self.sources.lock().unwrap_or_else(PoisonError::into_inner));
            *opened = Some(None);
            *opened = Some(Some(open_source(&self.config, &self.workers, sources, point)?));
        }
        let all = opened.as_mut().and_then(Option::as_mut).ok_or_else(stopped)?;
        Ok(std::mem::take(&mut all[local]))
    }
}

/// Opens the source and starts its readers: the partitions of each worker of this process.
fn open_source(
    config: &Arc<Config>,
    workers: &Workers,
    Sources { inputs, meeting }: Sources,
    point: &Point,
) -> Result<Vec<Opened>> {
    let mut opened: Vec<Opened> = workers.wakers.iter().map(|_| Opened::default()).collect();
    match &config.source {
        Source::Files(_) => {
            for (number, input) in inputs {
                let Some(local) = workers.local(number) else { continue };
                let feed = Feed::new(DELIVERIES_AHEAD);
                let earlier = u32::try_from(number).ok().and_then(|number| point.partitions.get(&number));
                let start = files::Start {
                    record: start(point, number) as u64,
                    known: earlier.and_then(|partition| partition.read),
                    remember: config.has_ledger(),
                    most_lines: config.batch_records,
                };
                opened[local].partitions.push(PartitionFeed {
                    number: number as u32,
                    name: input.name().to_owned(),
                    from: 0,
                    inside_log: false,
                    feed: Arc::clone(&feed),
                });
                input.spawn(number, start, feed, workers.wakers[local].waker())?;
            }
        }
        Source::Simulated(simulated) => {
            let begun = Instant::now();
            for number in 0..Market::PARTITIONS {
                let Some(local) = workers.local(number) else { continue };
                let feed = Feed::new(DELIVERIES_AHEAD);
                let waker = workers.wakers[local].waker();
                let market = Market { seed: simulated.seed, seconds: simulated.seconds };
                let speed = simulated.speed;
                simulated::spawn(
                    market,
                    number,
                    start(point, number) as u64,
                    speed,
                    begun,
                    Arc::clone(&feed),
                    waker,
                )?;
                let name = format!("market-{number}");
                opened[local].partitions.push(PartitionFeed {
                    number: number as u32,
                    name,
                    from: 0,
                    inside_log: false,
                    feed,
                });
            }
        }
        Source::Kafka(source) => opened = kafka::open(config, source, workers, point, meeting)?,
    }
    Ok(opened)
}

/// The first record to read of a partition.
fn start(point: &Point, partition: usize) -> i64 {
    let known = u32::try_from(partition).ok().and_then(|number| point.partitions.get(&number));
    known.map_or(0, |partition| partition.head.rebuild_from)
}
