//! Rows and refused records as records of topics (`docs/semantics.md#rows-in-kafka`).
//!
//! Rows are written by [`crate::ledger`], in the transaction that holds the recovery point; so are refused records
//! then. Where the ledger is something else, [`DeadLetters`] writes them before its commit: after a crash some may come
//! twice, none is lost.

use super::{News, Sink};
use crate::config::{Config, KafkaClient, Source};
use crate::kafka::topics::{self, Purpose};
use crate::kafka::writer::{self, Outgoing, Producer, Undelivered, Waiting};
use crate::kafka::{self, Listener};
use anyhow::Result;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::operators::closings::Refusal;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::Producer as _;

/// What a client that writes sets where the user says nothing else.
pub const DEFAULTS: &[(&str, &str)] = &[
    // Rows leave in batches of their own making; waiting for more would only delay them.
    ("linger.ms", "1"),
    ("compression.type", "lz4"),
    ("message.max.bytes", "17825792"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// What topics of rows must be like.
pub fn rows(config: &Config) -> Purpose {
    Purpose::Rows { ahead_ms: ahead(config) }
}

/// By how much rows may be ahead of the clock: a trade by `--max-ahead`, and a window that is still open by its size.
/// Only where trades have Kafka timestamps that were a clock's.
fn ahead(config: &Config) -> Option<u64> {
    let open = if config.definition.provisional { config.definition.windows.size } else { 0 };
    match config.source {
        Source::Kafka(_) => Some((config.definition.max_ahead + open) / 1_000),
        _ => None,
    }
}

/// Writes a row.
pub fn send_row(producer: &Producer, topic: &str, row: &Row) -> Result<(), Undelivered> {
    writer::send(
        producer,
        Outgoing {
            topic,
            key: Some(row.key().as_bytes()),
            value: Some(row.json.as_bytes()),
            timestamp: i64::try_from(row.end.millis()).ok(),
            ..Outgoing::default()
        },
    )
}

/// Writes a refused record: its key and value as they came, the rest in headers.
pub fn send_refusal(producer: &Producer, topic: &str, refusal: &Refusal) -> Result<(), Undelivered> {
    let Refusal { partition, offset, reason, detail, value, key } = refusal;
    let headers = [
        ("crossrate.partition", partition.to_string()),
        ("crossrate.offset", offset.to_string()),
        ("crossrate.reason", reason.as_str().to_owned()),
        ("crossrate.detail", detail.clone()),
    ];
    let headers = headers.iter().fold(OwnedHeaders::new_with_capacity(4), |all, (key, value)| {
        all.insert(Header { key, value: Some(value.as_str()) })
    });
    let (key, value) = (key.as_deref(), Some(value.as_slice()));
    writer::send(producer, Outgoing { topic, key, value, headers: Some(headers), ..Outgoing::default() })
}

/// A topic of refused records, of a run whose ledger is not Kafka.
pub(super) struct DeadLetters {
    kafka: KafkaClient,
    topic: String,
    producer: Producer,
}

impl DeadLetters {
    pub(super) fn open(config: &Config, topic: &str) -> Result<Self> {
        topics::prepare(&config.kafka, config.verbosity, &[(topic, Purpose::DeadLetters)])?;
        let listener = Listener::new(config.verbosity);
        // A broker that is away is waited for: what was refused must not be lost.
        let own = [("enable.idempotence", "true"), ("message.timeout.ms", "0")];
        let producer = kafka::client(&config.kafka, &listener, DEFAULTS, &own)?;
        Ok(DeadLetters { kafka: config.kafka.clone(), topic: topic.to_owned(), producer })
    }

    fn drain(&self) -> Result<(), Undelivered> {
        writer::drain(&self.producer, &mut Waiting::new(&self.kafka, self.producer.context()))
    }
}

impl Sink for DeadLetters {
    fn write(&mut self, news: &News<'_>) -> Result<()> {
        let sent =
            news.refused.iter().try_for_each(|refusal| send_refusal(&self.producer, &self.topic, refusal));
        let listener = self.producer.context();
        sent.and_then(|()| self.drain()).map_err(|error| writer::refused(&self.kafka, listener, error).into())
    }

    fn finish(&mut self, _: &News<'_>) -> Result<()> {
        Ok(())
    }
}
