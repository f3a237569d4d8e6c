//! Looks at the topic from time to time: partitions that were added to it while the job runs are adopted.

use super::log::PartitionRange;
use super::{Context, SourceClient};
use crate::config::{Config, TopicSource};
use crate::kafka::ErrorMeaning;
use crate::source::FeedClosed;
use crate::workers::{WorkerWaker, Workers};
use rdkafka::consumer::Consumer;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// What was found.
#[derive(Debug)]
pub(super) enum Discovery {
    /// A new partition.
    Partition(PartitionRange),
    /// The topic is not there any more.
    Gone,
}

/// The reader of one worker, as far as it is told.
pub(super) struct Adopter {
    pub(super) discoveries: Sender<Discovery>,
    pub(super) woken: WorkerWaker,
}

impl Adopter {
    /// A reader that is gone says that the run is over.
    fn send(&self, found: Discovery) -> Result<(), FeedClosed> {
        self.discoveries.send(found).map_err(|_| FeedClosed)?;
        self.woken.wake();
        Ok(())
    }
}

/// Looks at a topic.
pub(super) struct Watch {
    pub(super) config: Config,
    pub(super) source: TopicSource,
    pub(super) workers: Workers,
    pub(super) client: SourceClient,
    /// How many partitions are known.
    pub(super) known: u32,
    pub(super) adopters: Vec<Adopter>,
}

impl Watch {
    /// Starts the thread that looks so often.
    pub(super) fn start(mut self, interval: Duration) -> anyhow::Result<()> {
        std::thread::Builder::new().name("kafka-watch".into()).spawn(move || {
            let mut absent = false;
            loop {
                std::thread::sleep(interval);
                let sent = match self.count() {
                    Ok(count) => {
                        absent = false;
                        self.adopt(count)
                    }
                    // Once may be a broker that has just started.
                    Err(ErrorMeaning::Absent) if std::mem::replace(&mut absent, true) => {
                        self.adopters.iter().try_for_each(|adopter| adopter.send(Discovery::Gone))
                    }
                    // Errors of the client are told by the readers.
                    Err(_) => Ok(()),
                };
                if sent.is_err() {
                    return;
                }
            }
        })?;
        Ok(())
    }

    fn adopt(&mut self, count: u32) -> Result<(), FeedClosed> {
        let context = Context { config: &self.config, source: &self.source };
        for number in self.known..count {
            if let Some(local) = self.workers.local((self.source.first + number) as usize) {
                // It is there, so its bounds can be asked for; if not, then the next time.
                let Ok((low, _)) = context.bounds(&self.client, number) else { break };
                let plan = PartitionRange { number, from: low, inside_log: low > 0, end: None };
                self.adopters[local].send(Discovery::Partition(plan))?;
            }
            self.known = number + 1;
        }
        Ok(())
    }

    /// How many partitions the topic has, if the broker says so now.
    fn count(&self) -> Result<u32, ErrorMeaning> {
        while self.client.poll(Duration::ZERO).is_some() {}
        let metadata = self.client.fetch_metadata(Some(&self.source.topic), Duration::from_secs(5));
        let metadata = metadata.map_err(|error| ErrorMeaning::of_error(&error))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.source.topic);
        let topic = topic.ok_or(ErrorMeaning::Absent)?;
        match topic.error() {
            Some(error) => Err(ErrorMeaning::of(error.into())),
            None => u32::try_from(topic.partitions().len()).map_err(|_| ErrorMeaning::Other),
        }
    }
}
