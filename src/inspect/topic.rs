//! A topic, from the beginning of each partition to its end. Nothing is committed, and no consumer group is
//! joined.

use super::recognition::{Recognition, Sample, mapping_of, recognise};
use super::survey::{Found, Survey};
use crate::config::TopicSource;
use crate::config::inspect::Inspect;
use crate::exit::{Exit, Failure};
use crate::source::PartitionFeed;
use crate::source::kafka;
use crate::source::opening::Starts;
use crate::source::registry::Registry;
use crate::wire::chunk::{Chunk, Framing};
use crate::wire::format::Format;
use crate::wire::mapping::Mapping;
use crate::workers::Workers;
use anyhow::{Result, anyhow};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait at once for what comes.
const NAP: Duration = Duration::from_millis(100);

/// A partition that is being looked at.
struct Looking {
    feed: PartitionFeed,
    survey: Survey,
    has_ended: bool,
}

/// Looks at all partitions.
pub(super) fn look(inspect: &Inspect, topic: &TopicSource) -> Result<Found> {
    let workers = Workers::of(&inspect.config.cluster);
    workers.wakers[0].arrived();
    // How records are read is decided here.
    let source = TopicSource { format: Format::Binance, ..topic.clone() };
    let opened = kafka::open(&inspect.config, &source, &workers, &Starts::default(), None, None)?;
    let survey = || Survey::new(&inspect.config.definition, inspect.limit);
    let mut partitions: Vec<Looking> = opened
        .into_iter()
        .flat_map(|opened| opened.partitions)
        .map(|feed| Looking { feed, survey: survey(), has_ended: false })
        .collect();
    let schemas = Schemas::of(inspect, topic)?;
    let mut recognised: Option<(Recognition, Option<Arc<Mapping>>)> = None;
    while partitions.iter().any(|partition| !partition.has_ended) {
        let mut is_idle = true;
        for partition in partitions.iter_mut().filter(|partition| !partition.has_ended) {
            while let Some(chunk) = partition.feed.feed.next_chunk(&mut partition.has_ended)? {
                is_idle = false;
                schemas.iter().try_for_each(|schemas| schemas.wait_for(&chunk))?;
                let (_, mapping) = match &mut recognised {
                    Some(known) => known,
                    none => none.insert(recognised_in(inspect, topic, &chunk, schemas.as_ref())?),
                };
                partition.take(Chunk { mapping: mapping.clone(), ..chunk });
            }
        }
        if is_idle {
            std::thread::park_timeout(NAP);
        }
    }
    let mut all = Found { name: topic.topic.clone(), ..Found::default() };
    for Looking { feed, survey, .. } in partitions {
        feed.feed.close();
        let mut found = survey.end(String::new(), Recognition::default());
        found.examples.iter_mut().for_each(|example| example.partition = Some(feed.number));
        all.add(found);
    }
    all.recognition = recognised.map(|(recognition, _)| recognition).unwrap_or_default();
    Ok(all)
}

fn recognised_in(
    inspect: &Inspect,
    topic: &TopicSource,
    chunk: &Chunk,
    schemas: Option<&Schemas>,
) -> Result<(Recognition, Option<Arc<Mapping>>)> {
    let Framing::Messages(messages) = &chunk.framing else { return Ok(Default::default()) };
    let copy = Chunk {
        bytes: chunk.bytes.clone(),
        framing: Framing::Messages(messages.clone()),
        mapping: schemas.map(|schemas| Arc::clone(&schemas.mapping)),
        ..Chunk::default()
    };
    let is_given = inspect.format.is_some() || topic.format != Format::Binance;
    let recognition = recognise(
        is_given.then_some(&topic.format),
        &Sample::Messages(copy),
        inspect.config.definition.decimals(),
    );
    if let Some(schemas) = schemas {
        return Ok((recognition, Some(Arc::clone(&schemas.mapping))));
    }
    let mapping = recognition.format.as_ref().map_or(Ok(None), mapping_of).map_err(|words| anyhow!(words))?;
    Ok((recognition, mapping))
}

/// The schemas that a topic's records name.
struct Schemas {
    registry: Arc<Registry>,
    mapping: Arc<Mapping>,
}

impl Schemas {
    /// Those of a topic whose format needs a registry.
    fn of(inspect: &Inspect, topic: &TopicSource) -> Result<Option<Schemas>> {
        let mapping = topic.format.mapping()?.filter(|mapping| mapping.needs_registry());
        let Some((mapping, address)) = mapping.zip(topic.registry.as_ref()) else { return Ok(None) };
        let registry = Registry::new(address, inspect.config.verbosity)?;
        Ok(Some(Schemas { registry, mapping }))
    }

    fn wait_for(&self, chunk: &Chunk) -> Result<(), Failure> {
        let waited = self.registry.wait_for(&self.mapping, chunk);
        waited.map_err(|words| Failure::new(Exit::Unreachable, words))
    }
}

impl Looking {
    fn take(&mut self, chunk: Chunk) {
        if self.survey.take(&chunk).is_break() {
            // Its queue stays full, so that its reader leaves it alone.
            self.has_ended = true;
        }
        self.feed.feed.recycle(chunk);
    }
}
