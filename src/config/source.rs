//! Where trades come from.

use super::secret::Credential;
use super::{ServingConfig, Speed};
use crate::wire::format::Format;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where trades come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A Kafka topic.
    Kafka(KafkaSource),
    /// Files, each one partition, in the order given; `-` (standard input) may be one of them.
    Files(FileSource),
    /// A generated market.
    Simulated(SimulatedSource),
}

/// A generated market, delivered at a pace.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedSource {
    /// Another seed is another market with the same story.
    pub seed: u64,
    /// How long it trades, in seconds of event time.
    pub seconds: u64,
    /// How fast its event time passes.
    pub speed: Speed,
    /// What is traded.
    pub listing: Listing,
}

/// What is traded in a generated market.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The six pairs that its story is about.
    Story,
    /// These, and some fifty of thirty more assets.
    Many,
}

/// How topics are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSource {
    /// Brokers and librdkafka properties.
    pub client: KafkaClient,
    /// The topics of trades, one at least, in order of their names.
    pub topics: Vec<TopicFormat>,
    /// Where to begin.
    pub start: StartOffset,
    /// Stop at each log's last stable offset as it was at the start (`-e`).
    pub exit_at_end: bool,
    /// Where schemas are that records name.
    pub registry: Option<RegistryAddress>,
}

/// A schema registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryAddress {
    /// Its address, without a slash at its end.
    pub url: String,
    /// What is sent as `Authorization`.
    pub authorization: Option<Credential>,
}

/// A topic of trades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFormat {
    /// Its name.
    pub name: String,
    /// How its records are written.
    pub format: Format,
}

/// One of the topics, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSource {
    /// Brokers and librdkafka properties.
    pub client: KafkaClient,
    /// Its name.
    pub topic: String,
    /// How its records are written.
    pub format: Format,
    /// The number that its partition 0 has in the job.
    pub first: u32,
    /// Where to begin.
    pub start: StartOffset,
    /// Stop at each log's last stable offset as it was at the start (`-e`).
    pub exit_at_end: bool,
    /// Where schemas are that records name.
    pub registry: Option<RegistryAddress>,
}

/// So many partitions of a topic are told apart, where a job reads several: partition `n` of the topic at
/// place `t`, counted from 1 in order of names, has the number `t` times this and `n`. So partitions are in
/// order of topic and number, and a number above this tells that there are several topics.
const PARTITIONS_A_TOPIC: u32 = 1 << 20;

impl KafkaSource {
    /// Each topic as a source of its own.
    pub fn each(&self) -> Vec<TopicSource> {
        let has_several = self.topics.len() > 1;
        let source = |(place, topic): (u32, &TopicFormat)| TopicSource {
            client: self.client.clone(),
            topic: topic.name.clone(),
            format: topic.format.clone(),
            first: if has_several { place * PARTITIONS_A_TOPIC } else { 0 },
            start: self.start,
            exit_at_end: self.exit_at_end,
            registry: self.registry.clone(),
        };
        (1..).zip(&self.topics).map(source).collect()
    }
}

impl ServingConfig {
    /// How much event time of rows is kept where nobody says: of a recording, whose end comes, what fits.
    pub const HISTORY: Duration = Duration::from_secs(3_600);

    /// How much event time of rows is kept; `None` for what fits.
    pub fn kept(&self, is_recording: bool) -> Option<Duration> {
        self.history.or_else(|| (!is_recording).then_some(ServingConfig::HISTORY))
    }
}

impl Source {
    /// Whether it is files that are there: its end comes, and nobody waits for what is read.
    pub fn is_recording(&self) -> bool {
        let Source::Files(files) = self else { return false };
        files.paths.iter().all(|path| std::fs::metadata(path).is_ok_and(|found| found.is_file()))
    }

    /// The topics in order of their names; none of another source.
    pub fn topics(&self) -> Vec<String> {
        match self {
            Source::Kafka(kafka) => kafka.topics.iter().map(|topic| topic.name.clone()).collect(),
            Source::Files(_) | Source::Simulated(_) => Vec::new(),
        }
    }
}

/// The topic of a partition, where the job reads several of these, and the partition's number in it.
pub fn topic_of<T: AsRef<str>>(partition: u32, topics: &[T]) -> (Option<&str>, u32) {
    match (partition / PARTITIONS_A_TOPIC) as usize {
        0 => (None, partition),
        place => (topics.get(place - 1).map(AsRef::as_ref), partition % PARTITIONS_A_TOPIC),
    }
}

/// How brokers are reached: the same for reading and writing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaClient {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// librdkafka properties by `-X` and `--kafka-config`, checked against those that would break a law.
    /// May hold secrets: never printed whole.
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for KafkaClient {
    /// Names the properties only: their values may be secrets, and `Debug` texts end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.properties.keys().collect();
        f.debug_struct("KafkaClient").field("brokers", &self.brokers).field("properties", &names).finish()
    }
}

/// Where to begin in a log (`-o`).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum StartOffset {
    /// Not given: the checkpoint, else the beginning.
    Unset,
    /// The first record there is.
    Beginning,
    /// After the last record there is.
    End,
    /// This offset in every partition.
    Offset(i64),
    /// The first record with a Kafka timestamp of so many milliseconds since the epoch or later.
    Timestamp(i64),
}

/// As it is typed.
impl fmt::Display for StartOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartOffset::Unset => f.write_str("unset"),
            StartOffset::Beginning => f.write_str("beginning"),
            StartOffset::End => f.write_str("end"),
            StartOffset::Offset(offset) => write!(f, "{offset}"),
            StartOffset::Timestamp(ms) => write!(f, "@{ms}"),
        }
    }
}

/// Files to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSource {
    /// `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// The symbol of CSV input whose file name does not tell.
    pub symbol: Option<String>,
    /// How records are written.
    pub format: Format,
    /// Whether packed files are verified before they are read.
    pub verify: bool,
}
