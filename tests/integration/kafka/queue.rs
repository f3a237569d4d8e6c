//! Records out of librdkafka by batches.

use super::rig::{self, PATIENCE, Record};
use crossrate::config::{KafkaClient, Verbosity};
use crossrate::kafka::queue::{Queue, Record as Given};
use crossrate::kafka::{self, Listener};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// Reads a queue to where it says that the log ends; how many records there were, each compared.
fn read(queue: &mut Queue, partition: i32, from: usize, expected: &[&Record]) {
    let mut nth = from;
    loop {
        match queue.next(PATIENCE) {
            Some(Ok(given)) => {
                let record = expected[nth];
                let (key, value) = (record.key.as_deref(), record.value.as_deref());
                let timestamp_ms = record.timestamp.expect("a time");
                assert_eq!(given, Given { offset: nth as i64, timestamp_ms, key, value });
                nth += 1;
            }
            Some(Err(KafkaError::PartitionEOF(found))) => {
                assert_eq!((found, nth), (partition, expected.len()));
                return;
            }
            other => panic!("after {nth} records: {other:?}"),
        }
    }
}

#[test]
#[ignore = "needs Java"]
fn a_queue_gives_each_record_once_and_in_order_and_says_where_the_log_ends() {
    let kafka = rig::kafka();
    let topic = kafka.topic("queue", 2);
    // More than any batch, with and without keys, tombstones among them.
    let record = |n: i64| Record {
        partition: (n % 2) as i32,
        key: (n % 3 == 0).then(|| format!("key {n}").into_bytes()),
        value: (n % 7 != 0).then(|| format!("value {n}").into_bytes()),
        timestamp: Some(1_600_000_000_000 + n),
    };
    let records: Vec<Record> = (0..4_000).map(record).collect();
    kafka.produce(&topic, &records);
    let reached = KafkaClient { brokers: kafka.brokers.clone(), properties: BTreeMap::new() };
    let own = [&[("group.id", "crossrate-tests")], kafka::READING].concat();
    let client: BaseConsumer<Listener> =
        kafka::client(&reached, &Listener::new(Verbosity::Quiet), &[], &own).expect("a client");
    let client = Arc::new(client);
    let mut list = TopicPartitionList::new();
    let mut queues: Vec<Queue> = Vec::new();
    for partition in 0..2 {
        list.add_partition_offset(&topic, partition, Offset::Offset(0)).expect("a place");
        queues.push(Queue::new(&client, &topic, partition).expect("a queue"));
    }
    let (woken, news) = mpsc::channel();
    // Nobody may be listening any more.
    queues[1].on_news(move || woken.send(()).unwrap_or_default());
    client.incremental_assign(&list).expect("assigned");
    let of = |partition| records.iter().filter(move |r| r.partition == partition).collect::<Vec<_>>();
    // On another thread than the one that made it.
    let mut queue = queues.remove(0);
    let mut first = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            read(&mut queue, 0, 0, &of(0));
            assert!(!queue.holds_some() && queue.next(Duration::ZERO).is_none());
            queue
        });
        reading.join().expect("read")
    });
    news.recv_timeout(PATIENCE).expect("told that there is something");
    // What was taken and not given goes with the queue, whenever that is.
    let second = &mut queues[0];
    assert!(matches!(second.next(PATIENCE), Some(Ok(Given { offset: 0, .. }))));
    assert!(second.holds_some());
    drop(queues);
    // What comes later comes out too.
    let more = [record(4_000), record(4_002)];
    kafka.produce(&topic, &more);
    for (offset, record) in (2_000..).zip(&more) {
        let given = loop {
            // The two may have come apart, each with an end of the log behind it.
            match first.next(PATIENCE) {
                Some(Err(KafkaError::PartitionEOF(0))) => {}
                other => break other.expect("a record").expect("no error"),
            }
        };
        assert_eq!((given.offset, given.value), (offset, record.value.as_deref()));
    }
    assert!(Queue::new(&client, "no\0name", 0).is_none());
}
