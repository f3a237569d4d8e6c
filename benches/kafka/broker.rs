//! What the measurements do with a broker.

use anyhow::{Context, Result, bail};
use crossrate::config::{KafkaClient, Verbosity};
use crossrate::kafka::{self, Listener};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
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
pub(crate) fn reader(partitions: usize) -> Result<BaseConsumer<Listener>> {
    let defaults = crossrate::source::kafka::reading_ahead(partitions);
    let defaults: Vec<(&str, &str)> = defaults.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let own = [&[("group.id", "bench")], kafka::READING].concat();
    let listener = Listener::new(Verbosity::Quiet);
    kafka::client(&reached()?, &listener, &defaults, &own).map_err(|failure| anyhow::anyhow!("{failure:?}"))
}

pub(crate) fn make_topic(name: &str, partitions: i32) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address()?).create()?;
    // Rows and trades of old event times must stay.
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
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

pub(crate) fn producer(linger_ms: u32, compression: &str) -> Result<BaseProducer> {
    let producer = ClientConfig::new()
        .set("bootstrap.servers", address()?)
        .set("enable.idempotence", "true")
        .set("linger.ms", linger_ms.to_string())
        .set("compression.type", compression)
        .set("queue.buffering.max.messages", "1000000")
        .create()?;
    Ok(producer)
}

pub(crate) fn send(producer: &BaseProducer, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((error, same)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                record = same;
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

pub(crate) fn flush(producer: &BaseProducer) -> Result<()> {
    Ok(producer.flush(Duration::from_secs(120))?)
}

/// Lines of a tape become records of a partition; of the one that their symbol chooses where they have a key.
pub(crate) struct Loading {
    pub(crate) producer: Arc<BaseProducer>,
    pub(crate) topic: String,
    pub(crate) partition: Option<i32>,
}

impl Write for Loading {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic).payload(line);
            record.partition = self.partition;
            if self.partition.is_none() {
                record.key = symbol(line);
            }
            send(&self.producer, record).map_err(io::Error::other)?;
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
        let mut ended = 0;
        while ended < count {
            match client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let seen = Seen {
                        at: Instant::now(),
                        partition: message.partition(),
                        offset: message.offset(),
                        value: message.payload().unwrap_or_default().to_vec(),
                    };
                    if sender.send(seen).is_err() {
                        return;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) if to_its_end => ended += 1,
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
