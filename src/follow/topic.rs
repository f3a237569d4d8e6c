//! A topic of rows (`--to kafka:TOPIC`), read as committed, and beside it the job's checkpoint, where there
//! is one.
//!
//! Of a large log its end is enough: the board keeps no more rows than [`MOST`] offsets hold. librdkafka
//! connects anew by itself; that brokers are away is heard from it, that one is back from the broker.

use super::checkpoint_progress::CheckpointProgress;
use super::{PollResult, ResultStore, definition};
use crate::config::{KafkaClient, ServeConfig};
use crate::exit::{Exit, Failure};
use crate::kafka::{self, ErrorListener, ErrorMeaning, PATIENCE};
use crate::ledger::assemble;
use crate::serve::board::progress::now_ms;
use anyhow::Result;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Offsets of a partition that are read at the start, at most.
const MOST: i64 = 1_000_000;
/// Records of one look.
const BATCH: usize = 20_000;
/// How often the topics themselves are looked at.
const WATCH: Duration = Duration::from_secs(3);

type TopicClient = BaseConsumer<ErrorListener>;

/// A topic that is followed.
pub(super) struct TopicFollower {
    kafka: KafkaClient,
    rows: TopicTail,
    checkpoint: TopicTail,
    /// The records of the checkpoint that tell how far the job is.
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether they have changed since the last news of it.
    changed: bool,
    /// What was read and not given away: a broker that goes in between does not give it again.
    polled: PollResult,
    watched: Option<Instant>,
}

/// A topic, read to its end and on. Each has a client of its own, since librdkafka tells of an end without
/// saying of which topic.
struct TopicTail {
    topic: String,
    listener: ErrorListener,
    client: TopicClient,
    logs: BTreeMap<i32, LogPosition>,
    /// No broker answered when one was heard of last.
    away: bool,
    /// It must be looked at whether the topic is what it was.
    doubtful: bool,
}

struct LogPosition {
    /// The offset that comes next.
    next: i64,
    at_end: bool,
}

impl TopicFollower {
    pub(super) fn new(config: &ServeConfig, topic: &str) -> Result<TopicFollower> {
        Ok(TopicFollower {
            kafka: config.kafka.clone(),
            rows: TopicTail::new(config, topic.to_owned())?,
            // A job that writes elsewhere too has its checkpoint there; rows say enough.
            checkpoint: TopicTail::new(config, format!("{topic}.{}.recovery", config.name))?,
            records: BTreeMap::new(),
            changed: false,
            polled: PollResult::default(),
            watched: None,
        })
    }

    fn watch(&mut self) -> Result<()> {
        let patience = if self.watched.is_none() { PATIENCE } else { Duration::from_secs(1) };
        self.watched = None;
        if self.rows.watch(&self.kafka, patience, MOST)? {
            // Also what was read of the one before, and not given away.
            self.polled = PollResult { anew: true, ..PollResult::default() };
        }
        if self.rows.logs.is_empty() {
            let (topic, brokers) = (&self.rows.topic, &self.kafka.brokers);
            return Err(Failure::new(Exit::Unreachable, format!("there is no topic {topic} at {brokers}"))
                .hint("name one that crossrate run --to kafka:TOPIC writes")
                .into());
        }
        if self.checkpoint.watch(&self.kafka, patience, i64::MAX)? {
            self.records.clear();
        }
        self.watched = Some(Instant::now());
        Ok(())
    }
}

impl ResultStore for TopicFollower {
    fn poll(&mut self, most: Duration) -> Result<PollResult> {
        let doubtful = self.rows.doubtful || self.checkpoint.doubtful;
        if doubtful || self.watched.is_none_or(|watched| watched.elapsed() > WATCH) {
            self.watch()?;
        }
        let polled = &mut self.polled;
        self.rows.poll(&self.kafka, most, |message| {
            // A row that was removed has no other one in its place.
            if let Some(row) = message.payload() {
                match std::str::from_utf8(row) {
                    Ok(row) => polled.line(row),
                    Err(_) => polled.foreign += 1,
                }
            }
        })?;
        let (records, changed) = (&mut self.records, &mut self.changed);
        self.checkpoint.poll(&self.kafka, Duration::ZERO, |message| {
            let Some(key) = message.key() else { return };
            let name = String::from_utf8_lossy(key);
            if CheckpointProgress::wants(name.rsplit_once('#').map_or(&name, |(name, _)| name)) {
                *changed = true;
                match message.payload() {
                    Some(value) => records.insert(key.to_vec(), value.to_vec()),
                    None => records.remove(key),
                };
            }
        })?;
        polled.whole = self.rows.is_at_end() && self.checkpoint.is_at_end();
        // Whoever begins anew is told again.
        if self.changed || polled.anew {
            self.changed = false;
            let entries = assemble(self.records.clone()).0;
            polled.definition = definition(&entries);
            // One that another version has written, or that is damaged, says nothing, and takes no rows with
            // it.
            let known = CheckpointProgress::of(&entries).ok().flatten();
            polled.progress = known.map(|known| known.progress(now_ms()));
        }
        Ok(std::mem::take(polled))
    }
}

impl TopicTail {
    fn new(config: &ServeConfig, topic: String) -> Result<TopicTail> {
        let listener = ErrorListener::new(config.verbosity);
        // The group is neither joined nor committed to.
        let group = format!("crossrate-{}", config.name);
        let own = [&[("group.id", group.as_str())], kafka::READING].concat();
        let defaults = [("fetch.error.backoff.ms", "100"), ("queued.max.messages.kbytes", "16384")];
        let client = kafka::client(&config.kafka, &listener, &defaults, &own)?;
        Ok(TopicTail { topic, listener, client, logs: BTreeMap::new(), away: false, doubtful: false })
    }

    /// Looks at the topic: partitions that are new are read, at most so many offsets of them, and where a log
    /// is shorter than what was read of it, all is begun anew; whether that was so.
    fn watch(&mut self, kafka: &KafkaClient, patience: Duration, most: i64) -> Result<bool> {
        let count = kafka::partitions(kafka, self.client.client(), || {}, &self.topic, Some(patience))?;
        let mut bounds = BTreeMap::new();
        for number in 0..count.unwrap_or(0) as i32 {
            let found = self.client.fetch_watermarks(&self.topic, number, PATIENCE).map_err(|error| {
                let what = format!("cannot read partition {number} of topic {}", self.topic);
                kafka::failed(kafka, &self.listener, &what, error)
            })?;
            bounds.insert(number, found);
        }
        self.doubtful = false;
        if self.away {
            self.away = false;
            self.listener.forget();
        }
        let cut = |(number, log): (&i32, &LogPosition)| {
            bounds.get(number).is_none_or(|(low, high)| log.next > *high || log.next < *low && log.at_end)
        };
        let anew = self.logs.iter().any(cut);
        if anew {
            self.logs.clear();
        }
        let known = self.logs.len();
        for (number, (low, high)) in bounds {
            let next = low.max(high.saturating_sub(most));
            self.logs.entry(number).or_insert(LogPosition { next, at_end: next >= high });
        }
        if anew || known < self.logs.len() {
            let mut list = TopicPartitionList::new();
            for (number, log) in &self.logs {
                list.add_partition_offset(&self.topic, *number, Offset::Offset(log.next))?;
            }
            self.client.assign(&list)?;
        }
        Ok(anew)
    }

    fn is_at_end(&self) -> bool {
        self.logs.values().all(|log| log.at_end)
    }

    /// Takes what librdkafka has.
    fn poll(
        &mut self,
        kafka: &KafkaClient,
        most: Duration,
        mut take: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<()> {
        let mut wait = most;
        for _ in 0..BATCH {
            let Some(event) = self.client.poll(std::mem::take(&mut wait)) else { break };
            match event {
                Ok(message) => {
                    if let Some(log) = self.logs.get_mut(&message.partition()) {
                        log.next = message.offset() + 1;
                    }
                    take(&message);
                }
                Err(KafkaError::PartitionEOF(number)) => {
                    if let Some(log) = self.logs.get_mut(&number) {
                        log.at_end = true;
                    }
                }
                Err(error) => match ErrorMeaning::of_error(&error) {
                    ErrorMeaning::Away => {
                        let code = error.rdkafka_error_code();
                        self.away |= code == Some(RDKafkaErrorCode::AllBrokersDown);
                        self.doubtful |= self.away;
                    }
                    ErrorMeaning::OutOfRange | ErrorMeaning::Absent => self.doubtful = true,
                    ErrorMeaning::Denied => return Err(kafka::unreachable(kafka, &self.listener).into()),
                    // It goes on trying.
                    ErrorMeaning::Nothing
                    | ErrorMeaning::Fenced
                    | ErrorMeaning::Unreadable
                    | ErrorMeaning::Other => {}
                },
            }
        }
        if self.away {
            return Err(kafka::unreachable(kafka, &self.listener).into());
        }
        Ok(())
    }
}
