//! What the producer knows of topics before the first rows come.

use super::Kafka;
use super::opening::SHORTLY;
use rdkafka::producer::Producer;

impl Kafka {
    /// A topic that the producer met with the first rows would keep them waiting for a look at it.
    pub(super) fn meet_topics(&self) {
        let Some(producer) = &self.producer else { return };
        for topic in self.rows.iter().chain(self.dead_letters.iter().map(|(topic, _)| topic)) {
            // What it finds does not matter.
            let _ = producer.client().fetch_metadata(Some(topic), SHORTLY);
        }
    }
}
