//! Entries of a checkpoint as records: an entry under its key, in parts where it is large.
//!
//! The key of a record is the entry's and the number of the part, `head/3#0`. The first part begins with the
//! number of parts, four bytes, the least first. A part that an entry does not need any more is removed by a
//! tombstone.

use super::super::Entries;
use crate::config::KafkaClient;
use crate::kafka::topics::PART_BYTES;
use crate::kafka::writer::{self, OutgoingRecord, Producer, UndeliveredRecord};
use crate::kafka::{self, ErrorListener, PATIENCE};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Bytes of an entry in a part: room is left for the number of parts.
const ROOM: usize = PART_BYTES - 4;

/// A checkpoint is read as a whole and at once: by a few answers, where the default of 1 MiB would take many;
/// and without a broker that waits half a second for more before it says that the log ends.
const IN_ONE_GO: [(&str, &str); 2] = [("max.partition.fetch.bytes", "33554432"), ("fetch.wait.max.ms", "5")];

/// How many parts entries have, where it is not one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts(HashMap<String, u32>);

impl Parts {
    /// Writes an entry, or removes it.
    pub(super) fn send(
        &self,
        producer: &Producer,
        topic: &str,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), UndeliveredRecord> {
        let parts = value.map_or(Vec::new(), split);
        let before = self.0.get(key).copied().unwrap_or(1) as usize;
        for number in 0..parts.len().max(before) {
            let key = format!("{key}#{number}");
            let value = parts.get(number).map(Vec::as_slice);
            // What was never there need not be removed, but for the first part, of which that is not known.
            writer::send(
                producer,
                OutgoingRecord { topic, key: Some(key.as_bytes()), value, ..OutgoingRecord::default() },
            )?;
        }
        Ok(())
    }

    /// An entry was written, or removed.
    pub(super) fn note(&mut self, key: &str, value: Option<&[u8]>) {
        match value.map_or(1, |value| split_count(value.len())) {
            1 => {
                self.0.remove(key);
            }
            count => {
                self.0.insert(key.to_owned(), count as u32);
            }
        }
    }
}

fn split_count(bytes: usize) -> usize {
    bytes.div_ceil(ROOM).max(1)
}

fn split(value: &[u8]) -> Vec<Vec<u8>> {
    let count = split_count(value.len());
    let mut parts: Vec<Vec<u8>> = value.chunks(ROOM).map(<[u8]>::to_vec).collect();
    parts.resize_with(count, Vec::new);
    parts[0].splice(..0, (count as u32).to_le_bytes());
    parts
}

/// A client that has found the topic.
pub(super) struct EntryReader {
    consumer: BaseConsumer<ErrorListener>,
    partitions: usize,
}

impl EntryReader {
    pub(super) fn new(
        kafka: &KafkaClient,
        listener: &ErrorListener,
        group: &str,
        topic: &str,
    ) -> Result<Self, KafkaError> {
        let own = [&[("group.id", group)], kafka::READING].concat();
        let consumer: BaseConsumer<ErrorListener> =
            kafka::client(kafka, listener, &IN_ONE_GO, &own).map_err(|_| KafkaError::Canceled)?;
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        if partitions == 0 {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
        }
        Ok(EntryReader { consumer, partitions })
    }
}

/// Reads all entries that are committed now.
pub(super) fn read(reader: EntryReader, topic: &str) -> Result<(Entries, Parts), KafkaError> {
    let records = records(&reader, topic);
    kafka::let_go(reader.consumer);
    Ok(assemble(records?))
}

fn records(reader: &EntryReader, topic: &str) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let EntryReader { consumer, partitions: count } = reader;
    let count = *count;
    let mut list = TopicPartitionList::new();
    for partition in 0..count as i32 {
        // An offset that is known spares librdkafka's own look-up, which waits for a timer.
        let (low, _) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        list.add_partition_offset(topic, partition, Offset::Offset(low))?;
    }
    consumer.assign(&list)?;
    let mut records: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    // Each says so again where it is written to meanwhile.
    let mut ended: BTreeSet<i32> = BTreeSet::new();
    let mut heard = Instant::now();
    while ended.len() < count {
        match consumer.poll(Duration::from_millis(100)) {
            None if heard.elapsed() > PATIENCE => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            None => continue,
            Some(Err(KafkaError::PartitionEOF(partition))) => _ = ended.insert(partition),
            // What is only away comes back, or the time runs out.
            Some(Err(error)) if kafka::ErrorMeaning::of_error(&error) == kafka::ErrorMeaning::Away => {
                continue;
            }
            Some(Err(error)) if kafka::ErrorMeaning::of_error(&error) == kafka::ErrorMeaning::Nothing => {
                continue;
            }
            Some(Err(error)) => return Err(error),
            Some(Ok(message)) => {
                let key = message.key().unwrap_or_default().to_vec();
                match message.payload() {
                    Some(value) => records.insert(key, value.to_vec()),
                    None => records.remove(&key),
                };
            }
        }
        heard = Instant::now();
    }
    Ok(records)
}

/// Puts parts together. What is not whole becomes an entry whose checksum will not fit, and is named then.
pub(crate) fn assemble(records: BTreeMap<Vec<u8>, Vec<u8>>) -> (Entries, Parts) {
    let mut found: BTreeMap<String, BTreeMap<u32, Vec<u8>>> = BTreeMap::new();
    for (key, value) in records {
        let key = String::from_utf8_lossy(&key).into_owned();
        let (key, number) = key.rsplit_once('#').unwrap_or((&key, "0"));
        found.entry(key.to_owned()).or_default().insert(number.parse().unwrap_or(u32::MAX), value);
    }
    let (mut entries, mut parts) = (Entries::new(), Parts::default());
    for (key, of_key) in found {
        let mut value: Vec<u8> = of_key.into_values().flatten().collect();
        let count = value.first_chunk::<4>().map_or(1, |count| u32::from_le_bytes(*count));
        value.drain(..4.min(value.len()));
        if count != 1 {
            parts.0.insert(key.clone(), count);
        }
        entries.insert(key, value);
    }
    (entries, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_any_size_come_back() {
        let sizes = [0, 1, ROOM - 1, ROOM, ROOM + 1, 2 * ROOM, 10 * ROOM + 5];
        let mut records = BTreeMap::new();
        let mut expected = Entries::new();
        let mut known = Parts::default();
        for (number, size) in sizes.into_iter().enumerate() {
            let key = format!("pane/{number}/#/{size}");
            let value: Vec<u8> = (0..size).map(|byte| (byte % 251) as u8).collect();
            for (part, bytes) in split(&value).into_iter().enumerate() {
                assert!(bytes.len() <= PART_BYTES);
                records.insert(format!("{key}#{part}").into_bytes(), bytes);
            }
            known.note(&key, Some(&value));
            expected.insert(key, value);
        }
        assert_eq!(assemble(records), (expected, known));
    }
}
