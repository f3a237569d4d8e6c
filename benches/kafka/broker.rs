//! What the measurements do with a broker.

use anyhow::{Context, Result, bail};
use crossrate::config::{KafkaClient, Verbosity};
use crossrate::kafka::writer::{self, OutgoingRecord, Producer, UndeliveredRecord};
use crossrate::kafka::{self, ErrorListener};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where the broker is: `scripts/kafka run` says it.
pub(crate) fn address() -> Result<String> {
    std::env::var("CROSSRATE_BROKERS")
        .context("CROSSRATE_BROKERS says where a broker is; see benches/run-kafka")
}

/// The same, as the product's own clients want it.
pub(crate) fn reached() -> Result<KafkaClient> {
    Ok(KafkaClient { brokers: address()?, properties: BTreeMap::new() })
}

/// A client as the product makes them, for so many partitions.
pub(crate) fn reader(partitions: usize) -> Result<BaseConsumer<ErrorListener>> {
    let defaults = crossrate::source::kafka::reading_ahead(partitions);
    let defaults: Vec<(&str, &str)> = defaults.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let own = [&[("group.id", "bench")], kafka::READING].concat();
    let listener = ErrorListener::new(Verbosity::Quiet);
    kafka::client(&reached()?, &listener, &defaults, &own).map_err(|failure| anyhow::anyhow!("{failure:?}"))
}

pub(crate) fn make_topic(name: &str, partitions: i32) -> Result<()> {
    make_topic_with(name, partitions, &[("retention.ms", "-1")])
}

pub(crate) fn make_topic_with(name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address()?).create()?;
    // Rows and trades of old event times must stay.
    let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = settings.iter().fold(new, |topic, (key, value)| topic.set(key, value));
    let made = kafka::wait(admin.create_topics([&topic], &AdminOptions::new()))?;
    if let Some(Err((_, code))) = made.first() {
        bail!("topic {name}: {code}");
    }
    let client = reader(1)?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let found = client.fetch_metadata(Some(name), Duration::from_secs(5))?;
        let found = found
            .topics()
            .first()
            .map_or(0, |topic| topic.partitions().iter().filter(|p| p.leader() >= 0).count());
        if found == partitions as usize {
            return Ok(());
        }
    }
    bail!("topic {name} has no leaders")
}

pub(crate) fn producer(linger_ms: u32, compression: &str) -> Result<Producer> {
    let linger = linger_ms.to_string();
    let own = [
        ("enable.idempotence", "true"),
        ("linger.ms", &linger),
        ("compression.type", compression),
        ("queue.buffering.max.messages", "1000000"),
    ];
    let listener = ErrorListener::new(Verbosity::Quiet);
    kafka::client(&reached()?, &listener, &[], &own).map_err(|failure| anyhow::anyhow!("{failure:?}"))
}

pub(crate) fn send(
    producer: &Producer,
    topic: &str,
    partition: Option<i32>,
    key: Option<&[u8]>,
    value: &[u8],
) -> Result<()> {
    let record = OutgoingRecord { topic, partition, key, value: Some(value), ..OutgoingRecord::default() };
    writer::send(producer, record).map_err(refused)
}

/// Waits until all is there, and nothing was refused.
pub(crate) fn flush(producer: &Producer) -> Result<()> {
    producer.flush(Duration::from_secs(120))?;
    producer.context().take_undelivered().map_or(Ok(()), |undelivered| Err(refused(undelivered)))
}

pub(crate) fn refused(undelivered: UndeliveredRecord) -> anyhow::Error {
    let UndeliveredRecord { topic, error, .. } = undelivered;
    anyhow::Error::new(error).context(format!("topic {topic} does not take a record"))
}

/// Lines of a tape become records of a partition; of the one that their symbol chooses where they have a key.
pub(crate) struct Loading {
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: String,
    pub(crate) partition: Option<i32>,
}

impl Write for Loading {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let key = if self.partition.is_none() { symbol(line) } else { None };
            send(&self.producer, &self.topic, self.partition, key, line).map_err(io::Error::other)?;
        }
        self.producer.poll(Duration::ZERO);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        flush(&self.producer).map_err(io::Error::other)
    }
}

fn symbol(line: &[u8]) -> Option<&[u8]> {
    let at = line.windows(5).position(|part| part == b"\"s\":\"")? + 5;
    let length = line[at..].iter().position(|byte| *byte == b'"')?;
    Some(&line[at..at + length])
}

/// A record as it was read.
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// Reads what is committed in a topic: to its end, or as it comes for as long as anybody listens.
pub(crate) fn committed(topic: &str, to_its_end: bool) -> Result<Receiver<Seen>> {
    let client = reader(1)?;
    let metadata = client.fetch_metadata(Some(topic), PATIENCE)?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let mut list = TopicPartitionList::new();
    for partition in 0..count as i32 {
        let (low, _) = client.fetch_watermarks(topic, partition, PATIENCE)?;
        list.add_partition_offset(topic, partition, Offset::Offset(low))?;
    }
    client.assign(&list)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // librdkafka may tell of the same end twice.
        let mut ended = BTreeSet::new();
        while ended.len() < count {
            match client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let seen = Seen {
                        at: Instant::now(),
                        partition: message.partition(),
                        offset: message.offset(),
                        key: message.key().unwrap_or_default().to_vec(),
                        value: message.payload().unwrap_or_default().to_vec(),
                    };
                    if sender.send(seen).is_err() {
                        return;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) if to_its_end => _ = ended.insert(partition),
                _ => {}
            }
        }
    });
    Ok(receiver)
}

/// The values of a topic of one partition, a line each.
pub(crate) fn lines(topic: &str) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for seen in committed(topic, true)? {
        lines.extend_from_slice(&seen.value);
        lines.push(b'\n');
    }
    Ok(lines)
}
