//! What a run means: the checked form of the command line, the environment and the configuration file.
//! `cli` makes it; everything else only reads it.

pub mod bench;
pub mod checkpoint;
pub mod database;
mod day_form;
pub mod define;
pub mod explain;
pub mod inspect;
pub mod log;
mod logging;
pub mod moment;
pub mod query;
pub mod secret;
mod sink_target;
mod source;
pub mod top;

use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
pub use day_form::DayForm;
pub use logging::{LogFormat, Logging};
use secret::Tokens;
pub(crate) use sink_target::sink_forms;
pub use sink_target::{SinkTarget, beside, can_be_cut, ledger_of};
pub use source::{
    FileSource, KafkaClient, KafkaSource, Listing, RegistryAddress, SimulatedSource, Source, StartOffset,
    TopicFormat, TopicSource, topic_of,
};
use std::fmt;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The path that means standard input.
pub const STDIN: &str = "-";

/// A run, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is computed.
    pub definition: Definition,
    /// Where trades come from.
    pub source: Source,
    /// How brokers are reached by sinks and dead letters; of a Kafka source the same.
    pub kafka: KafkaClient,
    /// Where rows go, in the order given; one at least.
    pub sinks: Vec<SinkTarget>,
    /// Where refused records go; counted only when `None`.
    pub dead_letter: Option<DeadLetterTarget>,
    /// After how much silence at the log's end a partition is idle; never when `None`.
    pub idle_timeout: Option<Duration>,
    /// How far, in microseconds of event time, a partition's watermark may run ahead of the frontier.
    pub max_drift: u64,
    /// The job's name: checkpoint and transactional id.
    pub name: String,
    /// Ignore the checkpoint.
    pub fresh: bool,
    /// How long rows may wait to be committed together.
    pub commit_interval: Duration,
    /// Where the accounting goes at exit, as JSON.
    pub summary: Option<PathBuf>,
    /// Where results are served, if anywhere.
    pub serving: Option<ServingConfig>,
    /// Workers and processes.
    pub cluster: Cluster,
    /// What is told on standard error.
    pub verbosity: Verbosity,
    /// What becomes of windows that are open at the end of a bounded input.
    pub at_end: AtEnd,
    /// How the definition changes, of a job that was changed while it ran.
    pub changes: Vec<log::LoggedChange>,
    /// Change the crosses and symbols of the job to those of this run.
    pub evolve: bool,
    /// Refuse the first bad record (exit code 4).
    pub strict: bool,
    /// When progress is shown.
    pub progress: ProgressDisplay,
    /// Keep refused records for a display, also where no dead-letter sink wants them.
    pub keep_refused: bool,
    /// Records a batch at most; a test knob, results never depend on it.
    pub batch_records: usize,
    /// Windows that start before are withheld, of a replay.
    pub since: Option<EventTime>,
    /// What all processes of the run must have the same besides the definition: names of settings and values.
    pub agreed: Vec<(&'static str, String)>,
}

/// What becomes of windows that are open at the end of a bounded input.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum AtEnd {
    /// They are closed.
    Close,
    /// They stay open in the checkpoint, for a later run with more input.
    Keep,
}

impl Config {
    /// A run of one process to the end of its input that keeps nothing, and writes nothing itself.
    pub fn that_leaves_nothing(name: &str, definition: Definition, source: Source) -> Config {
        Config {
            max_drift: 2 * definition.windows.longest(),
            definition,
            source,
            kafka: KafkaClient::default(),
            sinks: Vec::new(),
            dead_letter: None,
            idle_timeout: None,
            name: name.into(),
            fresh: true,
            commit_interval: Duration::ZERO,
            summary: None,
            serving: None,
            cluster: Cluster::default(),
            verbosity: Verbosity::Normal,
            at_end: AtEnd::Close,
            changes: Vec::new(),
            evolve: false,
            strict: false,
            progress: ProgressDisplay::Never,
            keep_refused: false,
            batch_records: 65_536,
            since: None,
            agreed: Vec::new(),
        }
    }

    /// Which sink holds the checkpoint.
    pub fn ledger(&self) -> Option<&SinkTarget> {
        ledger_of(&self.sinks)
    }

    /// Whether anybody wants refused records: a dead-letter sink, a display, or a database, which keeps them
    /// by itself.
    pub fn wants_refused(&self) -> bool {
        self.keep_refused || self.dead_letter.is_some() || self.sinks.iter().any(SinkTarget::is_database)
    }

    /// Whether there is one.
    pub fn has_ledger(&self) -> bool {
        self.ledger().is_some()
    }
}

/// A demonstration, checked: a generated market through the dataflow of a run.
#[derive(Debug, Clone)]
pub struct DemoConfig {
    /// What is computed.
    pub definition: Definition,
    /// How fast.
    pub speed: Speed,
    /// Where the generator starts; the same seed makes the same market.
    pub seed: u64,
    /// How much event time is generated, in microseconds.
    pub duration: u64,
    /// Worker threads, 1 at least.
    pub threads: usize,
    /// Where the page is, if anywhere.
    pub serving: Option<ServingConfig>,
    /// What is told on standard error.
    pub verbosity: Verbosity,
    /// When progress is shown.
    pub progress: ProgressDisplay,
}

/// How results are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingConfig {
    /// Addresses to listen on: the first of them that can be had.
    pub listen: Vec<SocketAddr>,
    /// What whoever asks must have; there is one where other machines can ask.
    pub token: Option<Tokens>,
    /// The origins whose pages may read, besides the server's own.
    pub origins: Vec<String>,
    /// Of how many crosses rates are metrics.
    pub rate_metrics: usize,
    /// How much event time of rows is kept, where that is said.
    pub history: Option<Duration>,
    /// Whether it goes on after the end of the input.
    pub stay: KeepServing,
}

impl ServingConfig {
    /// Whether it goes on after the end of the input.
    pub fn stays(&self) -> bool {
        match self.stay {
            KeepServing::Auto => std::io::stdout().is_terminal(),
            KeepServing::Always => true,
            KeepServing::Never => false,
        }
    }
}

/// Past trades through the dataflow again, checked.
#[derive(Debug, Clone)]
pub struct ReplayConfig {
    /// The run that it is: bounded, without a ledger or any sink of its own.
    pub config: Config,
    /// Windows that start before are withheld.
    pub since: Option<EventTime>,
    /// Windows that end later are left out.
    pub until: Option<EventTime>,
    /// How fast rows leave.
    pub speed: Speed,
    /// Whether progress is told in lines among the rows.
    pub events: bool,
}

/// The read side over results that exist, checked.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where they are.
    pub from: SinkTarget,
    /// How brokers are reached, where they are in a topic.
    pub kafka: KafkaClient,
    /// Whose they are.
    pub name: String,
    /// The trades that they were made of, for replays.
    pub trades: Option<String>,
    /// How they are served.
    pub serving: ServingConfig,
    /// What is told on standard error.
    pub verbosity: Verbosity,
}

/// Whether a run goes on serving after its end.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum KeepServing {
    /// On a terminal.
    Auto,
    /// Until it is interrupted.
    Always,
    /// Not.
    Never,
}

/// The collector, checked.
#[derive(Debug, Clone)]
pub struct ProduceConfig {
    /// Whose trades are collected; all that the exchange trades when `None`.
    pub symbols: Option<Vec<String>>,
    /// The exchange's websocket.
    pub endpoint: String,
    /// The exchange's REST.
    pub rest: String,
    /// How brokers are reached.
    pub kafka: KafkaClient,
    /// Where trades go.
    pub to: ProduceTarget,
    /// Each record of a file begins with the time of its receipt.
    pub capture: bool,
    /// How long newer trades of a partition wait for missing ones.
    pub fill_hold: Duration,
    /// Silence after which a connection is replaced.
    pub stall_timeout: Duration,
    /// Age at which a connection is replaced.
    pub renew_after: Duration,
    /// How often the exchange is asked for the last trade of each symbol.
    pub audit_interval: Duration,
    /// Symbols a connection at most.
    pub connection_symbols: usize,
    /// Where the accounting goes at exit, as JSON.
    pub summary: Option<PathBuf>,
    /// What is told on standard error.
    pub verbosity: Verbosity,
}

/// Where the collector's trades go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProduceTarget {
    /// A topic, on the brokers of `-b`.
    Kafka(String),
    /// A file, to whose end they are appended.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// How fast event time passes in a demonstration.
#[derive(Debug, Copy, Clone, PartialEq)]
pub enum Speed {
    /// As fast as the machine can.
    Max,
    /// So many seconds of event time per second; positive and finite.
    Times(f64),
}

/// Where refused records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterTarget {
    /// A file of JSON lines.
    File(PathBuf),
    /// A topic, on the brokers of `-b`.
    Kafka(String),
}

impl fmt::Display for DeadLetterTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadLetterTarget::File(path) => path.display().fmt(f),
            DeadLetterTarget::Kafka(topic) => write!(f, "kafka:{topic}"),
        }
    }
}

/// Workers and processes, with timely's own meanings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Worker threads a process (`-w`), 1 at least.
    pub threads: usize,
    /// Processes (`-n`), 1 at least.
    pub processes: usize,
    /// My index (`-p`); `None` with more than one process starts all of them here.
    pub process: Option<usize>,
    /// `--hostfile`: a line of `host:port` for each process; `localhost:2101` and up without.
    pub hostfile: Option<PathBuf>,
    /// `--cluster-secret-file`.
    pub secret_file: Option<PathBuf>,
    /// How long processes wait for each other at the start.
    pub join_timeout: Duration,
    /// How often a minute all processes are started again after an accident, where all are started here.
    pub restarts: usize,
    /// The private directory of the process that started this one (`-n` without `-p`); no flag sets it,
    /// `cluster::enter` does.
    pub private: Option<PathBuf>,
    /// Which job of that process this is.
    pub supervised: Option<SupervisedStart>,
}

/// A job that is started again after an accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisedStart {
    /// Tells it from all others.
    pub job: String,
    /// How often it was started again.
    pub attempt: u32,
}

impl Default for Cluster {
    /// One worker in one process.
    fn default() -> Self {
        Cluster {
            threads: 1,
            processes: 1,
            process: None,
            hostfile: None,
            secret_file: None,
            join_timeout: Duration::from_secs(60),
            restarts: 3,
            private: None,
            supervised: None,
        }
    }
}

/// What is told on standard error.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// A banner, warnings and the accounting.
    Normal,
    /// What happens on the way, too.
    Verbose,
}

/// When progress is shown on standard error.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ProgressDisplay {
    /// On a terminal.
    Auto,
    /// Also into a pipe, as lines.
    Always,
    /// Never.
    Never,
}
