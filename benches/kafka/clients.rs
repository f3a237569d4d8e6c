//! The yardstick: clients with the product's own settings that only count.

use crate::Asked;
use crate::broker::reader;
use anyhow::{Context, Result, bail};
use crossrate::kafka::ErrorListener;
use crossrate::kafka::queue::Queue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Counts the records of a topic: `--clients N` in parallel, with a share of its partitions each,
/// `--how poll` or `batch`.
pub(crate) fn count(asked: &Asked) -> Result<()> {
    let topic: String = asked.get("topic", "trades".to_owned())?;
    let clients: usize = asked.get("clients", 1)?;
    let how: String = asked.get("how", "batch".to_owned())?;
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let (topic, batches) = (topic.clone(), how == "batch");
            std::thread::spawn(move || one(&topic, client, clients, batches))
        })
        .collect();
    let mut total = (0, 0);
    for thread in threads {
        let (records, bytes) = thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        total = (total.0 + records, total.1 + bytes);
    }
    println!("{} {}", total.0, total.1);
    // What the clients would still do at their end is no part of counting.
    std::process::exit(0);
}

fn one(topic: &str, client: usize, clients: usize, batches: bool) -> Result<(u64, u64)> {
    let consumer = reader(4_usize.div_ceil(clients))?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let count = metadata.topics().first().context("no such topic")?.partitions().len();
    let mine: Vec<i32> = (0..count).filter(|p| p % clients == client).map(|p| p as i32).collect();
    let mut list = TopicPartitionList::new();
    for partition in &mine {
        let (low, _) = consumer.fetch_watermarks(topic, *partition, PATIENCE)?;
        list.add_partition_offset(topic, *partition, Offset::Offset(low))?;
    }
    let consumer = Arc::new(consumer);
    let counted = if batches {
        by_batches(&consumer, topic, &mine, &list)
    } else {
        consumer.assign(&list)?;
        by_poll(&consumer, mine.len())
    };
    // Kept: its end takes time that is none of the counting.
    std::mem::forget(consumer);
    counted
}

fn by_poll(consumer: &BaseConsumer<ErrorListener>, mut open: usize) -> Result<(u64, u64)> {
    let (mut records, mut bytes) = (0, 0);
    while open > 0 {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                records += 1;
                bytes += message.payload().map_or(0, <[u8]>::len) as u64;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Ok((records, bytes))
}

fn by_batches(
    consumer: &Arc<BaseConsumer<ErrorListener>>,
    topic: &str,
    partitions: &[i32],
    list: &TopicPartitionList,
) -> Result<(u64, u64)> {
    let me = std::thread::current();
    let mut queues = Vec::new();
    for partition in partitions {
        let mut queue = Queue::new(consumer, topic, *partition).context("no queue")?;
        let thread = me.clone();
        queue.on_news(move || thread.unpark());
        queues.push(queue);
    }
    consumer.incremental_assign(list)?;
    let (mut records, mut bytes) = (0, 0);
    while !queues.is_empty() {
        let mut came = false;
        let mut at = 0;
        while at < queues.len() {
            let mut ended = false;
            while let Some(event) = queues[at].poll() {
                came = true;
                match event {
                    Ok(record) => {
                        records += 1;
                        bytes += record.value.map_or(0, <[u8]>::len) as u64;
                    }
                    Err(KafkaError::PartitionEOF(_)) => {
                        ended = true;
                        break;
                    }
                    Err(error) => bail!(error),
                }
            }
            if ended {
                std::mem::forget(queues.swap_remove(at));
            } else {
                at += 1;
            }
        }
        if !came {
            let _ = consumer.poll(Duration::ZERO);
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
    Ok((records, bytes))
}
