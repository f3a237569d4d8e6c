//! A Kafka topic. Each worker has a client of its own, with the partitions that belong to it assigned: a job
//! is in no consumer group, since partition `p` belongs to worker `p % peers` whoever comes and goes, and
//! offsets belong to the checkpoint.
//!
//! Here is decided where each partition begins and ends; [`reader`] reads them, [`watch`] finds those that
//! appear while the job runs. Delivered is what transactions have committed (`read_committed`): a log ends at
//! its last stable offset.

mod log;
mod reader;
mod warmup;
mod watch;

use crate::config::{Config, KafkaSource, StartOffset, TopicSource};
use crate::exit::{Exit, Failure};
use crate::kafka::{self, ErrorListener, ErrorMeaning, PATIENCE};
use crate::source::WorkerFeeds;
use crate::source::registry::Registry;
use crate::source::starts::{StartAt, Starts};
use crate::start;
use crate::wire::mapping::Mapping;
use crate::workers::{WorkerWaker, Workers};
use anyhow::Result;
use log::PartitionRange;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;
use reader::PartitionReader;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
pub use warmup::ClientWarmup;
use warmup::ConnectedClients;
use watch::{Adopter, Watch};

/// A client that reads.
type SourceClient = BaseConsumer<ErrorListener>;

/// Bytes that librdkafka reads ahead for all partitions of a client together, in KiB.
const READ_AHEAD_KIB: usize = 64 << 10;
/// How often the topic is looked at for new partitions, where `topic.metadata.refresh.interval.ms` does not
/// say.
const WATCH: Duration = Duration::from_secs(5);
/// The property that says so.
const WATCH_PROPERTY: &str = "topic.metadata.refresh.interval.ms";

/// Opens the topic and starts a reader for each worker of this process that has partitions, or may get some;
/// with the clients of an earlier [`ClientWarmup`] where they have found a broker.
pub fn open(
    config: &Config,
    source: &TopicSource,
    workers: &Workers,
    starts: &Starts,
    warmup: Option<ClientWarmup>,
    registry: Option<&Arc<Registry>>,
) -> Result<Vec<WorkerFeeds>> {
    let reading = TopicDecoding { mapping: source.format.mapping()?, registry: registry.cloned() };
    let context = Context { config, source };
    let (first, mut clients) = match warmup.and_then(ClientWarmup::connected) {
        Some(ConnectedClients { first, clients }) => (first, clients),
        None => (context.client(ErrorListener::new(config.verbosity), 1)?, Vec::new()),
    };
    clients.resize_with(workers.wakers.len(), || None);
    let count = context.partitions(&first)?;
    let local = |number: u32| workers.local((source.first + number) as usize);
    let numbers: Vec<u32> = (0..count).filter(|number| local(*number).is_some()).collect();
    let plans = context.plans(&first, &numbers, starts)?;
    let mut of_workers: Vec<Vec<PartitionRange>> = workers.wakers.iter().map(|_| Vec::new()).collect();
    for plan in plans {
        if let Some(local) = local(plan.number) {
            of_workers[local].push(plan);
        }
    }
    let mut opened = Vec::new();
    let mut adopters = Vec::new();
    let away = Arc::default();
    for ((plans, worker), client) in of_workers.into_iter().zip(&workers.wakers).zip(clients) {
        if source.exit_at_end && plans.is_empty() {
            opened.push(WorkerFeeds::default());
            continue;
        }
        let client = match client {
            Some(client) => client,
            None => context.client(ErrorListener::new(config.verbosity), plans.len())?,
        };
        // A look at the topic first: a client that knows no leader would wait for a timer before it fetches.
        context.partitions(&client)?;
        let woken = WorkerWaker::default();
        let (discoveries, news) = mpsc::channel();
        let reader =
            PartitionReader::new(context, client, &reading, worker.waker(), &woken, news, Arc::clone(&away));
        let (partitions, mailbox) = reader.start(plans, woken.clone())?;
        start::tell(
            config.verbosity,
            format_args!("{} partitions of {} are read", partitions.len(), source.topic),
        );
        opened.push(WorkerFeeds {
            partitions,
            adopted: if source.exit_at_end { Vec::new() } else { vec![mailbox] },
        });
        adopters.push(Adopter { discoveries, woken });
    }
    if let Some(interval) = watch_interval(source).filter(|_| !source.exit_at_end) {
        let watch = Watch {
            config: config.clone(),
            source: source.clone(),
            workers: workers.clone(),
            client: first,
            known: count,
            adopters,
        };
        watch.start(interval)?;
    } else {
        kafka::let_go(first);
    }
    Ok(opened)
}

/// How the records of a topic are read.
struct TopicDecoding {
    /// Where that is not the exchange's own way.
    mapping: Option<Arc<Mapping>>,
    /// Where schemas are that records name.
    registry: Option<Arc<Registry>>,
}

/// Where each partition of the topics ends now: its last stable offset, by the number that it has in the job.
pub fn ends(config: &Config, source: &KafkaSource) -> Result<BTreeMap<u32, i64>> {
    let mut all = BTreeMap::new();
    for topic in source.each() {
        all.append(&mut ends_of(config, &topic)?);
    }
    Ok(all)
}

fn ends_of(config: &Config, source: &TopicSource) -> Result<BTreeMap<u32, i64>> {
    let context = Context { config, source };
    let client = context.client(ErrorListener::new(config.verbosity), 1)?;
    let count = context.partitions(&client)?;
    let ends =
        (0..count).map(|number| Ok((source.first + number, context.bounds(&client, number)?.1))).collect();
    kafka::let_go(client);
    ends
}

/// How a client of so many partitions reads ahead, where the user says nothing else.
pub fn reading_ahead(partitions: usize) -> Vec<(&'static str, String)> {
    let kib = (READ_AHEAD_KIB / partitions.max(1)).clamp(1 << 10, 16 << 10);
    vec![
        ("queued.max.messages.kbytes", kib.to_string()),
        // A queue that was full is looked at again soon, or reading would stall for a second.
        ("fetch.queue.backoff.ms", "10".into()),
        ("fetch.error.backoff.ms", "100".into()),
        // A link that is silent, but not closed, is noticed by this alone; librdkafka's own minute is long
        // for who waits for rows. Who writes keeps to that minute: a commit must not be asked for twice by
        // the same producer.
        ("socket.timeout.ms", "20000".into()),
    ]
}

fn watch_interval(source: &TopicSource) -> Option<Duration> {
    let Some(given) = source.client.properties.get(WATCH_PROPERTY) else { return Some(WATCH) };
    // Not positive: never, as librdkafka understands it. What is no number it has refused already.
    given.trim().parse().ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}

/// What opening needs to know.
#[derive(Debug, Copy, Clone)]
struct Context<'a> {
    config: &'a Config,
    source: &'a TopicSource,
}

impl Context<'_> {
    /// A client for so many partitions.
    fn client(&self, listener: ErrorListener, partitions: usize) -> Result<SourceClient> {
        let defaults = reading_ahead(partitions);
        let defaults: Vec<(&str, &str)> =
            defaults.iter().map(|(key, value)| (*key, value.as_str())).collect();
        // The job neither joins the group nor commits to it.
        let group = format!("crossrate-{}", self.config.name);
        let own = [&[("group.id", group.as_str())], kafka::READING].concat();
        Ok(kafka::client(&self.source.client, &listener, &defaults, &own)?)
    }

    /// How many partitions the topic has. Waits for the broker as long as [`PATIENCE`].
    fn partitions(&self, client: &SourceClient) -> Result<u32> {
        let serve = || while client.poll(Duration::ZERO).is_some() {};
        let topic = &self.source.topic;
        let count = kafka::partitions(&self.source.client, client.client(), serve, topic, Some(PATIENCE))?;
        Ok(count.ok_or_else(|| self.no_topic())?)
    }

    fn no_topic(&self) -> Failure {
        let (topic, brokers) = (&self.source.topic, &self.source.client.brokers);
        Failure::new(Exit::Unreachable, format!("there is no topic {topic} at {brokers}")).hint(format!(
            "name another by -t/--topic, or create it: kafka-topics.sh --bootstrap-server {brokers} \
             --create --topic {topic} --partitions 4"
        ))
    }

    /// The first offset of a partition, and its last stable one.
    fn bounds(&self, client: &SourceClient, number: u32) -> Result<(i64, i64)> {
        let topic = &self.source.topic;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match client.fetch_watermarks(topic, number as i32, Duration::from_secs(2)) {
                Ok(bounds) => return Ok(bounds),
                // A partition whose leader is being chosen has one soon.
                Err(error)
                    if ErrorMeaning::of_error(&error) == ErrorMeaning::Away && Instant::now() < deadline =>
                {
                    while client.poll(Duration::ZERO).is_some() {}
                }
                Err(error) => {
                    let what = format!("cannot read partition {number} of topic {topic}");
                    return Err(kafka::failed(&self.source.client, client.context(), &what, error).into());
                }
            }
        }
    }

    /// Where each of these partitions begins and ends.
    fn plans(&self, client: &SourceClient, numbers: &[u32], starts: &Starts) -> Result<Vec<PartitionRange>> {
        let at_time = match self.source.start {
            StartOffset::Timestamp(ms) => self.offsets_at(client, numbers, ms)?,
            _ => BTreeMap::new(),
        };
        let kept_ends = Some(&starts.ends).filter(|ends| !ends.is_empty());
        let mut plans = Vec::new();
        for &number in numbers {
            let (low, high) = self.bounds(client, number)?;
            let in_job = self.source.first + number;
            let mut plan = match starts.partitions.get(&in_job) {
                Some(&StartAt { rebuild_from, next, is_handed_over, .. }) => {
                    // Of one that has come to the run's end nothing is needed any more, though it could be
                    // rebuilt.
                    let end = kept_ends.filter(|_| self.source.exit_at_end);
                    let is_done = is_handed_over
                        && end.is_some_and(|ends| ends.get(&in_job).is_none_or(|end| *end <= next));
                    let from = if is_done && low > rebuild_from { next } else { rebuild_from };
                    let needed = if is_done { from.max(low) } else { from };
                    self.is_still_there(number, needed, next, low, high)?;
                    // Whether it began inside the log, the checkpoint knows.
                    PartitionRange { number, from, inside_log: false, end: None }
                }
                None => {
                    let from = match self.source.start {
                        StartOffset::Unset | StartOffset::Beginning => low,
                        StartOffset::End => high,
                        StartOffset::Timestamp(_) => at_time.get(&number).copied().unwrap_or(high),
                        StartOffset::Offset(from) if (low..=high).contains(&from) => from,
                        StartOffset::Offset(from) => {
                            return Err(self.no_such_offset(number, from, low, high).into());
                        }
                    };
                    // Retention may have cut the log.
                    PartitionRange { number, from, inside_log: from > 0, end: None }
                }
            };
            if self.source.exit_at_end {
                // A partition that appeared after the job began is beyond its end.
                plan.end = Some(kept_ends.map_or(high, |ends| ends.get(&in_job).copied().unwrap_or(0)));
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    /// What was read before must still be there, or rows could not go on as if nothing had happened.
    fn is_still_there(&self, number: u32, from: i64, next: i64, low: i64, high: i64) -> Result<()> {
        let (topic, job) = (&self.source.topic, &self.config.name);
        let lost = if from < low {
            let missing = low - from;
            format!(
                "partition {number} of topic {topic} begins at offset {low}, but job {job:?} goes on from {from}: \
                 {missing} {} missing (retention has passed the checkpoint)",
                if missing == 1 { "record is" } else { "records are" }
            )
        } else if high < next {
            let missing = next - high;
            format!(
                "partition {number} of topic {topic} ends at offset {high}, but job {job:?} has read up to {next}: \
                 {missing} {} missing (the topic was deleted and made anew, or is another one)",
                if missing == 1 { "record is" } else { "records are" }
            )
        } else {
            return Ok(());
        };
        Err(Failure::new(Exit::Unreachable, lost)
            .hint("begin anew with --fresh, or under another --name; rows that are out stay as they are")
            .into())
    }

    fn no_such_offset(&self, number: u32, from: i64, low: i64, high: i64) -> Failure {
        let topic = &self.source.topic;
        let words = format!(
            "partition {number} of topic {topic} has no offset {from}: it begins at {low} and ends at {high}"
        );
        Failure::new(Exit::Usage, words).hint(
            "the one offset is for every partition; a time (-o @EPOCH_MS, --since) finds each partition's own",
        )
    }

    /// The first offset of each partition whose record has this timestamp or a later one; none where there is
    /// none.
    fn offsets_at(&self, client: &SourceClient, numbers: &[u32], ms: i64) -> Result<BTreeMap<u32, i64>> {
        let topic = &self.source.topic;
        let failed = |error| {
            let what = format!("cannot look up offsets by time in topic {topic}");
            kafka::failed(&self.source.client, client.context(), &what, error)
        };
        let mut times = TopicPartitionList::new();
        for number in numbers {
            times.add_partition_offset(topic, *number as i32, Offset::Offset(ms)).map_err(failed)?;
        }
        let found = client.offsets_for_times(times, PATIENCE).map_err(failed)?;
        let mut offsets = BTreeMap::new();
        for partition in found.elements() {
            partition.error().map_err(failed)?;
            if let Offset::Offset(offset) = partition.offset() {
                offsets.insert(partition.partition() as u32, offset);
            }
        }
        Ok(offsets)
    }
}
