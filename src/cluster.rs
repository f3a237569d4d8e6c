//! Many processes, one run: how they find each other ([`join`]), work as one ([`execute`]), and share one
//! fate ([`failure_detector`]); how one process starts all of them on its own machine ([`enter`],
//! [`supervise`]).
//!
//! timely would make its own connections, but it believes whoever connects, has no notion of a version or a
//! flag, waits for ever for a process that never comes and for one that has stopped. So all links are made
//! here first, and timely gets them when every process has proven to know the cluster's secret and to run the
//! same job. Between machines they are encrypted ([`tls`]); links of processes that one command starts are
//! Unix sockets in a directory that only its user enters.
//!
//! Without a hostfile the processes are at `localhost:2101` and up, as in timely, and without a secret file
//! the secret is empty: any user of the same machine could join. Addresses that other machines reach are
//! refused without a secret file.
//!
//! The main program, in order:
//!
//! 1. [`failure_detector::abort_on_panic`].
//! 2. [`enter`]: am I to work, or to start the others?  [`Role::Supervisor`]: [`supervise`], and exit with
//!    its code.
//! 3. [`join`], [`execute`].
//! 4. [`failure_detector::end`], whatever the outcome, as the last thing.

pub mod failure_detector;

mod connecting;
mod control_frame;
mod data_link;
mod handshake;
mod interrupt;
mod link;
mod parent_link;
mod places;
mod socket;
mod supervisor;
mod tls;

pub use supervisor::supervise;

use crate::config;
use crate::job_identity::Identity;
use crate::signals::TIDY_UP;
use data_link::DataLink;
use failure_detector::FailureDetector;
use std::any::Any;
use std::env;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use timely::WorkerConfig;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Hooks, initialize_from};
use timely::worker::Worker;

/// How a child learns where its parent's private directory is, and which process it is to be.
const DIRECTORY_VARIABLE: &str = "CROSSRATE_CLUSTER_DIR";
const PROCESS_VARIABLE: &str = "CROSSRATE_CLUSTER_PROCESS";
/// And which job that is, over its restarts, and the number of the restart.
const JOB_VARIABLE: &str = "CROSSRATE_CLUSTER_JOB";

/// Whether this process is one of those that `-n` without `-p` starts.
pub fn is_started_by_another() -> bool {
    env::var_os(PROCESS_VARIABLE).is_some()
}

/// The number of this process of a run that has several, as far as flags and environment tell.
pub fn number(typed: &config::Cluster) -> Option<usize> {
    typed.process.or_else(|| env::var(PROCESS_VARIABLE).ok()?.parse().ok())
}

/// Why a cluster cannot be joined, or has not worked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("-n {processes} -p {process}: processes are numbered from 0, so -p must be below -n")]
    NoSuchProcess { process: usize, processes: usize },
    #[error("-n {processes}: there are not that many ports from 2101 up; give a --hostfile")]
    TooMany { processes: usize },
    #[error("--hostfile {}: cannot be read", path.display())]
    UnreadableHostfile { path: PathBuf, source: io::Error },
    #[error("--hostfile {}, line {line}: {wrong}", path.display())]
    Hostfile { path: PathBuf, line: usize, wrong: String },
    #[error("--hostfile {} has {found} addresses, but -n {processes} needs as many", path.display())]
    ShortHostfile { path: PathBuf, found: usize, processes: usize },
    #[error("--cluster-secret-file {}: cannot be read", path.display())]
    UnreadableSecret { path: PathBuf, source: io::Error },
    #[error("--cluster-secret-file {}: too short a secret; make one with: head -c 32 /dev/urandom | base64", path.display())]
    WeakSecret { path: PathBuf },
    #[error(
        "{address} can be reached from other machines, and whoever connects could join the run: give all processes the same --cluster-secret-file"
    )]
    SecretNeeded { address: String },
    #[error(
        "cannot listen as {name}; is {index} the right -p for this machine, or is another program there?"
    )]
    Listen { name: String, index: usize, source: io::Error },
    #[error("cannot listen as {name}, it is taken: {words}")]
    Taken { name: String, words: String },
    #[error("{words}")]
    Mismatch { words: String },
    #[error("{name} has turned this process away: {words}")]
    Refused { name: String, words: String },
    #[error("{name} has another cluster secret (--cluster-secret-file)")]
    Secret { name: String },
    #[error("{name} is another version of crossrate")]
    Protocol { name: String },
    #[error("gave up after {} s: still missing {missing}", waited.as_secs_f64())]
    Missing { waited: Duration, missing: String },
    #[error("{words}")]
    Lost { words: String },
    #[error("interrupted while waiting for the other processes")]
    Interrupted,
    #[error("cannot link the processes")]
    Links(#[source] io::Error),
    #[error("{}: this process was started by another one that is gone", path.display())]
    NoParent { path: PathBuf, source: io::Error },
    #[error("{PROCESS_VARIABLE}={value} is not one of -n {processes} processes")]
    Inherited { value: String, processes: usize },
    #[error("cannot start the {processes} processes of -n {processes}")]
    Start { processes: usize, source: io::Error },
    #[error("cannot start the workers: {0}")]
    Workers(String),
    #[error("worker {worker} has panicked")]
    Panicked { worker: usize },
}

impl ClusterError {
    /// The exit code that this error asks for.
    pub fn exit_code(&self) -> u8 {
        use ClusterError::*;
        match self {
            NoSuchProcess { .. } | TooMany { .. } | UnreadableHostfile { .. } | Hostfile { .. } => 2,
            ShortHostfile { .. } | UnreadableSecret { .. } | WeakSecret { .. } | SecretNeeded { .. } => 2,
            Listen { .. } | Taken { .. } | Mismatch { .. } | Refused { .. } | Secret { .. } => 2,
            Protocol { .. } | Inherited { .. } => 2,
            Interrupted => 130,
            Missing { .. } | Lost { .. } | Links(_) | NoParent { .. } | Start { .. } => 1,
            Workers(_) | Panicked { .. } => 1,
        }
    }
}

/// What this process is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Start so many processes and look after them: [`supervise`].
    Supervisor,
    /// Work: [`join`] with this.
    Member(config::Cluster),
}

/// Finds out this process's part from what was typed and from what a parent left in the environment, and
/// opens the line to that parent. As early as possible: only from here on does a child end with its parent.
pub fn enter(typed: &config::Cluster) -> Result<Role, ClusterError> {
    let mut cluster = typed.clone();
    if let (Some(directory), Some(value)) = (env::var_os(DIRECTORY_VARIABLE), env::var_os(PROCESS_VARIABLE)) {
        let directory = PathBuf::from(directory);
        let process = value.to_str().and_then(|value| value.parse().ok());
        let Some(process) = process.filter(|process| *process < cluster.processes) else {
            let value = value.to_string_lossy().into_owned();
            return Err(ClusterError::Inherited { value, processes: cluster.processes });
        };
        parent_link::open(&directory, end_without_parent)
            .map_err(|source| ClusterError::NoParent { path: directory.clone(), source })?;
        cluster.process = Some(process);
        cluster.private = Some(directory);
        cluster.supervised = env::var(JOB_VARIABLE).ok().and_then(|value| {
            let (job, attempt) = value.split_once('/')?;
            Some(config::SupervisedStart { job: job.to_owned(), attempt: attempt.parse().ok()? })
        });
        return Ok(Role::Member(cluster));
    }
    match cluster.process {
        Some(process) if process >= cluster.processes => {
            Err(ClusterError::NoSuchProcess { process, processes: cluster.processes })
        }
        None if cluster.processes > 1 => Ok(Role::Supervisor),
        _ => Ok(Role::Member(cluster)),
    }
}

/// This process and its links to all others, ready for the workers.
#[derive(Debug)]
pub struct Mesh {
    /// My index.
    pub process: usize,
    /// How many processes there are.
    pub processes: usize,
    /// Workers a process.
    pub threads: usize,
    links: Option<connecting::Links>,
}

impl Mesh {
    /// So many workers in this process, which is the only one.
    pub fn alone(threads: usize) -> Mesh {
        Mesh { process: 0, processes: 1, threads: threads.max(1), links: None }
    }

    /// What timely needs: its set-ups of the workers, and its network threads. As late as possible, for
    /// timely's threads panic if the workers they were made for never come.
    fn build(self) -> Result<WorkerBuilders, ClusterError> {
        let Mesh { process, threads, links, .. } = self;
        let Some(connecting::Links { detector, data }) = links else {
            let config = match threads {
                1 => timely::CommunicationConfig::Thread,
                threads => timely::CommunicationConfig::Process(threads),
            };
            let (builders, network) = config.try_build().map_err(ClusterError::Workers)?;
            return Ok(WorkerBuilders { builders, network, detector: None });
        };
        let link = |(peer, link): (usize, Option<link::PeerLink>)| {
            link.map(|link| DataLink::new(link, peer, Arc::clone(&detector)))
        };
        let sockets = data.into_iter().enumerate().map(link).collect();
        let hooks = Hooks::default();
        let local = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), hooks.spill.clone());
        let (builders, network) = initialize_networking_from_sockets(local, sockets, process, threads, hooks)
            .map_err(ClusterError::Links)?;
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        Ok(WorkerBuilders { builders, network: Box::new(network), detector: Some(detector) })
    }
}

/// What timely needs to start the workers of a process.
struct WorkerBuilders {
    builders: Vec<AllocatorBuilder>,
    /// timely's network threads.
    network: Box<dyn Any + Send>,
    detector: Option<Arc<FailureDetector>>,
}

/// Links this process with the others of its run, or says why that cannot be. With one process there is
/// nothing to link. `tell` gets lines for people: who is waited for, who was turned away.
///
/// Ends a process whose parent is gone.
fn end_without_parent() -> ! {
    let words = "the process that started this one is gone";
    failure_detector::say(&format!("{words}, so this process ends, too"));
    failure_detector::end(1, words)
}

/// From here on SIGINT and SIGTERM only set the [`failure_detector::interrupt_flag`], and if another process
/// fails this one ends (see [`failure_detector`]).
pub fn join(
    cluster: &config::Cluster,
    identity: &Identity,
    tell: impl Fn(&str) + Send + 'static,
) -> Result<Mesh, ClusterError> {
    let (me, processes, threads) = (cluster.process.unwrap_or(0), cluster.processes, cluster.threads.max(1));
    if me >= processes {
        return Err(ClusterError::NoSuchProcess { process: me, processes });
    }
    if processes == 1 {
        return Ok(Mesh::alone(threads));
    }
    failure_detector::interrupt_flag().map_err(ClusterError::Links)?;
    let addresses = places::addresses(cluster)?;
    let secret = places::secret(cluster, &addresses)?;
    // The private directory belongs to one run and no other.
    let run = cluster.private.as_ref().and_then(|directory| directory.file_name());
    let run = run.map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let identity = Identity { processes, threads, run, ..identity.clone() };
    let plan = connecting::ConnectPlan { me, addresses, secret, identity, patience: cluster.join_timeout };
    Ok(Mesh { process: me, processes, threads, links: Some(connecting::connect(plan, tell)?) })
}

/// Runs `work` on every worker of this process and then steps it until its dataflows are complete; returns
/// what they returned, in order.
///
/// The first worker that returns an error ends it: `stop` is to make the others return too, so that they can
/// leave what they write whole. Those that have not returned [`TIDY_UP`] later are left alone, and the first
/// error is returned. The process should then end by [`failure_detector::end`], which also tells the other
/// processes. After success too: the links to the others close only there.
pub fn execute<T, E, F>(mesh: Mesh, config: WorkerConfig, work: F, stop: impl Fn()) -> Result<Vec<T>, E>
where
    T: Send + 'static,
    E: From<ClusterError> + Send + 'static,
    F: Fn(&mut Worker) -> Result<T, E> + Send + Sync + 'static,
{
    let threads = mesh.threads;
    let WorkerBuilders { builders, network, detector } = mesh.build()?;
    let (sender, results) = mpsc::channel();
    let sender = Mutex::new(sender);
    let running = AtomicUsize::new(threads);
    let guards = initialize_from(builders, Box::new(()), move |allocator| {
        let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut worker = Worker::new(config.clone(), allocator, Some(Instant::now()));
        let mut report = ResultSender { local: worker.index() % threads, result: None, sender };
        let result = work(&mut worker);
        if result.is_ok() {
            while worker.has_dataflows() {
                worker.step_or_park(None);
            }
            // The data links close when the last worker is dropped; before that the others must know that
            // this is in order.
            if running.fetch_sub(1, Ordering::SeqCst) == 1 {
                detector.iter().for_each(|detector| detector.done());
            }
            drop(worker);
        } else {
            // Dropped, it would close its channels and links as if all were well.
            std::mem::forget(worker);
        }
        report.result = Some(result);
    })
    .map_err(ClusterError::Workers)?;

    let (returned, first_error) = outcomes(threads, &results, stop);
    // timely's network threads end when the other processes are through, which `failure_detector::end` waits
    // for.
    std::mem::forget(network);
    match first_error {
        Some(error) => {
            std::mem::forget(guards);
            Err(error)
        }
        None => {
            drop(guards);
            Ok(returned.into_iter().flatten().collect())
        }
    }
}

/// What the workers return, and the first error. After an error the others are to stop, and are waited for no
/// longer than [`TIDY_UP`].
fn outcomes<T, E: From<ClusterError>>(
    threads: usize,
    results: &Receiver<(usize, Option<Result<T, E>>)>,
    stop: impl Fn(),
) -> (Vec<Option<T>>, Option<E>) {
    let mut returned: Vec<Option<T>> = (0..threads).map(|_| None).collect();
    let mut first_error = None;
    let mut until = None;
    for _ in 0..threads {
        let reported = match until {
            None => results.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => results.recv_timeout(Instant::saturating_duration_since(&until, Instant::now())),
        };
        let error = match reported {
            Ok((local, Some(Ok(value)))) => {
                returned[local] = Some(value);
                continue;
            }
            Ok((_, Some(Err(error)))) => error,
            Ok((local, None)) => ClusterError::Panicked { worker: local }.into(),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => ClusterError::Workers("they are gone".into()).into(),
        };
        if first_error.is_none() {
            first_error = Some(error);
            until = Some(Instant::now() + TIDY_UP);
            stop();
        }
    }
    (returned, first_error)
}

/// Sends a worker's result, or that there is none, however the worker ends.
struct ResultSender<T> {
    local: usize,
    result: Option<T>,
    sender: mpsc::Sender<(usize, Option<T>)>,
}

impl<T> Drop for ResultSender<T> {
    fn drop(&mut self) {
        // Nobody listens any more after another worker's error.
        let _ = self.sender.send((self.local, self.result.take()));
    }
}
