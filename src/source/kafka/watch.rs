//! Looks at the topic from time to time: partitions that were added to it while the job runs are adopted.

use super::log::Plan;
use super::{Client, Context};
use crate::config::{Config, KafkaSource};
use crate::run::{WorkerWaker, Workers};
use anyhow::Result;
use rdkafka::consumer::Consumer;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// The reader of one worker, as far as it takes new partitions.
pub(super) struct Adopter {
    pub(super) new: Sender<Plan>,
    pub(super) woken: WorkerWaker,
}

/// Starts the thread that looks. The topic has `known` partitions so far.
pub(super) fn start(
    config: Config,
    source: KafkaSource,
    workers: Workers,
    client: Client,
    mut known: u32,
    adopters: Vec<Adopter>,
    interval: Duration,
) -> Result<()> {
    std::thread::Builder::new().name("kafka-watch".into()).spawn(move || {
        let context = Context { config: &config, source: &source };
        loop {
            std::thread::sleep(interval);
            let Some(count) = context.count_now(&client) else { continue };
            for number in known..count {
                let Some(local) = workers.local(number as usize) else { continue };
                // It is there, so its bounds can be asked for; if not, then the next time.
                let Ok((low, _)) = context.bounds(&client, number) else { break };
                let plan = Plan { number, from: low, inside_log: low > 0, end: None };
                if adopters[local].new.send(plan).is_err() {
                    // The reader is gone, and so is the run.
                    return;
                }
                adopters[local].woken.wake();
                known = number + 1;
            }
        }
    })?;
    Ok(())
}

impl Context<'_> {
    /// How many partitions the topic has, if the broker says so now.
    fn count_now(&self, client: &Client) -> Option<u32> {
        // Errors of the client are told by the readers.
        while client.poll(Duration::ZERO).is_some() {}
        let metadata = client.fetch_metadata(Some(&self.source.topic), Duration::from_secs(5)).ok()?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.source.topic)?;
        u32::try_from(topic.partitions().len()).ok()
    }
}
