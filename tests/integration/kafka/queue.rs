//! Records out of librdkafka by batches.

use super::rig::{self, PATIENCE, Record};
use crossrate::config::{KafkaClient, Verbosity};
use crossrate::kafka::queue::{Queue, QueuedRecord as Given};
use crossrate::kafka::{self, ErrorListener};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A record that outlives the queue.
struct Owned {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// Waits for what comes next.
fn next(queue: &mut Queue) -> Option<Result<Owned, KafkaError>> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(given) = queue.poll() {
            return Some(given.map(|Given { offset, timestamp_ms, key, value }| {
                let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                Owned { offset, timestamp_ms, key: owned(key), value: owned(value) }
            }));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Reads a queue to where it says that the log ends; how many records there were, each compared.
fn read(queue: &mut Queue, partition: i32, from: usize, expected: &[&Record]) {
    let mut nth = from;
    loop {
        match next(queue) {
            Some(Ok(given)) => {
                let record = expected[nth];
                assert_eq!((given.offset, Some(given.timestamp_ms)), (nth as i64, record.timestamp));
                assert_eq!((&given.key, &given.value), (&record.key, &record.value));
                nth += 1;
            }
            Some(Err(KafkaError::PartitionEOF(found))) => {
                assert_eq!((found, nth), (partition, expected.len()));
                return;
            }
            Some(Err(error)) => panic!("after {nth} records: {error}"),
            None => panic!("nothing after {nth} records"),
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
    let client: BaseConsumer<ErrorListener> =
        kafka::client(&reached, &ErrorListener::new(Verbosity::Quiet), &[], &own).expect("a client");
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
            assert!(!queue.holds_some() && queue.poll().is_none());
            queue
        });
        reading.join().expect("read")
    });
    news.recv_timeout(PATIENCE).expect("told that there is something");
    // What was taken and not given goes with the queue, whenever that is.
    let second = &mut queues[0];
    assert!(matches!(next(second), Some(Ok(Owned { offset: 0, .. }))));
    assert!(second.holds_some());
    drop(queues);
    // What comes later comes out too.
    let more = [record(4_000), record(4_002)];
    kafka.produce(&topic, &more);
    for (offset, record) in (2_000..).zip(&more) {
        let given = loop {
            // The two may have come apart, each with an end of the log behind it.
            match next(&mut first) {
                Some(Err(KafkaError::PartitionEOF(0))) => {}
                other => break other.expect("a record").expect("no error"),
            }
        };
        assert_eq!((given.offset, &given.value), (offset, &record.value));
    }
    assert!(Queue::new(&client, "no\0name", 0).is_none());
}
