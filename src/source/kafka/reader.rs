//! The thread that reads the partitions of one worker.
//!
//! Every partition has its own queue within librdkafka, so that one which its worker is not ready for holds
//! up no other: its queue fills to a bound and is then fetched no more. Pausing would throw away what was
//! read ahead.

use super::log::{ChunkSettings, PartitionLog, PartitionRange, PollOutcome};
use super::watch::Discovery;
use super::{Context, SourceClient, TopicDecoding};
use crate::config::{DeadLetterTarget, KafkaClient, Verbosity};
use crate::exit::{Exit, Failure};
use crate::kafka::queue::Queue;
use crate::kafka::{self, ErrorListener, ErrorMeaning};
use crate::source::{Feed, FeedClosed, PartitionFeed};
use crate::start;
use crate::workers::{Waker, WorkerWaker};
use anyhow::{Result, anyhow};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{Message as _, TopicPartitionList};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// Chunks that a partition may be ahead of its worker.
const CHUNKS_AHEAD: usize = 4;
/// Bytes of a chunk at most, of all partitions of a worker together.
const CHUNK_BYTES: usize = 32 << 20;
/// How long the thread sleeps at most; queues wake it when they have something.
const NAP: Duration = Duration::from_millis(100);

/// Reads the partitions of one worker.
pub(super) struct PartitionReader {
    client: Arc<SourceClient>,
    listener: ErrorListener,
    kafka: KafkaClient,
    filling: ChunkSettings,
    /// The number that partition 0 has in the job.
    first: u32,
    logs: Vec<PartitionLog>,
    /// Wakes the worker.
    worker: Waker,
    /// Wakes this thread.
    woken: Waker,
    /// What has become of the topic.
    news: Receiver<Discovery>,
    /// Hands new partitions to the worker.
    to_worker: Sender<PartitionFeed>,
    mailbox: Option<Receiver<PartitionFeed>>,
    /// The brokers do not answer, and the user knows; of all readers of the process.
    away: Arc<AtomicBool>,
    quiet: bool,
}

impl PartitionReader {
    pub(super) fn new(
        context: Context<'_>,
        mut client: SourceClient,
        reading: &TopicDecoding,
        worker: Waker,
        woken: &WorkerWaker,
        news: Receiver<Discovery>,
        away: Arc<AtomicBool>,
    ) -> Self {
        let Context { config, source } = context;
        let listener = ErrorListener::clone(client.context());
        let woken = woken.waker();
        let is_needed = reading.mapping.as_ref().is_some_and(|mapping| mapping.needs_registry());
        let registry = reading.registry.clone().filter(|_| is_needed);
        if let Some(registry) = &registry {
            registry.subscribe(Arc::clone(&woken));
        }
        let filling = ChunkSettings {
            topic: source.topic.clone(),
            records: config.batch_records,
            bytes: CHUNK_BYTES,
            keys: matches!(config.dead_letter, Some(DeadLetterTarget::Kafka(_))) || config.keep_refused,
            idle_timeout: config.idle_timeout,
            mapping: reading.mapping.clone(),
            registry,
        };
        let (to_worker, mailbox) = mpsc::channel();
        let wake = Arc::clone(&woken);
        client.set_nonempty_callback(move || wake());
        PartitionReader {
            client: Arc::new(client),
            listener,
            kafka: source.client.clone(),
            filling,
            first: source.first,
            logs: Vec::new(),
            worker,
            woken,
            news,
            to_worker,
            mailbox: Some(mailbox),
            away,
            quiet: config.verbosity < Verbosity::Normal,
        }
    }

    /// Assigns the partitions and starts the thread: what the worker reads from, and where later ones arrive.
    pub(super) fn start(
        mut self,
        plans: Vec<PartitionRange>,
        woken: WorkerWaker,
    ) -> Result<(Vec<PartitionFeed>, Receiver<PartitionFeed>)> {
        self.filling.bytes = (CHUNK_BYTES / plans.len().max(1)).clamp(64 << 10, 1 << 20);
        let partitions: Vec<PartitionFeed> =
            plans.iter().map(|plan| self.add(plan)).collect::<Result<_>>()?;
        self.assign(&plans)?;
        let mailbox = self.mailbox.take().ok_or_else(|| anyhow!("a reader was started twice"))?;
        std::thread::Builder::new().name("kafka".into()).spawn(move || {
            woken.arrived();
            // A closed feed says that the run is over.
            let _ = self.run();
        })?;
        Ok((partitions, mailbox))
    }

    fn run(&mut self) -> Result<(), FeedClosed> {
        let mut first = true;
        loop {
            while let Some(event) = self.client.poll(Duration::ZERO) {
                match event {
                    Ok(message) => {
                        let (partition, offset) = (message.partition(), message.offset());
                        let words =
                            format!("record {offset} of partition {partition} came outside of its queue");
                        return self.fail(|| Failure::new(Exit::Failed, words));
                    }
                    Err(error) => self.hear(None, error)?,
                }
            }
            while let Ok(found) = self.news.try_recv() {
                let plan = match found {
                    Discovery::Partition(plan) => plan,
                    Discovery::Gone => return self.absent(RDKafkaErrorCode::UnknownTopicOrPartition.into()),
                };
                match self.add(&plan).and_then(|feed| self.assign(&[plan]).map(|()| feed)) {
                    // A worker that is gone reads nothing more.
                    Ok(feed) => self.to_worker.send(feed).map_err(|_| FeedClosed)?,
                    Err(error) => return self.fail(|| error),
                }
                (self.worker)();
            }
            let mut came = false;
            let mut nap = NAP;
            for place in 0..self.logs.len() {
                match self.logs[place].read(&self.filling)? {
                    PollOutcome::Something => {
                        came = true;
                        if std::mem::take(&mut first) {
                            let topic = &self.filling.topic;
                            start::tell(
                                self.listener.verbosity(),
                                format_args!("records of {topic} come in"),
                            );
                        }
                        (self.worker)();
                        if self.logs[place].is_done() {
                            self.unassign(place);
                        }
                        self.back();
                    }
                    PollOutcome::Nothing => {
                        let due = self.logs[place].watch_silence(&self.client, &self.filling)?;
                        nap = due.map_or(nap, |due| due.min(nap));
                    }
                    PollOutcome::Error(error) => self.hear(Some(place), error)?,
                    PollOutcome::NoSchema(words) => {
                        return self.fail(|| Failure::new(Exit::Unreachable, words));
                    }
                }
            }
            if !came {
                std::thread::park_timeout(nap);
            }
        }
    }

    /// Makes the queue of a partition. Before it is assigned, so that nothing takes another way.
    fn add(&mut self, plan: &PartitionRange) -> Result<PartitionFeed> {
        let PartitionRange { number, from, inside_log, .. } = *plan;
        let topic = &self.filling.topic;
        let mut queue = Queue::new(&self.client, topic, number as i32)
            .ok_or_else(|| anyhow!("librdkafka has no queue for partition {number} of topic {topic}"))?;
        let wake = Arc::clone(&self.woken);
        queue.on_news(move || wake());
        let feed = Feed::waking(CHUNKS_AHEAD, Arc::clone(&self.woken));
        let name = format!("{topic}-{number}");
        self.logs.push(PartitionLog::new(plan, queue, Arc::clone(&feed)));
        Ok(PartitionFeed { number: self.first + number, name, from, inside_log, feed })
    }

    fn assign(&self, plans: &[PartitionRange]) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for plan in plans {
            list.add_partition_offset(&self.filling.topic, plan.number as i32, Offset::Offset(plan.from))?;
        }
        if list.count() > 0 {
            self.client.incremental_assign(&list)?;
        }
        Ok(())
    }

    /// What is not read any more need not be fetched.
    fn unassign(&self, place: usize) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.filling.topic, self.logs[place].number as i32);
        // It would only be fetched for nothing.
        let _ = self.client.pause(&list);
    }

    /// Makes of an error what it means; `place` is the log that it came from.
    fn hear(&mut self, place: Option<usize>, error: KafkaError) -> Result<(), FeedClosed> {
        let topic = self.filling.topic.clone();
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        match ErrorMeaning::of_error(&error) {
            _ if fatal => self.fail(|| Failure::new(Exit::Unreachable, "librdkafka gave up").because(error)),
            ErrorMeaning::Denied => {
                let failure = match self.listener.denied() {
                    Some(_) => kafka::unreachable(&self.kafka, &self.listener),
                    None => kafka::failed(
                        &self.kafka,
                        &self.listener,
                        &format!("cannot read topic {topic}"),
                        error,
                    ),
                };
                self.fail(|| failure)
            }
            ErrorMeaning::Absent => self.absent(error.into()),
            ErrorMeaning::OutOfRange => {
                let words = match place.map(|place| &self.logs[place]) {
                    Some(log) => format!(
                        "partition {} of topic {topic} has no record {} any more: retention has passed the reader, \
                         or the log was cut",
                        log.number, log.next
                    ),
                    None => format!("an offset of topic {topic} is not there any more"),
                };
                let reason = self.listener.reason().map_or_else(|| error.into(), anyhow::Error::msg);
                self.fail(|| {
                    Failure::new(Exit::Unreachable, words)
                        .hint("keep records for longer than the job may be behind; --fresh begins with what is there")
                        .because(reason)
                })
            }
            ErrorMeaning::Unreadable => {
                let words = match place.map(|place| &self.logs[place]) {
                    Some(log) => {
                        format!(
                            "record {} of partition {} of topic {topic} cannot be read",
                            log.next, log.number
                        )
                    }
                    None => format!("a record of topic {topic} cannot be read"),
                };
                let hint = match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::BadMessage) => {
                        "it is damaged on the broker's disk or on the way here: what a replica has may be whole"
                    }
                    _ => {
                        "it is compressed as this build does not know: set compression.type of the topic, or of who writes, \
                          to lz4, snappy or gzip"
                    }
                };
                self.fail(|| Failure::new(Exit::Unreachable, words).hint(hint).because(error))
            }
            ErrorMeaning::Away => {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
                    self.gone();
                }
                Ok(())
            }
            ErrorMeaning::Fenced | ErrorMeaning::Nothing | ErrorMeaning::Other => Ok(()),
        }
    }

    fn absent(&self, cause: anyhow::Error) -> Result<(), FeedClosed> {
        let topic = &self.filling.topic;
        let words = format!("topic {topic}, or a partition of it, is not there any more");
        self.fail(|| {
            Failure::new(Exit::Unreachable, words)
                .hint("if it was made anew, begin anew with --fresh or under another --name")
                .because(cause)
        })
    }

    /// No broker answers: nothing is lost, and librdkafka goes on trying.
    fn gone(&mut self) {
        if !self.away.swap(true, Ordering::Relaxed) && !self.quiet {
            let brokers = &self.kafka.brokers;
            let reason = self.listener.reason().unwrap_or_else(|| "no reason was given".into());
            tracing::warn!(brokers, reason, "no Kafka broker answers at {brokers}, waiting ({reason})");
        }
        // The answer tells that one is back, also where nothing new was written.
        self.logs.iter_mut().for_each(|log| log.ask(&self.client, &self.filling.topic));
    }

    fn back(&self) {
        if self.away.load(Ordering::Relaxed) && self.away.swap(false, Ordering::Relaxed) {
            self.listener.forget();
            if !self.quiet {
                let brokers = &self.kafka.brokers;
                tracing::info!(brokers, "Kafka answers again at {brokers}");
            }
        }
    }

    /// Ends the run. Where this worker has no partition yet there is nobody to tell, and nothing to read
    /// either.
    fn fail<E: Into<anyhow::Error>>(&self, error: impl FnOnce() -> E) -> Result<(), FeedClosed> {
        if let Some(log) = self.logs.first() {
            log.fail(error().into())?;
            (self.worker)();
        }
        Err(FeedClosed)
    }
}
