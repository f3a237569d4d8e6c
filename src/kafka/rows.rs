//! Rows and refused records as records of topics (`docs/semantics.md#rows-in-kafka`), and what a client that
//! writes them is like.

use super::topics::TopicPurpose;
use super::writer::{self, OutgoingRecord, Producer, UndeliveredRecord};
use crate::config::{Config, Source, topic_of};
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::operators::closings::RefusedRecord;
use rdkafka::message::{Header, OwnedHeaders};

/// What a client that writes sets where the user says nothing else.
pub const DEFAULTS: &[(&str, &str)] = &[
    // Rows leave in batches of their own making; waiting for more would only delay them.
    ("linger.ms", "1"),
    ("compression.type", "lz4"),
    ("message.max.bytes", "17825792"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// What topics of rows must be like.
pub fn purpose(config: &Config) -> TopicPurpose {
    TopicPurpose::Rows { ahead_ms: ahead(config) }
}

/// By how much rows may be ahead of the clock: a trade by `--max-ahead`, and a window that is still open by
/// its size. Only where trades have Kafka timestamps that were a clock's.
fn ahead(config: &Config) -> Option<u64> {
    let open = if config.definition.provisional { config.definition.windows.longest() } else { 0 };
    match config.source {
        Source::Kafka(_) => Some((config.definition.max_ahead + open) / 1_000),
        _ => None,
    }
}

/// Writes a row.
pub fn send_row(producer: &Producer, topic: &str, row: &Row) -> Result<(), UndeliveredRecord> {
    writer::send(
        producer,
        OutgoingRecord {
            topic,
            key: Some(row.key().as_bytes()),
            value: Some(row.json.as_bytes()),
            timestamp: i64::try_from(row.end.millis()).ok(),
            ..OutgoingRecord::default()
        },
    )
}

/// Writes a refused record: its key and value as they came, the rest in headers.
/// Of several topics, `topics`, the one that it comes from too.
pub fn send_refusal(
    producer: &Producer,
    topic: &str,
    refusal: &RefusedRecord,
    topics: &[String],
) -> Result<(), UndeliveredRecord> {
    let RefusedRecord { partition, offset, reason, detail, value, key } = refusal;
    let (from, number) = topic_of(*partition, topics);
    let headers = [
        ("crossrate.partition", number.to_string()),
        ("crossrate.offset", offset.to_string()),
        ("crossrate.reason", reason.as_str().to_owned()),
        ("crossrate.detail", detail.clone()),
    ];
    let from = from.map(|from| ("crossrate.topic", from.to_owned()));
    let headers =
        headers.into_iter().chain(from).fold(OwnedHeaders::new_with_capacity(5), |all, (key, value)| {
            all.insert(Header { key, value: Some(value.as_str()) })
        });
    let (key, value) = (key.as_deref(), Some(value.as_slice()));
    writer::send(
        producer,
        OutgoingRecord { topic, key, value, headers: Some(headers), ..OutgoingRecord::default() },
    )
}
