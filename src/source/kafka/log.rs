//! One partition's log: fills chunks from librdkafka's queue, and knows whether it is at the end.

use super::SourceClient;
use crate::kafka::queue::{Queue, QueuedRecord};
use crate::source::registry::Registry;
use crate::source::{Delivery, Feed, FeedClosed};
use crate::wire::chunk::{Chunk, ChunkMessage, Framing};
use crate::wire::mapping::{LastSchema, Mapping};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a partition begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionRange {
    pub(super) number: u32,
    /// The first record to read.
    pub(super) from: i64,
    /// Whether that is not the first there ever was.
    pub(super) inside_log: bool,
    /// The first offset that is not read any more, with `-e`.
    pub(super) end: Option<i64>,
}

/// How chunks are filled.
#[derive(Debug, Clone)]
pub(super) struct ChunkSettings {
    pub(super) topic: String,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// Whether keys are kept, for dead letters.
    pub(super) keys: bool,
    /// After how much silence at the log's end a partition is idle.
    pub(super) idle_timeout: Option<Duration>,
    /// How messages are read, where that is not the exchange's own way.
    pub(super) mapping: Option<Arc<Mapping>>,
    /// Where the schemas are that its records name.
    pub(super) registry: Option<Arc<Registry>>,
}

impl ChunkSettings {
    /// The schema that a record needs before it can be decoded, and that is not there.
    #[inline]
    fn missing(&self, record: &QueuedRecord<'_>, last: &mut LastSchema) -> Option<u32> {
        self.registry.as_ref()?;
        self.mapping.as_ref()?.missing_schema(record.value?, last)
    }
}

/// A partition that is being read.
pub(super) struct PartitionLog {
    pub(super) number: u32,
    queue: Queue,
    feed: Arc<Feed>,
    /// The offset after the last record that was seen; at the log's end, behind the control records that it
    /// ends with.
    pub(super) next: i64,
    end: Option<i64>,
    ended: bool,
    silence: IdleDetector,
    /// Records of which the last one needs a schema that was asked for.
    held: Option<ChunkAwaitingSchema>,
    /// The schema of the last record.
    schema: LastSchema,
}

/// Records that wait for a schema.
struct ChunkAwaitingSchema {
    chunk: Chunk,
    /// The last of them.
    value: std::ops::Range<usize>,
}

/// Whether nothing comes because there is nothing.
#[derive(Debug)]
struct IdleDetector {
    since: Instant,
    /// The broker said that the log ends here, and nothing came since.
    at_end: bool,
    /// It was asked again.
    is_seeking: bool,
    /// When it last said so after it was asked.
    confirmed: Option<Instant>,
}

/// What came of reading.
#[derive(Debug)]
pub(super) enum PollOutcome {
    /// Records, or the news that there are none.
    Something,
    /// Nothing.
    Nothing,
    /// Something else than a record.
    Error(KafkaError),
    /// A schema that is needed cannot be had, for this reason.
    NoSchema(String),
}

impl PartitionLog {
    pub(super) fn new(plan: &PartitionRange, queue: Queue, feed: Arc<Feed>) -> Self {
        let silence =
            IdleDetector { since: Instant::now(), at_end: false, is_seeking: false, confirmed: None };
        PartitionLog {
            number: plan.number,
            queue,
            feed,
            next: plan.from,
            end: plan.end,
            ended: false,
            silence,
            held: None,
            schema: LastSchema::default(),
        }
    }

    /// Takes what is there, a chunk at most, and hands it over at once.
    pub(super) fn read(&mut self, filling: &ChunkSettings) -> Result<PollOutcome, FeedClosed> {
        if self.ended || self.feed.is_full() {
            return Ok(PollOutcome::Nothing);
        }
        if let Some(held) = self.held.take() {
            return self.release(held, filling);
        }
        if self.end.is_some_and(|end| self.next >= end) {
            return self.close();
        }
        let mut chunk = None;
        let mut last = PollOutcome::Nothing;
        let mut at_end = false;
        // Up to there, behind the last record, is nothing to be read: control records, and what was aborted.
        let mut empty_to = self.next;
        while let Some(event) = self.queue.poll() {
            last = PollOutcome::Something;
            match event {
                Ok(record) if self.end.is_some_and(|end| record.offset >= end) => {
                    (at_end, empty_to) = (true, self.end.unwrap_or(empty_to));
                }
                Ok(record) => {
                    let missing = filling.missing(&record, &mut self.schema);
                    let chunk = chunk.get_or_insert_with(|| emptied(self.feed.spare(), filling));
                    self.next = record.offset + 1;
                    append(chunk, &record, filling.keys);
                    if missing.is_some() {
                        let value =
                            chunk.bytes.len() - record.value.map_or(0, <[u8]>::len)..chunk.bytes.len();
                        let held = ChunkAwaitingSchema { chunk: std::mem::take(chunk), value };
                        return self.release(held, filling);
                    }
                    let Framing::Messages(messages) = &chunk.framing else { break };
                    if messages.len() < filling.records && chunk.bytes.len() < filling.bytes {
                        continue;
                    }
                }
                // All that was there when the broker was asked has been seen, control records too.
                Err(KafkaError::PartitionEOF(_)) => {
                    (at_end, empty_to) =
                        (true, self.end.map_or(self.queue.end(), |end| end.min(self.queue.end())));
                }
                Err(error) => last = PollOutcome::Error(error),
            }
            break;
        }
        if let Some(chunk) = chunk {
            self.silence =
                IdleDetector { since: Instant::now(), at_end: false, is_seeking: false, confirmed: None };
            self.feed.push_over(Delivery::Chunk(chunk))?;
        }
        if empty_to > self.next {
            self.next = empty_to;
            self.feed.push_over(Delivery::Nothing { until: empty_to })?;
        }
        if at_end {
            if self.end.is_some() {
                return self.close();
            }
            self.reached_end(filling)?;
        }
        Ok(last)
    }

    /// Hands over what waits for a schema, or goes on waiting.
    fn release(
        &mut self,
        held: ChunkAwaitingSchema,
        filling: &ChunkSettings,
    ) -> Result<PollOutcome, FeedClosed> {
        self.silence =
            IdleDetector { since: Instant::now(), at_end: false, is_seeking: false, confirmed: None };
        let needed = filling.mapping.as_ref().zip(filling.registry.as_ref());
        let missing = needed.and_then(|(mapping, registry)| {
            let id = mapping.missing_schema(&held.chunk.bytes[held.value.clone()], &mut self.schema)?;
            registry.ask(mapping, id);
            Some(registry.refusal())
        });
        match missing {
            Some(Some(words)) => Ok(PollOutcome::NoSchema(words)),
            Some(None) => {
                self.held = Some(held);
                Ok(PollOutcome::Nothing)
            }
            None => {
                self.feed.push_over(Delivery::Chunk(held.chunk))?;
                Ok(PollOutcome::Something)
            }
        }
    }

    fn close(&mut self) -> Result<PollOutcome, FeedClosed> {
        self.ended = true;
        self.feed.push_over(Delivery::End)?;
        Ok(PollOutcome::Something)
    }

    /// Whether nothing more is read.
    pub(super) fn is_done(&self) -> bool {
        self.ended
    }

    /// The broker has said that the log ends here.
    fn reached_end(&mut self, filling: &ChunkSettings) -> Result<(), FeedClosed> {
        self.silence.at_end = true;
        if std::mem::take(&mut self.silence.is_seeking)
            && filling.idle_timeout.is_some_and(|timeout| self.silence.since.elapsed() >= timeout)
        {
            let before = self.silence.confirmed.replace(Instant::now());
            if before.is_none() {
                self.feed.push_over(Delivery::Idle)?;
            }
        }
        Ok(())
    }

    /// Asks the broker whether the log still ends here, when the silence is long enough to mean something:
    /// seeking to where we are makes librdkafka fetch there anew, and tell what it finds. After how long to
    /// look again.
    pub(super) fn watch_silence(
        &mut self,
        client: &SourceClient,
        filling: &ChunkSettings,
    ) -> Result<Option<Duration>, FeedClosed> {
        let Some(timeout) = filling.idle_timeout else { return Ok(None) };
        if self.end.is_some() || !self.silence.at_end {
            return Ok(None);
        }
        let silent = self.silence.since.elapsed();
        let due = match self.silence.confirmed {
            None => timeout.checked_sub(silent),
            // An idle partition stays one while the broker confirms it.
            Some(confirmed) => {
                let age = confirmed.elapsed();
                if age > timeout {
                    self.silence.confirmed = None;
                    self.feed.push_over(Delivery::Unconfirmed)?;
                }
                (timeout / 2).checked_sub(age)
            }
        };
        if due.is_none_or(|due| due.is_zero()) && !self.silence.is_seeking {
            self.ask(client, &filling.topic);
        }
        Ok(due)
    }

    /// Asks the broker where the log ends, if we are there.
    pub(super) fn ask(&mut self, client: &SourceClient, topic: &str) {
        // What was taken already would come once more.
        if !self.ended && self.silence.at_end && !self.queue.holds_some() {
            let here = Offset::Offset(self.next);
            self.silence.is_seeking = client.seek(topic, self.number as i32, here, Duration::ZERO).is_ok();
        }
    }

    /// The run cannot go on.
    pub(super) fn fail(&self, error: anyhow::Error) -> Result<(), FeedClosed> {
        self.feed.push_over(Delivery::Failed(error))
    }
}

fn emptied(mut chunk: Chunk, filling: &ChunkSettings) -> Chunk {
    chunk.mapping.clone_from(&filling.mapping);
    match &mut chunk.framing {
        Framing::Messages(messages) => messages.clear(),
        Framing::Lines(_) => chunk.framing = Framing::Messages(Vec::new()),
    }
    chunk
}

fn append(chunk: &mut Chunk, record: &QueuedRecord<'_>, keys: bool) {
    let key = record.key.filter(|_| keys);
    if let Some(key) = key {
        chunk.bytes.extend_from_slice(key);
    }
    chunk.bytes.extend_from_slice(record.value.unwrap_or_default());
    let Framing::Messages(messages) = &mut chunk.framing else { return };
    messages.push(ChunkMessage {
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        // A chunk is closed long before that, but for a single record, of which brokers take no such size.
        end: u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX),
        null: record.value.is_none(),
        key: key.map(|key| key.len() as u32),
    });
}
