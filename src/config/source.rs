//! Where trades come from.

use super::Speed;
use crate::wire::format::Format;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

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
}

/// How a topic is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSource {
    /// Brokers and librdkafka properties.
    pub client: KafkaClient,
    /// The topic of trades.
    pub topic: String,
    /// How records are written.
    pub format: Format,
    /// Where to begin.
    pub start: StartOffset,
    /// Stop at each log's last stable offset as it was at the start (`-e`).
    pub exit_at_end: bool,
}

/// How brokers are reached: the same for reading and writing.
#[derive(Clone, PartialEq, Eq)]
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
