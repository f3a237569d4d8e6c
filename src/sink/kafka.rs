//! Refused records as records of a topic, where the ledger is no topic: written before its commit, so that
//! after a crash some may come twice, and none is lost.

use super::{Sink, SinkBatch};
use crate::config::{Config, KafkaClient};
use crate::kafka::rows::{DEFAULTS, send_refusal};
use crate::kafka::topics::{self, Purpose};
use crate::kafka::writer::{self, Producer, Undelivered, Waiting};
use crate::kafka::{self, Listener};
use anyhow::Result;
use rdkafka::producer::Producer as _;

/// A topic of refused records, of a run whose ledger is not Kafka.
pub(super) struct DeadLetters {
    kafka: KafkaClient,
    topic: String,
    /// The topics that records come from.
    topics: Vec<String>,
    producer: Producer,
}

impl DeadLetters {
    pub(super) fn open(config: &Config, topic: &str) -> Result<Self> {
        topics::prepare(&config.kafka, config.verbosity, &[(topic, Purpose::DeadLetters)])?;
        let listener = Listener::new(config.verbosity);
        // A broker that is away is waited for: what was refused must not be lost.
        let own = [("enable.idempotence", "true"), ("message.timeout.ms", "0")];
        let producer = kafka::client(&config.kafka, &listener, DEFAULTS, &own)?;
        Ok(DeadLetters {
            kafka: config.kafka.clone(),
            topic: topic.to_owned(),
            topics: config.source.topics(),
            producer,
        })
    }

    fn drain(&self) -> Result<(), Undelivered> {
        writer::drain(&self.producer, &mut Waiting::new(&self.kafka, self.producer.context()))
    }
}

impl Sink for DeadLetters {
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
