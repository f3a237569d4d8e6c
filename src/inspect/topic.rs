//! A topic, from the beginning of each partition to its end. Nothing is committed, and no consumer group is
//! joined.

use super::recognition::Candidates;
use super::survey::SurveyResult;
use crate::config::TopicSource;
use crate::config::inspect::Inspect;
use crate::exit::{Exit, Failure};
use crate::source::PartitionFeed;
use crate::source::kafka;
use crate::source::registry::Registry;
use crate::source::starts::Starts;
use crate::wire::chunk::Chunk;
use crate::wire::format::Format;
use crate::wire::mapping::Mapping;
use crate::workers::Workers;
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait at once for what comes.
const NAP: Duration = Duration::from_millis(100);

/// A partition that is being looked at.
struct PartitionSurvey {
    feed: PartitionFeed,
    has_ended: bool,
}

/// Looks at all partitions.
pub(super) fn look(inspect: &Inspect, topic: &TopicSource) -> Result<SurveyResult> {
    let workers = Workers::of(&inspect.config.cluster);
    workers.wakers[0].arrived();
    // How records are read is decided here.
    let source = TopicSource { format: Format::Binance, ..topic.clone() };
    let opened = kafka::open(&inspect.config, &source, &workers, &Starts::default(), None, None)?;
    let mut partitions: Vec<PartitionSurvey> = opened
        .into_iter()
        .flat_map(|opened| opened.partitions)
        .map(|feed| PartitionSurvey { feed, has_ended: false })
        .collect();
    let schemas = TopicSchemas::of(inspect, topic)?;
    let is_given = inspect.format.is_some() || topic.format != Format::Binance;
    let numbers: Vec<u32> = partitions.iter().map(|partition| partition.feed.number).collect();
    let known = schemas.as_ref().map(|schemas| &schemas.mapping);
    let mut candidates = Candidates::of_topic(inspect, is_given.then_some(&topic.format), known, &numbers);
    while partitions.iter().any(|partition| !partition.has_ended) {
        let mut is_idle = true;
        for (place, partition) in partitions.iter_mut().enumerate() {
            while let Some(mut chunk) = partition.feed.feed.next_chunk(&mut partition.has_ended)? {
                is_idle = false;
                schemas.iter().try_for_each(|schemas| schemas.wait_for(&chunk))?;
                // Its queue then stays full, so that its reader leaves it alone.
                partition.has_ended |= candidates.take_messages(place, &mut chunk).is_break();
                partition.feed.feed.recycle(chunk);
            }
        }
        if is_idle {
            std::thread::park_timeout(NAP);
        }
    }
    partitions.iter().for_each(|partition| partition.feed.feed.close());
    match candidates.end(topic.topic.clone()) {
        (_, Some(failure)) => Err(failure.into()),
        (found, None) => Ok(found),
    }
}

/// The schemas that a topic's records name.
struct TopicSchemas {
    registry: Arc<Registry>,
    mapping: Arc<Mapping>,
}

impl TopicSchemas {
    /// Those of a topic whose format needs a registry.
    fn of(inspect: &Inspect, topic: &TopicSource) -> Result<Option<TopicSchemas>> {
        let mapping = topic.format.mapping()?.filter(|mapping| mapping.needs_registry());
        let Some((mapping, address)) = mapping.zip(topic.registry.as_ref()) else { return Ok(None) };
        let registry = Registry::new(address, inspect.config.verbosity)?;
        Ok(Some(TopicSchemas { registry, mapping }))
    }

    fn wait_for(&self, chunk: &Chunk) -> Result<(), Failure> {
        let waited = self.registry.wait_for(&self.mapping, chunk);
        waited.map_err(|words| Failure::new(Exit::Unreachable, words))
    }
}
