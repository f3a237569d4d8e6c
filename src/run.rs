//! The main flow of `crossrate run`, top to bottom.

use crate::accounting;
use crate::changes::ChangeQueue;
use crate::cluster::{self, Mesh, Role, failure_detector};
use crate::config::{Config, Source, Verbosity};
use crate::exit::{self, Exit};
use crate::job_identity::Identity;
use crate::output::{self, Output};
use crate::serve::board::about::{DefinitionDescription, JobDescription};
use crate::serve::replay::Replays;
use crate::serve::{self, Server};
use crate::service_manager;
use crate::signals::on_signal;
use crate::sink::Sink;
use crate::source;
use crate::source::opening::{self, SourceOpener, UnopenedSource};
use crate::source::pool::Pool;
use crate::symbols::Symbols;
use crate::worker::progress::ProgressLine;
use crate::worker::{self, Assignment, RecoveredCheckpoint};
use crate::workers::{WorkerWaker, Workers};
use anyhow::{Result, anyhow};
use crossrate_dataflows::market::definition::Selection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use timely::worker::Worker;

/// Runs a job to the end of its input, or until it is interrupted.
pub fn run(config: Config) -> Result<Exit> {
    run_with(config, None, None, &Arc::new(AtomicBool::new(false)))
}

/// Makes an extra sink. The signal handlers are installed before, because the sink may print at once and the
/// user may interrupt it.
pub type Observer = Box<dyn FnOnce() -> Result<Box<dyn Sink>>>;

/// Like [`run`], with an extra sink and with a server that already listens. A set `interrupted` stops the
/// run.
pub fn run_with(
    config: Config,
    observer: Option<Observer>,
    server: Option<Server>,
    interrupted: &Arc<AtomicBool>,
) -> Result<Exit> {
    if let Some(failure) = exit::too_few_files(config.cluster.processes) {
        return Err(failure.into());
    }
    match cluster::enter(&config.cluster)? {
        Role::Supervisor => {
            // Without a ledger a restarted run would begin anew and write its rows again.
            let restarts = if config.has_ledger() { config.cluster.restarts } else { 0 };
            let processes = config.cluster.processes;
            Ok(Exit::Child(cluster::supervise(processes, opening::reader_of_stdin(&config), restarts)?))
        }
        Role::Member(cluster) => compute(Config { cluster, ..config }, observer, server, interrupted),
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
    on_signal(interrupted, &workers.wakers, failure_detector::interrupted)?;
    let observer = observer.map(|make| make()).transpose()?;
    let mut source = UnopenedSource::look(&config, &workers, interrupted)?;
    // A command with a display of its own shows the progress there.
    let is_run = observer.is_none() && workers.first == 0;
    let progress = is_run.then(|| ProgressLine::of(&config, source.extent())).flatten();
    // The first worker has the rows, so its process serves them.
    let server = if workers.first == 0 { serve(&config, server)? } else { None };
    let change_queue = server.as_ref().and_then(Server::change_queue).unwrap_or_default();
    if let Some(server) = &server {
        let (board, begun) = (Arc::clone(server.board()), config.definition.clone());
        change_queue.tell(move |log| {
            let described = DefinitionDescription::of(&log.changing.in_force_of(&begun));
            board.tell(|inbox| inbox.definition(described));
        });
    }
    let change_queue = (workers.first == 0).then_some(change_queue);
    let mesh = join(&config)?;
    let observers = observer
        .into_iter()
        .chain(server.as_ref().map(|s| Box::new(s.sink(config.definition.delay)) as Box<dyn Sink>));
    source.connect_ahead(&config, &workers);
    let (recovered, output) = match workers.first {
        0 => open_output(&config, observers).map(|(recovered, output)| (Some(recovered), Some(output)))?,
        _ => (None, None),
    };
    if workers.first == 0 {
        service_manager::ready("running");
    }
    let opening = SourceOpener::new(&config, &Arc::new(workers.clone()), source);
    let failed = Arc::new(AtomicBool::new(false));
    let mut assignments =
        assign(&config, &workers, opening, (recovered, output), change_queue, (interrupted, &failed));
    if let Some(Ok(Some(first))) = assignments.first_mut().map(Mutex::get_mut) {
        first.progress = progress;
    }
    let wakers = workers.wakers.clone();
    let work = move |worker: &mut Worker| {
        let local = worker.index() - workers.first;
        workers.wakers[local].arrived();
        let assignment = assignments[local].lock().ok().and_then(|mut a| a.take());
        worker::run(worker, assignment.ok_or_else(|| anyhow!("worker {local} was started twice"))?)
    };
    // An error of one worker ends all workers. The first worker still writes its rows and the accounting.
    let stop = || {
        failed.store(true, Ordering::Relaxed);
        interrupted.store(true, Ordering::Relaxed);
        wakers.iter().for_each(WorkerWaker::wake);
    };
    cluster::execute(mesh, timely::WorkerConfig::default(), work, stop)?;
    if let (Some(server), Some(serving)) = (&server, &config.serving)
        && serving.stays()
    {
        tracing::info!(page = server.page(), "the input has ended; {} stays until Ctrl-C", server.page());
        server.stay(interrupted);
    }
    Ok(Exit::Done)
}

/// The writing side, and the checkpoint that all workers restore.
fn open_output(
    config: &Config,
    observers: impl Iterator<Item = Box<dyn Sink>>,
) -> Result<(RecoveredCheckpoint, Output)> {
    let ends = || match &config.source {
        Source::Kafka(kafka) => source::kafka::ends(config, kafka),
        _ => Ok(BTreeMap::new()),
    };
    let mut opened = output::open(config, &ends)?;
    observers.for_each(|observer| opened.output.add(observer));
    let recovered = match config.cluster.processes {
        1 => RecoveredCheckpoint::Known(Arc::new(opened.checkpoint)),
        _ => RecoveredCheckpoint::ToShare(Some(opened.entries)),
    };
    Ok((recovered, opened.output))
}

/// The server, if the run serves.
fn serve(config: &Config, server: Option<Server>) -> Result<Option<Server>> {
    let (None, Some(serving)) = (&server, &config.serving) else { return Ok(server) };
    let server = Server::start(
        serve::bind(serving)?,
        serving,
        (JobDescription::of(config), Replays::of_run(config)),
        Some(ChangeQueue::default()),
    )?;
    if config.verbosity >= Verbosity::Normal {
        tracing::info!(page = server.page(), "serving {}", server.page());
    }
    Ok(Some(server))
}

fn join(config: &Config) -> Result<Mesh> {
    let quiet = config.verbosity < Verbosity::Normal;
    let tell = move |line: &str| {
        if !quiet {
            tracing::info!("{line}");
        }
    };
    Ok(cluster::join(&config.cluster, &Identity::of(config), tell)?)
}

/// The assignment of each worker of this process.
fn assign(
    config: &Arc<Config>,
    workers: &Workers,
    opening: SourceOpener,
    (mut recovered, mut output): (Option<RecoveredCheckpoint>, Option<Output>),
    mut change_queue: Option<ChangeQueue>,
    (interrupted, failed): (&Arc<AtomicBool>, &Arc<AtomicBool>),
) -> Vec<Mutex<Option<Assignment>>> {
    // Symbols that are selected by name are added when the job's definition is restored.
    let symbols = Symbols::new(&match config.definition.symbols {
        Selection::All => Selection::All,
        Selection::Only(_) => Selection::Only(BTreeSet::new()),
    });
    let pools = Pool::new(&workers.wakers).into_iter();
    let opening = Arc::new(opening);
    let assignment = |(local, pool)| {
        let opening = Arc::clone(&opening);
        Assignment {
            config: Arc::clone(config),
            open: Box::new(move |starts| opening.take(local, starts)),
            recovered: match &mut recovered {
                Some(RecoveredCheckpoint::Known(checkpoint)) => {
                    RecoveredCheckpoint::Known(Arc::clone(checkpoint))
                }
                Some(RecoveredCheckpoint::ToShare(entries)) => RecoveredCheckpoint::ToShare(entries.take()),
                None => RecoveredCheckpoint::ToShare(None),
            },
            symbols: symbols.clone(),
            pool,
            // Only the process of the job's first worker has an output, and that worker comes first here.
            output: output.take(),
            change_queue: change_queue.take(),
            progress: None,
            interrupted: Arc::clone(interrupted),
            failed: Arc::clone(failed),
        }
    };
    pools.enumerate().map(assignment).map(|a| Mutex::new(Some(a))).collect()
}
