//! Finding a job's place in Kafka, while its producer finds the broker.

use super::Kafka;
use super::entries::Parts;
use crate::config::{Config, DeadLetterTarget, KafkaClient, SinkTarget, Verbosity};
use crate::exit::Failure;
use crate::kafka::rows::{DEFAULTS, purpose};
use crate::kafka::topics::{self, TopicPurpose};
use crate::kafka::writer::Producer;
use crate::kafka::{self, ErrorListener};
use crate::ledger::protocol::Protocol;
use crate::ledger::{owner, run_id};
use crate::start;
use anyhow::Result;
use rdkafka::producer::Producer as _;
use std::time::Duration;

/// How long a producer looks for its broker before it is needed.
pub(super) const SHORTLY: Duration = Duration::from_millis(500);
impl Kafka {
    /// Looks at the topics of a run, and makes those that are missing.
    pub fn open(config: &Config) -> Result<Self> {
        let topics: Vec<&String> = config
            .sinks
            .iter()
            .filter_map(|target| if let SinkTarget::Kafka(topic) = target { Some(topic) } else { None })
            .collect();
        let first = topics.first().map_or("", |topic| topic.as_str());
        let ledger = Kafka::at(config.kafka.clone(), config.verbosity, &config.name, first)?;
        let topic_of_entries = ledger.topic.clone();
        let early = {
            let (kafka, verbosity) = (config.kafka.clone(), config.verbosity);
            let (job, topic) = (config.name.clone(), first.to_owned());
            std::thread::spawn(move || {
                let producer = transactional(&kafka, verbosity, &job).ok()?;
                // What it finds does not matter.
                let _ = producer.client().fetch_metadata(Some(&topic), SHORTLY);
                Some(producer)
            })
        };
        // A job that begins anew has nothing to be held against.
        let seen = if config.fresh {
            None
        } else {
            let ledger = Kafka::at(config.kafka.clone(), Verbosity::Quiet, &config.name, first)?;
            Some(std::thread::spawn(move || {
                let (entries, _) = ledger.read(&ErrorListener::new(Verbosity::Quiet)).ok()?;
                Some(entries)
            }))
        };
        let dead_letters = match &config.dead_letter {
            Some(DeadLetterTarget::Kafka(topic)) => Some((topic.clone(), config.source.topics())),
            _ => None,
        };
        let mut wanted: Vec<(&str, TopicPurpose)> =
            topics.iter().map(|t| (t.as_str(), purpose(config))).collect();
        wanted.push((&topic_of_entries, TopicPurpose::Checkpoint));
        wanted.extend(dead_letters.as_ref().map(|(topic, _)| (topic.as_str(), TopicPurpose::DeadLetters)));
        let partitions = topics::prepare(&config.kafka, config.verbosity, &wanted)?;
        start::tell(config.verbosity, "the topics are looked at");
        for (topic, partitions) in topics.iter().zip(partitions) {
            if partitions > 1 && config.verbosity >= Verbosity::Normal {
                let words = "rows keep their order within each only";
                tracing::warn!(topic, partitions, "topic {topic} has {partitions} partitions: {words}");
            }
        }
        let rows = topics.into_iter().cloned().collect();
        Ok(Kafka { rows, dead_letters, early: Some(early), seen, ..ledger })
    }

    /// A job's place beside a topic of rows, without a look at what is there.
    pub fn at(kafka: KafkaClient, verbosity: Verbosity, job: &str, topic: &str) -> Result<Self> {
        Ok(Kafka {
            kafka,
            verbosity,
            job: job.to_owned(),
            rows: vec![topic.to_owned()],
            dead_letters: None,
            topic: format!("{topic}.{job}.recovery"),
            early: None,
            seen: None,
            producer: None,
            protocol: Protocol::new(run_id()?, owner()),
            parts: Parts::default(),
            robbed: (0, None),
        })
    }
}

/// The transactional id of a job, of which there is one in a cluster.
pub(super) fn id(job: &str) -> String {
    format!("crossrate-{job}")
}

/// A producer of a job, which must take its id yet.
pub(super) fn transactional(
    kafka: &KafkaClient,
    verbosity: Verbosity,
    job: &str,
) -> Result<Producer, Failure> {
    let id = id(job);
    let own = [("transactional.id", id.as_str()), ("enable.idempotence", "true")];
    kafka::client(kafka, &ErrorListener::new(verbosity), DEFAULTS, &own)
}
