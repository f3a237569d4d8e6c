//! Refused records as records of a topic, where the ledger is no topic: written before its commit, so that
//! after a crash some may come twice, and none is lost.

use super::{Sink, SinkBatch};
use crate::config::{Config, KafkaClient};
use crate::kafka::rows::{DEFAULTS, send_refusal};
use crate::kafka::topics::{self, TopicPurpose};
use crate::kafka::writer::{self, Producer, UndeliveredRecord, WaitNotice};
use crate::kafka::{self, ErrorListener};
use anyhow::Result;
use rdkafka::producer::Producer as _;

/// A topic of refused records, of a run whose ledger is not Kafka.
pub(super) struct DeadLetterTopic {
    kafka: KafkaClient,
    topic: String,
    /// The topics that records come from.
    topics: Vec<String>,
    producer: Producer,
}

impl DeadLetterTopic {
    pub(super) fn open(config: &Config, topic: &str) -> Result<Self> {
        topics::prepare(&config.kafka, config.verbosity, &[(topic, TopicPurpose::DeadLetters)])?;
        let listener = ErrorListener::new(config.verbosity);
        // A broker that is away is waited for: what was refused must not be lost.
        let own = [("enable.idempotence", "true"), ("message.timeout.ms", "0")];
        let producer = kafka::client(&config.kafka, &listener, DEFAULTS, &own)?;
        Ok(DeadLetterTopic {
            kafka: config.kafka.clone(),
            topic: topic.to_owned(),
            topics: config.source.topics(),
            producer,
        })
    }

    fn drain(&self) -> Result<(), UndeliveredRecord> {
        writer::drain(&self.producer, &mut WaitNotice::new(&self.kafka, self.producer.context()))
    }
}

impl Sink for DeadLetterTopic {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let sent = batch
            .refused
            .iter()
            .try_for_each(|refusal| send_refusal(&self.producer, &self.topic, refusal, &self.topics));
        let listener = self.producer.context();
        sent.and_then(|()| self.drain()).map_err(|error| writer::refused(&self.kafka, listener, error).into())
    }

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        Ok(())
    }
}
